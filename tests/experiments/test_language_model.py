"""The language model as a user runs it: train, interrupt, resume, evaluate, sample, stumble."""

import os
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax.data import streams, text
from rnn_jax.train import cli, read_metrics, saved

for library in ("tyro", "tqdm", "matplotlib"):
    pytest.importorskip(library)

from experiments import language_model as lm  # noqa: E402

ROOT = Path(__file__).parents[2]
TINY = ["--preset", "tiny", "--chunk-size", "6", "--hidden-size", "12", "--steps", "9"]
TINY += ["--eval-every", "4", "--batch-size", "4"]


def main(*argv):
    return cli.main("lm", [lm.train, lm.evaluate, lm.sample], lm.PRESETS, argv)


@pytest.fixture(scope="module")
def play(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "play.txt"
    rng = np.random.default_rng(0)
    words = ["to be", "or not", "that is", "the question", "whether\n"]
    path.write_text(" ".join(rng.choice(words, 400)))
    return str(path)


@pytest.fixture(scope="module")
def whole(play, tmp_path_factory):
    """An uninterrupted run."""
    directory = tmp_path_factory.mktemp("runs") / "whole"
    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        assert main(*TINY, "--data", play, "--run-dir", str(directory)) == 0
    return directory


def contents(directory):
    return {p: p.read_bytes() for p in directory.rglob("*") if p.is_file()}


def test_a_run_leaves_everything_behind(whole):
    names = {path.name for path in whole.iterdir() if not path.name.startswith(".")}
    assert names == {"config.json", "metrics.jsonl", "samples.txt", "curve.png", "checkpoints"}
    metrics = read_metrics(whole)
    assert [line["step"] for line in metrics if "loss" in line] == list(range(1, 10))
    assert [line["step"] for line in metrics if "held_out_loss" in line] == [4, 8, 9]
    assert (whole / "samples.txt").read_text().count("--- step ") == 3
    assert sorted(p.name for p in (whole / "checkpoints").iterdir()) == ["8", "9"]


def test_an_interrupted_run_ends_bit_for_bit_like_an_uninterrupted_one(
    whole, play, tmp_path, monkeypatch, capsys
):
    command = [*TINY, "--data", play, "--run-dir", str(tmp_path / "whole")]
    step = lm.train_step

    def interrupted(config, state, chunk):
        if int(state.step) in (2, 6):  # one before the first checkpoint, one after
            signal.raise_signal(signal.SIGINT)
        return step(config, state, chunk)

    monkeypatch.setattr(lm, "train_step", interrupted)
    assert main(*command) == cli.INTERRUPTED
    assert "stopped by SIGINT after step 3; run it again to go on" in capsys.readouterr().out
    assert main(*command) == cli.INTERRUPTED
    assert main(*command) == 0
    for name in ("metrics.jsonl", "samples.txt", "curve.png"):
        assert (tmp_path / "whole" / name).read_bytes() == (whole / name).read_bytes(), name


def test_the_state_is_carried_over_chunks_and_starts_anew_with_the_streams():
    config = lm.Config(hidden_size=8, embedding_size=4, batch_size=2, chunk_size=2, dropout=0.0)
    state = lm.initial_state(config, 7)
    tokens = np.random.default_rng(1).integers(0, 7, 17)
    batches = streams.Streams(tokens, 2, 2)
    inputs = np.concatenate([batches.chunk(step).inputs for step in range(4)])
    forward = jax.jit(partial(lm.forward, config, state.params))
    logits, final = forward(inputs)
    assert [batches.chunk(step).first for step in range(5)] == [True, False, False, False, True]
    carry = None
    for step in range(4):
        part, carry = forward(batches.chunk(step).inputs, carry)
        np.testing.assert_allclose(part, logits[2 * step : 2 * step + 2], rtol=0, atol=1e-5)
    np.testing.assert_allclose(carry.c, final.c, rtol=0, atol=1e-5)
    # In training the carried state is forgotten where the streams start, and only there.
    for first, start in ((True, None), (False, carry)):
        chunk = batches.chunk(2)._replace(first=first)
        expected = lm.nats(config, state.params, chunk, start)[0].mean()
        copy = jax.tree.map(jnp.copy, state._replace(carry=carry))
        _, metrics = lm.train_step(config, copy, chunk)
        np.testing.assert_allclose(metrics["loss"], expected, rtol=1e-5)


def test_held_out_loss_is_that_of_one_pass_over_each_stream():
    config = lm.Config(hidden_size=8, embedding_size=4, chunk_size=3)
    params = lm.initial_state(config, 7).params
    tokens = np.random.default_rng(2).integers(0, 7, 16 * 5 + 1)
    inputs, targets = tokens[:-1].reshape(16, 5).T, tokens[1:].reshape(16, 5).T
    log_p = jax.nn.log_softmax(lm.forward(config, params, inputs)[0])
    expected = -np.take_along_axis(np.asarray(log_p), targets[..., None], axis=-1).mean()
    assert lm.held_out_loss(config, params, tokens) == pytest.approx(expected, rel=1e-5)


def test_dropout_acts_in_training_only_and_keeps_the_mean():
    config = lm.Config(hidden_size=64, embedding_size=4, dropout=0.5)
    params = lm.initial_state(config, 5).params
    tokens = np.zeros((3, 8), int)
    plain, _ = lm.forward(config, params, tokens)
    keys = jax.random.split(jax.random.key(0), 500)
    dropped = jax.vmap(lambda key: lm.forward(config, params, tokens, None, key)[0])(keys)
    assert jnp.std(dropped, axis=0).min() > 0
    np.testing.assert_allclose(dropped.mean(axis=(0, 2)), plain.mean(axis=1), atol=0.02)


def test_sampling_follows_the_seed_and_the_model(whole, capsys):
    def sample(*argv):
        assert main("sample", "--run-dir", str(whole), "--length", "30", *argv) == 0
        return capsys.readouterr().out

    first = sample("--prime", "to be")
    assert first.startswith("to be") and len(first) == 5 + 30 + 1
    assert sample("--prime", "to be") == first
    assert sample("--prime", "to be", "--seed", "1") != first
    greedy = sample("--prime", "to be", "--temperature", "0")
    assert greedy == sample("--prime", "to be", "--temperature", "0", "--seed", "1")
    # The greedy text is what the model finds most probable, one character after the other.
    run_ = saved.read_run(whole)
    config, vocabulary = run_.config(lm.Config), text.Vocabulary(run_.notes["vocabulary"])
    params = run_.restore(lm.initial_state(config, vocabulary.size)).params
    tokens = vocabulary.encode(greedy[:-1])
    best = lm.forward(config, params, tokens[:, None])[0][:, 0].argmax(-1)
    np.testing.assert_array_equal(best[4:-1], tokens[5:])


def test_evaluate_repeats_the_last_evaluation(whole, play, capsys):
    assert main("evaluate", "--run-dir", str(whole)) == 0
    said = capsys.readouterr().out
    assert f"{read_metrics(whole)[-1]['held_out_loss']:.4f} nats" in said
    assert "3-gram" in said and "5-gram" in said
    assert main("evaluate", "--run-dir", str(whole), "--data", __file__) == 2
    assert "is not the text of this run" in capsys.readouterr().err


def test_another_configuration_is_refused_and_nothing_is_touched(whole, play, capsys):
    before = contents(whole)
    command = [*TINY, "--data", play, "--run-dir", str(whole)]
    assert main(*command, "--hidden-size", "13", "--learning-rate", "0.5") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "hidden_size 12 there, 13 here; learning_rate 0.01 there, 0.5 here" in line
    assert main(*TINY, "--run-dir", str(whole)) == 2  # the built-in text
    assert ": data sha256:" in capsys.readouterr().err
    assert contents(whole) == before


@pytest.mark.parametrize("command", ["train", "evaluate", "sample"])
def test_every_flag_is_explained(command, capsys):
    with pytest.raises(SystemExit):
        main(command, "--help")
    said = capsys.readouterr().out
    assert "--run-dir" in said
    assert re.findall(r"--[a-z-]+ \S+ +\(default", said) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "is empty"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"to be", "5 characters cannot be split"),
        (b"to be or not to be, that", "do not fill one batch of 4 streams x 6 characters"),
    ],
)
def test_a_bad_text_is_one_line_and_makes_no_run(tmp_path, capsys, content, message):
    path, directory = tmp_path / "text.txt", tmp_path / "run"
    if content is not None:
        path.write_bytes(content)
    assert main(*TINY, "--data", str(path), "--run-dir", str(directory)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not directory.exists()


def test_a_text_of_one_symbol_and_a_run_of_one_step(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a" * 200)
    command = [*TINY, "--data", str(path), "--run-dir", str(tmp_path / "run"), "--steps", "1"]
    assert main(*command, "--warmup-steps", "0") == 0
    assert read_metrics(tmp_path / "run")[-1]["held_out_loss"] == 0.0


@pytest.mark.slow
def test_a_killed_run_ends_like_an_uninterrupted_one(play, tmp_path):
    """SIGKILL at any moment, as a user's machine would do it; three processes in all."""

    def command(name):
        flags = [*TINY, "--steps", "600", "--eval-every", "50", "--data", play]
        script = [sys.executable, "-m", "experiments.language_model", *flags]
        return [*script, "--run-dir", str(tmp_path / name)]

    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    subprocess.run(command("whole"), cwd=ROOT, env=environment, check=True)
    process = subprocess.Popen(command("killed"), cwd=ROOT, env=environment)
    deadline = time.monotonic() + 120
    while not (tmp_path / "killed" / "checkpoints" / "100").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert len(read_metrics(tmp_path / "killed")) < 612
    subprocess.run(command("killed"), cwd=ROOT, env=environment, check=True)
    for name in ("metrics.jsonl", "samples.txt"):
        a, b = ((tmp_path / run / name).read_bytes() for run in ("whole", "killed"))
        assert a == b, name

"""The language model as a user runs it: train, interrupt, resume, evaluate, sample, stumble."""

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

from rnn_jax.data import streams
from rnn_jax.train import cli, read_metrics

for library in ("tyro", "tqdm", "matplotlib"):
    pytest.importorskip(library)

from experiments import language_model as lm  # noqa: E402

ROOT = Path(__file__).parents[2]
TINY = ["--preset", "tiny", "--chunk-size", "6", "--hidden-size", "12", "--steps", "9"]
TINY += ["--eval-every", "4", "--batch-size", "4", "--parallel", "none"]


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
    files = {"config.json", "metrics.jsonl", "samples.txt", "curve.png", "checkpoints"}
    assert names == files | {"vocabulary.json", "speed.jsonl", "report.json", "commands.jsonl"}
    metrics = read_metrics(whole)
    assert [line["step"] for line in metrics if "loss" in line] == list(range(1, 10))
    assert [line["step"] for line in metrics if "held_out_loss" in line] == [4, 8, 9]
    assert (whole / "samples.txt").read_text().count("--- step ") == 3
    assert {"8", "9"} <= {p.name for p in (whole / "checkpoints").iterdir()}


def test_an_interrupted_run_ends_bit_for_bit_like_an_uninterrupted_one(
    whole, play, tmp_path, monkeypatch, capsys
):
    command = [*TINY, "--data", play, "--run-dir", str(tmp_path / "whole")]
    chunk = streams.Streams.chunk
    seen = []

    def interrupted(self, step):
        seen.append(step)
        if step in (3, 7) and seen.count(step) == 1:  # made ahead of the step that is under way
            os.kill(os.getpid(), signal.SIGINT)
        return chunk(self, step)

    monkeypatch.setattr(streams.Streams, "chunk", interrupted)
    assert main(*command) == cli.INTERRUPTED
    assert re.search(r"stopped by SIGINT after step [1-4]; run it", capsys.readouterr().out)
    assert main(*command) == cli.INTERRUPTED
    assert main(*command) == 0
    for name in ("metrics.jsonl", "samples.txt", "curve.png"):
        assert (tmp_path / "whole" / name).read_bytes() == (whole / name).read_bytes(), name


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
    several = sample("--prime", "to be", "--samples", "3", "--top-p", "0.9")
    assert several.count("to be") >= 3 and len(several) == 3 * (5 + 30 + 1)
    assert sample("--prime", "to be", "--length", "3", "--top-p", "1e-9") == greedy[:8] + "\n"
    assert main("sample", "--run-dir", str(whole), "--length", "4", "--prime", "be") == 0
    assert re.fullmatch(r"--- ln p = -\d+\.\d, \d+\.\d+ nats per token\n", capsys.readouterr().err)


def test_a_prompt_comes_from_standard_input_and_must_be_known(whole, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("the question"))
    assert main("sample", "--run-dir", str(whole), "--prime", "-", "--length", "4") == 0
    assert capsys.readouterr().out.startswith("the question")
    assert main("sample", "--run-dir", str(whole), "--prime", "to be {}") == 2
    assert "prime: unknown to this run's vocabulary: { }" in capsys.readouterr().err
    assert main("sample", "--run-dir", str(whole), "--prime", "be", "--top-p", "1.5") == 2
    assert "p must lie in (0, 1], got 1.5" in capsys.readouterr().err


def test_evaluate_repeats_the_best_evaluation(whole, play, capsys):
    flags = ["--dynamic-evaluation", "--cache", "--window", "20", "--segment", "9"]
    assert main("evaluate", "--run-dir", str(whole), *flags) == 0
    lines = capsys.readouterr().out.splitlines()
    best = min(line["held_out_loss"] for line in read_metrics(whole) if "held_out_loss" in line)
    assert f"validation: {best:.4f} nats" in lines[0]
    assert [line.split(":")[0] for line in lines[1:]] == [
        "with dynamic evaluation", "with a neural cache"
    ]  # fmt: skip
    for line in lines:
        assert "3-gram" in line and "5-gram" in line
        assert 0 < float(re.findall(r": ([\d.]+) nats", line)[0]) < 4
    assert main("evaluate", "--run-dir", str(whole), "--data", __file__) == 2
    assert "is not the text of this run" in capsys.readouterr().err
    assert main("evaluate", "--run-dir", str(whole), "--part", "test") == 2
    assert "test: this corpus has no such part" in capsys.readouterr().err


@pytest.mark.slow
def test_words_with_files_to_validate_and_test(play, tmp_path, capsys):
    part = tmp_path / "part.txt"
    part.write_text("to be or not to be\nthat is the unheard question\n")
    command = [*TINY, "--tokens", "words", "--data", play, "--validation", str(part)]
    command += ["--test", str(part), "--run-dir", str(tmp_path / "run"), "--steps", "4"]
    assert main(*command) == 0
    assert re.search(r"held out \d\.\d+ nats per word, perplexity", capsys.readouterr().out)
    assert main("evaluate", "--run-dir", str(tmp_path / "run"), "--part", "test") == 0
    said = capsys.readouterr().out
    assert re.match(r"test: \d\.\d+ nats per word, perplexity \d+\.\d+ \(1-gram", said)


def test_another_configuration_is_refused_and_nothing_is_touched(whole, play, capsys):
    before = contents(whole)
    command = [*TINY, "--data", play, "--run-dir", str(whole)]
    assert main(*command, "--hidden-size", "13", "--learning-rate", "0.5") == cli.MISMATCH
    (line,) = capsys.readouterr().err.splitlines()
    assert "hidden_size 12 there, 13 here" in line and "learning_rate 0.01 there, 0.5 here" in line
    assert main(*TINY, "--run-dir", str(whole)) == cli.MISMATCH  # the built-in text
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
        (b"to be", "do not fill one batch of 4 streams x 6 tokens"),
        (b"to be or not to be, that", "do not fill one batch of 4 streams x 6 tokens"),
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


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--driver", "associative"], "driver: lstm is not affine"),
        (["--cell", "gru", "--forget-bias", "1"], "forget_bias: gru has none"),
        (["--tied", "--embedding-size", "8", "--cell", "lru", "--weight-dropout", "0.5"], "w_h"),
        (["--cell", "lstn"], "invalid choice"),
        (["--schedule", "staircase", "--decay-rate", "0"], "decay_rate=0"),
        (["--validation", "v.txt"], "validation and test go with a file"),
        (["--data", "tfds:no_such_thing"], "no_such_thing"),
    ],
)
def test_wrong_flags_are_one_line_and_make_no_run(tmp_path, capsys, flags, message):
    assert main(*TINY, "--run-dir", str(tmp_path / "run"), *flags) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_text_of_one_symbol_and_a_run_of_one_step_on_many_devices(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a" * 200)
    command = [*TINY, "--data", str(path), "--run-dir", str(tmp_path / "run"), "--steps", "1"]
    command += ["--warmup-steps", "0", "--batch-size", "8", "--parallel", "shard_map"]
    assert main(*command) == 0
    assert read_metrics(tmp_path / "run")[-1]["held_out_loss"] < np.log(5)


@pytest.mark.slow
def test_a_killed_run_ends_like_an_uninterrupted_one(play, tmp_path):
    """SIGKILL at any moment, as a user's machine would do it; three processes in all."""

    def command(name):
        flags = [*TINY, "--steps", "200", "--eval-every", "20", "--data", play]
        script = [sys.executable, "-m", "experiments.language_model", *flags]
        return [*script, "--run-dir", str(tmp_path / name)]

    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",  # compiling takes most of the time
    }
    subprocess.run(command("whole"), cwd=ROOT, env=environment, check=True)
    process = subprocess.Popen(command("killed"), cwd=ROOT, env=environment)
    deadline = time.monotonic() + 300
    while not (tmp_path / "killed" / "checkpoints" / "40").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert len(read_metrics(tmp_path / "killed")) < 210  # steps and reports
    subprocess.run(command("killed"), cwd=ROOT, env=environment, check=True)
    for name in ("metrics.jsonl", "samples.txt"):
        a, b = ((tmp_path / run / name).read_bytes() for run in ("whole", "killed"))
        assert a == b, name

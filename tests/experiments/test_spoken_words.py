"""Spoken words as a user has them: train, evaluate, stumble."""

import numpy as np
import pytest

from rnn_jax.train import cli, read_metrics

for library in ("tyro", "tqdm", "matplotlib", "soundfile"):
    pytest.importorskip(library)

import soundfile  # noqa: E402

from experiments import spoken_words as script  # noqa: E402

COMMANDS = [script.train, script.evaluate]


def main(*argv):
    return cli.main("spoken_words", COMMANDS, script.PRESETS, [str(a) for a in argv])


@pytest.fixture(scope="module")
def calls(tmp_path_factory):
    """60 recordings, in silence of some length: "up" rises from 500 Hz, "down" falls to it."""
    path, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    lines = ["path\ttext\tsplit"]
    for i in range(60):
        word = ("up", "down")[i % 2]
        hz = np.linspace(500, 1500, 3200)[:: 1 if word == "up" else -1]
        tone = rng.uniform(0.05, 0.5) * np.sin(2 * np.pi * np.cumsum(hz) / 8000)
        silent = [np.zeros(rng.integers(100, 4000)) for _ in range(2)]
        samples = np.concatenate([silent[0], tone, silent[1]])
        samples += 1e-4 * rng.standard_normal(samples.shape)
        soundfile.write(path / f"{i}.wav", samples, 8000)
        lines.append(f"{i}.wav\t{word}\t{'train' if i < 36 else 'dev' if i < 44 else 'test'}")
    (path / "calls.tsv").write_text("\n".join(lines) + "\n")
    return path / "calls.tsv"


@pytest.mark.slow
@pytest.mark.parametrize("network", ["rnn", "tdnn"])
def test_it_learns_what_only_the_order_of_time_tells(network, calls, tmp_path, capsys):
    run = tmp_path / "run"
    flags = ["--preset", "tiny", "--run-dir", run, "--data", calls, "--network", network]
    flags += ["--batch-size", 16, "--parallel", "none", "--band-warp", 0]
    assert main(*flags) == 0
    assert read_metrics(run)[-1]["held_out_loss"] < 0.5 * np.log(2)
    assert {"confusion.png", "curve.png"} <= {path.name for path in run.iterdir()}
    capsys.readouterr()
    assert main("evaluate", "--run-dir", run) == 0
    said = capsys.readouterr().out
    assert float(said.split("%")[0].split()[-1]) > 90 and "of 16 right (always the same:" in said
    assert (run / "test.png").exists()


def test_a_word_that_was_not_to_learn_from_is_named(calls, tmp_path, capsys):
    text = (
        calls.read_text()
        .replace("50.wav\tup", "50.wav\tleft")
        .replace("40.wav\tup", "40.wav\tleft")
    )
    (other := calls.with_name("other.tsv")).write_text(text)
    run = tmp_path / "run"
    assert main("--preset", "tiny", "--run-dir", run, "--data", other) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "data: 'left' is none of what was learnt: down, up" in line
    assert not run.exists()

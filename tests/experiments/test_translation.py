"""The translator as a user runs it: train, resume, evaluate, translate, stumble."""

import io
import sys

import numpy as np
import pytest

from rnn_jax.train import cli, read_metrics

for library in ("tyro", "tqdm", "matplotlib", "sacrebleu"):
    pytest.importorskip(library)

from experiments import translation as script  # noqa: E402

COMMANDS = [script.train, script.evaluate, script.translate]


def main(*argv):
    return cli.main("translation", COMMANDS, script.PRESETS, [str(a) for a in argv])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Numbers in two spellings: a word for a digit."""
    words = "null eins zwei drei vier".split()
    path, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    lines = [rng.integers(0, 5, rng.integers(1, 4)).tolist() for _ in range(120)]
    (path / "a.de").write_text("".join(" ".join(words[d] for d in line) + "\n" for line in lines))
    (path / "a.en").write_text("".join(" ".join(map(str, line)) + "\n" for line in lines))
    return path


@pytest.mark.slow
def test_it_trains_resumes_evaluates_and_translates(files, tmp_path, capsys, monkeypatch):
    run = tmp_path / "run"
    flags = ["--preset", "tiny", "--run-dir", run, "--data", f"{files}/a.de,{files}/a.en"]
    flags += ["--tokens", "words", "--learning-rate", "0.03", "--parallel", "none"]
    flags += ["--steps", "80", "--eval-every", "40", "--dropout", "0"]
    assert main("train", *flags) == 0
    first = read_metrics(run)
    assert first[-1]["step"] == 80 and first[-1]["held_out_loss"] < 0.3
    assert main("train", *flags) == 0
    assert "80 of 80 steps are done" in capsys.readouterr().out and read_metrics(run) == first
    assert main("train", *flags, "--hidden-size", "25") == 2
    assert "hidden_size 24 there, 25 here" in capsys.readouterr().err

    assert main("evaluate", "--run-dir", run, "--beam-size", "2") == 0
    said = capsys.readouterr().out
    assert said.startswith("test: BLEU ") and "tok:13a" in said
    monkeypatch.setattr(sys, "stdin", io.StringIO("drei eins\nvier  sechs\n"))
    assert main("translate", "--run-dir", run) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "3 1" and len(said.out.splitlines()) == 2
    assert said.err == "unknown to the model: sechs\n"


def test_bad_input_is_one_line_and_leaves_nothing(files, tmp_path, capsys):
    run = tmp_path / "run"
    (tmp_path / "short.en").write_text("1\n")
    for data, message in (
        (f"{files}/a.de,{tmp_path}/short.en", "a.de has 120 lines and"),
        (f"{files}/b.de,{files}/a.en", "no such file"),
        ("builtin:de-xx", "'xx' is not one of"),
    ):
        assert main("train", "--preset", "tiny", "--run-dir", run, "--data", data) == 2
        said = capsys.readouterr().err
        assert message in said and said.count("\n") == 1
    assert main("evaluate", "--run-dir", run) == 2
    assert "no run in" in capsys.readouterr().err
    assert not run.exists()

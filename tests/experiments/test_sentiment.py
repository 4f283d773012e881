"""Classes of texts as a user has them: train, evaluate, predict, stumble."""

import io
import sys

import numpy as np
import pytest

from rnn_jax.train import cli, read_metrics

for library in ("tyro", "tqdm", "matplotlib", "sklearn"):
    pytest.importorskip(library)

from experiments import sentiment as script  # noqa: E402

COMMANDS = [script.train, script.evaluate, script.predict]


def main(*argv):
    return cli.main("sentiment", COMMANDS, script.PRESETS, [str(a) for a in argv])


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """What decides is whether "not" stands before "good": a bag of words cannot know."""
    path, rng = tmp_path_factory.mktemp("data") / "a.tsv", np.random.default_rng(0)
    lines = []
    for k in range(500):
        words, negative = ["good", *rng.choice(["film", "plot", "it", f"w{k}"], 5)], k % 2
        place = rng.integers(0, 3)
        words = [*words[1 : 1 + place], *words[:1], *words[1 + place :]]
        at = words.index("good") + (0 if negative else 1)
        lines.append(
            ("bad\t" if negative else "fine\t") + " ".join([*words[:at], "not", *words[at:]])
        )
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.slow
def test_it_learns_what_naive_bayes_cannot(table, tmp_path, capsys, monkeypatch):
    run = tmp_path / "run"
    flags = ["--preset", "tiny", "--run-dir", run, "--data", table, "--parallel", "none"]
    assert main(*flags, "--steps", "150", "--eval-every", "50", "--learning-rate", "0.02") == 0
    assert read_metrics(run)[-1]["held_out_loss"] < 0.3 < np.log(2)
    names = {path.name for path in run.iterdir()}
    assert {"attention.png", "curve.png", "vocabulary.json"} <= names
    capsys.readouterr()
    assert main("evaluate", "--run-dir", run) == 0
    said = capsys.readouterr().out
    right, bayes = (float(part.split("%")[0].split()[-1]) for part in said.split("naive Bayes"))
    assert right > 90 > 75 > bayes and (run / "test.png").exists()
    monkeypatch.setattr(sys, "stdin", io.StringIO("film NOT good it\n\n  it good not plot\n"))
    assert main("predict", "--run-dir", run) == 0
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [(row[0], row[2]) for row in rows] == [
        ("bad", "film NOT good it"), ("fine", "it good not plot")
    ]  # fmt: skip
    assert all(0.5 < float(row[1]) <= 1 for row in rows)
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main("predict", "--run-dir", run) == 0 and capsys.readouterr().out == ""


@pytest.mark.slow
def test_the_tiny_preset_reads_docstrings(tmp_path, capsys):
    flags = ["--preset", "tiny", "--run-dir", tmp_path / "run", "--pooling", "max"]
    assert main(*flags, "--parallel", "none") == 0
    assert "3 classes: class, function, module" in capsys.readouterr().out
    assert read_metrics(tmp_path / "run")[-1]["held_out_loss"] < 0.55 < 0.62  # class frequencies


def test_bad_input_is_one_line_and_leaves_nothing(table, tmp_path, capsys):
    run, short = tmp_path / "run", tmp_path / "a.txt"
    short.write_text("bad no tab\n")
    for flags, message in (
        (["--data", short], "is one file: give one that is called .tsv"),
        (["--data", tmp_path / "b.tsv"], "no such file"),
        (["--data", table, "--test", table], "both validation and test"),
        (["--data", table, "--pooling", "median"], "invalid choice"),
        (["--data", table, "--max-length", "0"], "--max-length: 0 is not in 1..inf"),
    ):
        assert main("--run-dir", run, *flags) == 2
        said = capsys.readouterr().err
        assert message in said and said.count("\n") == 1
    for command in ("evaluate", "predict"):
        assert main(command, "--run-dir", run) == 2
        assert "no run in" in capsys.readouterr().err and not run.exists()

"""Tags of words as a user has them: train, evaluate, predict, stumble."""

import io
import sys

import numpy as np
import pytest

from rnn_jax.train import cli, read_metrics
from rnn_jax.train.checkpoint import Checkpoints

for library in ("tyro", "tqdm", "matplotlib"):
    pytest.importorskip(library)

from experiments import tagging as script  # noqa: E402

COMMANDS = [script.train, script.evaluate, script.predict]


def main(*argv):
    return cli.main("tagging", COMMANDS, script.PRESETS, [str(a) for a in argv])


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """A word after "in" is a city, after "meet" a person, whatever it is: context alone tells."""
    path, rng = tmp_path_factory.mktemp("data") / "a.conll", np.random.default_rng(0)
    text = ""
    for _ in range(500):
        for _ in range(rng.integers(1, 4)):
            kind, first = (("city", "in"), ("person", "meet"))[rng.integers(2)]
            name = rng.choice(["Avon", "Bree", "Cato", "Dunn"], rng.integers(1, 3))
            text += f"{first}\tO\n" + f"{name[0]}\tB-{kind}\n"
            text += "".join(f"{word}\tI-{kind}\n" for word in name[1:])
        text += "\n"
    path.write_text(text)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("crf", ["--crf", "--no-crf"])
def test_it_finds_names_by_their_context(crf, names, tmp_path, capsys, monkeypatch):
    run, data = tmp_path / "run", tmp_path / "own.conll"
    data.write_text(names.read_text())
    flags = ["--preset", "tiny", "--run-dir", run, "--data", data, "--parallel", "none", crf]
    assert main(*flags, "--steps", "100", "--eval-every", "50", "--dropout", "0") == 0
    assert read_metrics(run)[-1]["held_out_loss"] < 0.1
    left = {path.name for path in run.iterdir()}
    assert {"confusion.png", "curve.png", "vocabulary.json", "letters.json"} <= left
    capsys.readouterr()
    assert main("evaluate", "--run-dir", run) == 0
    said, warned = capsys.readouterr()
    f1, floor = float(said.split("F1 ")[1].split(",")[0]), float(said.split("word ")[1][:4])
    assert f1 > 95 > 60 > floor and (run / "test.png").exists() and not warned
    data.write_text(names.read_text() + "meet\tO\nAvon\tB-person\n")
    assert main("evaluate", "--run-dir", run) == 0
    assert f"{data} has changed since" in capsys.readouterr().err
    assert main("evaluate", "--run-dir", run, "--data", names) == 0
    assert not capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.StringIO("in Dunn Avon\n\nmeet Cato\n"))
    assert main("predict", "--run-dir", run) == 0
    rows = capsys.readouterr().out.split("\n\n")
    assert rows[1] == "meet\tO\nCato\tB-person" and rows[0].endswith("Avon\tI-city")


@pytest.mark.slow
def test_traits_tell_names_that_nothing_else_does(tmp_path, capsys):
    """Names begin with a capital, and all letters of the test are new."""
    rng, run = np.random.default_rng(0), tmp_path / "run"
    for place, (part, count) in enumerate({"train": 300, "dev": 60, "test": 60}.items()):
        letters, text = "abcdefghi jklmnopqr stuvwxyz".split()[place], ""
        for _ in range(count):
            for _ in range(rng.integers(2, 7)):
                word = "".join(rng.choice(list(letters), 5))
                name = rng.random() < 0.3
                text += f"{word.title()}\tB-x\n" if name else f"{word}\tO\n"
            text += "\n"
        (tmp_path / part).write_text(text)
    data, dev, test = (tmp_path / part for part in ("train", "dev", "test"))
    flags = ["--preset", "tiny", "--run-dir", run, "--data", data, "--validation", dev]
    flags += ["--test", test, "--parallel", "none", "--traits"]
    flags += ["--choose", "f1", "--outside", "0.5"]
    assert main(*flags, "--steps", "80", "--eval-every", "40", "--dropout", "0.5") == 0
    last = [line["held_out_loss"] for line in read_metrics(run) if "held_out_loss" in line][-1]
    said = (run / "samples.txt").read_text().split("held out ")[-1]
    assert last == pytest.approx(float(said.split()[0]), abs=1e-3)  # nats, as training's
    with Checkpoints(run / "checkpoints", {}, read_only=True) as saved:
        found = saved._store.meta(80)["loss"]  # by which the best is chosen
    assert found == pytest.approx(1 - float(said.split("F1 ")[1].split(",")[0]) / 100, abs=1e-4)
    capsys.readouterr()
    assert main("evaluate", "--run-dir", run) == 0
    said = capsys.readouterr().out
    f1, floor = float(said.split("F1 ")[1].split(",")[0]), float(said.split("word ")[1][:4])
    assert f1 > 70 and floor == 0 and (run / "traits.json").exists()


@pytest.mark.slow
def test_the_tiny_preset_reads_python(tmp_path, capsys, monkeypatch):
    run = tmp_path / "run"
    assert main("--preset", "tiny", "--run-dir", run, "--parallel", "none") == 0
    assert "comment, keyword, name, number, operator, string" in capsys.readouterr().out
    found = [line["held_out_loss"] for line in read_metrics(run) if "held_out_loss" in line]
    assert found[1] < found[0] < np.log(12)
    monkeypatch.setattr(sys, "stdin", io.StringIO("x=(1)\n"))
    assert main("predict", "--run-dir", run) == 0
    assert [row[:2] for row in capsys.readouterr().out.split("\n")[:5]] == [
        "x\t", "=\t", "(\t", "1\t", ")\t"
    ]  # fmt: skip


def test_bad_input_is_one_line_and_leaves_nothing(names, tmp_path, capsys):
    run, bad = tmp_path / "run", tmp_path / "bad.conll"
    bad.write_text("in\tO\nRome\n")
    for flags, message in (
        (["--data", bad], "line 2 of"),
        (["--data", tmp_path / "b.conll"], "no such file"),
        (["--data", names, "--validation", names], "both validation and test"),
        (["--data", names, "--cell", "jordan"], "invalid choice"),
    ):
        assert main("--run-dir", run, *flags) == 2
        said = capsys.readouterr().err
        assert message in said and said.count("\n") == 1
    for command in ("evaluate", "predict"):
        assert main(command, "--run-dir", run) == 2
        assert "no run in" in capsys.readouterr().err and not run.exists()

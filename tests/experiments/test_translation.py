"""The translator as a user runs it: train, resume, evaluate, translate, stumble."""

import io
import sys

import numpy as np
import pytest

from rnn_jax.data import subwords
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
    flags += ["--tokens", "words", "--learning-rate", "0.01", "--parallel", "none"]
    flags += ["--steps", "80", "--eval-every", "40", "--dropout", "0"]
    assert main("train", *flags) == 0
    first = read_metrics(run)
    assert first[-1]["step"] == 80 and first[-1]["held_out_loss"] < 0.3
    assert main("train", *flags) == 0
    assert "80 of 80 steps are done" in capsys.readouterr().out and read_metrics(run) == first
    assert main("train", *flags, "--hidden-size", "25") == 3
    assert "hidden_size 24 there, 25 here" in capsys.readouterr().err

    names = {path.name for path in run.iterdir()}
    assert {"alignment_1.png", "curve.png", "source_vocabulary.json", "config.json"} <= names

    assert main("evaluate", "--run-dir", run, "--beam-size", "2") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("test: BLEU ") and "tok:13a" in said[1]
    assert said[3].startswith("to copy the source: BLEU 0.0")
    monkeypatch.setattr(sys, "stdin", io.StringIO("drei eins\n\nvier  sechs\n"))
    assert main("translate", "--run-dir", run) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[:2] == ["3 1", ""] and len(said.out.splitlines()) == 3
    assert said.err == "line 3: unknown: sechs\n"

    (tmp_path / "in").write_text("eins\n")
    flags = ["--run-dir", run, "--input", tmp_path / "in"]
    assert main("translate", *flags, "--num-best", "3", "--output", tmp_path / "out") == 0
    best = [line.split("\t") for line in (tmp_path / "out").read_text().splitlines()]
    assert best[0][2] == "1" and [number for number, _, _ in best] == ["1"] * 3
    assert 0 > float(best[0][1]) > float(best[1][1]) > float(best[2][1])
    assert main("translate", *flags, "--num-best", "9") == 2
    assert "num_best 9 is not in 1..4" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        "--cell lstm --attention none --no-input-feeding --bidirectional none --reverse-source "
        "--bridge last",
        "--cell lstm --attention general --order after --layers 2 --bidirectional first --residual",
        "--cell min_gru --driver associative --attention multi_head --no-tied --tokens words "
        "--source-tokens characters",
        "--sampling 0.5 --label-smoothing 0.1 --precision bfloat16",
    ],
)
def test_other_recipes_train(flags, files, tmp_path):
    run = tmp_path / "run"
    flags = [*flags.split(), "--preset", "tiny", "--run-dir", run, "--steps", "40"]
    flags += ["--data", f"{files}/a.de,{files}/a.en", "--eval-every", "20"]
    assert main("train", *flags, "--learning-rate", "0.005", "--parallel", "none") == 0
    losses = [line["held_out_loss"] for line in read_metrics(run) if "held_out_loss" in line]
    assert losses[1] < losses[0] < 3
    if "--source-tokens" in flags:
        kinds = [subwords.load(run, f"{side}_vocabulary") for side in ("source", "target")]
        assert [type(kind).__name__ for kind in kinds] == ["Characters", "Words"]


def test_bad_input_is_one_line_and_leaves_nothing(files, tmp_path, capsys):
    run = tmp_path / "run"
    (tmp_path / "short.en").write_text("1\n")
    (tmp_path / "empty.tsv").write_text("")
    for data, message in (
        (f"{files}/a.de,{tmp_path}/short.en", "a.de has 120 lines and"),
        (f"{files}/b.de,{files}/a.en", "no such file"),
        (f"{tmp_path}/empty.tsv", "empty"),
        ("builtin:de-xx", "'xx' is not one of"),
    ):
        assert main("train", "--preset", "tiny", "--run-dir", run, "--data", data) == 2
        said = capsys.readouterr().err
        assert message in said and said.count("\n") == 1
    for flags, message in (
        ("--driver associative", "GRU is not affine"),
        ("--no-input-feeding", "leave feed at True"),
        ("--attention none --no-input-feeding --bridge zero", "nothing of the source reaches"),
        ("--vocabulary-size 3", "3 is not in 5..inf"),
    ):
        assert main("train", "--preset", "tiny", "--run-dir", run, *flags.split()) == 2
        assert message in capsys.readouterr().err
    assert main("evaluate", "--run-dir", run) == 2
    assert "no run in" in capsys.readouterr().err
    assert not run.exists()

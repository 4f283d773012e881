"""A chatbot as a user has it: train, evaluate, chat, stumble."""

import io
import re
import sys

import pytest

from rnn_jax.train import cli, read_metrics

for library in ("tyro", "tqdm", "matplotlib", "sacrebleu"):
    pytest.importorskip(library)

from experiments import dialogue as script  # noqa: E402

COMMANDS = [script.train, script.evaluate, script.chat]


def main(*argv):
    return cli.main("dialogue", COMMANDS, script.PRESETS, [str(a) for a in argv])


@pytest.mark.slow
def test_it_learns_answers_and_chats(tmp_path, capsys, monkeypatch):
    """Which colour comes after another is told in four wordings; the last is held out for four."""
    colours, run = "red green blue black white brown".split(), tmp_path / "run"
    asks = "what follows {}", "{} is followed by what", "next to {}", "what is after {}"
    rows = [(ask.format(a), b) for ask in asks for a, b in zip(colours, colours[1:] + colours[:1])]
    parts, flags = {"data": rows[:20], "validation": rows[20:22], "test": rows[22:]}, []
    for part, lines in parts.items():
        flags += [f"--{part}", tmp_path / f"{part}.tsv"]
        flags[-1].write_text("".join(f"{q.capitalize()}?\t{a}\n" for q, a in lines))
    flags += ["--preset", "tiny", "--run-dir", run, "--parallel", "none", "--tokens", "words"]
    flags += ["--learning-rate", "0.02", "--steps", "120"]
    assert main(*flags, "--eval-every", "60", "--batch-size", "8") == 0
    left = {path.name for path in run.iterdir()}
    assert {"alignment_1.png", "curve.png", "answer_vocabulary.json"} <= left
    assert [line["loss"] for line in read_metrics(run) if "loss" in line][-1] < 0.1
    capsys.readouterr()
    assert main("evaluate", "--run-dir", run) == 0
    said = capsys.readouterr().out
    assert re.search(r"test, 2 questions: BLEU .*% exact", said)
    assert "most frequent answer: " in said and "nearest question: " in said
    monkeypatch.setattr(sys, "stdin", io.StringIO("What FOLLOWS red?\nwhat follows pink\n"))
    assert main("chat", "--run-dir", run) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == "green" and len(said.out.splitlines()) == 2
    assert said.err == "unknown: pink\n"


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, capsys):
    run, bad = tmp_path / "run", tmp_path / "bad.tsv"
    bad.write_text("what?\tthat\nwho\n")
    for flags, message in (
        (["--data", bad], "line 2 of"),
        (["--data", tmp_path / "b.tsv"], "no such file"),
        (["--data", bad, "--test", bad], "both validation and test"),
        (["--cell", "jordan"], "invalid choice"),
    ):
        assert main("--run-dir", run, *flags) == 2
        said = capsys.readouterr().err
        assert message in said and said.count("\n") == 1
    for command in ("evaluate", "chat"):
        assert main(command, "--run-dir", run) == 2
        assert "no run in" in capsys.readouterr().err and not run.exists()

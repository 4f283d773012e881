"""What a run says of how it was made."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from rnn_jax.train import Run, cli
from rnn_jax.train.record import COMMANDS, REPORT, as_typed, read_commands

pytest.importorskip("tyro")


@dataclass(frozen=True)
class Config:
    run_dir: Path | None = None
    data: str = "built-in"
    status: cli.Natural = 0


@dataclass(frozen=True)
class Watched:
    run_dir: Path | None = None


def train(config: Config) -> int:
    """Reports twice."""
    print("two words")
    with Run(config) as run:
        for step, text in ((1, "first"), (2, "second\nof two lines")):
            run.write(REPORT, {"step": step, "text": text, "loss": 1.0 / step})
            print(text)
            (run.path / "curve.png").write_bytes(b"")
            time.sleep(0.02)  # times of files may be coarse
            (run.path / "looks.png").write_bytes(b"")
    print(f"drawn in {run.path}/looks.png of {config.data}")
    return config.status


def evaluate(options: Watched) -> None:
    """Measures."""
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    print("test: 97 % right")
    print("on time")


def start(*argv: str) -> int:
    presets = {"default": Config(), "tiny": Config(status=cli.INTERRUPTED)}
    return cli.main("python -m experiments.some", [train, evaluate], presets, argv)


def test_each_command_is_a_line(tmp_path: Path, capsys):
    data, place = tmp_path / "words.txt", ("--run-dir", str(tmp_path / "run"))
    assert start("--preset", "tiny", *place, "--data", str(data)) == cli.INTERRUPTED
    said = capsys.readouterr().out
    assert start("evaluate", "--preset", "tiny", *place) == 0
    one, two = read_commands(tmp_path / "run")
    assert one["command"] == "python -m experiments.some --preset tiny --data words.txt"
    assert (one["name"], one["preset"], one["status"]) == ("train", "tiny", 42)
    assert one["said"] == "second\nof two lines\ndrawn in looks.png of words.txt"
    assert one["pictures"] == ["curve.png", "looks.png"]
    assert said.startswith("two words\nfirst\nsecond\n")  # all of it is still printed
    assert two["command"] == "python -m experiments.some evaluate --preset tiny"
    assert two["said"] == "test: 97 % right\non time" and two["pictures"] == []
    assert 0.25 < two["cpu_seconds"] < 30 and two["wall_seconds"] > 0.25


def test_what_fails_or_is_no_run_is_not_noted(tmp_path: Path):
    assert start("--run-dir", str(tmp_path), "--status", "-1") == 2
    assert start("evaluate", "--run-dir", str(tmp_path)) == 0  # reads nothing, so does not fail
    assert list(tmp_path.iterdir()) == []
    assert start("evaluate", "--run-dir", str(tmp_path / "none")) == 0
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "config.json").touch()  # a directory of runs, as of memory_tasks
    assert start("evaluate", "--run-dir", str(tmp_path)) == 0
    assert [line["name"] for line in read_commands(tmp_path)] == ["evaluate"]


def test_a_run_that_cannot_be_written_is_read_all_the_same(tmp_path: Path, capsys):
    (tmp_path / "config.json").touch()
    (tmp_path / COMMANDS).mkdir()  # whatever the reason, even for a root
    assert start("evaluate", "--run-dir", str(tmp_path)) == 0
    assert capsys.readouterr().err == ""


def test_half_a_line_is_passed_over(tmp_path: Path):
    (tmp_path / COMMANDS).write_text(json.dumps({"name": "train"}) + '\n{"name": "ev')
    assert read_commands(tmp_path) == [{"name": "train"}]


def test_command_lines_are_typed_again_without_folders(tmp_path: Path):
    two = f"{tmp_path}/a.neg,{tmp_path}/b.pos"
    flags = [
        "--prime",
        "The end / or",
        "--run_dir=x",
        f"--data={two}",
        "--checkpoint-dir",
        "gs://b",
    ]
    said = as_typed("python -m x", [*flags, f"strings:{tmp_path}/fsdd", "gs://bucket/a", "-0.5"])
    assert said == (
        "python -m x --prime 'The end / or' --data=a.neg,b.pos strings:fsdd gs://bucket/a -0.5"
    )


@pytest.mark.slow
def test_a_process_counts_from_its_start_and_its_children(tmp_path: Path):
    (tmp_path / "config.json").touch()
    burn = "import time\\nwhile time.process_time() < 0.5: pass"
    program = f"""
import subprocess, sys
from tests.train.test_record import Watched
from rnn_jax.train import cli
def evaluate(options: Watched) -> None:
    subprocess.run([sys.executable, "-c", "{burn}"], check=True)
sys.exit(cli.main("x", [evaluate], {{"default": Watched()}}))
"""
    before = os.times()
    subprocess.run([sys.executable, "-c", program, "--run-dir", str(tmp_path)], check=True)
    after = os.times()
    spent = after.children_user + after.children_system
    spent -= before.children_user + before.children_system
    (line,) = read_commands(tmp_path)
    assert line["wall_seconds"] > 0.4 and spent - 2 < line["cpu_seconds"] <= spent + 0.02

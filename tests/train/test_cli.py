"""The command line: presets, flags, ranges, one line for each kind of bad input."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from rnn_jax.data import InputError
from rnn_jax.train import cli

pytest.importorskip("tyro")


@dataclass(frozen=True)
class Config:
    run_dir: Path | None = None  # where
    steps: cli.Count = 3  # how many
    dropout: cli.Probability = 0.1


PRESETS = {"default": Config(), "tiny": Config(steps=1)}


def run(*argv):
    seen = []

    def train(config: Config) -> None:
        """Trains."""
        seen.append(config)

    def sample(options: cli.Prompt) -> int:
        seen.append(options)
        return 7

    status = cli.main("python -m experiments.some", [train, sample], PRESETS, argv)
    return status, *seen


def test_defaults_presets_and_flags():
    assert run() == (0, Config(Path("runs/some/default"), 3))
    assert run("train", "--preset", "tiny") == (0, Config(Path("runs/some/tiny"), 1))
    assert run("--preset=tiny", "--dropout", "0") == (0, Config(Path("runs/some/tiny"), 1, 0.0))
    assert run("--steps", "9", "--run-dir", "x") == (0, Config(Path("x"), 9))


def test_other_commands_have_their_own_flags_and_the_presets_directory():
    status, options = run("sample", "--preset", "tiny", "--prime", "a b", "--temperature", "0")
    assert status == 7
    assert options == cli.Prompt(Path("runs/some/tiny"), None, "a b", 0.0)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--nope", "3"], "Unrecognized options: --nope"),
        (["--steps", "many"], "--steps: invalid literal for int"),
        (["--steps"], "Missing value for argument '--steps'"),
        (["--steps", "0"], "--steps: 0 is not in 1..inf"),
        (["--dropout", "nan"], "--dropout: nan is not in 0..0.999"),
        (["--preset", "huge"], "--preset: 'huge' is not one of default, tiny"),
        (["--preset"], "--preset: '' is not one of"),
        (["sampel"], "Unrecognized options: sampel"),
        (["sample", "--prime", ""], "--prime: length 0 is not in 1..inf"),
        (["sample", "--steps", "3"], "Unrecognized options: --steps"),
    ],
)
def test_bad_input_is_one_line_and_status_2(capsys, argv, message):
    assert run(*argv) == (2,)
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("python -m experiments.some: error: ")
    assert message in line


def test_help_names_flags_presets_and_commands(capsys):
    with pytest.raises(SystemExit) as exit_:
        run("--help")
    assert exit_.value.code == 0
    said = capsys.readouterr().out
    for word in ("Trains.", "--steps", "how many", "{default,tiny}", "sample"):
        assert word in said


@pytest.mark.parametrize(
    ("error", "status"), [(InputError("no file"), 2), (FloatingPointError("nan"), 4)]
)
def test_errors_of_a_command_are_one_line(capsys, error, status):
    def train(config: Config) -> None:
        raise error

    assert cli.main("x", [train], PRESETS, []) == status
    assert capsys.readouterr().err == f"x: error: {error}\n"


def test_a_defect_is_not_taken_for_bad_input():
    def train(config: Config) -> None:
        raise ValueError("a defect")

    with pytest.raises(ValueError, match="a defect"):
        cli.main("x", [train], PRESETS, [])


def test_a_missing_library_is_named(capsys):
    def train(config: Config) -> None:
        raise ModuleNotFoundError("No module named 'tqdm'", name="tqdm")

    assert cli.main("x", [train], PRESETS, []) == 2
    assert "tqdm is not installed: pip install 'rnn_jax[experiments]'" in capsys.readouterr().err


GOES_ON = """
import dataclasses, sys
from rnn_jax.train import cli

@dataclasses.dataclass(frozen=True)
class Config:
    lines: int = 3

def say(config: Config) -> None:
    for number in range(config.lines):
        print(number)

sys.exit(cli.main("python -m experiments.some", [say], {"default": Config()}))
"""


@pytest.mark.parametrize("lines", ["3", "300000"], ids=["a few", "many"])
def test_a_reader_that_leaves_is_no_error(lines):
    command = [sys.executable, "-c", GOES_ON, "--lines", lines]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141

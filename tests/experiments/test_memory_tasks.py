"""Memory tasks as a user runs them: train, resume, evaluate at another length, stumble."""

import re

import pytest

from rnn_jax.train import cli, read_metrics

for library in ("tyro", "tqdm", "matplotlib"):
    pytest.importorskip(library)

from experiments import memory_tasks as script  # noqa: E402

TINY = ["--preset", "tiny", "--parallel", "none"]


def main(*argv):
    commands = [script.train, script.evaluate]
    return cli.main("memory_tasks", commands, script.PRESETS, [str(a) for a in argv])


@pytest.mark.slow
def test_cells_are_trained_and_compared(tmp_path, capsys):
    run = tmp_path / "run"
    flags = [*TINY, "--run-dir", run, "--length", 8, "--steps", 400, "--eval-every", 200]
    assert main(*flags) == 0
    errors = {
        name: [line["error"] for line in read_metrics(run / name) if "error" in line]
        for name in ("elman", "gru")
    }
    assert errors["gru"][-1] < 0.02 and all(len(found) == 2 for found in errors.values())
    first = {name: read_metrics(run / name) for name in errors}
    assert main(*flags) == 0  # resumes, and finds nothing to do
    assert {name: read_metrics(run / name) for name in errors} == first
    assert (run / "comparison.png").stat().st_size > 5000
    assert main(*flags, "--hidden-size", 17) == cli.MISMATCH
    assert "hidden_size 16 there, 17 here" in capsys.readouterr().err
    assert main("evaluate", "--run-dir", run, "--length", 12) == 0
    elman, gru = capsys.readouterr().out.splitlines()
    assert elman.startswith("elman, adding, length 12: loss") and gru.startswith("gru, adding")
    assert 0.0 < float(re.findall(r"error ([\d.]+)", gru)[0]) < 0.167


@pytest.mark.slow
@pytest.mark.parametrize("task", ["copying", "order", "parity", "reber"])
def test_every_task_is_learnt_from(tmp_path, task):
    run, length = tmp_path / "run", {"copying": 1, "order": 10, "parity": 4, "reber": 12}[task]
    flags = [*TINY, "--run-dir", run, "--task", task, "--cell", "gru", "--steps", 120]
    assert main(*flags, "--length", length, "--eval-every", 60) == 0
    losses = [line["held_out_loss"] for line in read_metrics(run / "gru") if "error" not in line
              and "held_out_loss" in line]  # fmt: skip
    assert losses[-1] < losses[0]


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, capsys):
    run = tmp_path / "run"
    for flags, message in (
        (["--task", "order", "--length", 9], "length must be at least 10 for order, got 9"),
        (["--task", "adding up"], "invalid choice"),
        (["--cell", "gru", "gru"], "cell: gru gru: name each one once"),
        (["--batch-size", 0], "0 is not in 1..inf"),
    ):
        assert main(*TINY, "--run-dir", run, *flags) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
    assert main("evaluate", "--run-dir", run) == 2
    assert "no run in" in capsys.readouterr().err
    assert not run.exists()

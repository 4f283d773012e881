"""The loop, its progress, its stop signal and its picture."""

import io
import signal
import threading
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax.train import Progress, Report, Run, StopSignal, cli, loop, loss_curve, read_metrics

pytest.importorskip("tqdm")
pytest.importorskip("matplotlib")


@dataclass(frozen=True)
class Config:
    run_dir: Path


@jax.jit
def update(state, data):
    """A toy run that depends on state, key and data: any slip changes its numbers."""
    key = jax.random.fold_in(state["key"], state["step"])
    w = 0.9 * state["w"] + data + 0.1 * jax.random.normal(key, state["w"].shape)
    return {"w": w, "key": state["key"], "step": state["step"] + 1}, {"loss": jnp.sum(w**2)}


def run_loop(directory, interrupt_at=(), crash_at=(), steps=25):
    state = {"w": jnp.zeros(3), "key": jax.random.key(1), "step": jnp.asarray(0)}

    def step(state, done):
        if done + 1 in interrupt_at:
            signal.raise_signal(signal.SIGTERM)
        if done + 1 in crash_at:
            raise RuntimeError("power cut")
        return update(state, jnp.asarray(np.sin(done)))

    with Run(Config(directory)) as run:
        restored = run.restore(state)
        start, state = (restored.step, restored.state) if restored else (0, state)

        def report(state, done):
            found = Report(f"report at {done}", float(state["w"].sum()) + 10)
            run.log(done, held_out_loss=found.loss)
            return state, found

        progress = Progress(steps, file=io.StringIO())
        return loop(run, state, step, report, progress, start=start, steps=steps, report_every=10)


def left_behind(directory):
    return (directory / "metrics.jsonl").read_bytes(), (directory / "samples.txt").read_bytes()


def test_stopped_and_killed_runs_end_like_an_uninterrupted_one(tmp_path, capsys):
    assert run_loop(tmp_path / "whole") == cli.DONE
    interrupted = tmp_path / "interrupted"
    assert run_loop(interrupted, interrupt_at=[4]) == cli.INTERRUPTED
    assert run_loop(interrupted, interrupt_at=[10]) == cli.INTERRUPTED  # at a report
    with pytest.raises(RuntimeError):  # after a checkpoint at step 20
        run_loop(interrupted, crash_at=[23])
    assert run_loop(interrupted, interrupt_at=[25]) == cli.DONE  # too late to matter
    assert left_behind(interrupted) == left_behind(tmp_path / "whole")
    said = capsys.readouterr().out
    assert "stopped by SIGTERM after step 4; run it again to go on" in said
    steps = [line["step"] for line in read_metrics(interrupted) if "loss" in line]
    assert steps == list(range(1, 26))
    reports = [line["step"] for line in read_metrics(interrupted) if "held_out_loss" in line]
    assert reports == [10, 20, 25]


def test_a_finished_run_is_left_as_it_is(tmp_path):
    run_loop(tmp_path / "run")
    before = left_behind(tmp_path / "run")
    assert run_loop(tmp_path / "run", crash_at=range(99)) == cli.DONE
    assert left_behind(tmp_path / "run") == before


@pytest.mark.parametrize(
    ("skipped", "loss", "message"),
    [
        ((1, 2, 0, 1, 0), np.inf, None),  # never three in a row
        (
            (1, 2, 3, 0, 0),
            np.inf,
            "at step 3 the loss is inf, .* skipped in a row: 3; no checkpoint yet",
        ),
        ((0, 0, 0, 0, 0), np.nan, "at step 1 the loss is nan"),
    ],
)
def test_too_many_updates_that_are_not_finite_end_the_run(tmp_path, skipped, loss, message, capsys):
    def step(state, done):
        strange = skipped[done] or not any(skipped)
        return state, {"loss": loss if strange else 1.0, "skipped": skipped[done]}

    def report(state, done):
        return state, Report("", 1.0)

    expected = pytest.raises(FloatingPointError, match=message) if message else nullcontext()
    with expected, Run(Config(tmp_path)) as run:
        progress = Progress(5, file=io.StringIO())
        loop(run, (), step, report, progress, steps=5, report_every=9, max_skipped=3)
    lines = read_metrics(tmp_path)  # plain JSON: what is not finite is null
    assert [line["loss"] for line in lines] == [
        None if n or not any(skipped) else 1.0 for n in skipped[: len(lines)]
    ]
    said = capsys.readouterr().out
    assert said.count("no update made") == (
        0 if message and not any(skipped) else 3 - 1 * bool(message)
    )


def test_a_second_signal_is_not_held_back():
    # Where a shell started this in the background, SIGINT is ignored: then nobody would notice.
    outside = signal.signal(signal.SIGINT, signal.default_int_handler)
    previous = signal.getsignal(signal.SIGTERM)
    with StopSignal() as stop:
        assert not stop
        signal.raise_signal(signal.SIGINT)
        assert stop and stop.name == "SIGINT"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == previous
    signal.signal(signal.SIGINT, outside)


def test_stop_signal_does_nothing_outside_the_main_thread():
    seen = []

    def work():
        with StopSignal() as stop:
            seen.append(bool(stop))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_words_are_shown_with_their_perplexity():
    file = io.StringIO()
    with Progress(total=1, file=file, every=0, unit="word") as progress:
        progress.update(1, loss=np.log(50.0))
    assert "perplexity 50.0 per word" in file.getvalue()


@pytest.mark.parametrize("file", [io.StringIO(), Terminal()])
def test_progress_shows_everything(file, monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    with Progress(total=100, tokens_per_step=1000, file=file, every=0) as progress:
        now[0] = 50.0  # compiling
        progress.update(1, loss=2.0)
        now[0] = 52.0
        with progress.paused():
            now[0] = 58.0
            progress.write("a report")
        progress.update(21, loss=np.log(2) * 2)
        assert progress.tokens_per_second == 10_000
    last = file.getvalue().replace("\r", "\n").strip().splitlines()[-1]
    for part in ("21/100", "loss 1.386", "2.000 bits/char", "10,000 tokens/s"):
        assert part in last
    assert capsys.readouterr().out == "a report\n"


def test_lines_come_only_now_and_then_where_there_is_no_terminal(monkeypatch):
    now, file = [0.0], io.StringIO()
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    with Progress(total=100, file=file, every=10) as progress:
        for step in range(1, 101):
            now[0] = float(step)
            progress.update(step, loss=1.0)
    assert len(file.getvalue().splitlines()) == 11  # 1, 11, ..., 91 and the last


@pytest.mark.parametrize(
    "metrics",
    [
        [],
        [{"step": 1, "loss": 2.0}],
        [{"step": 5, "held_out_loss": 2.0}],
        [{"step": s, "loss": 1 / s} for s in range(1, 400)] + [{"step": 9, "held_out_loss": 1.0}],
    ],
)
@pytest.mark.parametrize("floors", [None, {"3-gram": 1.5, "5-gram": 1.2}])
def test_a_curve_is_drawn_from_any_metrics(tmp_path, metrics, floors):
    loss_curve(tmp_path / "curve.png", metrics, floors, title="run")
    assert (tmp_path / "curve.png").stat().st_size > 5000

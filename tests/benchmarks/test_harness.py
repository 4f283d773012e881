"""The arithmetic of measuring, on programs and a clock whose times are known."""

import os

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import harness, report
from benchmarks.harness import CONTROL, Program, Ratio


class Clock:
    """A clock that stands still but for what programs spend."""

    def __init__(self) -> None:
        self.now, self.calls, self.paused = 0.0, [], 0

    def program(self, name: str, seconds: float) -> Program:
        def call() -> None:
            self.calls.append(name)
            self.now += seconds

        return Program(name, call, 1.5, 2**20)

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.paused += 1
        self.now += seconds


def test_rounds_are_interleaved_and_reversed():
    clock = Clock()
    programs = [clock.program("base", 0.2), clock.program("ours", 0.1)]
    times = harness.measure(programs, "base", rounds=3, clock=clock, pause=clock.pause)
    want = {"base": [0.2] * 3, "ours": [0.1] * 3, CONTROL: [0.2] * 3}
    assert times.keys() == want.keys()
    for name, seconds in want.items():
        np.testing.assert_allclose(times[name], seconds)
    warm_up = ["base", "base", "ours", "ours", "base", "base"]
    there = ["base", "base", "ours", "ours", "base", "base"]  # one counts; the last is the control
    assert clock.calls == warm_up + there + there[::-1] + there
    assert clock.paused == 9


def test_long_programs_are_run_once_a_round():
    clock = Clock()
    programs = [clock.program("base", 2.0), clock.program("ours", 0.2)]
    harness.measure(programs, "base", rounds=1, clock=clock, pause=clock.pause)
    assert clock.calls[6:] == ["base", "ours", "ours", "base"]


def test_short_programs_are_repeated():
    clock = Clock()
    programs = [clock.program("base", 0.004)]
    options = {"clock": clock, "pause": clock.pause}
    times = harness.measure(programs, "base", rounds=2, min_seconds=0.02, **options)
    assert np.allclose(times["base"], 0.004)
    assert len(clock.calls) == 2 * (2 + 2 * 6)


def test_ratio_pairs_the_rounds():
    """Load that doubles both times of a round leaves the ratio alone."""
    times = {"a": np.array([1.0, 2.0, 4.0, 8.0, 3.0]), "b": np.array([2.0, 4.0, 8.0, 16.0, 3.0])}
    assert harness.ratio(times, "a", "b") == Ratio(0.5, 0.5, 0.5)
    assert harness.ratio(times, "b", "a") == Ratio(2.0, 2.0, 2.0)


@pytest.mark.parametrize(
    ("ratio", "control", "word"),
    [
        (Ratio(0.7, 0.8, 0.89), Ratio(0.95, 1.0, 1.1), "faster"),
        (Ratio(0.7, 0.8, 0.91), Ratio(0.95, 1.0, 1.1), "same"),  # reaches into the control's spread
        (Ratio(0.7, 0.8, 0.91), Ratio(0.9, 1.0, 1.05), "same"),
        (Ratio(1.12, 1.2, 1.3), Ratio(0.95, 1.0, 1.1), "slower"),
        (Ratio(1.05, 1.2, 1.3), Ratio(0.95, 1.0, 1.1), "same"),
    ],
)
def test_verdict_counts_only_beyond_the_control(ratio: Ratio, control: Ratio, word: str):
    assert harness.verdict(ratio, control) == word


def test_usage_of_others():
    begin = harness.Usage(at=10.0, busy=100.0, own=5.0)
    assert harness.others(begin, harness.Usage(12.0, 103.5, 7.0)) == 0.75
    assert harness.others(begin, harness.Usage(12.0, 101.9, 7.0)) == 0.0  # clocks tick apart
    assert harness.others(begin, None) is None
    now = harness.usage()
    assert now is None or 0 < now.own < now.busy


def test_measures_again_when_disturbed(monkeypatch):
    """Busy while waiting, disturbed in the first measurement, quiet in the second."""
    work = [1.0, 0.0, 0.5, 0.0, 0.05]  # cores of others in each interval
    usages = [harness.Usage(float(i), 0.0, 0.0) for i in range(2 * len(work))]
    monkeypatch.setattr(harness, "usage", lambda: usages.pop(0))
    monkeypatch.setattr(harness, "others", lambda begin, end: work.pop(0))
    results = ["disturbed", "quiet"]
    found = harness.measure_quietly(lambda: results.pop(0), patience=100.0, window=0.0)
    assert found == ("quiet", 0.05) and not work
    work, usages = [0.5], [None, None]
    assert harness.measure_quietly(lambda: "at once", patience=0.0) == ("at once", 0.5)


def test_relative_error():
    assert harness.relative_error([3.0, 4.0], [3.0, 4.0]) == 0
    assert harness.relative_error([3.0, 4.5], [3.0, 4.0]) == 0.1
    assert harness.relative_error([0.5], [0.0]) == 0.5


def test_compile_program(optimized):
    program = harness.compile_program("sum", lambda x: jnp.sort(x).sum(), jnp.arange(1000.0))
    assert float(program.call()) == 499500
    assert program.compile_seconds > 0
    assert program.temp_bytes >= 1000 * jnp.zeros(()).dtype.itemsize


def test_environment(monkeypatch):
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1")
    found = harness.environment()
    assert found["versions"].keys() >= {"jax", "flax", "numpy"}
    assert found["variables"]["MALLOC_TRIM_THRESHOLD_"] == "1"
    assert 1 <= found["cores"] <= os.cpu_count()
    assert found["processor"] and found["device"].startswith("cpu")


def test_rows_report_losses():
    times = {
        "base": np.full(4, 2.0),
        "ours": np.array([1.0, 1.0, 1.0, 3.0]),
        "quick": np.full(4, 0.5),
        CONTROL: np.full(4, 2.0),
    }
    programs = [Program(name, lambda: None) for name in ("ours", "base", "quick")]
    rows = report.make_rows(programs, {"ours": 1e-7}, times, "base", "ours")
    by_name = {row.name: row for row in rows}
    assert [row.name for row in rows] == ["ours", "base", "quick", CONTROL]
    assert by_name["base"].lost == 0.25 and by_name["base"].verdict == ""
    assert by_name["ours"].to_baseline.median == 0.5
    assert by_name["ours"].ours_verdict == "" and by_name["ours"].error == 1e-7
    assert by_name["quick"].lost == 1.0 and by_name["quick"].ours_verdict == "slower"
    contest = report.Contest("lstm", "training", 8, rows, ("torch is not installed",))
    text = report.markdown(contest, "base")
    assert text.index("quick") < text.index("ours") < text.index("| base |")
    assert "Left out: torch is not installed." in text
    assert report.losses([contest], "ours").endswith(
        "Ours is faster than 1 of 2, slower than 1 of 2; no difference from 0.\n"
    )

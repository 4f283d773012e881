"""Measurements as a Markdown table, as JSON and as a picture."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness import CONTROL, Program, Ratio, ratio, verdict

FARTHEST = 3.0  # where bars of the picture are cut off; the number beside them is not


class Row(NamedTuple):
    """One contender in one contest."""

    name: str
    compile_seconds: float | None
    temp_bytes: int | None
    error: float | None  # relative difference of its results from the plain scan's
    seconds: tuple[float, ...]  # of each round
    to_baseline: Ratio
    verdict: str  # against the baseline
    ours: Ratio  # time of our default in units of this one's
    ours_verdict: str
    lost: float  # share of the rounds in which our default was slower
    trace_seconds: float | None = None


class Contest(NamedTuple):
    """All contenders for one cell and one mode, and those that were left out, with the reason."""

    cell: str
    mode: str
    num_steps: int
    rows: tuple[Row, ...]
    left_out: tuple[str, ...]
    others: float | None = None  # cores that other processes used while it was timed


def make_rows(
    programs: Sequence[Program],
    errors: dict[str, float],
    times: dict[str, np.ndarray],
    baseline: str,
    ours: str,
) -> tuple[Row, ...]:
    """The measured programs and the control, compared with the baseline and with our default."""
    control = ratio(times, CONTROL, baseline)
    by_name = {program.name: program for program in programs}

    def row(name: str) -> Row:
        program = by_name.get(name)
        to_baseline, of_ours = ratio(times, name, baseline), ratio(times, ours, name)
        return Row(
            name=name,
            compile_seconds=program.compile_seconds if program else None,
            temp_bytes=program.temp_bytes if program else None,
            error=errors.get(name),
            seconds=tuple(float(value) for value in times[name]),
            to_baseline=to_baseline,
            verdict="" if name in (baseline, CONTROL) else verdict(to_baseline, control),
            ours=of_ours,
            ours_verdict="" if name == ours else verdict(of_ours, control),
            lost=float(np.mean(times[ours] > times[name])),
            trace_seconds=program.trace_seconds if program else None,
        )

    return tuple(row(name) for name in [*by_name, CONTROL])


def markdown(contest: Contest, baseline: str) -> str:
    """A table: fastest first, the baseline's time as the unit."""
    lines = [
        f"### {contest.cell}, {contest.mode}",
        "",
        *([f"Others used {contest.others} cores meanwhile.\n"] if contest.others else []),
        f"| contender | time / {baseline} | quartiles | | ms (min) | us a step | temp MiB "
        "| compile s |",
        "| --- | ---: | :---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in sorted(contest.rows, key=lambda row: row.to_baseline.median):
        low, median, high = row.to_baseline
        fastest = min(row.seconds)
        temp = "-" if row.temp_bytes is None else f"{row.temp_bytes / 2**20:.3g}"
        seconds = "-" if row.compile_seconds is None else f"{row.compile_seconds:.1f}"
        lines.append(
            f"| {row.name} | {median:.2f} | {low:.2f}-{high:.2f} | {row.verdict} | "
            f"{fastest * 1e3:.3g} | {fastest * 1e6 / contest.num_steps:.3g} | {temp} | {seconds} |"
        )
    lines += [f"\nLeft out: {reason}." for reason in contest.left_out]
    return "\n".join(lines) + "\n"


def losses(contests: Iterable[Contest], ours: str) -> str:
    """Where our default loses: every contender that it is not faster than, or that it is."""
    lines = [
        f"### {ours} against each: its time / theirs, median (quartiles), rounds lost",
        "",
        "| contest | contender | ratio | rounds lost | ours is |",
        "| --- | --- | ---: | ---: | --- |",
    ]
    count = {"faster": 0, "same": 0, "slower": 0}
    for contest in contests:
        for row in contest.rows:
            if row.ours_verdict and row.name != CONTROL:
                count[row.ours_verdict] += 1
                low, median, high = row.ours
                lines.append(
                    f"| {contest.cell} {contest.mode} | {row.name} | {median:.2f} "
                    f"({low:.2f}-{high:.2f}) | {row.lost:.0%} | {row.ours_verdict} |"
                )
    total = sum(count.values())
    parts = ", ".join(f"{word} than {n} of {total}" for word, n in count.items() if word != "same")
    return "\n".join(lines) + f"\n\nOurs is {parts}; no difference from {count['same']}.\n"


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Everything that was measured, NamedTuples as objects."""

    def plain(value: Any) -> Any:
        if hasattr(value, "_asdict"):
            return {name: plain(part) for name, part in value._asdict().items()}
        if isinstance(value, dict):
            return {name: plain(part) for name, part in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(part) for part in value]
        return value if isinstance(value, (int, float, str, type(None))) else str(value)

    partial = path.with_name(f".{path.name}.partial")  # whole or not at all
    partial.write_text(json.dumps(plain(document), indent=1) + "\n")
    partial.replace(path)


def draw(path: Path, contests: Sequence[Contest], baseline: str, title: str) -> None:
    """Bars for time in each mode and for the memory and compile time of the last mode."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    kinds = list(dict.fromkeys(contest.cell for contest in contests))
    modes = list(dict.fromkeys(contest.mode for contest in contests))
    columns = [("time", mode, _time) for mode in modes]
    columns += [("temp memory", modes[-1], _memory), ("compile time", modes[-1], _compile_time)]
    most = max(len(contest.rows) for contest in contests)
    size = (2.6 * len(columns) + 2, (0.19 * most + 0.5) * len(kinds) + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)  # draws without a display, whatever backend the user has set
    grid = figure.subplots(len(kinds), len(columns), squeeze=False, sharey="row")
    for kind, panels in zip(kinds, grid, strict=True):
        for axes, (quantity, mode, value) in zip(panels, columns, strict=True):
            found = [c for c in contests if (c.cell, c.mode) == (kind, mode)]
            rows = {row.name: row for contest in found for row in contest.rows}
            names = [row.name for c in contests if c.cell == kind for row in c.rows]
            _bars(axes, list(dict.fromkeys(names))[::-1], rows, value, rows.get(baseline))
            axes.set_title(f"{kind} {mode}: {quantity}", fontsize=8)
    figure.suptitle(f"{title}; {baseline} = 1, shorter is better", fontsize=9)
    figure.savefig(path, dpi=90)


def _bars(axes: Any, names: list[str], rows: dict[str, Row], value: Any, base: Row | None) -> None:
    unit = value(base)[0] if base else None
    for place, name in enumerate(names):
        numbers = value(rows[name]) if name in rows else (None,)
        if numbers[0] is None or not unit:
            continue
        median, *quartiles = (number / unit for number in numbers)
        ours = name.startswith("rnn_jax")
        axes.barh(place, min(median, FARTHEST), color="tab:blue" if ours else "0.7", height=0.7)
        axes.plot(np.minimum(quartiles, FARTHEST), [place] * len(quartiles), color="black", lw=1)
        at = min(max(median, *quartiles) if quartiles else median, FARTHEST)
        axes.annotate(f" {median:.3g}", (at, place), va="center", fontsize=6)
    axes.axvline(1, color="black", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.tick_params(axis="x", labelsize=7)
    axes.set_xlim(0, FARTHEST * 1.15)


def _time(row: Row) -> tuple[float | None, ...]:
    return row.to_baseline.median, row.to_baseline.low, row.to_baseline.high


def _memory(row: Row) -> tuple[float | None, ...]:
    return (row.temp_bytes,)


def _compile_time(row: Row) -> tuple[float | None, ...]:
    return (row.compile_seconds,)

"""The suite's report: a table of contests, one of all contenders, a picture of ratios."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.harness import CONTROL
from benchmarks.suite import BY_HAND

OURS = "rnn_jax scan"
FARTHEST = 2.0  # where bars of the picture are cut off; the number beside them is not


def is_peer(name: str) -> bool:
    """Whether a contender is another library's."""
    return not name.startswith("rnn_jax") and name not in (CONTROL, BY_HAND)


def text(document: Mapping[str, Any]) -> str:
    """Everything as Markdown; the document is that of results.json."""
    machine = document["environment"]
    versions = ", ".join(f"{name} {found}" for name, found in machine["versions"].items())
    parts = [
        f"`{document['command']}`\n",
        f"{machine['processor']}, {machine['cores']} cores, {machine['device']}; commit "
        f"{machine['commit']}; {versions}; load average {machine['load']} at the beginning; a "
        f"large product runs at {document['peak'] / 1e9:.0f} GFLOP/s.\n",
        *missing(document),
        compile_times(document["compile_by_steps"]),
        summary(document["contests"]),
        wins(document["contests"]),
        *(details(contest) for contest in document["contests"]),
    ]
    return "\n".join(parts)


def missing(document: Mapping[str, Any]) -> list[str]:
    """What was asked for and is not there yet."""
    there = [contest["entry"] for contest in document["contests"]]
    left = [" ".join(entry) for entry in document["wanted"] if entry not in there]
    asked = len(document["wanted"])
    return [f"Measured: {asked - len(left)} of {asked}; not: {', '.join(left)}.\n"] if left else []


def compile_times(seconds: Mapping[str, float]) -> str:
    """One line: how the time to trace and compile grows with T."""
    shown = ", ".join(f"T={steps} {value:.1f} s" for steps, value in seconds.items())
    return f"To trace and compile the gradient of an LSTM of 64 units by ours: {shown}.\n"


def summary(contests: list[dict[str, Any]]) -> str:
    """One line for each contest: our default against the best of the others and against torch."""
    lines = [
        "| size | cell | pass | ours / baseline | quartiles | A/A | best peer | torch / baseline "
        "| tokens/s | of the floor | temp memory / baseline |",
        "| --- | --- | --- | ---: | :---: | :---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for contest in contests:
        rows = {row["name"]: row for row in contest["rows"]}
        ours, base = rows[OURS], rows[contest["baseline"]]
        peers = [row for name, row in rows.items() if is_peer(name)]
        best = min(peers, key=lambda row: _median(row["to_baseline"]), default=None)
        peer = f"{best['name']} {_median(best['to_baseline']):.2f}" if best else "-"
        torch = [_median(row["to_baseline"]) for name, row in rows.items() if "torch" in name]
        low, median, high = _quartiles(ours["to_baseline"])
        a_low, _, a_high = _quartiles(rows[CONTROL]["to_baseline"])
        memory = "-"
        if base["temp_bytes"] and ours["temp_bytes"] is not None:
            memory = f"{ours['temp_bytes'] / base['temp_bytes']:.2f}"
        lines.append(
            f"| {contest['entry'][0]} | {contest['entry'][1]} | {contest['entry'][2]} | "
            f"**{median:.2f}** | {low:.2f}-{high:.2f} | {a_low:.2f}-{a_high:.2f} | {peer} "
            f"| {f'{torch[0]:.2f}' if torch else '-'} | "
            f"{ours['tokens_per_second']:,.0f} | {ours['share_of_floor']:.0%} | "
            f"{memory} |"
        )
    return "\n".join(lines) + "\n"


def wins(contests: list[dict[str, Any]]) -> str:
    """Every contender that is faster than our default beyond the control's spread."""
    lost = [
        f"- {' '.join(contest['entry'])}: {row['name']}, we take {_median(row['ours']):.2f} of its "
        "time"
        for contest in contests
        for row in contest["rows"]
        if row["ours_verdict"] == "slower" and is_peer(row["name"])
    ]
    if not lost:
        return "No peer is faster beyond the spread of the A/A control.\n"
    return (
        "Faster than our default beyond the spread of the A/A control:\n\n" + "\n".join(lost) + "\n"
    )


def details(contest: Mapping[str, Any]) -> str:
    """All contenders of one contest, fastest first."""
    lines = [
        f"### {' '.join(contest['entry'])}: "
        + ", ".join(f"{k} {v}" for k, v in contest["size"].items()),
        "",
        *([f"Others used {contest['others']} cores meanwhile.\n"] if contest["others"] else []),
        "| contender | time | quartiles | | ms (min) | tokens/s | of the floor | temp MiB "
        "| trace s | compile s | error |",
        "| --- | ---: | :---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in sorted(contest["rows"], key=lambda row: _median(row["to_baseline"])):
        low, median, high = _quartiles(row["to_baseline"])
        temp = "-" if row["temp_bytes"] is None else f"{row['temp_bytes'] / 2**20:.3g}"
        lines.append(
            f"| {row['name']} | {median:.2f} | {low:.2f}-{high:.2f} | {row['verdict']} | "
            f"{min(row['seconds']) * 1e3:.3g} | {row['tokens_per_second']:,.0f} | "
            f"{row['share_of_floor']:.0%} | {temp} | {_number(row['trace_seconds'], '.2f')} | "
            f"{_number(row['compile_seconds'], '.1f')} | {_number(row['error'], '.0e')} |"
        )
    lines += [f"\nLeft out: {reason}." for reason in contest["left_out"]]
    return "\n".join(lines) + "\n"


def draw(path: Path, document: Mapping[str, Any]) -> None:
    """Our default, the best peer of JAX and torch in every contest, as bars of time."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    contests = document["contests"]
    figure = Figure(figsize=(9, 1.2 + 0.42 * len(contests)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    kinds = (
        ("rnn_jax scan", "tab:blue"),
        ("best of the JAX libraries", "0.6"),
        ("torch", "tab:orange"),
    )
    for place, contest in enumerate(reversed(contests)):
        rows = {row["name"]: row for row in contest["rows"]}
        jax_rows = [r for n, r in rows.items() if is_peer(n) and "torch" not in n]
        best = min(jax_rows, key=lambda row: _median(row["to_baseline"]), default=None)
        torch = next((row for name, row in rows.items() if "torch" in name), None)
        for shift, (row, (_, color)) in enumerate(
            zip((rows[OURS], best, torch), kinds, strict=True)
        ):
            if row is None:
                continue
            low, median, high = _quartiles(row["to_baseline"])
            at = place + 0.27 * (1 - shift)
            axes.barh(at, min(median, FARTHEST), height=0.25, color=color)
            axes.plot([min(low, FARTHEST), min(high, FARTHEST)], [at, at], color="black", lw=1)
            end = (min(max(median, high), FARTHEST), at)
            axes.annotate(f" {median:.2f}", end, va="center", fontsize=6)
    axes.set_yticks(range(len(contests)), [" ".join(c["entry"]) for c in reversed(contests)])
    axes.axvline(1, color="black", linewidth=0.8, linestyle=":")
    axes.set_xlabel("time / baseline (flax nnx.RNN, or lax.scan by hand); shorter is better")
    axes.set_xlim(0, FARTHEST * 1.05)
    handles = [axes.barh(0, 0, color=color, label=name) for name, color in kinds]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, fontsize=8)
    figure.savefig(path, dpi=100)


def _quartiles(ratio: Mapping[str, float]) -> tuple[float, float, float]:
    return ratio["low"], ratio["median"], ratio["high"]


def _median(ratio: Mapping[str, float]) -> float:
    return ratio["median"]


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)

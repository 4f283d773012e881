"""The README's tables of speed, made of the numbers in benchmarks/results.

    python -m benchmarks.readme                             # the part between two marks, anew
    python -m benchmarks.readme --take runs/benchmarks/cpu  # with a suite's results, kept from now
    python -m benchmarks.readme --check                     # status 1 if it is not up to date

Numbers come from the JSON files alone: the goals and whether they are met, every size of the suite,
every peer that is faster and why (``goals.REASONS``, by hand).
"""

import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import goals
from benchmarks.harness import CONTROL
from benchmarks.suite_report import OURS, is_peer
from rnn_jax.data.errors import InputError
from rnn_jax.train import cli

BEGIN, END = "<!-- made by python -m benchmarks.readme: begin -->", "<!-- end -->"
KEPT = {"results.json": "json", "report.md": "md", "picture.png": "png"}
NAMES = ("cpu", "gpu", "fused_kernel", "bf16_gradient", "parallel_in_time")


@dataclass(frozen=True)
class Config:
    readme: Path = Path("README.md")
    results: Path = Path("benchmarks/results")  # where the JSON files are
    take: Path | None = None  # a suite's run directory, copied to --results before
    check: bool = False  # change nothing; leave with status 1 if the README says something else


def update(config: Config) -> int:
    """Writes the README's part that is made of results, or checks it."""
    if config.take and not config.check:
        take(config.take, config.results)
    results = {name: found for name in NAMES if (found := load(config.results / f"{name}.json"))}
    try:
        old = config.readme.read_text("utf-8")
    except OSError as error:
        raise InputError(f"--readme: cannot read {config.readme}: {error.strerror}") from None
    if old.count(BEGIN) != 1 or END not in old.split(BEGIN)[1]:
        raise InputError(f"--readme: {config.readme} has no lines {BEGIN} and {END}")
    before, rest = old.split(BEGIN)
    new = f"{before}{BEGIN}\n{text(results)}{END}{rest.split(END, 1)[1]}"
    if config.check:
        return int(new != old)
    config.readme.write_text(new, "utf-8")
    print(text(results))
    return 0


def take(run: Path, results: Path) -> None:
    """Copy a suite's results to where they are kept."""
    document = load(run / "results.json")
    if not document or "suite" not in document:
        raise InputError(f"--take: {run} holds no results of a suite")
    if missing := [name for name in KEPT if not (run / name).exists()]:
        raise InputError(f"--take: {run} lacks {', '.join(missing)}: run the suite's command again")
    for name, ending in KEPT.items():
        shutil.copyfile(run / name, results / f"{document['suite']}.{ending}")


def load(path: Path) -> Any:
    """A document, None where there is none."""
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        raise InputError(f"--results: {path} is no JSON") from None


def text(results: goals.Results) -> str:
    """All that stands between the marks."""
    parts = [goal_table(results)]
    for name in ("cpu", "gpu"):
        if document := results.get(name):
            parts += [origin(name, document), size_table(document["contests"]), wins(document)]
    return "\n".join(parts)


def goal_table(results: goals.Results) -> str:
    """Our times in units of the others' beside what they were to be."""
    lines = ["| where | against | goal | ours / theirs | met |", "| --- | --- | --- | --- | --- |"]
    lines += [f"| {' | '.join(goal)} |" for goal in goals.goals(results)]
    return "\n".join(lines) + "\n"


def origin(name: str, document: Mapping[str, Any]) -> str:
    """Where the numbers of a suite are from."""
    machine, contests = document["environment"], document["contests"]
    fewest = min((len(contest["rows"][0]["seconds"]) for contest in contests), default=0)
    asked = len(document["wanted"])
    part = "" if len(contests) == asked else f" ({len(contests)} of {asked} contests so far)"
    return (
        f"`{document['command']}`{part}: {machine['processor']}, {machine['cores']} cores, "
        f"{machine['device']}, commit {machine['commit']}, float32, medians of at least {fewest} "
        f"interleaved rounds: time and temporary memory of `drivers.scan`'s default in units of "
        f"the others'; in brackets the spread of the same program against itself, bold what is "
        f"faster beyond it. [All of it](benchmarks/results/{name}.md).\n"
    )


def size_table(contests: list[Mapping[str, Any]]) -> str:
    """One line for each size and cell: ours against the best peers."""
    lines = [
        "| size | cell | training, of the best JAX peer's time | its memory | of torch's time "
        "| of the floor | forward, of the best JAX peer's time | of torch's |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    found = {tuple(contest["entry"]): contest for contest in contests}
    for size, cell in dict.fromkeys(entry[:2] for entry in found):
        training, forward = (found.get((size, cell, mode)) for mode in ("training", "forward"))
        if not any(is_peer(r["name"]) for c in (training, forward) if c for r in c["rows"]):
            continue  # of ours alone
        kept = goals.memory(training, goals.is_jax) if training else None
        lines.append(
            f"| {shape(training or forward)} | {cell} | {against(training, goals.is_jax)} "
            f"| {'-' if kept is None else f'{kept:.2f}'} | {against(training, goals.is_torch)} "
            f"| {floor(training)} | {against(forward, goals.is_jax)} "
            f"| {against(forward, goals.is_torch)} |"
        )
    return "\n".join(lines) + "\n"


def shape(contest: Any) -> str:
    """A size in words."""
    size = contest["size"]
    return (
        f"{contest['entry'][0]}: T {size['steps']}, B {size['batch_size']}, H {size['hidden_size']}"
    )


def against(contest: Any, kind: Any) -> str:
    """The ratio to the best of a kind and the control's spread."""
    row = goals.fastest(contest, kind) if contest else None
    if row is None:
        return "-"
    control = next(row["to_baseline"] for row in contest["rows"] if row["name"] == CONTROL)
    mark = "**" if row["ours_verdict"] == "faster" else ""
    return f"{mark}{row['ours']['median']:.2f}{mark} ({control['low']:.2f}-{control['high']:.2f})"


def floor(contest: Any) -> str:
    """The share of the floor that our default reaches."""
    if contest is None:
        return "-"
    return f"{next(r for r in contest['rows'] if r['name'] == OURS)['share_of_floor']:.0%}"


def wins(document: Mapping[str, Any]) -> str:
    """Every peer that is faster than our default beyond the control's spread, by its reason."""
    by_reason: dict[tuple[str, str], list[str]] = {}
    for kind, line in lost(document["contests"]):
        by_reason.setdefault(kind, []).append(line)
    if not by_reason:
        return "No peer is faster than our default beyond the spread of the A/A control.\n"
    lines = [
        "Faster than our default beyond that spread, and why (a judgement, not a measurement):"
    ]
    lines += [f"\n- {'; '.join(found)}: {goals.REASONS[k]}." for k, found in by_reason.items()]
    return "\n".join(lines) + "\n"


def lost(contests: list[Mapping[str, Any]]) -> Iterator[tuple[tuple[str, str], str]]:
    """(kind of loss, what was lost to whom) of each peer's win."""
    for contest in contests:
        cell, mode = contest["entry"][1:]
        for row in contest["rows"]:
            if row["ours_verdict"] == "slower" and is_peer(row["name"]):
                kind = goals.kind_of_win(row["name"], mode, contest["size"]["hidden_size"])
                what = f"{row['name']}, {cell} {mode}, {shape(contest)}"
                yield kind, f"{what} ({row['ours']['median']:.2f})"


if __name__ == "__main__":
    sys.exit(cli.main("python -m benchmarks.readme", [update], {"default": Config()}))

"""What running in parallel over time costs and gains: newton and associative beside scan.

    python -m benchmarks.parallel_in_time
    python -m benchmarks.parallel_in_time --steps 100 1000 --cells gru4 para_gru --out runs/short

Forward passes of one row and of eight, states small (GRU, H = 4 and 16) and units that do not meet
(ParaGRU and MinGRU, H = 64). For each length: time in units of ``drivers.scan``'s (median of paired
ratios, quartiles), largest error against it, iterations, and the least length from which a
contender is faster. report.md, results.json and picture.png go to ``--out``. A CPU of few cores
has no use for the parallelism: what it shows is the work. Parameters are drawn, not trained.
``--clock processor`` counts this process's own time, other processes or not.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from benchmarks import harness, report
from benchmarks.scan_vs_unrolled import describe, say
from rnn_jax import cells, drivers
from rnn_jax.data.errors import InputError
from rnn_jax.train import cli

BASELINE = "scan"
CELLS: dict[str, Any] = {
    "gru4": cells.GRU(input_size=4, hidden_size=4),
    "gru16": cells.GRU(input_size=16, hidden_size=16),
    "para_gru": cells.ParaGRU(input_size=64, hidden_size=64),
    "min_gru": cells.MinGRU(input_size=64, hidden_size=64),
}
NEWTON: dict[str, dict[str, Any]] = {
    "newton, full": {"jacobian": "full"},
    "newton, diagonal": {"jacobian": "diagonal"},
    "newton, full, damped": {"jacobian": "full", "damped": True},
    "newton, diagonal, damped": {"jacobian": "diagonal", "damped": True},
}


@dataclass(frozen=True)
class Config:
    out: Path = Path("runs/parallel_in_time")  # where the report goes
    cells: tuple[Literal["gru4", "gru16", "para_gru", "min_gru"], ...] = (
        *("gru4", "gru16", "para_gru", "min_gru"),
    )
    steps: tuple[int, ...] = (100, 1000, 10000)  # T
    batch_sizes: tuple[int, ...] = (1, 8)  # B
    long_steps: tuple[int, ...] = (100000,)  # more T, for affine cells
    rounds: cli.Count = 11
    clock: Literal["wall", "processor"] = "wall"
    largest: cli.Count = 2_000_000  # most entries T * B * H * H of a full Jacobian
    seed: cli.Natural = 0
    full_damped: bool = False  # that contender, too: minutes of compiling for each size
    smoke: bool = False  # one short sequence: shows that it runs


TINY: dict[str, Any] = {"cells": ("gru4",), "steps": (8,), "batch_sizes": (1,), "rounds": 3}
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}
ASSOCIATIVE: dict[str, dict[str, Any]] = {
    "associative": {},
    "associative, one level": {"chunk": 1},
}
PUBLISHED = """Published, for comparison (Lim et al. 2024, DEER; V100, GRU of a small state, B=16,
T=10000): 0.226 s by a loop, 3.3 ms in parallel over time, 68 times as fast."""


class Line(NamedTuple):
    """One contender at one size."""

    cell: str
    batch_size: int
    num_steps: int
    name: str
    milliseconds: float  # least
    to_scan: harness.Ratio
    verdict: str
    error: float  # largest difference of an output from scan's
    iterations: int | None
    fell_back: bool | None
    compile_seconds: float | None
    temp_bytes: int | None = None


def benchmark(config: Config) -> None:
    """Times drivers that are parallel over time against the loop over it."""
    config = replace(config, **TINY) if config.smoke else config
    if not config.cells or min(config.steps, default=0) < 1:
        raise InputError("--steps and --cells: name at least one each, steps of at least 1")
    try:
        config.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out: cannot write to {config.out}: {error.strerror}") from None
    environment = harness.environment()
    lines: list[Line] = []
    for name in config.cells:
        steps = config.steps + config.long_steps * cells.is_affine(CELLS[name])
        for sizes in product(config.batch_sizes, steps):
            lines += contest(config, name, *sizes)
            environment |= {"load_after": harness.load()}
            text = write(config, environment, lines)  # a run that is stopped keeps what it has
    print(text)
    draw(config.out / "picture.png", lines)


def write(config: Config, environment: dict[str, Any], lines: list[Line]) -> str:
    command = f"python -m benchmarks.parallel_in_time {' '.join(sys.argv[1:])}".strip()
    about = f"{describe(environment)} Time: {config.clock} clock."
    text = f"`{command}`\n\n{about}\n\n{PUBLISHED}\n\n{table(lines)}\n{crossovers(lines)}"
    (config.out / "report.md").write_text(text)
    document = {"config": asdict(config), "environment": environment, "lines": lines}
    report.write_json(config.out / "results.json", document)
    return text


def contest(config: Config, name: str, batch_size: int, num_steps: int) -> list[Line]:
    """All contenders on the same arrays."""
    cell = CELLS[name]
    key_params, key_xs = jax.random.split(jax.random.key(config.seed))
    params = cell.init(key_params)
    xs = jax.random.normal(key_xs, (num_steps, batch_size, cell.input_size))
    programs, errors, infos = [], {}, {}
    wanted = None
    for contender, run in contenders(config, cell, num_steps * batch_size).items():
        say(f"{name}, B={batch_size}, T={num_steps}: {contender}")
        program = harness.compile_program(contender, run, params, xs)
        ys, info = program.call()
        wanted = ys if wanted is None else wanted
        errors[contender], infos[contender] = float(abs(ys - wanted).max()), info
        programs.append(program)
    times = harness.measure(programs, BASELINE, config.rounds, 0.01, CLOCKS[config.clock])
    control = harness.ratio(times, harness.CONTROL, BASELINE)
    lines = []
    for program in programs:
        ratio, info = harness.ratio(times, program.name, BASELINE), infos[program.name]
        lines.append(
            Line(
                cell=name,
                batch_size=batch_size,
                num_steps=num_steps,
                name=program.name,
                milliseconds=1e3 * float(times[program.name].min()),
                to_scan=ratio,
                verdict="" if program.name == BASELINE else harness.verdict(ratio, control),
                error=errors[program.name],
                iterations=None if info is None else int(info.iterations),
                fell_back=None if info is None else bool(info.fell_back),
                compile_seconds=program.compile_seconds,
                temp_bytes=program.temp_bytes,
            )
        )
    return lines


def contenders(config: Config, cell: Any, num_rows: int) -> dict[str, Callable[..., Any]]:
    """Functions of params and xs that give the outputs, and what newton says of itself."""

    def plain(driver: Any, options: dict[str, Any], params: Any, xs: jax.Array) -> Any:
        return driver(cell, params, xs, **options)[1], None

    def newton(options: dict[str, Any], params: Any, xs: jax.Array) -> Any:
        _, ys, info = drivers.newton_info(cell, params, xs, **options)
        return ys, info

    found: dict[str, Callable[..., Any]] = {BASELINE: partial(plain, drivers.scan, {})}
    if cells.is_affine(cell):
        run = partial(plain, drivers.associative)
        return found | {name: partial(run, options) for name, options in ASSOCIATIVE.items()}
    meets = not cells.is_elementwise(cell)
    fits = num_rows * cell.hidden_size**2 <= config.largest
    for name, options in NEWTON.items():
        quick = name != "newton, full, damped" or config.full_damped or config.smoke
        if quick and ("full" not in name or (meets and fits)):
            found[name] = partial(newton, options)
    return found


def table(lines: list[Line]) -> str:
    """All that was measured, as Markdown."""
    rows = [
        "| cell | B | T | contender | time / scan | quartiles | | ms (min) | error | iterations "
        "| temp KiB | compile s |",
        "| --- | ---: | ---: | --- | ---: | :---: | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for line in lines:
        told = "-" if line.iterations is None else str(line.iterations)
        told += ", then the loop" if line.fell_back else ""
        low, median, high = line.to_scan
        rows.append(
            f"| {line.cell} | {line.batch_size} | {line.num_steps} | {line.name} | {median:.2f} | "
            f"{low:.2f}-{high:.2f} | {line.verdict} | {line.milliseconds:.3g} | {line.error:.1e} | "
            f"{told} | {(line.temp_bytes or 0) / 1024:.0f} | {line.compile_seconds or 0:.1f} |"
        )
    return "\n".join(rows) + "\n"


def crossovers(lines: list[Line]) -> str:
    """The least length from which a contender is faster than scan, at all greater ones too."""
    series: dict[tuple[str, int, str], list[Line]] = {}
    for line in lines:
        if line.name != BASELINE:
            series.setdefault((line.cell, line.batch_size, line.name), []).append(line)
    text = ["| cell | B | contender | faster than scan from T |", "| --- | ---: | --- | ---: |"]
    for (cell, batch_size, name), found in series.items():
        since = None
        for line in sorted(found, key=lambda line: -line.num_steps):
            if line.verdict != "faster":
                break
            since = line.num_steps
        text.append(f"| {cell} | {batch_size} | {name} | {since or 'never here'} |")
    return "\n".join(text) + "\n"


def draw(path: Path, lines: list[Line]) -> None:
    """Time in units of scan's against T, a row of panels for each batch size."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator

    kinds = list(dict.fromkeys(line.cell for line in lines))
    batches = list(dict.fromkeys(line.batch_size for line in lines))
    names, seen = list(dict.fromkeys(line.name for line in lines)), {}
    figure = Figure((3 * len(kinds) + 2, 2.7 * len(batches) + 0.4), layout="constrained")
    grid = figure.subplots(len(batches), len(kinds), squeeze=False, sharey=True)
    for batch_size, panels in zip(batches, grid, strict=True):
        for kind, axes in zip(kinds, panels, strict=True):
            own = [line for line in lines if (line.cell, line.batch_size) == (kind, batch_size)]
            seen[BASELINE] = axes.axhline(1, color="black", linestyle="--")
            for name in dict.fromkeys(line.name for line in own if line.name != BASELINE):
                points = [(x.num_steps, x.to_scan.median) for x in own if x.name == name]
                color = f"C{names.index(name)}"
                (seen[name],) = axes.loglog(*np.array(points).T, "o-", color=color, ms=4)
            axes.set(title=f"{kind}, B={batch_size}", xlabel="T")
            axes.grid(alpha=0.3, which="both")
            axes.yaxis.set(minor_locator=LogLocator(subs=(2, 5)), minor_formatter="{x:g}")
            axes.yaxis.set(major_formatter="{x:g}")
        panels[0].set(ylabel="time / scan")
    figure.legend(list(seen.values()), list(seen), loc="outside right center", fontsize=8)
    figure.suptitle("In parallel over time, below the dashed line is faster than scan", fontsize=9)
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    program = "python -m benchmarks.parallel_in_time"
    sys.exit(cli.main(program, [benchmark], {"default": Config()}))

"""What a gradient carried forward in time costs, beside backpropagation: memory and time against T.

    python -m benchmarks.forward_in_time
    python -m benchmarks.forward_in_time --smoke

The gradient of a sum of losses over T steps, for a cell with a dense recurrence (an LSTM, or what
``--dense`` names) and one with a diagonal recurrence (minGRU): ``drivers.rtrl`` by each method, and
``jax.grad`` through ``drivers.scan`` as it is, with plain differentiation and with two kinds of
rematerialisation. Exact methods are checked to agree first. A table goes to standard output;
report.md, results.json and picture.png go to ``--out``.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import harness, report
from rnn_jax import cells, drivers
from rnn_jax.data.errors import InputError
from rnn_jax.train import cli

BASELINE = "BPTT"
BACKWARD: dict[str, dict[str, Any]] = {
    BASELINE: {},
    "BPTT, autodiff": {"gradient": "autodiff"},
    "BPTT, remat step": {"remat": "step"},
    "BPTT, remat sqrt": {"remat": "sqrt"},
}


@dataclass(frozen=True)
class Config:
    out: Path = Path("runs/forward_in_time")  # where the report goes
    dense: Literal["elman", "gru", "lstm"] = "lstm"  # the cell with a dense recurrence
    lengths: tuple[int, ...] = (16, 64, 256, 1024, 4096)  # T
    batch_size: cli.Count = 4  # B
    input_size: cli.Count = 16  # D
    hidden_size: cli.Count = 32  # H
    rounds: cli.Count = 7  # measurements of each
    clock: Literal["wall", "processor"] = "wall"  # processor: of this process, all its threads
    seed: cli.Natural = 0
    smoke: bool = False  # tiny sizes, in seconds


TINY: dict[str, Any] = {"lengths": (2, 4), "input_size": 2, "hidden_size": 3, "rounds": 2}


class Point(NamedTuple):
    """One way to a gradient, at one length."""

    cell: str
    name: str
    num_steps: int
    temp_bytes: int | None
    seconds: tuple[float, ...]
    to_baseline: harness.Ratio  # time in units of the baseline's
    error: float  # of the gradient, relative to the baseline's


def benchmark(config: Config) -> None:
    """Measures memory and time of gradients carried forward, against the length."""
    config = replace(config, **TINY) if config.smoke else config
    if not config.lengths or min(config.lengths) < 1:
        raise InputError(f"--lengths: {config.lengths} are no numbers of steps")
    try:
        config.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out: cannot write to {config.out}: {error.strerror}") from None
    dense = {"elman": cells.Elman, "gru": cells.GRU, "lstm": cells.LSTM}[config.dense]
    sizes: dict[str, Any] = {"input_size": config.input_size, "hidden_size": config.hidden_size}
    environment = harness.environment()
    title = f"B={config.batch_size} D={config.input_size} H={config.hidden_size}, float32"
    title += f", {config.clock} clock"
    points: list[Point] = []
    for cell, methods in (
        (dense(**sizes), ("full", "snap1", "uoro")),
        (cells.MinGRU(**sizes), ("full", "diagonal", "uoro")),
    ):
        for num_steps in config.lengths:
            points += measure(config, cell, methods, num_steps)
            # A run that is stopped keeps what it has.
            text = f"{title}\n\n{describe(environment)}\n\n{table(points)}"
            document = {"config": asdict(config), "environment": environment, "points": points}
            (config.out / "report.md").write_text(text)
            report.write_json(config.out / "results.json", document)
    print(text)
    draw(config.out / "picture.png", points, title)


def measure(config: Config, cell: Any, methods: tuple[str, ...], num_steps: int) -> list[Point]:
    """All ways to the gradient of one cell over so many steps."""
    key_params, key_xs, key_signs = jax.random.split(jax.random.key(config.seed), 3)
    params = cell.init(key_params)
    xs = jax.random.normal(key_xs, (num_steps, config.batch_size, config.input_size))
    programs, gradients = [], {}
    for name, learn in ways(cell, methods, key_signs).items():
        print(f"{type(cell).__name__} T={num_steps}: {name}", file=sys.stderr, flush=True)
        program = harness.compile_program(name, learn, params, xs)
        programs.append(program)
        found = [np.ravel(leaf) for leaf in jax.tree.leaves(program.call())]
        gradients[name] = np.concatenate(found)
    errors = {n: harness.relative_error(g, gradients[BASELINE]) for n, g in gradients.items()}
    wrong = {n: e for n, e in errors.items() if "snap1" not in n and "uoro" not in n and e > 1e-3}
    if wrong:
        raise RuntimeError(f"these are exact, and off: {wrong}")
    clock = {"wall": time.perf_counter, "processor": time.process_time}[config.clock]
    times = harness.measure(programs, BASELINE, config.rounds, clock=clock)
    return [
        Point(
            type(cell).__name__,
            program.name,
            num_steps,
            program.temp_bytes,
            tuple(map(float, times[program.name])),
            harness.ratio(times, program.name, BASELINE),
            errors[program.name],
        )
        for program in programs
    ]


def ways(cell: Any, methods: tuple[str, ...], key: jax.Array) -> dict[str, Callable[..., Any]]:
    """From parameters and inputs to the gradient, by name."""

    def loss(y: jax.Array) -> jax.Array:
        return jnp.square(y - 0.5).sum()

    def backward(options: dict[str, Any]) -> Callable[..., Any]:
        def total(params: Any, xs: jax.Array) -> jax.Array:
            return jax.vmap(loss)(drivers.scan(cell, params, xs, **options)[1]).sum()

        return jax.grad(total)

    def forward(method: Any) -> Callable[..., Any]:
        def learn(params: Any, xs: jax.Array) -> Any:
            signs = key if method == "uoro" else None
            memory = drivers.rtrl_init(cell, params, xs.shape[1:2], method=method, key=signs)
            return drivers.rtrl(cell, params, xs, memory, loss=loss).gradient

        return learn

    found = {name: backward(options) for name, options in BACKWARD.items()}
    return found | {f"rtrl {method}": forward(method) for method in methods}


def describe(environment: dict[str, Any]) -> str:
    """One line on machine, versions and load."""
    versions = ", ".join(f"{name} {found}" for name, found in environment["versions"].items())
    return (
        f"{environment['processor']}, {environment['cores']} cores; commit "
        f"{environment['commit']}; {versions}; load average {environment['load']} before."
    )


def table(points: list[Point]) -> str:
    """Markdown: a row for each cell and way, a column for each length."""
    lengths = sorted({point.num_steps for point in points})
    by_place = {(point.cell, point.name, point.num_steps): point for point in points}
    lines = []
    for title, write in (
        ("Temporary memory, KiB", lambda p: f"{(p.temp_bytes or 0) / 1024:.0f}"),
        ("Time of a gradient, ms (min)", lambda p: f"{min(p.seconds) * 1e3:.3g}"),
        (f"Time / {BASELINE} (median)", lambda p: f"{p.to_baseline.median:.2f}"),
        ("Relative error of the gradient", lambda p: f"{p.error:.1e}"),
    ):
        lines += [f"### {title}", "", f"| cell | way | {' | '.join(f'T={t}' for t in lengths)} |"]
        lines.append("| --- | --- |" + " ---: |" * len(lengths))
        for cell, name in dict.fromkeys((p.cell, p.name) for p in points):
            places = ((cell, name, t) for t in lengths)
            values = " | ".join(write(by_place[p]) if p in by_place else "-" for p in places)
            lines.append(f"| {cell} | {name} | {values} |")
        lines.append("")
    return "\n".join(lines)


def draw(path: Path, points: list[Point], title: str) -> None:
    """Memory and time against T, a row of panels for each cell."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    kinds = list(dict.fromkeys(point.cell for point in points))
    figure = Figure(figsize=(9, 3.4 * len(kinds)), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(kinds), 2, squeeze=False)
    for kind, panels in zip(kinds, grid, strict=True):
        for name in dict.fromkeys(point.name for point in points if point.cell == kind):
            line = [point for point in points if (point.cell, point.name) == (kind, name)]
            steps = [point.num_steps for point in line]
            style = "--" if name.startswith("BPTT") else "-"
            memory = [max(point.temp_bytes or 1, 1) / 1024 for point in line]
            panels[0].loglog(steps, memory, style, marker=".", label=name)
            seconds = [min(point.seconds) * 1e3 for point in line]
            panels[1].loglog(steps, seconds, style, marker=".", label=name)
        for axes, quantity in zip(panels, ("temporary memory, KiB", "time, ms"), strict=True):
            axes.set(title=f"{kind}: {quantity}", xlabel="T")
            axes.grid(alpha=0.3)
            axes.set_xticks(sorted({p.num_steps for p in points}))
            axes.xaxis.set(major_formatter="{x:g}", minor_formatter="")
        panels[1].legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.suptitle(f"One gradient over T steps; {title}", fontsize=9)
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    sys.exit(cli.main("python -m benchmarks.forward_in_time", [benchmark], {"default": Config()}))

"""The kernel of ``drivers.fused`` beside loops, as the compilers of TPUs that are not here see it.

    pip install -e '.[aot]'
    python -m benchmarks.fused_kernel

One LSTM layer, the gradient of a sum of squares by parameters and inputs, for one chip. Nothing
runs. Cycles of what XLA compiles are its own estimate, loops counted as often as they go round.
For the kernels it has none: their cycles are the final instruction bundles of one step times the
number of steps, and those around a block of steps (under 1 %) as for the longest blocks. A bundle
takes one cycle unless it waits; the kernels' transfers, of which XLA's estimates know, are told as
bytes of a step beside what the memory moves meanwhile. fused_kernel.md and fused_kernel.json go to
``--out``.
"""

import multiprocessing
import os
import re
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from benchmarks import census, contenders, harness, peers, report
from rnn_jax import cells, drivers
from rnn_jax.data.errors import InputError
from rnn_jax.kernels.blocks import MAX_STEPS
from rnn_jax.train import cli

Target = Literal["v5e", "v5p", "v6e"]
TOPOLOGIES = {"v5e": "v5e:2x2", "v5p": "v5p:2x2x1", "v6e": "v6e:2x2"}
# Bytes of the memory for each cycle: GB/s and GHz of the chips' data sheets (a core of a v5p).
BYTES_PER_CYCLE = {"v5e": 819 / 1.5, "v5p": 2765 / 2 / 1.75, "v6e": 1640 / 1.75}
KERNELS = ("forward", "backward")


@dataclass(frozen=True)
class Config:
    out: Path = Path("benchmarks/results")  # where the report goes
    targets: tuple[Target, ...] = ("v5e", "v5p", "v6e")
    contenders: tuple[Literal["flax", "scan", "fused"], ...] = ("flax", "scan", "fused")
    steps: int = 256
    batch_size: int = 64
    hidden_size: int = 1024  # and inputs


class Row(NamedTuple):
    """One program for one target."""

    target: str
    name: str
    compile_seconds: float
    temp_bytes: int
    xla_cycles: float | None  # what XLA estimates, kernels left out
    bundles: dict[str, tuple[int, int]]  # of each kernel: (of a step, of a block of steps)
    cycles: float | None  # all together


def compare(config: Config) -> None:
    """Compiles the training step of one layer in each way for each chip."""
    if not find_spec("libtpu"):
        raise InputError("libtpu is not installed: pip install -e '.[aot]'")
    jax.config.update("jax_platforms", "cpu")
    environment = harness.environment()
    config.out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    for target in config.targets:
        for name in config.contenders:
            print(f"{target}: compiling {name}", file=sys.stderr, flush=True)
            rows.append(apart(compile_one, config, target, name))
            write(config, environment, rows)
    print((config.out / "fused_kernel.md").read_text())


def apart(f: Any, *arguments: Any, flags: str = "") -> Any:
    """``f(*arguments)`` in a process of its own: libtpu reads its flags once."""
    os.environ["LIBTPU_INIT_ARGS"] = flags
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(f, *arguments).result()


def compile_one(config: Config, target: Target, name: str) -> Row:
    """What the compiler says of one program."""
    begin = perf_counter()
    program = gradient_program(config, target, name, config.steps)
    seconds = perf_counter() - begin
    xla = census.total(program.as_text(), census.estimated_cycles)
    bundles = count_bundles(config, target) if name == "fused" else {}
    blocks = -(-config.steps // MAX_STEPS)
    kernels = sum(step * config.steps + block * blocks for step, block in bundles.values())
    return Row(
        target=target,
        name=name,
        compile_seconds=round(seconds, 1),
        temp_bytes=program.memory_analysis().temp_size_in_bytes,
        xla_cycles=xla,
        bundles=bundles,
        cycles=None if xla is None else xla + kernels,
    )


def gradient_program(config: Config, target: Target, name: str, num_steps: int) -> Any:
    """The gradient in bfloat16, compiled for one chip."""
    from jax.experimental import topologies

    jax.config.update("jax_platforms", "cpu")
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")  # do not look for the cloud around us
    os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")  # there is no chip to be locked
    os.environ.setdefault("TPU_ACCELERATOR_TYPE", "v5litepod-4")
    os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")
    chips = topologies.get_topology_desc(TOPOLOGIES[target], "tpu").devices
    one = jax.sharding.SingleDeviceSharding(chips[0])
    size = config.hidden_size
    cell = cells.LSTM(input_size=size, hidden_size=size)
    layer = {
        "flax": lambda: peers.nnx_layer(cell, "lstm", jnp.bfloat16),
        "scan": lambda: contenders.own_layer(cell, "scan", drivers.scan),
        "fused": lambda: contenders.own_layer(cell, "fused", drivers.fused),
    }[name]()

    def loss(params: Any, xs: jax.Array) -> jax.Array:
        return jnp.square(layer.apply(params, xs).astype(jnp.float32)).sum()

    shapes = jax.eval_shape(lambda key: layer.pack(cell.init(key, jnp.bfloat16)), jax.random.key(0))
    xs = jax.ShapeDtypeStruct((num_steps, config.batch_size, size), jnp.bfloat16)
    placed = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=one), (shapes, xs)
    )
    with drivers.compiling_for("tpu"):
        return jax.jit(jax.grad(loss, argnums=(0, 1))).lower(*placed).compile()


def count_bundles(config: Config, target: Target) -> dict[str, tuple[int, int]]:
    """Bundles of each kernel, read from what the compiler writes: the same for any T."""
    with tempfile.TemporaryDirectory() as folder:
        flags = f"--xla_jf_dump_to={folder} --xla_jf_dump_llo_text=true"
        apart(compile_and_forget, config, target, flags=flags)
        files = {k: next(Path(folder).glob(f"*LSTM_{k}*-final_bundles.txt")) for k in KERNELS}
        return {name: bundles(file.read_text()) for name, file in files.items()}


def compile_and_forget(config: Config, target: Target) -> None:
    """For what the compiler writes meanwhile."""
    gradient_program(config, target, "fused", 2 * MAX_STEPS)


def bundles(text: str) -> tuple[int, int]:
    """(of the loop over steps, of the loop over blocks around it) in a listing of bundles.

    Each stands on a line of its own, with as many > as there are loops around it.
    """
    lines = re.findall(r"^ *(?:0x[0-9a-f]+|0) *(?:[A-Z]{2})? *: *([> ]*)\{", text, re.MULTILINE)
    depths = Counter(line.count(">") for line in lines)
    return depths[2], depths[1]


def write(config: Config, environment: dict[str, Any], rows: list[Row]) -> None:
    """The report and the numbers."""
    document = {
        "command": "python -m benchmarks.fused_kernel",
        "config": asdict(config),
        "environment": environment,
        "rows": rows,
    }
    report.write_json(config.out / "fused_kernel.json", document)
    (config.out / "fused_kernel.md").write_text(describe(config, environment, rows) + "\n")


def describe(config: Config, environment: dict[str, Any], rows: list[Row]) -> str:
    """The rows as Markdown."""
    versions = ", ".join(f"{name} {found}" for name, found in environment["versions"].items())
    peer = {row.target: row.cycles for row in rows if row.name == "flax"}
    lines = [
        f"Gradient of one LSTM layer, B {config.batch_size}, T {config.steps}, D = H "
        f"{config.hidden_size}, bfloat16, compiled for one chip, not run. Made by "
        f"`python -m benchmarks.fused_kernel`; {versions}; commit {environment['commit']}.",
        "",
        "| chip | program | temporary, MiB | cycles by XLA, M | bundles of a step, forward, back "
        "| cycles in all, M | of flax's | compiled in, s |",
        "| --- | --- | ---: | ---: | --- | ---: | ---: | ---: |",
    ]
    for row in rows:
        base = peer.get(row.target)
        of_peer = row.cycles / base if row.cycles and base else None
        steps = ", ".join(str(step) for step, _ in row.bundles.values()) or "-"
        lines.append(
            f"| {row.target} | {NAMES[row.name]} | {row.temp_bytes / 2**20:.0f} "
            f"| {millions(row.xla_cycles)} | {steps} | {millions(row.cycles)} "
            f"| {'-' if of_peer is None else f'{of_peer:.2f}'} | {row.compile_seconds:.0f} |"
        )
    rates = ", ".join(f"{name} {rate:.0f}" for name, rate in BYTES_PER_CYCLE.items())
    size, batch = config.hidden_size, config.batch_size
    lines += [
        "",
        "Cycles in all: XLA's estimates, and for the kernels bundles times steps, waits left out. "
        f"A step of the forward kernel moves {batch * size * 22 / 2**20:.1f} MiB, one of the "
        f"backward kernel {batch * size * 34 / 2**20:.1f}; the memory moves in a cycle ({rates} "
        "bytes) while the units work.",
    ]
    return "\n".join(lines)


NAMES = {"flax": "flax nnx.RNN", "scan": "drivers.scan", "fused": "drivers.fused"}


def millions(cycles: float | None) -> str:
    return "-" if cycles is None else f"{cycles / 1e6:.1f}"


if __name__ == "__main__":
    sys.exit(cli.main("python -m benchmarks.fused_kernel", [compare], {"default": Config()}))

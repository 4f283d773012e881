"""The training steps compiled for devices that are not here: four chips of a TPU v5e, an H200.

    pip install -e '.[aot]'
    python -m benchmarks.aot
    python -m benchmarks.aot --targets v5e --cases translation --smoke

Nothing runs; the compilers themselves tell how much memory a step takes, which collectives there
are and whether one stands in a time loop, how many cycles a TPU takes by the compiler's own
estimate (of one chip, collectives and the time to load a program left out), how many kernels a GPU
starts. Without autotuning, as here, XLA takes the first tiling for a
GPU's products, so no speed follows. report.md and results.json go to ``--out``; the same command
again compiles what is missing there.
"""

import json
import multiprocessing
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from benchmarks import census, harness, report, training_steps
from rnn_jax import drivers
from rnn_jax.data.errors import InputError
from rnn_jax.train import cli, parallel
from rnn_jax.train.fit import in_precision
from rnn_jax.train.state import TrainState
from rnn_jax.typing import PyTree

Target = Literal["v5e", "h200"]
CaseName = Literal["language_model", "translation", "speech"]
COMPILERS = {"v5e": "libtpu", "h200": "jax_cuda12_plugin"}  # modules of the aot extra
CHIPS = {"v5e": 4, "h200": 1}
# The H200 as its driver describes it, in the form that XLA reads (stream_executor's
# GpuTargetConfigProto); figures from NVIDIA's data sheet and the CUDA programming guide, 9.0.
H200 = """
gpu_device_info {
  cuda_compute_capability { major: 9 }
  core_count: 132  fpus_per_core: 128  clock_rate_ghz: 1.98
  threads_per_warp: 32  threads_per_block_limit: 1024  threads_per_core_limit: 2048
  registers_per_block_limit: 65536  registers_per_core_limit: 65536
  shared_memory_per_block: 49152  shared_memory_per_block_optin: 232448
  shared_memory_per_core: 233472
  block_dim_limit_x: 2147483647  block_dim_limit_y: 65535  block_dim_limit_z: 65535
  memory_bandwidth: 4800000000000  l2_cache_size: 52428800  device_memory_size: 151397597184
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 10 }
runtime_version { major: 12 minor: 8 }
device_description_str: "NVIDIA H200 141GB HBM3e"
"""


@dataclass(frozen=True)
class Config:
    out: Path = Path("runs/aot")  # where the report goes
    targets: tuple[Target, ...] = ("v5e", "h200")
    cases: tuple[CaseName, ...] = ("language_model", "translation", "speech")
    modes: tuple[Literal["jit", "shard_map"], ...] = ("jit", "shard_map")
    precision: Literal["float32", "bfloat16"] = "bfloat16"  # of products
    smoke: bool = False  # tiny sizes: shows that it compiles


class Row(NamedTuple):
    """One step for one target."""

    case: str
    sizes: str
    target: str
    mode: str
    compile_seconds: float
    argument_bytes: int  # on each chip: state and batch
    temp_bytes: int  # beside them
    collectives: dict[str, tuple[int, int]]  # kind: (in the program, of these in time loops)
    cycles: float | None  # of one chip, as the TPU's compiler estimates
    kernels: float | None  # started by a GPU


def compile_steps(config: Config) -> None:
    """Compiles the three training steps ahead of time and says what the programs are like."""
    missing = [f"{COMPILERS[t]} for {t}" for t in config.targets if not find_spec(COMPILERS[t])]
    if missing:
        raise InputError(f"not installed: {', '.join(missing)}: pip install -e '.[aot]'")
    jax.config.update("jax_platforms", "cpu")  # the plugins are there, their devices are not
    environment = harness.environment() | {
        "compilers": {
            name: found
            for name in ("libtpu", "jax-cuda12-pjrt", "nvidia-cuda-nvcc-cu12")
            if (found := _version(name))
        }
    }
    config.out.mkdir(parents=True, exist_ok=True)
    rows = compiled_before(config, environment)
    done = {(row.case.replace(" ", "_"), row.target, row.mode) for row in rows}
    spawn = multiprocessing.get_context("spawn")  # each target wants a JAX of its own
    for target in config.targets:
        with ProcessPoolExecutor(1, spawn, start, (target,)) as process:
            for name in config.cases:
                for mode in config.modes if CHIPS[target] > 1 else config.modes[:1]:
                    if (name, f"{CHIPS[target]} x {target}", mode) in done:
                        continue
                    print(f"{target}: compiling {name}, {mode}", file=sys.stderr, flush=True)
                    asked = (name, config.smoke, target, mode, config.precision)
                    rows.append(process.submit(compile_one, *asked).result())
                    write(config, environment, rows)  # what there is, should the rest take long
    write(config, environment, rows)
    print((config.out / "report.md").read_text())


def compiled_before(config: Config, environment: dict[str, Any]) -> list[Row]:
    """What an interrupted run in the same folder has, of the same commit and compilers."""
    try:
        found = json.loads((config.out / "results.json").read_text())
        was, now = found["environment"] | found["config"], environment | asdict(config)
        same = ("commit", "versions", "compilers", "precision", "smoke")
        return [Row(**row) for row in found["rows"]] if all(was[k] == now[k] for k in same) else []
    except (OSError, ValueError, KeyError, TypeError):
        return []


def write(config: Config, environment: dict[str, Any], rows: list[Row]) -> None:
    """The report and the numbers."""
    (config.out / "report.md").write_text(f"{describe(environment, config)}\n\n{table(rows)}\n")
    document = {"config": asdict(config), "environment": environment, "rows": rows}
    report.write_json(config.out / "results.json", document)


def start(target: Target) -> None:
    """Begin a process in which JAX has not started yet."""
    jax.config.update("jax_platforms", "cpu")
    # Without types that say so, a program is split over devices wherever there are several.
    jax.config.update("jax_num_cpu_devices", CHIPS[target])


def compile_one(
    name: CaseName, smoke: bool, target: Target, mode: parallel.Mode, precision: str
) -> Row:
    """What the compiler says of one step."""
    case = training_steps.CASES[name](smoke)
    mesh = Mesh(np.array(devices(target)), (parallel.AXIS,))
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-3))
    step: Any = parallel.train_step(in_precision(case.loss, precision), optimizer, mesh, mode)
    begin = perf_counter()
    on_gpu = target == "h200"
    options = {"xla_gpu_autotune_level": 0} if on_gpu else None  # there is no GPU
    with drivers.compiling_for("gpu" if on_gpu else "tpu"):
        program = step.lower(*arguments(case, optimizer, mesh)).compile(options)
    memory, text = program.memory_analysis(), program.as_text()
    return Row(
        case=case.name,
        sizes=case.sizes,
        target=f"{CHIPS[target]} x {target}",
        mode=mode,
        compile_seconds=round(perf_counter() - begin, 1),
        argument_bytes=memory.argument_size_in_bytes,
        temp_bytes=memory.temp_size_in_bytes,
        collectives=census.collectives(text),
        cycles=None if on_gpu else census.total(text, census.estimated_cycles),
        kernels=census.total(text, census.is_kernel) if on_gpu else None,
    )


def devices(target: Target) -> list[Any]:
    """What can be compiled for."""
    from jax.experimental import topologies

    if target == "h200":
        found = topologies.get_topology_desc("", "cuda", target_config=H200, topology="1x1x1")
    else:
        os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")  # do not look for the cloud around us
        os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")  # there is no chip to be locked
        os.environ.setdefault("TPU_ACCELERATOR_TYPE", "v5litepod-4")
        os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")
        found = topologies.get_topology_desc("v5e:2x2", "tpu")
    return list(found.devices)


def arguments(
    case: training_steps.Case, optimizer: optax.GradientTransformation, mesh: Mesh
) -> tuple[TrainState, PyTree]:
    """Shapes of state and batch, placed as ``parallel.place`` and ``split_rows`` place arrays."""

    def placed(tree: PyTree, spec: Any) -> PyTree:
        def one(leaf: Any) -> jax.ShapeDtypeStruct:
            sharding = NamedSharding(mesh, spec if leaf.ndim else P())
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

        return jax.tree.map(one, tree)

    def create(params: PyTree, carry: PyTree) -> TrainState:
        return TrainState.create(params, optimizer, jax.random.key(0), carry)

    state = jax.eval_shape(create, case.params, case.carry)
    carry, batch = placed((state.carry, case.batch), P(parallel.AXIS))
    return placed(state._replace(carry=()), P())._replace(carry=carry), batch


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = [
        "| step | for | mode | state and batch, MiB | temporary, MiB | collectives "
        "| in time loops | cycles, M | kernels | compiled in, s |",
        "| --- | --- | --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        kinds = ", ".join(f"{n} {kind}" for kind, (n, _) in row.collectives.items()) or "none"
        inside = sum(n for _, n in row.collectives.values())
        cycles = "-" if row.cycles is None else f"{row.cycles / 1e6:.3g}"
        kernels = "-" if row.kernels is None else f"{row.kernels:.0f}"
        lines.append(
            f"| {row.case} | {row.target} | {row.mode} | {row.argument_bytes / 2**20:.0f} "
            f"| {row.temp_bytes / 2**20:.0f} | {kinds} | {inside} | {cycles} | {kernels} "
            f"| {row.compile_seconds:.0f} |"
        )
    sizes = {row.case: row.sizes for row in rows}
    return "\n".join(lines + [""] + [f"- {case}: {text}" for case, text in sizes.items()])


def describe(environment: dict[str, Any], config: Config) -> str:
    """One paragraph on versions and commit."""
    versions = (environment["versions"] | environment["compilers"]).items()
    shown = ", ".join(f"{name} {found}" for name, found in versions)
    return (
        f"Training steps compiled ahead of time, products in {config.precision}; memory of each "
        f"chip; cycles of one chip by the compiler's own estimate. Python {environment['python']}, "
        f"{shown}; commit {environment['commit']}."
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(cli.main("python -m benchmarks.aot", [compile_steps], {"default": Config()}))

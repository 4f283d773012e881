"""How exact the gradient is when parameters and inputs are bfloat16.

    python -m benchmarks.bf16_gradient
    python -m benchmarks.bf16_gradient --steps 64 --cells gru --hidden-size 256

Relative error (Euclidean norm, in percent) of the gradient by each parameter and by the inputs
against float64 with the same values, on a squared error against random targets. Rounding the result
to bfloat16 alone costs 0.17 %. A few minutes on 2 cores. ``--out FILE.json`` keeps the numbers.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp

from benchmarks import contenders, harness, report
from benchmarks.peers import Layer, nnx_layer
from rnn_jax import drivers
from rnn_jax.data.errors import InputError
from rnn_jax.train import cli


@dataclass(frozen=True)
class Config:
    steps: tuple[int, ...] = (64, 512, 2048)  # T
    cells: tuple[Literal["lstm", "gru"], ...] = ("lstm", "gru")
    batch_size: cli.Count = 8
    input_size: cli.Count = 64
    hidden_size: cli.Count = 64
    seed: cli.Natural = 0
    out: Path | None = None  # a JSON file for what is printed
    smoke: bool = False  # one short sequence, tiny sizes: shows that it runs


def table(config: Config) -> None:
    """Prints the error of the bfloat16 gradient of each contender against the sequence's length."""
    if config.smoke:
        config = replace(config, steps=(3,), batch_size=2, input_size=3, hidden_size=4)
    if not config.steps or min(config.steps) < 1 or not config.cells:
        raise InputError("--steps and --cells: name at least one each, steps of at least 1")
    if config.out and not config.out.parent.is_dir():
        raise InputError(f"--out: there is no folder {config.out.parent}")
    environment = harness.environment()  # as it is at the beginning
    rows: list[dict[str, Any]] = []
    for kind in config.cells:
        leaves = ["w_x", "w_h", "b", *(["b_h"] if kind == "gru" else []), "xs"]
        print(f"\n| {kind} | T | {' | '.join(leaves)} |\n| --- |{' ---: |' * (len(leaves) + 1)}")
        for num_steps in config.steps:
            sizes = (num_steps, config.batch_size, config.input_size, config.hidden_size)
            case = contenders.make_case(kind, *sizes, seed=config.seed)
            for name, found in errors(case, kind, config.seed):
                if isinstance(found, str):
                    print(f"| {name} | {num_steps} | {found} |", flush=True)
                    continue
                rows.append({"cell": kind, "steps": num_steps, "name": name, "errors": found})
                cells = [f"{100 * found[leaf]:.2f}" if leaf in found else "-" for leaf in leaves]
                print(f"| {name} | {num_steps} | {' | '.join(cells)} |", flush=True)
    if config.out:
        document = {"config": asdict(config), "environment": environment, "rows": rows}
        report.write_json(config.out, document)


def errors(
    case: contenders.Case, kind: str, seed: int
) -> Iterator[tuple[str, dict[str, float] | str]]:
    """(name, relative error of each gradient) of each contender, or why it does not run."""
    shape = (*case.xs.shape[:2], case.cell.hidden_size)
    targets = jax.random.normal(jax.random.key(seed + 1), shape)
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), (case.params, case.xs))
    with jax.enable_x64(True):
        exact = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), (*half, targets))
        reference = partial(run_scan, case.cell, gradient="autodiff")
        params, xs = jax.jit(gradient(reference))(*exact)
    right = {**params._asdict(), "xs": xs}
    for layer in layers(case.cell, kind):
        try:
            own = layer.pack(half[0])
            result = jax.jit(gradient(layer.apply))(own, half[1], targets)
        except (TypeError, ValueError) as error:
            yield layer.name, f"does not run: {type(error).__name__}"
            continue
        rounded = case._replace(params=half[0])
        mine = contenders.in_our_terms(layer, "training", rounded, result)
        yield layer.name, {name: harness.relative_error(d, right[name]) for name, d in mine}


def layers(cell: Any, kind: str) -> list[Layer]:
    """Our drivers with the default state (c in float32) and with all of it in float32, and Flax."""
    own = contenders.own_layer
    return [
        own(cell, "rnn_jax scan", drivers.scan),
        Layer("rnn_jax scan, float32 state", cell, lambda p: p, partial(run_scan, cell)),
        own(cell, "rnn_jax scan, autodiff", drivers.scan, gradient="autodiff"),
        nnx_layer(cell, kind, jnp.bfloat16),
    ]


def run_scan(cell: Any, params: Any, xs: jax.Array, gradient: Any = "deferred") -> jax.Array:
    """The outputs, starting from a state in float32 or wider."""
    start = cell.initial_state(params, xs.shape[1:2])
    wide = jnp.float32 if xs.dtype == jnp.bfloat16 else xs.dtype
    start = jax.tree.map(lambda leaf: leaf.astype(wide), start)
    return drivers.scan(cell, params, xs, start, gradient=gradient)[1]


def gradient(apply: Callable[[Any, jax.Array], jax.Array]) -> Callable[..., Any]:
    """Of the mean squared error, taken in the targets' dtype, by parameters and inputs."""

    def loss(params: Any, xs: jax.Array, targets: jax.Array) -> jax.Array:
        return jnp.square(apply(params, xs).astype(targets.dtype) - targets).mean()

    return jax.grad(loss, argnums=(0, 1))


if __name__ == "__main__":
    sys.exit(cli.main("python -m benchmarks.bf16_gradient", [table], {"default": Config()}))

"""How far back the gradient goes: what truncation can learn, and three ways to one gradient.

    python -m experiments.truncation                  # draws runs/truncation/default/truncation.png
    python -m experiments.truncation --lags 3 7 31 --reaches 4 8 16 32

A flagged bit among others is asked for L steps later, in a stream whose state is carried on. A
gradient that covers k2 steps reaches the bit where k2 > L; else what a random network happens to
keep is all that can be read. Forward learning (RTRL) has the gradient of backpropagation, in memory
that does not grow with T. 165 s of one CPU core, most of it compilation.
"""

import sys
import time
import timeit
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax import cells, drivers
from rnn_jax import train as training
from rnn_jax.data import InputError
from rnn_jax.plots.truncation import plot_truncation
from rnn_jax.train import cli


@dataclass(frozen=True)
class Config:
    run_dir: Path | None = None  # where everything goes; default runs/truncation/PRESET
    lags: tuple[cli.Count, ...] = (1, 3, 7, 15)  # L, steps from a bit to the question
    reaches: tuple[cli.Count, ...] = (1, 2, 4, 8, 16)  # k2, steps that a gradient covers
    hidden_size: cli.Count = 16
    batch_size: cli.Count = 32  # streams
    updates: cli.Count = 400
    learning_rate: cli.Rate = 1e-2
    lengths: tuple[cli.Count, ...] = (16, 128, 1024)  # T of the gradients that are measured
    seed: cli.Natural = 0


PRESETS = {"default": Config(),
           "tiny": Config(lags=(1, 3), reaches=(1, 4), updates=150, lengths=(8, 32),
                          hidden_size=8)}  # fmt: skip


def network(size: int) -> Any:
    return cells.OutputHead(cell=cells.GRU(input_size=3, hidden_size=size), head_size=1)


def questions(config: Config, key: jax.Array, lag: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Two rounds of a stream: inputs (T, B, 3) bit, shown, asked; the right answers (T, B)."""
    period = max(config.lags) + 3
    bits = 2.0 * jax.random.bernoulli(key, 0.5, (2 * period, config.batch_size)) - 1
    place = jnp.arange(2 * period)[:, None] % period + 0 * bits
    xs = jnp.stack([bits, place == 1, place == 1 + lag], axis=-1)
    return xs.astype(jnp.float32), jnp.roll(bits, lag, axis=0)


def recall(config: Config, reach: int, lag: jax.Array) -> jax.Array:
    """The share of right answers in the last fifth of training, on bits never seen before."""
    cell, start = network(config.hidden_size), jax.random.key(config.seed)
    optimizer = training.Optimizer(learning_rate=config.learning_rate, schedule="constant").make()

    def loss(params: Any, state: Any, key: jax.Array) -> tuple[jax.Array, Any]:
        xs, answers = questions(config, key, lag)
        state, ys = drivers.truncated(cell, params, xs, state, k1=1, k2=reach)
        asked, right = xs[..., 2], ys[..., 0] * answers
        nats = jnp.sum(asked * jax.nn.softplus(-right)) / jnp.sum(asked)
        return nats, (state, jnp.sum(asked * (right > 0)) / jnp.sum(asked))

    def update(carry: Any, key: jax.Array) -> tuple[Any, jax.Array]:
        params, moments, state = carry
        gradient, (state, right) = jax.grad(loss, has_aux=True)(params, state, key)
        change, moments = optimizer.update(gradient, moments, params)
        return (jax.tree.map(jnp.add, params, change), moments, state), right

    params = cell.init(start)
    state = cell.initial_state(params, (config.batch_size,))
    keys = jax.random.split(jax.random.fold_in(start, 1), config.updates)
    _, right = jax.lax.scan(update, (params, optimizer.init(params), state), keys)
    return right[-config.updates // 5 :].mean()


def ways(config: Config) -> dict[str, Any]:
    """From parameters and inputs to the gradient of the sum of the squared outputs."""
    cell, reach = network(config.hidden_size), max(config.reaches)

    def loss(driver: Any, params: Any, xs: jax.Array) -> jax.Array:
        return jnp.square(driver(cell, params, xs)[1]).sum()

    def forward(params: Any, xs: jax.Array) -> Any:
        return drivers.rtrl(cell, params, xs, loss=lambda y: jnp.square(y).sum()).gradient

    cut = partial(drivers.truncated, k1=reach)
    return {"BPTT": jax.grad(partial(loss, drivers.scan)), "RTRL": forward,
            f"truncated to {reach}": jax.grad(partial(loss, cut))}  # fmt: skip


class Cost(NamedTuple):
    memory: int  # temporary, in bytes
    seconds: float  # of the processor
    error: float  # relative, of a gradient, to that of BPTT


def costs(config: Config, num_steps: int) -> dict[str, Cost]:
    """What each way to a gradient costs."""
    one, other = jax.random.split(jax.random.key(config.seed))
    params, truth = network(config.hidden_size).init(one), np.zeros(())
    found: dict[str, Cost] = {}
    xs = jax.random.normal(other, (num_steps, 4, 3), jnp.float32)
    for name, way in ways(config).items():
        program = jax.jit(way).lower(params, xs).compile()
        call = partial(lambda program: jax.block_until_ready(program(params, xs)), program)
        flat = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(call())])
        times = timeit.repeat(call, timer=time.process_time, number=1, repeat=5)
        truth = truth if found else flat
        error = float(np.linalg.norm(flat - truth) / np.linalg.norm(truth))
        memory: Any = program.memory_analysis()
        found[name] = Cost(memory.temp_size_in_bytes, float(np.median(times)), error)
    return found


def run(config: Config) -> None:
    """Trains with each reach on each lag, measures the three ways to a gradient, draws both."""
    if not (config.lags and config.reaches and config.lengths):
        raise InputError("lags, reaches, lengths: give at least one of each")
    with training.Run(config) as place:
        lags = jnp.asarray(config.lags)
        right = np.stack([jax.jit(jax.vmap(partial(recall, config, reach)))(lags)
                          for reach in config.reaches])  # fmt: skip
        found = {num_steps: costs(config, num_steps) for num_steps in config.lengths}
        place.write("results.json", {"right": right.tolist(), "costs": found})
        figure = plot_truncation(config.reaches, dict(zip(config.lags, right.T)), found)
        figure.savefig(place.path / "truncation.png")
    for reach, row in zip(config.reaches, right):
        said = ", ".join(f"{share:.1%} at lag {lag}" for lag, share in zip(config.lags, row))
        print(f"gradient over {reach} steps, right answers: {said}")
    for num_steps, by_name in found.items():
        for name, (memory, seconds, error) in by_name.items():
            said = f"{memory:,} bytes, {1e3 * seconds:.2f} ms, {error:.1e} from BPTT"
            print(f"T = {num_steps}, {name}: {said}")


if __name__ == "__main__":
    sys.exit(cli.main("python -m experiments.truncation", [run], PRESETS))

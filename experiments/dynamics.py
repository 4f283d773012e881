"""Recurrent networks as dynamical systems: chaos, fading memory, and a series that runs on alone.

    python -m experiments.dynamics                    # draws runs/dynamics/default/dynamics.png
    python -m experiments.dynamics --reservoir-size 500 --seed 1

Lyapunov exponents of random tanh networks against their spectral radius, log radius for linear
ones; how much of its input's past a reservoir of N units holds, at most N values; an echo state
network that goes on with the Mackey-Glass series by itself. Takes a minute of one CPU core.
"""

import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax import analysis, cells, drivers, ops
from rnn_jax import train as training
from rnn_jax.cells.base import identity
from rnn_jax.data.chaos import mackey_glass
from rnn_jax.ops.initializers import SpectralRadius
from rnn_jax.plots.figures import finish_axes, new_figure
from rnn_jax.train import cli


@dataclass(frozen=True)
class Config:
    run_dir: Path | None = None  # where everything goes; default runs/dynamics/PRESET
    hidden_size: cli.Count = 100  # units of the networks whose exponents are measured
    memory_size: cli.Count = 50  # units of the reservoirs whose memory is measured
    reservoir_size: cli.Count = 300  # units of the one that goes on with a series
    steps: cli.Count = 1000  # that exponents are averaged over, after half as many
    inputs: cli.Count = 5000  # that memory is measured with, and of the series
    alone: cli.Count = 1500  # steps of the series that are made
    seed: cli.Natural = 0  # of weights and inputs


PRESETS = {"default": Config(),
           "tiny": Config(hidden_size=10, memory_size=10, reservoir_size=50, steps=100, inputs=600,
                          alone=100)}  # fmt: skip
RADII = np.array([0.5, 0.7, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.5, 2.0])


def exponents(config: Config, activation: Any, radii: Any) -> np.ndarray:
    """The largest Lyapunov exponent of a network without input, at every radius."""
    cell = cells.Elman(input_size=1, hidden_size=config.hidden_size, activation=activation,
                       recurrent_init=SpectralRadius(radius=1.0))  # fmt: skip
    params, warmup = cell.init(jax.random.key(config.seed)), config.steps // 2
    start = cells.ElmanState(h=jax.random.normal(jax.random.key(1), (config.hidden_size,)))
    xs = jnp.zeros((config.steps + warmup, 1))

    def largest(radius: jax.Array) -> jax.Array:
        scaled = params._replace(w_h=radius * params.w_h)
        return analysis.lyapunov_exponents(cell, scaled, xs, start, num_exponents=1, warmup=warmup)

    return np.asarray(jax.jit(jax.vmap(largest))(jnp.asarray(radii, jnp.float32)))[:, 0]


def fit_readout(hs: jax.Array, targets: jax.Array, alpha: float) -> tuple[jax.Array, jax.Array]:
    stats = ops.ridge_init(hs.shape[-1], targets.shape[-1])
    return ops.ridge_solve(ops.ridge_update(stats, hs, targets), alpha)


def memory_capacity(config: Config, radius: float, scaling: float, activation: Any) -> float:
    """Sum over k of the squared correlation of u_{t-k} with the best linear reading of h_t."""
    size, half = config.memory_size, config.inputs // 2
    cell = cells.EchoState(input_size=1, hidden_size=size, output_size=1, input_scaling=scaling,
                           spectral_radius=radius, activation=activation, density=1.0)  # fmt: skip
    key_p, key_u = jax.random.split(jax.random.key(config.seed))
    u = jax.random.uniform(key_u, (config.inputs,), jnp.float32, -1, 1)
    _, hs = drivers.scan(cells.Features(cell=cell), cell.init(key_p), u[:, None])
    lags = 2 * size
    past = jnp.stack([jnp.roll(u, k) for k in range(1, lags + 1)], axis=-1)
    w, b = fit_readout(hs[lags:half], past[lags:half], 1e-6)
    found, true = np.asarray(hs[half:] @ w) + np.asarray(b), np.asarray(past[half:])
    found, true = found - found.mean(axis=0), true - true.mean(axis=0)
    share = (found * true).sum(axis=0) ** 2 / (found**2 + 1e-12).sum(axis=0)
    share, chance = share / (true**2).sum(axis=0), 1 / len(true)  # what unrelated numbers share
    return float(np.maximum(share - chance, 0)[share > 4 * chance].sum())


def go_on_alone(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """What came, and what a reservoir made of it that is given its own predictions."""
    series = mackey_glass(config.inputs + config.alone) - 1
    xs = jnp.asarray(series[:, None], jnp.float32)
    cell = cells.EchoState(input_size=1, hidden_size=config.reservoir_size, output_size=1,
                           spectral_radius=0.95, leak=0.5, density=0.1)  # fmt: skip
    params, read = cell.init(jax.random.key(config.seed)), xs[: config.inputs]
    state, hs = drivers.scan(cells.Features(cell=cell), params, read[:-1])
    w, b = fit_readout(hs[100:], read[101:], 1e-7)
    params = params._replace(w_out=w, b_out=b)

    def step(carry: Any, _: None) -> tuple[Any, jax.Array]:
        state, y = drivers.step(cell, params, *carry)
        return (state, y), y

    made = jax.lax.scan(step, (state, read[-1]), None, config.alone)[1]
    return series[config.inputs :], np.asarray(made)[:, 0]


def run(config: Config) -> None:
    """Measures all three and draws them."""
    with training.Run(config) as place, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # reservoirs beyond radius 1 are the point
        tanh, linear = (exponents(config, f, RADII) for f in (jnp.tanh, identity))
        small = RADII[RADII < 1]
        kept = {"linear": [memory_capacity(config, r, 1.0, identity) for r in small]}
        for scaling in (0.1, 1.0):
            found = [memory_capacity(config, r, scaling, jnp.tanh) for r in RADII]
            kept[f"tanh, inputs times {scaling:g}"] = found
        came, made = go_on_alone(config)
        wrong = np.abs(made - came) > 0.1 * came.std()
        valid = int(wrong.argmax()) if wrong.any() else len(came)
        first = {"radius": RADII.tolist(), "tanh": tanh.tolist(), "linear": linear.tolist()}
        place.write("results.json", {"exponents": first, "memory": kept, "valid_steps": valid})
        figure = new_figure(12, 7)
        a, b, c, d = figure.subplots(2, 2).ravel()
        a.plot(RADII, tanh, "o-", label="tanh")
        a.plot(RADII, linear, "s", label="linear")
        a.plot(RADII, np.log(RADII), "--", color="0.4", label="log radius")
        a.set(title="largest Lyapunov exponent, no input", xlabel="spectral radius")
        for name, values in kept.items():
            b.plot(RADII[: len(values)], values, "o-", label=name)
        b.axhline(config.memory_size, color="0.4", linestyle="--", label="units")
        b.set(title="memory capacity", xlabel="spectral radius")
        for line, name, style in ((came, "came", "k-"), (made, "made", "C1--")):
            c.plot(line, style, linewidth=1, label=name)
            d.plot(line[17:], line[:-17], style, linewidth=0.7, label=name)
        c.axvline(valid, color="0.6", label=f"a tenth of a deviation apart: step {valid}")
        c.set(title="Mackey-Glass, made by the network itself", xlabel="step", ylim=(-1.0, 0.4))
        d.set(title="the attractor", xlabel="x(t)", ylabel="x(t - 17)")
        for axes in (a, b, c, d):
            finish_axes(axes)
            axes.legend(frameon=False, fontsize="small")
        figure.savefig(place.path / "dynamics.png")
    print("largest exponent by radius:", *(f"{r:g}: {e:.3f}" for r, e in zip(RADII, tanh)))
    for name, values in kept.items():
        print(f"memory capacity of {config.memory_size} units, {name}: {max(values):.1f} at most")
    print(
        f"Mackey-Glass: right to a tenth of a deviation for {valid} of {config.alone} steps alone"
    )
    print(f"drawn in {place.path}/dynamics.png")


if __name__ == "__main__":
    sys.exit(cli.main("python -m experiments.dynamics", [run], PRESETS))

"""Vanishing and exploding gradients: d s_t / d s_0 of one network after another, and clipping.

    python -m experiments.gradients                   # draws runs/gradients/default/gradients.png
    python -m experiments.gradients --hidden-size 128 --steps 500 --rows 8

The law: a linear network with w_h = rho * Q, Q orthogonal, has the norm rho^t, exactly; ReLUs with
the identity keep it at 1 while they are positive, and a memory cell keeps what its forget gate lets
through. Nothing is trained; it takes half a minute of one CPU core.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax import analysis, cells, drivers
from rnn_jax import train as training
from rnn_jax.cells.base import identity
from rnn_jax.ops.initializers import Orthogonal, SpectralRadius
from rnn_jax.plots.figures import finish_axes, new_figure
from rnn_jax.train import cli


@dataclass(frozen=True)
class Config:
    run_dir: Path | None = None  # where everything goes; default runs/gradients/PRESET
    hidden_size: cli.Count = 64  # units of each network
    steps: cli.Count = 200  # t of the last derivative
    rows: cli.Count = 4  # sequences of random inputs; the median is drawn
    updates: cli.Count = 60  # of gradient descent, with clipping and without
    clip_limit: cli.Rate = 0.1  # the longest gradient, where it is clipped
    learning_rate: cli.Rate = 0.1  # of that descent
    seed: cli.Natural = 0  # of weights and inputs


PRESETS = {"default": Config(), "tiny": Config(hidden_size=8, steps=40, rows=2, updates=20)}
RADII = (0.9, 1.0, 1.1)


def log_norms(config: Config, cell: Any, name: str = "h", scale: float = 1.0) -> jax.Array:
    """log |d s_t / d s_0| (T, rows) at the start of training; inputs are normal times scale."""
    key_p, key_x, key_s, key_z = jax.random.split(jax.random.key(config.seed), 4)
    params = cell.init(key_p)
    shape = (config.steps, config.rows, config.hidden_size)
    xs = scale * jax.random.normal(key_x, shape, jnp.float32)
    state = cell.initial_state(params, (config.rows,))  # made positive: there a ReLU is open
    state = jax.tree.map(lambda x: jnp.abs(jax.random.normal(key_s, x.shape, x.dtype)), state)
    return analysis.log_jacobian_norms(cell, params, xs, state, names=(name,), key=key_z)


def curves(config: Config) -> dict[str, dict[str, jax.Array]]:
    """The logarithms of the norms, by panel and network."""
    sizes: Any = {"input_size": config.hidden_size, "hidden_size": config.hidden_size}
    log = partial(log_norms, config)
    linear, other, gated = {}, {}, {}
    for r in RADII:
        for name, init in (("Q, Q orthogonal", Orthogonal(scale=r)),
                           ("W, W of spectral radius 1", SpectralRadius(radius=r))):  # fmt: skip
            network = cells.Elman(**sizes, activation=identity, recurrent_init=init)
            linear[f"{r} {name}"] = log(network)
        other[f"tanh, {r} Q"] = log(cells.Elman(**sizes, recurrent_init=Orthogonal(scale=r)))
    tanh, relu = cells.Elman(**sizes), cells.irnn(**sizes)  # an orthogonal matrix, the identity
    other["tanh, 1.0 Q, hardly driven"] = log(tanh, scale=0.05)
    other["tanh, 1.0 Q, zoneout 0.5"] = log(cells.Zoneout(cell=tanh, h_rate=0.5))
    other["ReLU, identity, no input"] = log(relu, scale=0.0)
    other["ReLU, identity"] = log(relu, scale=0.05)
    for bias in (0.0, 1.0, 3.0):
        lstm = cells.LSTM(**sizes, forget_bias=bias)
        gated[f"LSTM, forget bias {bias:g}: c"] = log(lstm, "c")
    gated |= {"GRU: h": log(cells.GRU(**sizes)), "tanh, 1.0 Q: h": other["tanh, 1.0 Q"]}
    return {"linear": linear, "tanh and ReLU": other, "gated": gated}


def cliff(theta: jax.Array) -> jax.Array:
    """The loss (h_50 - 0.7)^2 of one tanh unit with weight and bias theta; nothing comes in."""
    w, b = theta
    params = cells.ElmanParams(w_x=jnp.zeros((1, 1)), w_h=w[None, None], b=b[None])
    cell = cells.Elman(input_size=1, hidden_size=1)
    state, _ = drivers.scan(cell, params, jnp.zeros((50, 1)))
    return (state.h[0] - 0.7) ** 2


def descent(config: Config, limit: float | None) -> tuple[np.ndarray, np.ndarray]:
    """The way (N, 2) of gradient descent down the cliff's loss, and the losses on it."""
    optimizer = training.Optimizer(name="sgd", learning_rate=config.learning_rate, clip_limit=limit,
                                   schedule="constant", warmup_steps=0).make()  # fmt: skip

    def update(carry: Any, _: None) -> tuple[Any, Any]:
        theta, moments = carry
        loss, gradient = jax.value_and_grad(cliff)(theta)
        change, moments = optimizer.update(gradient, moments, theta)
        return (theta + change, moments), (theta, loss)

    start = jnp.array([1.6, 0.1], jnp.float32)
    way, losses = jax.lax.scan(update, (start, optimizer.init(start)), None, config.updates + 1)[1]
    return np.asarray(way), np.asarray(losses)


def draw(config: Config, found: Mapping[str, Mapping[str, Any]], ways: Mapping[str, Any]) -> Any:
    figure, steps = new_figure(12, 8), np.arange(1, config.steps + 1)
    panels = figure.subplots(2, 2).ravel()
    for axes, (title, networks) in zip(panels, found.items()):
        for k, (name, logs) in enumerate(networks.items()):
            color = f"C{k // 2 if title == 'linear' else k}"
            middle = np.median(logs, axis=1) / np.log(10)
            axes.plot(steps, middle, ":" if " W" in name else "-", color=color, label=name)
        for k, rho in enumerate(RADII if title == "linear" else ()):  # the law
            axes.plot(steps[::9], steps[::9] * np.log10(rho), "o", color=f"C{k}", markersize=3)
        axes.set(title=title, xlabel="step t", ylim=(-12, 9), ylabel="log10 |d s_t / d s_0|")
    w, b = np.meshgrid(np.linspace(0.9, 1.9, 101), np.linspace(-0.35, 0.35, 141))
    losses = jax.jit(jax.vmap(jax.vmap(cliff)))(jnp.asarray(np.stack([w, b], -1), jnp.float32))
    panels[3].contourf(w, b, np.log10(losses + 1e-4), levels=20, cmap="Greys_r")
    for name, (way, _) in ways.items():
        panels[3].plot(*way.T, "o-", markersize=3, linewidth=0.9, label=name)
    panels[3].set(title="gradient descent beside a cliff: log loss of one tanh unit")
    panels[3].set(xlabel="w_h", ylabel="b", xlim=(0.9, 1.9), ylim=(-0.35, 0.35))
    for axes, corner in zip(panels, ("lower left", "upper right", "upper right", "lower left")):
        finish_axes(axes)
        axes.legend(frameon=False, fontsize="x-small", loc=corner)
    return figure


def run(config: Config) -> None:
    """Measures the derivatives of all networks, and what clipping does; draws them."""
    with training.Run(config) as place:
        found = {panel: jax.device_get(networks) for panel, networks in curves(config).items()}
        ways = {f"clipped to {limit:g}" if limit else "not clipped": descent(config, limit)
                for limit in (None, config.clip_limit)}  # fmt: skip
        rates = {name: float(np.exp(np.median(logs[-1]) / config.steps))
                 for networks in found.values() for name, logs in networks.items()}  # fmt: skip
        jumps = {name: float(np.linalg.norm(np.diff(way, axis=0), axis=1).max())
                 for name, (way, _) in ways.items()}  # fmt: skip
        ends = {name: float(losses[-1]) for name, (_, losses) in ways.items()}
        place.write("results.json", {"growth": rates, "longest_step": jumps, "last_loss": ends})
        draw(config, found, ways).savefig(place.path / "gradients.png")
    for name, rate in rates.items():
        print(f"{name:34} times {rate:.4f} a step, {rate**config.steps:.1e} in all")
    for name in ways:
        print(f"{name}: longest step {jumps[name]:.3g}, last loss {ends[name]:.2g}")
    print(f"drawn in {place.path}/gradients.png")


if __name__ == "__main__":
    sys.exit(cli.main("python -m experiments.gradients", [run], PRESETS))

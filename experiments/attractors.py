"""Where recurrent networks come to rest: stored patterns, cycles, and the chaos of Lorenz's system.

    python -m experiments.attractors              # draws runs/attractors/default/attractors.png
    python -m experiments.attractors --units 500 --gain 1.2 --seed 1

A Hopfield network finds what Hebb's rule has stored, up to 0.138 patterns a unit; two units turn in
2 pi / omega steps; an echo state network goes on with Lorenz's system for 6.2 Lyapunov times.
Nothing is trained by gradient; it takes half a minute of one CPU core.
"""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax import analysis, cells, drivers
from rnn_jax import train as training
from rnn_jax.cells.base import identity
from rnn_jax.data.chaos import lorenz
from rnn_jax.models import hopfield, reservoir, rotation
from rnn_jax.plots.attractors import plot_attractors
from rnn_jax.train import cli


@dataclass(frozen=True)
class Config:
    run_dir: Path | None = None  # where everything goes; default runs/attractors/PRESET
    units: Annotated[int, cli.Range(4)] = 1000  # of the network that is filled until it fails
    probes: cli.Count = 50  # corrupted patterns for each number that is stored
    sweeps: cli.Count = 50  # in which it settles
    watched_units: cli.Count = 100  # of the one whose energy is followed
    gain: Annotated[float, cli.Range(1)] = 1.05  # of the tanh units that turn; above 1 for ever
    turning: cli.Count = 4000  # steps of them
    reservoir_size: cli.Count = 300
    inputs: Annotated[int, cli.Range(200)] = 5000  # states of Lorenz's system that it learns from
    alone: cli.Count = 600  # steps that it goes on from each of 20 of them
    seed: cli.Natural = 0  # of patterns and weights


PRESETS = {"default": Config(),
           "tiny": Config(units=100, probes=20, watched_units=30, turning=2000, reservoir_size=100,
                          inputs=1000, alone=100)}  # fmt: skip
LOADS = np.array([0.03, 0.06, 0.09, 0.11, 0.125, 0.14, 0.155, 0.17, 0.2, 0.25])  # patterns per unit
OMEGAS = np.geomspace(0.005, 1.0, 24)  # radians a step
WASHOUT, STARTS, APART, STEP, EXPONENT = 100, 20, 100, 0.02, 0.906


def corrupted(key: jax.Array, patterns: jax.Array, flipped: float | jax.Array) -> jax.Array:
    return jnp.where(jax.random.bernoulli(key, flipped, patterns.shape), -patterns, patterns)


@partial(jax.jit, static_argnums=0)
def retrieved(config: Config, stored: jax.Array, flipped: jax.Array) -> jax.Array:
    """The share of corrupted patterns that come back, to 95 %, where so many are stored."""
    key_p, key_f = jax.random.split(jax.random.key(config.seed))
    most = int(LOADS[-1] * config.units)
    patterns = jax.random.rademacher(key_p, (most, config.units), jnp.float32)
    held = jnp.where(jnp.arange(most)[:, None] < stored, patterns, 0)
    wanted = patterns[jnp.arange(config.probes) % stored]
    start = cells.ElmanState(h=corrupted(key_f, wanted, flipped))
    xs = jnp.zeros((config.sweeps, config.probes, 1), jnp.float32)
    state, _ = drivers.scan(*hopfield.all_at_once(held), xs, start)
    return ((state.h * wanted).mean(axis=-1) >= 0.9).mean()


def descent(config: Config) -> tuple[np.ndarray, np.ndarray]:
    """Energies (T, B) while one unit at a time changes, and those of the patterns (P,)."""
    keys, size = jax.random.split(jax.random.key(config.seed + 1), 3), config.watched_units
    patterns = jax.random.rademacher(keys[0], (max(size // 20, 1), size), jnp.float32)
    start = corrupted(keys[1], jnp.concatenate([patterns, patterns]), 0.3)
    orders = [jax.random.permutation(key, size) for key in jax.random.split(keys[2], 4)]
    xs = jax.nn.one_hot(jnp.concatenate(orders), size, dtype=jnp.float32)
    xs = jnp.broadcast_to(xs[:, None], (len(xs), len(start), size))
    _, hs = drivers.scan(*hopfield.one_by_one(patterns), xs, cells.GRUState(h=start))
    of = partial(hopfield.energy, hopfield.all_at_once(patterns)[1])
    return of(jnp.concatenate([start[None], hs])), of(patterns)


def rotate(config: Config, omegas: Any, gain: float, activation: Any, start: Any) -> np.ndarray:
    """States (K, T, 2) of two units that turn by each omega."""
    xs = jnp.zeros((config.turning, 1), jnp.float32)
    state = cells.ElmanState(h=jnp.asarray(start, jnp.float32))

    def one(omega: jax.Array) -> jax.Array:
        return drivers.scan(*rotation.rotation(omega, gain, activation), xs, state)[1]

    return np.asarray(jax.jit(jax.vmap(one))(jnp.asarray(omegas, jnp.float32)))


def go_on_alone(config: Config) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """What came (T, B, 3), what a reservoir made of it alone, the last it saw, its exponent."""
    ends = config.inputs + WASHOUT + APART * np.arange(STARTS)
    series = lorenz(500 + ends[-1] + config.alone, step=STEP)[500:]
    series = (series - series[: config.inputs].mean(0)) / series[: config.inputs].std(0)
    cell = cells.EchoState(input_size=3, hidden_size=config.reservoir_size, output_size=3,
                           input_scaling=0.1)  # fmt: skip
    xs, params = jnp.asarray(series, jnp.float32), cell.init(jax.random.key(config.seed))
    params = reservoir.fit_next(cell, params, xs[: config.inputs], washout=WASHOUT)
    seen = jnp.stack([xs[end - WASHOUT : end] for end in ends], axis=1)
    state, _ = drivers.scan(cell, params, seen[:-1])
    made = reservoir.go_on(cell, params, state, seen[-1], config.alone)
    one = jax.tree.map(lambda leaf: leaf[0], (state, seen[-1]))
    step, warmup = partial(drivers.step, cell, params), config.inputs // 10
    grows = analysis.map_lyapunov_exponents(lambda pair: step(*pair), one, config.inputs,
                                            num_exponents=1, warmup=warmup)  # fmt: skip
    came = np.stack([series[end : end + config.alone] for end in ends], axis=1)
    return came, np.asarray(made), np.asarray(seen[-1]), float(grows[0]) / STEP


def run(config: Config) -> None:
    """Measures all three and draws them."""
    with training.Run(config) as place:
        stored = np.maximum((LOADS * config.units).astype(int), 1)
        shares, half, orbits, periods, loads = {}, {}, {}, {}, stored / config.units
        for flipped in (0.05, 0.2):
            found = np.array([retrieved(config, count, flipped) for count in stored])
            name, falling = f"from {flipped:.0%} wrong", -np.minimum.accumulate(found)
            shares[name], half[name] = [loads, found], float(np.interp(-0.5, falling, loads))
        energies, levels = descent(config)
        for name, gain, f in (("linear", 1.0, identity), ("tanh", config.gain, jnp.tanh)):
            turns = rotation.turning_periods(rotate(config, OMEGAS, gain, f, (0.3, 0.0)))
            both = [rotate(config, [0.3], gain, f, (radius, 0.0)) for radius in (0.1, 1.0)]
            periods[f"law, {name}"] = [OMEGAS, rotation.cycle_periods(OMEGAS, gain)]
            periods[name], orbits[name] = [OMEGAS, turns], np.concatenate(both)[:, :300]
        came, made, last, exponent = go_on_alone(config)
        valid, kept = (float(np.median(reservoir.valid_steps(came, x))) * STEP * EXPONENT
                       for x in (made, last[None]))  # fmt: skip
        alone = (np.arange(1, config.alone + 1) * STEP * EXPONENT, came[:, 0], made[:, 0])
        figure = plot_attractors(shares, (energies, levels), orbits, periods, alone)
        figure.savefig(place.path / "attractors.png")
        place.write("results.json", {
            "found": {name: np.array(pair).tolist() for name, pair in shares.items()}, "half": half,
            "rise": (rise := float(np.diff(energies, axis=0).max())),
            "lorenz": {"valid": valid, "kept": kept, "exponent": exponent},
            "turns": {name: (1 / pair[1]).tolist() for name, pair in periods.items()},
        })  # fmt: skip
    off = np.abs(periods["linear"][1] / periods["law, linear"][1] - 1).max()
    print(f"half of the patterns are found at so many a unit: {half}; energy rises by {rise}")
    print(f"two linear units turn with the period 2 pi / omega to {off:.1e}")
    print(f"Lorenz's system goes on alone for {valid:.2f} Lyapunov times (no change: {kept:.2f}),")
    print(f"with the exponent {exponent:.3f}, {EXPONENT} in truth; {place.path}/attractors.png")


if __name__ == "__main__":
    sys.exit(cli.main("python -m experiments.attractors", [run], PRESETS))

"""Finite automata: recurrent networks whose weights are set by hand, and one that learns its own.

    python -m experiments.automata                     # or --preset parity; resumes
    python -m experiments.automata evaluate --clusters 30 --length 1000

Three networks of ReLUs are exact by hand, on 10,000 strings each: a parity machine, a serial adder
and a counter of a^n b^n. Beside them a tanh network learns a language; its states are clustered,
and the automaton that they make is drawn in automaton.png. Takes 45 s of one CPU core.
"""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax import analysis, cells, drivers, losses, plots
from rnn_jax import train as training
from rnn_jax.data import files, languages
from rnn_jax.data.batch import padded
from rnn_jax.data.errors import refusing
from rnn_jax.models import by_hand
from rnn_jax.train import cli


@dataclass(frozen=True)
class Config(training.Settings):
    language: Literal["parity", "reber"] = "reber"  # what is learnt
    length: cli.Count = 30  # of the longest strings to learn from
    hidden_size: cli.Count = 16
    clusters: cli.Count = 20  # of the states; those that do the same are merged
    strings: cli.Count = 10_000  # that every network by hand is tried on
    longest: Annotated[int, cli.Range(3)] = 1000  # of them
    steps: cli.Count = 1000
    learning_rate: cli.Rate = 1e-2


PRESETS = {"default": Config(),
           "tiny": Config(hidden_size=8, strings=50, longest=40, steps=150, eval_every=150),
           "parity": Config(language="parity", length=10, hidden_size=8, steps=2000)}  # fmt: skip
MACHINES = {"parity": (by_hand.parity_machine, languages.parity_string),
            "sum": (by_hand.serial_adder, languages.sum_string),
            "a^n b^n": (by_hand.counter, languages.counted_string)}  # fmt: skip


@partial(jax.jit, static_argnums=0)
def run(cell: Any, params: Any, xs: jax.Array, lengths: jax.Array) -> tuple[jax.Array, jax.Array]:
    """States (T, B, H) and outputs (T, B, K) of inputs (B, T, D)."""
    xs = jnp.swapaxes(xs, 0, 1).astype(jnp.float32)
    _, hs = drivers.scan(cell.cell, params.cell, xs, lengths=lengths)
    return hs, cell.readout(params, cells.ElmanState(h=hs))


def count_right(config: Config, machine: Any, draw: Any) -> int:
    """On how many strings a network by hand is right at every step."""
    (cell, params), rng, right = machine(), np.random.default_rng(config.seed), 0
    for start in range(0, config.strings, 500):
        made = [draw(rng, config.longest) for _ in range(min(500, config.strings - start))]
        (xs, lengths), (want, _) = (padded(side, 500, config.longest) for side in zip(*made))
        found = np.asarray(run(cell, params, xs, lengths)[1])[:, :, 0].T == 1
        right += int((found == want).all(axis=1)[: len(made)].sum())
    return right


def loss(cell: Any, params: Any, carry: Any, batch: Any, key: Any) -> tuple[losses.Sum, Any]:
    ys = run(cell, params, batch.inputs, batch.lengths)[1]
    return losses.cross_entropy(ys, batch.targets.T, lengths=batch.lengths), carry


def build(config: Config) -> tuple[Any, Any]:
    size = len(languages.SYMBOLS[config.language])
    inner = cells.Elman(input_size=size, hidden_size=config.hidden_size)
    cell = cells.OutputHead(cell=inner, head_size=size)
    return cell, cell.init(jax.random.key(config.seed))


def strings(config: Config, key: list[int], size: int, length: int) -> tuple[Any, np.ndarray]:
    rng = np.random.default_rng([config.seed, *key])
    with refusing():
        return languages.language_strings(config.language, rng, size, length)


def read(cell: Any, params: Any, batch: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
    """States, symbols and, as outputs, the set of all that is more probable than a fifth (T, B)."""
    hs, ys = run(cell, params, batch.inputs, batch.lengths)
    sets = jnp.where(jax.nn.softmax(ys) > 0.2, 2 ** jnp.arange(ys.shape[-1]), 0).sum(-1)
    return hs, jnp.asarray(batch.inputs.argmax(-1).T), sets


def train(config: Config) -> int:
    """Tries the networks by hand, and trains one; the same command again resumes."""
    cell, params = build(config)
    held_out, _ = strings(config, [1], 300, config.length)
    measure = jax.jit(lambda params: loss(cell, params, (), held_out, None)[0].mean)

    def report(params: Any, done: int) -> training.Report:
        nats = measure(params).item()
        return training.Report(f"step {done}, held out {nats:.4f} nats per symbol", nats)

    with training.Run(config) as place:
        right = {name: count_right(config, *pair) for name, pair in MACHINES.items()}
        place.write("results.json", {"strings": config.strings, "right": right})
        status = training.fit(
            config, place, partial(loss, cell), params,
            lambda step: strings(config, [0, step], config.batch_size, config.length)[0], report,
            tokens_per_step=config.batch_size * config.length, unit="symbol",
        )  # fmt: skip
    if status == cli.DONE:
        print(f"by hand, right on so many of {config.strings} strings: {right}")
        evaluate(Evaluation(config.run_dir, config.clusters))
    return status


@dataclass(frozen=True)
class Evaluation:
    run_dir: Path | None = None  # where the run is; default runs/automata/PRESET
    clusters: cli.Count = 20  # of the states
    length: cli.Count = 100  # of the longest of 1000 strings that are tried


def evaluate(options: Evaluation) -> None:
    """Reads the automaton off the best network of a run, and tries both on other strings."""
    saved = training.read_run(options.run_dir)
    config = saved.config(Config)
    cell, params = build(config)
    params = training.restore_params(saved, config, params)
    batch, _ = strings(config, [2], 300, config.length)
    found, lengths = read(cell, params, batch), jnp.asarray(batch.lengths)
    with refusing():
        machine = analysis.extract_automaton(*found, num_clusters=options.clusters, lengths=lengths)
    symbols = languages.SYMBOLS[config.language]
    names = [languages.set_name(sets, symbols) for sets in machine.outputs]
    figure = plots.plot_automaton(machine, symbols=symbols, outputs=names, title=config.language)
    figure.savefig(saved.directory / "automaton.png")
    batch, truth = strings(config, [3], 1000, options.length)
    _, tokens, sets = map(np.asarray, read(cell, params, batch))
    right = np.array([[np.array_equal(answer, truth[row, :n]) for answer in
                       (sets[:n, row], machine.run(tokens[:n, row].tolist()))]
                      for row, n in enumerate(batch.lengths)]).mean(axis=0)  # fmt: skip
    files.write_json(saved.directory, "automaton", machine._asdict() | {"right": right.tolist()})
    print(f"{config.language}, strings of up to {options.length} symbols: right are the network on"
          f" {right[0]:.1%}, its automaton of {len(names)} states on {right[1]:.1%}")  # fmt: skip


if __name__ == "__main__":
    sys.exit(cli.main("python -m experiments.automata", [train, evaluate], PRESETS))

"""What a network can keep in memory: adding, copying, temporal order, parity, Reber strings.

    python -m experiments.memory_tasks                # adding, T = 100, three cells; resumes
    python -m experiments.memory_tasks evaluate --length 200
    python -m experiments.memory_tasks --task reber --length 30 --cell lstm mgu

Each cell has a run of its own, RUN_DIR/CELL, and comparison.png shows all of them.
The first takes about 4 minutes of one CPU core.
"""

import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp

from rnn_jax import cells, drivers, losses, plots
from rnn_jax import train as training
from rnn_jax.data import InputError, languages, memory_tasks
from rnn_jax.data.errors import refusing
from rnn_jax.train import cli

CELLS = {"elman": cells.Elman, "irnn": cells.irnn, "indrnn": cells.IndRNN, "lru": cells.LRU,
         "lstm": cells.LSTM, "gru": cells.GRU, "mgu": cells.MinimalGatedUnit}  # fmt: skip
Cell: Any = Literal[tuple(CELLS)]


@dataclass(frozen=True)
class Config(training.Settings):
    task: memory_tasks.Name = "adding"
    length: cli.Count = 100  # of the strings, or of what lies between
    cell: tuple[Cell, ...] = ("elman", "lstm", "gru")  # each is trained
    hidden_size: cli.Count = 64
    held_out: cli.Count = 1000  # examples to measure with
    steps: cli.Count = 3000

    def check(self) -> None:
        super().check()
        if not 0 < len(self.cell) == len(set(self.cell)):
            raise InputError(f"cell: {' '.join(self.cell) or 'none'}: name each one once")


PRESETS = {
    "default": Config(),
    "tiny": Config(length=10, hidden_size=16, cell=("elman", "gru"), steps=60, eval_every=30,
                   held_out=200, learning_rate=1e-2, warmup_steps=10),
    "copying": Config(task="copying", length=30, hidden_size=96),
    "order": Config(task="order", length=60),
    "parity": Config(task="parity", length=30),
    "reber": Config(task="reber", length=40, steps=1000),
}  # fmt: skip


def build(config: Config) -> tuple[memory_tasks.Task, Any, Any]:
    """The task; the cell that this run is of, with an output at every step; its parameters."""
    with refusing():
        task = memory_tasks.memory_task(config.task, config.length)
    make: Any = CELLS[config.cell[0]]
    inner = make(input_size=task.input_size, hidden_size=config.hidden_size)
    cell = cells.OutputHead(cell=inner, head_size=task.output_size)
    return task, cell, cell.init(jax.random.key(config.seed))


def outputs(cell: Any, params: Any, batch: languages.Examples) -> jax.Array:
    """(B, T, K): time goes first into the driver, and comes out second."""
    xs, lengths = jnp.swapaxes(jnp.asarray(batch.inputs), 0, 1), jnp.asarray(batch.lengths)
    return jnp.swapaxes(drivers.scan(cell, params, xs, lengths=lengths)[1], 0, 1)


def loss(cell: Any, params: Any, carry: Any, batch: Any, key: Any) -> tuple[losses.Sum, Any]:
    """Squared error of a number, or cross entropy of a class, at the steps that are asked."""
    ys = outputs(cell, params, batch)
    if cell.head_size == 1:
        return losses.tally((ys[..., 0] - batch.targets) ** 2, mask=batch.asked), carry
    return losses.cross_entropy(ys, batch.targets, mask=batch.asked), carry


@partial(jax.jit, static_argnums=0)
def measure(cell: Any, params: Any, batch: Any) -> tuple[jax.Array, jax.Array]:
    """The loss, and the error where memory is needed: wrong answers, or the squared error."""
    mean = loss(cell, params, (), batch, None)[0].mean
    if cell.head_size == 1:
        return mean, mean
    wrong = outputs(cell, params, batch).argmax(-1) != batch.targets
    return mean, losses.tally(wrong, mask=batch.scored).mean


def train_one(config: Config) -> int:
    task, cell, params = build(config)
    held_out = task.held_out(config.seed, config.held_out)

    def report(params: Any, done: int) -> training.Report:
        mean, error = (found.item() for found in measure(cell, params, held_out))
        run.log(done, error=error)
        said = f"loss {mean:.4f}, error {error:.4f} (without memory {task.error_floor:.4f})"
        return training.Report(f"{config.cell[0]}, step {done}, held out: {said}", mean)

    with training.Run(config) as run:
        return training.fit(
            config, run, partial(loss, cell), params,
            lambda step: task.batch(config.seed, step, config.batch_size), report,
            tokens_per_step=config.batch_size * config.length, unit="step",
            floors={"without memory": task.loss_floor} if task.loss_floor else {},
        )  # fmt: skip


def train(config: Config) -> int:
    """Trains one cell after another on a task; the same command again resumes."""
    config.check()
    home, curves = Path(config.run_dir or "."), {}
    for name in config.cell:
        if status := train_one(replace(config, run_dir=home / name, cell=(name,))):
            return status
        lines = training.read_metrics(home / name)
        curves[name] = [(line["step"], line["error"]) for line in lines if "error" in line]
    adding = config.task == "adding"
    plots.plot_runs(
        curves, floors={"without memory": build(config)[0].error_floor}, log=adding,
        label="mean squared error" if adding else "share of wrong answers",
        title=f"{config.task}, length {config.length}",
    ).savefig(home / "comparison.png")  # fmt: skip
    return cli.DONE


@dataclass(frozen=True)
class Evaluation:
    run_dir: Path | None = None  # where the runs are; default runs/memory_tasks/PRESET
    length: cli.Natural = 0  # another one than in training; 0: the same
    examples: cli.Count = 1000


def evaluate(options: Evaluation) -> None:
    """Measures the best model of each cell, at another length too."""
    found = sorted(Path(options.run_dir or ".").glob("*/config.json"))
    for path in found or [Path(options.run_dir or ".") / "CELL" / "config.json"]:
        run = training.read_run(path.parent)
        config = run.config(Config)
        config = replace(config, length=options.length or config.length)
        task, cell, params = build(config)
        params = training.restore_params(run, config, params)
        mean, error = measure(cell, params, task.held_out(config.seed + 1, options.examples))
        print(f"{config.cell[0]}, {config.task}, length {config.length}: loss {mean:.4f}, "
              f"error {error:.4f} (without memory {task.error_floor:.4f})")  # fmt: skip


if __name__ == "__main__":
    sys.exit(cli.main("python -m experiments.memory_tasks", [train, evaluate], PRESETS))

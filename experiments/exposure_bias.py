"""Exposure bias: what a decoder that was taught does when it reads its own symbols, step by step.

    python -m experiments.exposure_bias               # three ways, two processes; resumes
    python -m experiments.exposure_bias evaluate --length 400

A word that is copied over and over, and a random walk: at every step it is known what is possible.
A GRU learns them by teacher forcing, scheduled sampling and professor forcing; measured is what it
gives to the impossible, along the truth and along its own roll-outs. 222 s of one CPU core; after
a short training teacher forcing goes wrong least in both, for all its exposure bias.
"""

import itertools
import sys
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax import decoding, losses
from rnn_jax import train as training
from rnn_jax.data import files, processes
from rnn_jax.models.exposure import Imitator
from rnn_jax.plots.exposure import plot_exposure
from rnn_jax.train import cli

Way = Literal["teacher", "scheduled", "professor"]


@dataclass(frozen=True)
class Config(training.Settings):
    process: tuple[processes.Name, ...] = ("copy", "walk")  # each is learnt
    way: tuple[Way, ...] = ("teacher", "scheduled", "professor")  # in each of these ways
    num_symbols: Annotated[int, cli.Range(3)] = 8  # of fewer a walk could not go wrong
    word: cli.Count = 5  # symbols that are copied
    length: cli.Count = 30  # steps of a sequence, after what is given
    rollout: cli.Count = 120  # steps that are measured
    rows: cli.Count = 500  # sequences that are measured
    hidden_size: cli.Count = 64
    judge_size: cli.Count = 24  # units of the discriminator's directions, of professor forcing
    sampling: cli.Probability = 0.5  # the last share of own symbols, of scheduled sampling
    steps: cli.Count = 800
    eval_every: cli.Count = 400
    learning_rate: cli.Rate = 5e-3


PRESETS = {
    "default": Config(),
    "tiny": Config(num_symbols=6, word=2, length=8, rollout=16, rows=50, hidden_size=16,
                   judge_size=4, steps=30, eval_every=30, process=("walk",)),
}  # fmt: skip


def build(config: Config) -> tuple[Imitator, Any]:
    """The network of a run with its judge, and their parameters."""
    given = config.word if config.process[0] == "copy" else 1
    process = processes.Process(config.process[0], config.num_symbols, given)
    model = Imitator(process, config.hidden_size, config.judge_size)
    return model, model.init(jax.random.key(config.seed))


def loss(config: Config, model: Any, params: Any, carry: Any, batch: Any, key: Any) -> Any:
    """-ln p of the symbols, read in the way of this run; of the judge and the judged, too."""
    tokens, (way,) = batch["tokens"].T, config.way
    taught = tokens[model.process.given - 1 : -1]
    decoder = model.step, params["decoder"], model.begin(params, tokens), taught
    if way == "teacher":
        _, logits = decoding.teacher_forced(*decoder)
    elif way == "scheduled":
        rate = config.sampling * batch["step"] / config.steps
        _, logits = decoding.scheduled_sampling(*decoder, rate=rate, key=key)
    else:
        seen = decoding.behaviours(*decoder, hidden=lambda state: state.h, key=key)
        logits = seen.logits
    found = losses.cross_entropy(logits, tokens[model.process.given :])
    if way == "professor":
        judged = decoding.professor_losses(model.judge, params["judge"], seen)
        on = decoding.professor_gates(judged.accuracy)
        more = jnp.mean(on.discriminator * judged.discriminator + on.decoder * judged.free)
        found = found._replace(total=found.total + more * found.count)
    return found, carry


def train_one(config: Config) -> int:
    (model, params), size = build(config), config.batch_size

    def batch(step: int) -> dict[str, Any]:
        rng, length = np.random.default_rng([config.seed, 0, step]), config.length
        tokens = model.process.draw(rng, size, model.process.given + length)
        return {"tokens": tokens, "step": np.int32(step)}

    def report(params: Any, done: int) -> training.Report:
        curves = model.exposure(params, config.rows, config.length, config.seed)
        wrong = {name: float(curve.mean()) for name, curve in curves.items()}
        run.log(done, **wrong)
        said = f"{wrong['truth']:.2%} along the truth, {wrong['own']:.2%} along its own roll-out"
        return training.Report(f"{config.process[0]}, {config.way[0]}, step {done}: {said}",
                               wrong["own"])  # fmt: skip

    with training.Run(config) as run:
        return training.fit(config, run, partial(loss, config, model), params, batch, report,
                            tokens_per_step=size * config.length, unit="symbol")  # fmt: skip


def train(config: Config) -> int:
    """Trains in each way on each process; the same command again resumes."""
    config.check()
    home = Path(config.run_dir or ".")
    for process, way in itertools.product(config.process, config.way):
        place = home / process / way
        if status := train_one(replace(config, run_dir=place, process=(process,), way=(way,))):
            return status
    evaluate(Evaluation(home))
    return cli.DONE


@dataclass(frozen=True)
class Evaluation:
    run_dir: Path | None = None  # where the runs are; default runs/exposure_bias/PRESET
    length: cli.Natural = 0  # steps of the roll-outs; 0: as the run says


def evaluate(options: Evaluation) -> None:
    """Rolls the networks of all runs out; draws exposure.png and writes results.json."""
    home, ends = Path(options.run_dir or "."), {}
    found: Any = defaultdict(dict)
    for path in sorted(home.glob("*/*/config.json")) or [home / "PROCESS" / "WAY" / "config.json"]:
        config = (run := training.read_run(path.parent)).config(Config)
        model, params = build(config)
        params = training.restore_params(run, config, params, best=False)
        length = options.length or config.rollout
        curves = model.exposure(params, config.rows, length, config.seed)
        (process,), (way,) = config.process, config.way
        last = {name: float(curve[-len(curve) // 4 :].mean()) for name, curve in curves.items()}
        found[process][way], ends[f"{process}, {way}"] = curves, last
        print(f"{process}, {way}: in the last quarter impossible are {last['truth']:.2%} along "
              f"the truth, {last['own']:.2%} along its own roll-out")  # fmt: skip
    law = processes.walk_errors(config.num_symbols, len(curves["own"]))
    laws = {"walk": {"optimum of scheduled sampling, all its own": law}}
    plot_exposure(found, laws).savefig(home / "exposure.png")
    files.write_json(home, "results", {"last_quarter": ends})


if __name__ == "__main__":
    sys.exit(cli.main("python -m experiments.exposure_bias", [train, evaluate], PRESETS))

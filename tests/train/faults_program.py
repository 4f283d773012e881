"""A small training script that a test stops, kills, starves and cheats.

    python faults_program.py --run-dir DIR [--flag VALUE ...]

What goes wrong is told by the environment, so that the configuration stays the same: PACE (seconds
that a batch takes), NAN (steps whose batch holds NaN), STUCK (step whose batch never comes, on the
last host), CRASH (step whose batch raises), FULL (step from which on no file may grow beyond 40 kB
any more), HEARTBEAT (seconds after which a host counts as dead, with
the environment of `join_hosts`).
"""

import os
import resource
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from rnn_jax import cells, drivers, losses  # noqa: E402
from rnn_jax import train as training  # noqa: E402
from rnn_jax.train import cli  # noqa: E402


@dataclass(frozen=True)
class Config(training.Settings):
    batch_size: cli.Count = 8
    steps: cli.Count = 40
    eval_every: cli.Count = 5
    warmup_steps: cli.Natural = 4
    hidden_size: cli.Count = 64
    dropout: cli.Probability = 0.2


class Run(training.Run):
    def draw(self, *others, **named):
        """A picture takes longer than all the training here."""
        self.flush()


ENVIRONMENT = os.environ


def told(name: str) -> list[int]:
    return [int(number) for number in ENVIRONMENT.get(name, "").split(",") if number]


def batch(config: Config, step: int) -> dict[str, np.ndarray]:
    """Ragged rows that depend on seed and step alone; and what the environment does to them."""
    time.sleep(float(ENVIRONMENT.get("PACE", 0)))
    if step in told("STUCK") and jax.process_index() == jax.process_count() - 1:
        time.sleep(1e6)
    if step in told("CRASH"):
        raise RuntimeError("power cut")
    if step in told("FULL"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
    noise = np.random.default_rng([config.seed, step])
    xs = noise.normal(size=(config.batch_size, 5, 2)).astype(np.float32)
    if step in told("NAN"):
        xs[0, 0] = np.nan
    lengths = noise.integers(1, 6, config.batch_size).astype(np.int32)
    return {"xs": xs, "lengths": lengths, "first": np.asarray(step % 4 == 0)}


def loss(cell, dropout, params, carry, batch, key):
    """How far half of the inputs' sum is; the state goes on over steps and restarts at times."""
    xs, lengths = jnp.moveaxis(batch["xs"], 0, 1), batch["lengths"]
    start = cell.initial_state(params["gru"], (xs.shape[1],))
    carry = jax.tree.map(lambda a, b: jnp.where(batch["first"], a, b), start, carry)
    carry, ys = drivers.scan(cell, params["gru"], xs, carry, lengths=lengths)
    kept = jax.random.bernoulli(key, 1 - dropout, ys.shape) / (1 - dropout)
    wrong = (ys * kept) @ params["out"] - jnp.cumsum(xs[..., 0], 0) / 2
    return losses.tally(jnp.square(wrong), lengths=lengths), carry


def train(config: Config) -> int:
    """Train."""
    cell = cells.GRU(input_size=2, hidden_size=config.hidden_size)
    keys = jax.random.split(jax.random.key(config.seed))
    out = jax.random.normal(keys[1], (config.hidden_size,), jnp.float32)
    params = {"gru": cell.init(keys[0]), "out": out}
    carry = cell.initial_state(params["gru"], (config.batch_size // jax.process_count(),))
    held_out = batch(config, 10**6)
    measure = jax.jit(partial(loss, cell, 0.0))

    def report(params, done):
        found = measure(params, cell.initial_state(params["gru"], (config.batch_size,)), held_out,
                        jax.random.key(0))[0]  # fmt: skip
        return training.Report(f"step {done}: {found.mean:.6f}", float(found.mean))

    with Run(config) as run:
        return training.fit(
            config, run, partial(loss, cell, config.dropout), params, partial(batch, config),
            report, carry=carry, tokens_per_step=24,
        )  # fmt: skip


if __name__ == "__main__":
    if seconds := ENVIRONMENT.get("HEARTBEAT"):  # 100 without it, which no test waits for
        jax.distributed.initialize(
            ENVIRONMENT["JAX_COORDINATOR_ADDRESS"],
            int(ENVIRONMENT["JAX_NUM_PROCESSES"]),
            int(ENVIRONMENT["JAX_PROCESS_ID"]),
            heartbeat_timeout_seconds=int(seconds),
        )
    sys.exit(cli.main("faults_program.py", [train], {"tiny": Config()}))

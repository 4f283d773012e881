"""One of several processes that train together: python hosts.py HOST NUM_HOSTS PORT."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import optax  # noqa: E402

from rnn_jax import cells, drivers, losses  # noqa: E402
from rnn_jax.train import TrainState, parallel  # noqa: E402

CELL = cells.GRU(input_size=3, hidden_size=4)
ROWS = 8


def loss(params, carry, batch, key):
    xs, lengths = jnp.moveaxis(batch["xs"], 0, 1), batch["lengths"]
    carry, ys = drivers.scan(CELL, params, xs, carry, lengths=lengths)
    return losses.tally(jnp.square(ys - 1).sum(-1), lengths=lengths), carry


def train(mode, rows):
    """Loss after each of three steps; ``rows`` are those that this process has."""
    key_params, key_xs = jax.random.split(jax.random.key(0))
    params, mesh = CELL.init(key_params), parallel.data_mesh()
    xs = jax.random.normal(key_xs, (ROWS, 5, 3))
    batch = {"xs": xs[rows], "lengths": jnp.array([5, 1, 0, 2, 5, 4, 3, 1])[rows]}
    adam = optax.adam(0.05)
    step = parallel.train_step(loss, adam, mesh, mode)
    carry = CELL.initial_state(params, (len(batch["xs"]),))
    state = parallel.place(TrainState.create(params, adam, jax.random.key(1), carry), mesh)
    found = []
    for _ in range(3):
        state, metrics = step(state, parallel.split_rows(batch, mesh))
        found.append(float(metrics["loss"]))
    return found


if __name__ == "__main__":
    host, num_hosts, port = map(int, sys.argv[1:])
    parallel.join_hosts(f"localhost:{port}", num_hosts, host)
    mine = ROWS // num_hosts
    for mode in ("jit", "shard_map"):
        print(mode, *train(mode, slice(host * mine, (host + 1) * mine)))

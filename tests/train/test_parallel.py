"""One step on one device, by jit over a mesh, by shard_map and by pmap: the same numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnn_jax import cells, drivers, losses
from rnn_jax.train import parallel
from rnn_jax.train.state import TrainState
from tests.static import count_in_while

CELL = cells.LSTM(input_size=3, hidden_size=4)
ROWS, STEPS, VOCAB = 16, 6, 5
LENGTHS = np.array([6, 0, 3, 1, 6, 6, 2, 5, 0, 0, 4, 6, 1, 1, 2, 3])
TRACES = []


def loss(params, carry, batch, key):
    """A ragged language model that goes on over windows; rows first in batch and carry."""
    TRACES.append(1)
    xs = jax.nn.one_hot(batch["tokens"].T, 3)
    lengths = batch["lengths"]
    carry, ys = drivers.scan(CELL, params["lstm"], xs, carry, lengths=lengths)
    logits = ys @ params["w"] * batch["scale"]
    return losses.cross_entropy(logits, batch["targets"].T, lengths=lengths), carry


@pytest.fixture(scope="module")
def task():
    key_lstm, key_w, key_x, key_y = jax.random.split(jax.random.key(0), 4)
    params = {"lstm": CELL.init(key_lstm), "w": jax.random.normal(key_w, (4, VOCAB), jnp.float32)}
    carry = CELL.initial_state(params["lstm"], (ROWS,))
    batch = {
        "tokens": jax.random.randint(key_x, (ROWS, STEPS), 0, 3),
        "targets": jax.random.randint(key_y, (ROWS, STEPS), 0, VOCAB),
        "lengths": jnp.asarray(LENGTHS),
        "scale": jnp.asarray(1.5, jnp.float32),
    }
    optimizer = optax.chain(optax.clip_by_global_norm(0.5), optax.adam(0.1))
    return TrainState.create(params, optimizer, jax.random.key(1), carry), batch, optimizer


def run(task, mode, mesh, windows=2):
    state, batch, optimizer = task
    step = parallel.train_step(loss, optimizer, mesh, mode)
    state, metrics = parallel.place(state, mesh), {}
    for _ in range(windows):
        state, metrics = step(state, parallel.split_rows(batch, mesh))
    return jax.device_get((state._replace(key=jax.random.key_data(state.key)), metrics))


def test_two_windows_on_eight_devices_equal_one_device(task):
    alone = run(task, "none", parallel.data_mesh(1))
    for mode in ("jit", "shard_map", "pmap"):
        TRACES.clear()
        found = run(task, mode, parallel.data_mesh())
        assert len(TRACES) == 1, f"{mode}: a step compiles once"
        assert found[1]["tokens"] == LENGTHS.sum()
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), found, alone)


def test_the_first_loss_is_the_mean_over_all_real_tokens(task):
    state, batch, _ = task
    found, _ = loss(state.params, state.carry, batch, state.key)
    _, metrics = run(task, "shard_map", parallel.data_mesh(), windows=1)
    np.testing.assert_allclose(metrics["loss"], found.total / LENGTHS.sum(), rtol=1e-6)


@pytest.mark.parametrize("mode", ["jit", "shard_map"])
def test_no_collective_stands_in_the_time_loop(task, mode):
    state, batch, optimizer = task
    mesh = parallel.data_mesh()
    step = parallel.train_step(loss, optimizer, mesh, mode)
    compiled = step.lower(parallel.place(state, mesh), parallel.split_rows(batch, mesh)).compile()
    in_all = compiled.as_text().count(" all-reduce(")
    assert in_all == 1 if mode == "shard_map" else in_all >= 1
    assert count_in_while(compiled, "all-reduce") == 0


def test_an_update_that_is_not_finite_is_not_made(task):
    state, batch, optimizer = task
    mesh = parallel.data_mesh(2)
    step = parallel.train_step(loss, optimizer, mesh)
    before = parallel.place(state, mesh)
    bad = parallel.split_rows(batch | {"scale": jnp.asarray(jnp.nan, jnp.float32)}, mesh)
    kept = jax.device_get((before.params, before.moments, before.carry))
    for count in (1, 2):
        before, metrics = step(before, bad)
        assert metrics["skipped"] == count and before.step == count
    after = jax.device_get((before.params, before.moments, before.carry))
    jax.tree.map(np.testing.assert_array_equal, after, kept)
    before, metrics = step(before, parallel.split_rows(batch, mesh))
    assert metrics["skipped"] == 0
    assert (before.params["w"] != kept[0]["w"]).any()


def test_the_callers_arrays_outlive_a_donated_step(task):
    state, batch, optimizer = task
    mesh = parallel.data_mesh(1)
    step = parallel.train_step(loss, optimizer, mesh, "none")
    step(parallel.place(state, mesh), parallel.split_rows(batch, mesh))
    assert jnp.isfinite(state.params["w"]).all() and jnp.isfinite(batch["scale"])


def test_bad_input_is_named(task):
    with pytest.raises(ValueError, match="num_devices is 9, but there are 8 devices of kind cpu"):
        parallel.data_mesh(9)
    with pytest.raises(ValueError, match=r"batch\['x'\] has 12 rows, which 8 devices cannot"):
        parallel.split_rows({"x": jnp.ones((12, 2))}, parallel.data_mesh())
    with pytest.raises(ValueError, match="mode must be one of .* got 'vmap'"):
        parallel.train_step(loss, task[2], parallel.data_mesh(), "vmap")
    with pytest.raises(ValueError, match='mode is "none", but the mesh has 8 devices'):
        parallel.train_step(loss, task[2], parallel.data_mesh(), "none")

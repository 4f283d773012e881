"""The mean over real tokens of ragged shards: its gradient is that of one device."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from rnn_jax import cells, drivers, losses
from tests.cells.reference import draw

NUM_DEVICES, SIZE, CLASSES = 8, 4, 5
CELL = cells.LSTM(input_size=3, hidden_size=SIZE)
ROWS = P(None, "data")
LENGTHS = np.array([6, 1, 0, 4, 2, 6, 0, 5])


def setup():
    shapes = {"lstm": jax.eval_shape(CELL.init, jax.random.key(0)), "w": jnp.zeros((SIZE, CLASSES))}
    params, xs = draw((shapes, jnp.zeros((6, NUM_DEVICES, 3))), 0)
    labels = np.random.default_rng(1).integers(0, CLASSES, (6, NUM_DEVICES))
    real = np.arange(6)[:, None] < LENGTHS
    return params, xs, jnp.asarray(np.where(real, labels, -1)), jnp.asarray(LENGTHS)


def windows(params, xs, labels, lengths, count_of):
    """Two truncated windows of 3 steps with a carried state: loss and gradient of each.

    ``count_of`` turns this shard's count into that of all.
    """

    def loss(params, state, xs, labels, lengths):
        state, ys = drivers.scan(CELL, params["lstm"], xs, state, lengths=lengths)
        part = losses.cross_entropy(jnp.dot(ys, params["w"]), labels, lengths=lengths)
        return part.share(count_of(part.count)), state

    found, state = [], CELL.initial_state(params["lstm"], xs.shape[1:2])
    for begin in (0, 3):
        window = slice(begin, begin + 3)
        rest = jnp.clip(lengths - begin, 0, 3)
        (value, state), gradient = jax.value_and_grad(loss, has_aux=True)(
            params, state, xs[window], labels[window], rest
        )
        state = jax.tree.map(jax.lax.stop_gradient, state)
        found.append((value, gradient))
    return found


def under_shard_map(*arguments):
    """The default check adds the shards' gradients up: the parameters are the same on all."""

    def local(*arguments):
        found = windows(*arguments, lambda count: jax.lax.psum(count, "data"))
        return [(jax.lax.psum(value, "data"), gradient) for value, gradient in found]

    mesh = jax.make_mesh((NUM_DEVICES,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    specs = (P(), ROWS, ROWS, P("data"))
    return jax.jit(jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=P()))(*arguments)


def under_pmap(params, xs, labels, lengths):
    def local(*arguments):
        found = windows(*arguments, lambda count: jax.lax.psum(count, "data"))
        return jax.lax.psum(found, "data")

    mapped = jax.pmap(local, "data", in_axes=(None, 1, 1, 0), out_axes=None)
    split = [x.reshape(x.shape[0], NUM_DEVICES, -1, *x.shape[2:]) for x in (xs, labels)]
    return mapped(params, *split, lengths.reshape(NUM_DEVICES, -1))


@pytest.mark.parametrize("run", [under_shard_map, pytest.param(under_pmap, marks=pytest.mark.slow)])
def test_shares_sum_to_the_gradient_of_one_device(run):
    arguments = setup()
    expected = jax.jit(windows, static_argnums=4)(*arguments, lambda count: count)
    found = jax.device_get(run(*arguments))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14), found, expected
    )


@pytest.mark.slow
def test_sums_add_up_over_a_mesh_axis():
    """``psum`` of a Sum is the Sum of the whole, from which mean and perplexity follow."""
    logits, labels = draw(jnp.zeros((6, NUM_DEVICES, CLASSES)), 0), setup()[2]
    whole = losses.cross_entropy(logits, labels, lengths=LENGTHS)

    def local(logits, labels, lengths):
        return jax.lax.psum(losses.cross_entropy(logits, labels, lengths=lengths), "data")

    mesh = jax.make_mesh((NUM_DEVICES,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    specs = (ROWS, ROWS, P("data"))
    found = jax.jit(jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=P()))(
        logits, labels, LENGTHS
    )
    assert int(found.count) == LENGTHS.sum()
    np.testing.assert_allclose(found.perplexity, whole.perplexity, rtol=1e-13)

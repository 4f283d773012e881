"""The NNX module over a layer: the layer's own numbers, batch first."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx as flax_nnx

from rnn_jax import cells, layers
from rnn_jax.bridge import nnx

GRU = layers.RNN(cell=cells.GRU(input_size=3, hidden_size=4))
BOTH = layers.Bidirectional(forward=GRU)
ENCODER = layers.Stack(layers=(BOTH, layers.TimeReduction(input_size=8, factor=2)), dropout=0.5)
XS = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)


def assert_equal(found, expected) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for have, want in zip(jax.tree.leaves(found), jax.tree.leaves(expected)):
        assert have.dtype == want.dtype
        np.testing.assert_array_equal(have, want)


def test_bit_equal_to_the_layer():
    """Values, new lengths, states, resets and noise; parameters put in and taken out."""
    module = nnx.Layer(ENCODER, rngs=flax_nnx.Rngs(0))
    params = ENCODER.init(jax.random.key(1))
    module.set_params(params)
    assert_equal(module.get_params(), params)
    start = jax.tree.map(lambda leaf: leaf + 0.5, ENCODER.initial_state(params, (2,)))
    key, lengths = jax.random.key(2), jnp.array([5, 2])
    out = module(XS, start, lengths=lengths, rngs=key)
    core = ENCODER.apply(params, XS.swapaxes(0, 1), start, lengths=lengths, key=key)
    assert_equal(out, core._replace(ys=core.ys.swapaxes(0, 1)))
    assert out.ys.shape == (2, 3, 16) and out.lengths.tolist() == [3, 1]
    streams = [flax_nnx.Rngs(dropout=3), flax_nnx.Rngs(dropout=3).dropout]
    assert_equal(module(XS, rngs=streams[0]), module(XS, rngs=streams[1]))
    reset = jnp.zeros((2, 5), bool).at[0, 3].set(True)
    module = nnx.Layer(BOTH, param_dtype=jnp.bfloat16, rngs=flax_nnx.Rngs(0))
    core = BOTH.apply(module.get_params(), XS.swapaxes(0, 1), reset=reset.T)
    assert_equal(module(XS, reset=reset), core._replace(ys=core.ys.swapaxes(0, 1)))
    assert {leaf.dtype for leaf in jax.tree.leaves(module.get_params())} == {jnp.dtype("bfloat16")}


def test_gradients_reach_every_parameter():
    module = nnx.Layer(ENCODER, rngs=flax_nnx.Rngs(0))
    gradient = flax_nnx.grad(lambda m: jnp.sum(m(XS).ys ** 2))(module)
    leaves = jax.tree.leaves(gradient)
    assert len(leaves) == len(jax.tree.leaves(module.get_params()))
    assert all(bool((leaf != 0).any()) for leaf in leaves)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda m: m(XS[..., :2]),
            "xs has shape (2, 5, 2), but Bidirectional takes sequences (*B,",
        ),
        (lambda m: m(XS, reset=jnp.zeros((5, 2), bool)), "batch and time axes of xs are (2, 5)"),
        (lambda m: m.set_params(GRU.init(jax.random.key(0))), "they belong to another cell"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call(nnx.Layer(BOTH, rngs=flax_nnx.Rngs(0)))


@pytest.mark.slow
def test_grids_are_batch_first_too():
    """Height and width go in front together; a grid under ReNet, lengths in its patches."""
    grid = layers.Grid(cell=layers.Elman2D(input_size=3, hidden_size=4), directions=1)
    pixels = cells.Elman(input_size=2 * 4, hidden_size=2)
    lines = cells.Elman(input_size=4, hidden_size=2)
    renet = layers.ReNet(column_cell=pixels, row_cell=lines, patch_shape=(2, 1))
    stack = layers.Stack(layers=(grid, renet), residual=True, dropout_per="sequence", dropout=0.5)
    module = nnx.Layer(stack, rngs=flax_nnx.Rngs(0))
    xs = np.random.default_rng(0).normal(size=(5, 4, 6, 3)).astype(np.float32)
    sizes = jnp.array([[4, 6], [3, 2], [1, 6], [0, 3], [4, 1]])
    params = module.get_params()
    below = grid.apply(params[0], np.moveaxis(xs, 0, 2), lengths=sizes)
    above = renet.apply(params[1], below.ys, lengths=sizes)
    out = module(xs, lengths=sizes)
    assert_equal(out, layers.Output(jnp.moveaxis(above.ys, 2, 0), above.lengths, ((), ())))
    assert out.ys.shape == (5, 2, 6, 4) and out.lengths[1].tolist() == [2, 2]
    assert stack.draw(1, jax.random.key(1), (4, 6, 5)).shape == (5, 4)  # one mask for a picture
    with pytest.raises(ValueError, match=re.escape("takes grids (*B, height, width, 3)")):
        module(xs[0, 0])
    with pytest.raises(ValueError, match=re.escape("layers[1], a RNN, along 1")):
        layers.Stack(layers=(grid, layers.RNN(cell=cells.GRU(input_size=4, hidden_size=4))))

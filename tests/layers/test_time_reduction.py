"""Shorter time against NumPy row by row, for every length and factor; the pyramid of layers."""

import math
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, layers
from tests.laws.cases import assert_same, jitter

NUM_STEPS = 17
XS = np.random.default_rng(0).normal(size=(NUM_STEPS, NUM_STEPS + 1, 2))
LENGTHS = np.arange(NUM_STEPS + 1)
SLOW = pytest.mark.slow


def by_hand(row: np.ndarray, factor: int, mode: str) -> np.ndarray:
    """One row (length, D), group by group."""
    found = []
    for begin in range(0, len(row), factor):
        part = row[begin : begin + factor]
        if mode == "concat":
            missing = np.zeros((factor - len(part), row.shape[1]))
            found.append(np.concatenate([part, missing]).ravel())
        else:
            found.append({"stride": part[0], "mean": part.mean(0), "max": part.max(0)}[mode])
    return np.array(found)


@pytest.mark.parametrize("mode", ["concat", "stride", "mean", "max"])
@pytest.mark.parametrize("factor", [2, 3, *(pytest.param(f, marks=SLOW) for f in (1, 4, 5))])
def test_every_length_and_factor(mode: Any, factor: int):
    """Lengths 0..17 with NaN behind them; one length as a batch of its own; any number of steps."""
    layer = layers.TimeReduction(input_size=2, factor=factor, mode=mode)
    padded = np.where(np.arange(NUM_STEPS)[:, None, None] < LENGTHS[None, :, None], XS, np.nan)
    out = layer.apply((), padded, lengths=LENGTHS)
    assert out.ys.shape == (-(-NUM_STEPS // factor), NUM_STEPS + 1, layer.output_size)
    assert out.lengths.tolist() == [-(-length // factor) for length in LENGTHS]
    for row, length in enumerate(LENGTHS):
        new = int(out.lengths[row])
        assert bool((out.ys[new:, row] == 0).all())
        if length == 0:
            continue
        want = by_hand(XS[:length, row], factor, mode)
        np.testing.assert_allclose(out.ys[:new, row], want, rtol=0, atol=1e-15)
    alone = layer.apply((), XS[:7])
    assert alone.lengths is None
    want = by_hand(XS[:7, 3], factor, mode)
    np.testing.assert_allclose(alone.ys[:, 3], want, rtol=0, atol=1e-15)
    for steps in LENGTHS[1:]:
        assert jax.eval_shape(layer.apply, (), XS[:steps]).ys.shape[0] == -(-steps // factor)
        assert layer.new_lengths(int(steps)) == -(-steps // factor)


@pytest.mark.parametrize("mode", ["concat", "mean", "max"])
def test_gradients_pass_the_padding_by(mode: Any):
    layer = layers.TimeReduction(input_size=2, factor=3, mode=mode)
    xs = jnp.where(jnp.arange(5)[:, None, None] < jnp.array([5, 4, 0])[None, :, None], 2.0, jnp.nan)
    xs = jnp.broadcast_to(xs, (5, 3, 2))
    lengths = jnp.array([5, 4, 0])
    gradient = jax.grad(lambda xs: jnp.sum(layer.apply((), xs, lengths=lengths).ys))(xs)
    assert bool(jnp.isfinite(gradient).all())
    assert gradient[4, 1:].tolist() == [[0, 0], [0, 0]]
    assert gradient[3, 1].tolist() == [1, 1]  # alone in its group


def test_subsampling_of_three_keeps_the_fourth_frame():
    """ESPnet's RNNP strides by ``ys[:, ::sub]`` and counts ``(T + 1) // sub``, which is 1 here: the
    second frame is there and counts as padding."""
    layer = layers.TimeReduction(input_size=2, factor=3, mode="stride")
    out = layer.apply((), XS[:4, :1], lengths=[4])
    assert out.lengths.tolist() == [2] and out.ys.shape[0] == 2 and (4 + 1) // 3 == 1
    np.testing.assert_array_equal(out.ys[:, 0], XS[[0, 3], 0])


def test_pyramid_is_layers_on_shorter_time():
    gru = layers.RNN(cell=cells.GRU(input_size=4, hidden_size=3))
    top = layers.Bidirectional(forward=layers.RNN(cell=cells.GRU(input_size=9, hidden_size=2)))
    pyramid = layers.Pyramid(layers=(gru, top), factor=(2, 3))
    params = jitter(pyramid.init(jax.random.key(0), jnp.float64), jax.random.key(1))
    state = jitter(pyramid.initial_state(params, (18,)), jax.random.key(2))
    out = jax.jit(lambda: pyramid.apply(params, XS, state, lengths=LENGTHS))()

    @jax.jit
    def by_hand():
        first = layers.TimeReduction(input_size=2, factor=2).apply((), XS, lengths=LENGTHS)
        below = gru.apply(params[0], first.ys, state[0], lengths=first.lengths)
        second = layers.TimeReduction(input_size=3, factor=3).apply(
            (), below.ys, lengths=below.lengths
        )
        return below, top.apply(params[1], second.ys, state[1], lengths=second.lengths)

    below, above = by_hand()
    assert_same(out, above._replace(state=(below.state, above.state)))
    assert out.lengths.tolist() == [math.ceil(math.ceil(n / 2) / 3) for n in LENGTHS]


@pytest.mark.parametrize("num_layers", [1, 3])
def test_listener_has_one_layer_at_the_full_rate(num_layers: int):
    layer = layers.listener(input_size=2, hidden_size=3, num_layers=num_layers, dropout=0.5)
    assert len(layer.layers) == num_layers and layer.input_size == 2 and layer.output_size == 6
    params = layer.init(jax.random.key(0), jnp.float64)
    out = jax.eval_shape(layer.apply, params, XS, lengths=LENGTHS, key=jax.random.key(0))
    assert out.ys.shape[0] == {1: 17, 3: 5}[num_layers]


GRU = layers.RNN(cell=cells.GRU(input_size=4, hidden_size=4))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: layers.TimeReduction(input_size=2, factor=0),
            "factor must be a whole number >= 1",
        ),
        (lambda: layers.TimeReduction(input_size=2, mode="sum"), "got 'sum'"),
        (lambda: layers.TimeReduction(input_size=0), "input_size must be a whole number >= 1"),
        (
            lambda: layers.TimeReduction(input_size=2).apply(
                (), XS, reset=jnp.ones((17, 18), bool)
            ),
            "may not span two sequences",
        ),
        (lambda: layers.TimeReduction(input_size=2).apply((), XS, lengths=[18] * 18), "to 18, but"),
        (lambda: layers.TimeReduction(input_size=2).apply((), XS, XS[0]), "goes on from nothing"),
        (lambda: layers.Pyramid(layers=()), "layers is empty"),
        (lambda: layers.Pyramid(layers=GRU), "Pyramid: layers is a RNN: give a tuple"),
        (lambda: layers.Pyramid(layers=(GRU,), factor=0), "factor must be a whole number"),
        (lambda: layers.Pyramid(layers=(GRU,), factor=(2, 2)), "factor has 2 entries for 1 layers"),
        (lambda: layers.Pyramid(layers=(GRU,), factor=3), "make it a multiple of 3"),
        (lambda: layers.Pyramid(layers=(GRU, GRU)), "make it with input_size=8"),
        (lambda: layers.listener(input_size=1, hidden_size=1, num_layers=0), "num_layers must be"),
        (lambda: layers.listener(input_size=1, hidden_size=0), "hidden_size must be a whole"),
        (lambda: layers.listener(input_size=1, hidden_size=1, factor=0), "factor must be a whole"),
    ],
)
def test_refusals(make: Any, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()

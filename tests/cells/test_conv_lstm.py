"""ConvLSTM against Keras in one, two and three dimensions, and a double loop from the paper."""

import os
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers
from tests.cells.reference import SOURCES, assert_close, draw_case, loop, numbers, run, sigmoid

KERAS = {"1d": ((5,), (3,)), "2d": ((4, 3), (3, 2)), "3d": ((2, 3, 2), (1, 3, 2))}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras' own
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("case", KERAS)
def test_equals_keras(case, source, standard_promotion):
    if source == "live":
        os.environ.setdefault("KERAS_BACKEND", "jax")
    g = numbers("keras_conv_lstm", case, source, peer="keras")
    spatial_shape, kernel_size = KERAS[case]
    cell = cells.ConvLSTM(
        spatial_shape=spatial_shape, input_size=2, hidden_size=3, kernel_size=kernel_size
    )
    params = cells.ConvLSTMParams(*(jnp.asarray(g[name]) for name in ("w_x", "w_h", "b")), p=None)
    final, ys = run(cell, params, g["xs"].swapaxes(0, 1))
    assert_close(ys, g["ys"].swapaxes(0, 1))
    assert_close(final, cells.LSTMState(h=g["h"], c=g["c"]))


def paper_convolution(image, kernel):
    """Every place, every place of the kernel: what lies beyond the edge counts nothing."""
    out = np.zeros((*image.shape[:2], kernel.shape[-1]))
    for row, column, a, b in product(*map(range, (*image.shape[:2], *kernel.shape[:2]))):
        y, x = row + a - (kernel.shape[0] - 1) // 2, column + b - (kernel.shape[1] - 1) // 2
        if 0 <= y < image.shape[0] and 0 <= x < image.shape[1]:
            out[row, column] += image[y, x] @ kernel[a, b]
    return out


@pytest.mark.parametrize("kernel_size", [3, (2, 5)])
def test_equals_the_paper_with_peepholes(kernel_size):
    cell = cells.ConvLSTM(
        spatial_shape=(4, 3), input_size=2, hidden_size=2, kernel_size=kernel_size, peephole=True
    )

    def one_step(p, state, x):
        sums = paper_convolution(x, p.w_x) + paper_convolution(state.h, p.w_h) + p.b
        at_i, at_f, at_g, at_o = (sums[..., k : k + 2] for k in range(0, 8, 2))
        c = sigmoid(at_f + p.p[1] * state.c) * state.c
        c += sigmoid(at_i + p.p[0] * state.c) * np.tanh(at_g)
        return sigmoid(at_o + p.p[2] * c) * np.tanh(c), c

    params, state, xs = draw_case(cell, num_steps=3)
    assert_close(run(cell, params, xs, state), loop(cell, one_step, params, state, xs))


def test_one_place_is_an_lstm():
    """A kernel of 1: the same LSTM at every place."""
    cell = cells.ConvLSTM(spatial_shape=(3, 2), input_size=3, hidden_size=4, kernel_size=1)
    params, state, xs = draw_case(cell)
    lstm = cells.LSTM(input_size=3, hidden_size=4)
    flat = cells.LSTMParams(w_x=params.w_x[0, 0], w_h=params.w_h[0, 0], b=params.b)
    want = run(lstm, flat, xs, cells.LSTMState(*state))  # places are just more batch axes
    assert_close(run(cell, params, xs, state), want)


def test_moves_with_the_image():
    """Away from the edges a shifted image gives shifted outputs."""
    cell = cells.ConvLSTM(spatial_shape=(12,), input_size=1, hidden_size=2)
    params, _, _ = draw_case(cell)
    xs = jnp.zeros((3, 12, 1)).at[:, 5].set(1.0)
    ys, moved = (run(cell, params, x)[1] for x in (xs, jnp.roll(xs, 1, axis=1)))
    assert_close(moved[:, 4:10], ys[:, 3:9])


def test_batch_axes_are_free_and_bfloat16_images_are_summed_wide():
    cell = cells.ConvLSTM(spatial_shape=(4, 3), input_size=2, hidden_size=2)
    params, _, _ = draw_case(cell)
    xs = jax.random.normal(jax.random.key(0), (3, 2, 2, 4, 3, 2), jnp.float64)
    many = run(cell, params, xs)[1]
    assert_close(many[:, 1, 0], run(cell, params, xs[:, 1, 0])[1])
    half = cell.init(jax.random.key(0), jnp.bfloat16)
    assert cell.encode(half, xs.astype(jnp.bfloat16)).dtype == jnp.float32
    state, ys = jax.eval_shape(lambda: drivers.scan(cell, half, xs.astype(jnp.bfloat16)))
    assert (state.h.dtype, state.c.dtype, ys.dtype) == (jnp.bfloat16, jnp.float32, jnp.bfloat16)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"spatial_shape": ()}, r"spatial_shape must be a tuple of positive sizes.* got \(\)"),
        ({"spatial_shape": (3, 0)}, r"spatial_shape must be .* got \(3, 0\)"),
        ({"spatial_shape": 5}, "spatial_shape must be a tuple .* got 5"),
        ({"spatial_shape": (3, 3), "kernel_size": (3,)}, r"kernel_size=\(3,\) has 1 axes"),
        ({"spatial_shape": (3, 3), "kernel_size": 0}, "kernel_size must be .* got 0"),
        ({"spatial_shape": (3, 3), "kernel_size": 2.5}, "kernel_size must be .* got 2.5"),
    ],
)
def test_refuses(choices, message):
    with pytest.raises(ValueError, match=message):
        cells.ConvLSTM(input_size=2, hidden_size=2, **choices)


def test_says_what_shape_an_image_has():
    cell = cells.ConvLSTM(spatial_shape=(4, 3), input_size=2, hidden_size=2)
    params = cell.init(jax.random.key(0))
    with pytest.raises(ValueError, match=r"takes features \(4, 3, 2\)"):
        drivers.scan(cell, params, jnp.zeros((5, 1, 3, 4, 2)))
    with pytest.raises(ValueError, match="the time axis is missing"):
        drivers.scan(cell, params, jnp.zeros((4, 3, 2)))

"""Elman and IRNN against torch.nn.RNN and Keras, and against numbers worked out by hand."""

import jax
import jax.numpy as jnp
import pytest

from rnn_jax import cells
from tests.cells.reference import SOURCES, assert_close, check_torch, numbers, run


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("case", "f"), [("rnn_tanh", jnp.tanh), ("rnn_relu", jax.nn.relu)])
def test_equals_torch(case, f, source):
    check_torch(
        cells.Elman(input_size=3, hidden_size=4, activation=f),
        case,
        source,
        lambda g: cells.ElmanParams(
            w_x=g["weight_ih"].T, w_h=g["weight_hh"].T, b=g["bias_ih"] + g["bias_hh"]
        ),
        lambda g: cells.ElmanParams(
            w_x=g["d_weight_ih"].T, w_h=g["d_weight_hh"].T, b=g["d_bias_hh"]
        ),
    )


def test_equals_keras_simple_rnn():
    g = numbers("keras_weights", "simple_rnn", "golden")
    params = cells.ElmanParams(*(jnp.asarray(g[f"weights/{i}"]) for i in range(3)))
    _, ys = run(cells.Elman(input_size=3, hidden_size=4), params, g["xs"].swapaxes(0, 1))
    assert_close(ys, g["ys"].swapaxes(0, 1))


def test_by_hand():
    """One unit: h = relu(2 x + 3 h - 1) from h = 0 over x = 1, 0, -2."""
    cell = cells.Elman(input_size=1, hidden_size=1, activation=jax.nn.relu)
    params = cells.ElmanParams(w_x=jnp.full((1, 1), 2.0), w_h=jnp.full((1, 1), 3.0), b=-jnp.ones(1))
    _, ys = run(cell, params, jnp.array([[1.0], [0.0], [-2.0]]))
    assert ys.ravel().tolist() == [1.0, 2.0, 1.0]


def test_irnn_keeps_a_state_for_ever():
    cell = cells.irnn(1, 3)
    params = cell.init(jax.random.key(0), jnp.float64)
    start = cells.ElmanState(h=jnp.array([0.1, 0.0, 7.3]))
    state, _ = run(cell, params, jnp.zeros((1000, 1)), start)
    assert state.h.tolist() == start.h.tolist()
    scaled = cells.irnn(1, 3, scale=0.5)
    state, _ = run(scaled, scaled.init(jax.random.key(0), jnp.float64), jnp.zeros((3, 1)), start)
    assert_close(state.h, start.h / 8)

"""LSTM against torch.nn.LSTM and Keras, its corner cases, and numbers worked out by hand."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells
from tests.cells.reference import SOURCES, assert_close, check_torch, draw_case, numbers, run

CELL = cells.LSTM(input_size=3, hidden_size=4)
OPEN, SHUT = 1e3, -1e3  # sigmoids of exactly 1 and 0


@pytest.mark.parametrize("source", SOURCES)
def test_equals_torch(source):
    check_torch(
        CELL,
        "lstm",
        source,
        lambda g: cells.LSTMParams(
            w_x=g["weight_ih"].T, w_h=g["weight_hh"].T, b=g["bias_ih"] + g["bias_hh"]
        ),
        lambda g: cells.LSTMParams(
            w_x=g["d_weight_ih"].T, w_h=g["d_weight_hh"].T, b=g["d_bias_hh"]
        ),
    )


def test_equals_keras():
    g = numbers("keras_weights", "lstm", "golden")
    params = cells.LSTMParams(*(jnp.asarray(g[f"weights/{i}"]) for i in range(3)))
    _, ys = run(CELL, params, g["xs"].swapaxes(0, 1))
    assert_close(ys, g["ys"].swapaxes(0, 1))


def with_gates(i=0.0, f=0.0, g=0.0, o=0.0):
    """A cell whose gates are these sums, whatever it sees."""
    b = jnp.repeat(jnp.array([i, f, g, o]), 4)
    return cells.LSTMParams(w_x=jnp.zeros((3, 16)), w_h=jnp.zeros((4, 16)), b=b)


def test_constant_error_carousel():
    """f = 1, i = 0: the memory stays to the last bit for 10,000 steps, and so does its gradient."""
    params, state, _ = draw_case(CELL)
    params = params._replace(b=with_gates(i=SHUT, f=OPEN).b)
    xs = jax.random.normal(jax.random.key(0), (10_000, 2, 3), jnp.float64)

    def kept(c):
        return run(CELL, params, xs, state._replace(c=c))[0].c

    c, vjp = jax.vjp(kept, state.c)
    assert bool((c == state.c).all())
    assert bool((vjp(jnp.ones_like(c))[0] == 1).all())


@pytest.mark.parametrize(
    ("gates", "c"),
    [
        ({"i": OPEN, "f": SHUT, "g": 0.5}, lambda c: jnp.full_like(c, math.tanh(0.5))),  # replaced
        ({"i": SHUT, "f": SHUT, "g": 0.5}, jnp.zeros_like),  # erased
        ({"i": OPEN, "f": OPEN, "g": OPEN}, lambda c: c + 3),  # counts the steps
    ],
)
def test_gates_at_their_ends(gates, c):
    _, state, xs = draw_case(CELL, num_steps=3)
    final, _ = run(CELL, with_gates(**gates), xs, state)
    assert_close(final.c, c(state.c))
    shut, ys = run(CELL, with_gates(**gates, o=SHUT), xs, state)
    assert bool((ys == 0).all()) and bool((shut.c == final.c).all())


def test_by_hand():
    """sigmoid(log 3) = 3/4, tanh(log 2) = 3/5, so c' = 3/4 c + 1/2 * 3/5 and h' = 1/4 tanh(c')."""
    params = with_gates(f=math.log(3), g=math.log(2), o=-math.log(3))
    c = jnp.full((4,), (math.log(2) - 0.3) / 0.75)
    state, ys = run(CELL, params, jnp.ones((1, 3)), cells.LSTMState(h=c, c=c))
    assert_close(state.c, np.full(4, math.log(2)))
    assert_close(ys, np.full((1, 4), 0.15))


def test_weights_meet_their_gates_by_hand():
    """One unit, one input, weights that tell the columns i f g o and the inputs x and h apart."""
    cell = cells.LSTM(input_size=1, hidden_size=1)
    params = cells.LSTMParams(
        w_x=jnp.array([[0.1, 0.2, 0.3, 0.4]]),
        w_h=jnp.array([[-0.5, 0.6, -0.7, 0.8]]),
        b=jnp.array([0.01, 0.02, 0.03, 0.04]),
    )
    start = cells.LSTMState(h=jnp.array([0.5]), c=jnp.array([2.0]))
    state, _ = run(cell, params, jnp.array([[3.0]]), start)
    # s(.06) = .5149955, s(.92) = .7150421, tanh(.58) = .5226654, s(1.64) = .8375353
    np.testing.assert_allclose(state.c, 0.7150421 * 2 + 0.5149955 * 0.5226654, atol=1e-6)
    np.testing.assert_allclose(state.h, 0.8375353 * math.tanh(1.6992546), atol=1e-6)


def test_forget_bias_starts_in_its_gate():
    b = cells.LSTM(input_size=1, hidden_size=2, forget_bias=2.5).init(jax.random.key(0)).b
    assert b.tolist() == [0, 0, 2.5, 2.5, 0, 0, 0, 0]

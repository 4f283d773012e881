"""LayerNormLSTM against the equations of Ba et al. (2016), gate by gate, and what norms promise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells
from tests.cells.reference import assert_close, check_loop, draw_case, run, sigmoid

CELL = cells.LayerNormLSTM(input_size=3, hidden_size=4, epsilon=1e-3)


def standardize(a):
    return (a - np.mean(a)) / np.sqrt(np.var(a) + 1e-3)


def one_step(p, state, x):
    sums = []
    for gate in range(4):
        its = slice(4 * gate, 4 * gate + 4)
        from_x = p.gain_x[its] * standardize(p.w_x[:, its].T @ x)
        from_h = p.gain_h[its] * standardize(p.w_h[:, its].T @ state.h)
        sums.append(from_x + from_h + p.b[its])
    at_i, at_f, at_g, at_o = sums
    c = sigmoid(at_f) * state.c + sigmoid(at_i) * np.tanh(at_g)
    return sigmoid(at_o) * np.tanh(p.gain_c * standardize(c) + p.b_c), c


def test_equals_the_paper():
    check_loop(CELL, one_step)


def test_size_of_weights_does_not_matter():
    cell = cells.LayerNormLSTM(input_size=3, hidden_size=4, epsilon=1e-12)
    params, state, xs = draw_case(cell)
    larger = params._replace(w_x=100 * params.w_x, w_h=params.w_h / 10)
    assert_close(run(cell, larger, xs, state), run(cell, params, xs, state), 1e-8)


def test_zero_state_has_a_finite_gradient():
    params, _, xs = draw_case(CELL)
    state = jax.tree.map(jnp.zeros_like, CELL.initial_state(params, (2,)))
    loss = lambda p, s: run(CELL, p, xs, s)[1].sum()
    leaves = jax.tree.leaves(jax.grad(loss, argnums=(0, 1))(params, state))
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in leaves)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"hidden_size": 1}, "hidden_size must be at least 2, got 1"),
        ({"hidden_size": 4, "epsilon": 0.0}, "epsilon must be positive, got 0.0"),
    ],
)
def test_refuses_what_cannot_be_normalised(choices, message):
    with pytest.raises(ValueError, match=message):
        cells.LayerNormLSTM(input_size=3, **choices)

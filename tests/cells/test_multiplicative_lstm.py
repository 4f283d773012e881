"""MultiplicativeLSTM against the equations of Krause et al. (2016), and torch where they meet."""

import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells
from tests.cells.reference import assert_close, check_loop, draw_case, numbers, run, sigmoid

CELL = cells.MultiplicativeLSTM(input_size=3, hidden_size=4, middle_size=5)


def one_step(p, state, x):
    """The transition as one matrix that the input chooses: W_m diag(W_mx x) W_mh."""
    transition = p.w_m.T @ np.diag(p.w_mx.T @ x) @ p.w_mh.T
    sums = p.w_x.T @ x + transition @ state.h + p.b
    at_i, at_f, at_g, at_o = sums.reshape(4, 4)
    c = sigmoid(at_f) * state.c + sigmoid(at_i) * np.tanh(at_g)
    return np.tanh(c) * sigmoid(at_o), c


def test_equals_the_paper():
    check_loop(CELL, one_step)


def test_one_transition_for_all_inputs_equals_torch():
    """A constant fourth input with w_mx = (0, 0, 0, 1) and w_mh = 1 makes m = h, an LSTM."""
    g = numbers("torch_cells", "lstm", "golden")
    w_x = np.concatenate([g["weight_ih"].T, np.zeros((1, 16))])
    params = cells.MultiplicativeLSTMParams(
        w_x=jnp.asarray(w_x),
        w_m=jnp.asarray(g["weight_hh"].T),
        b=jnp.asarray(g["bias_ih"] + g["bias_hh"]),
        w_mx=jnp.zeros((4, 4)).at[3].set(1),
        w_mh=jnp.eye(4),
    )
    xs = np.concatenate([g["xs"], np.ones((5, 2, 1))], axis=-1)
    state = cells.LSTMState(h=g["h_0"][0], c=g["c_0"][0])
    cell = cells.MultiplicativeLSTM(input_size=4, hidden_size=4)
    assert_close(run(cell, params, xs, state)[1], g["ys"])


def test_an_input_of_nothing_cuts_the_recurrence():
    params, state, xs = draw_case(CELL, num_steps=1)
    other = state._replace(h=-3 * state.h)
    zero = jnp.zeros_like(xs)
    assert_close(run(CELL, params, zero, state), run(CELL, params, zero, other))


def test_refuses_an_empty_middle():
    with pytest.raises(ValueError, match="middle_size must be a whole number >= 1, got 0"):
        cells.MultiplicativeLSTM(input_size=3, hidden_size=4, middle_size=0)

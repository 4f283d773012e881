"""PeepholeLSTM against the equations of Gers and Schmidhuber (2000), unit by unit, and torch."""

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax import cells
from tests.cells.reference import assert_close, check_loop, draw_case, numbers, run, sigmoid

CELL = cells.PeepholeLSTM(input_size=3, hidden_size=4)


def one_step(p, state, x):
    h, c = np.empty(4), np.empty(4)
    for unit in range(4):
        at_i, at_f, at_g, at_o = (
            x @ p.w_x[:, column] + state.h @ p.w_h[:, column] + p.b[column]
            for column in range(unit, 16, 4)
        )
        old = state.c[unit]
        write = sigmoid(at_i + p.p_i[unit] * old) * np.tanh(at_g)
        c[unit] = sigmoid(at_f + p.p_f[unit] * old) * old + write
        h[unit] = sigmoid(at_o + p.p_o[unit] * c[unit]) * np.tanh(c[unit])
    return h, c


def test_equals_the_paper():
    check_loop(CELL, one_step)


def test_without_peepholes_equals_torch():
    g = numbers("torch_cells", "lstm", "golden")
    zero = jnp.zeros(4)
    weights = (g["weight_ih"].T, g["weight_hh"].T, g["bias_ih"] + g["bias_hh"])
    params = cells.PeepholeLSTMParams(*map(jnp.asarray, weights), p_i=zero, p_f=zero, p_o=zero)
    state = cells.LSTMState(h=g["h_0"][0], c=g["c_0"][0])
    assert_close(run(CELL, params, g["xs"], state)[1], g["ys"])


def test_gates_see_a_memory_that_is_not_shown():
    """o is shut, so h is 0 and only the peephole tells the forget gate of c."""
    params, _, xs = draw_case(CELL)
    b = jnp.zeros(16).at[:4].set(-1e3).at[12:].set(-1e3)  # writes nothing, shows nothing
    params = jax.tree.map(jnp.zeros_like, params)._replace(b=b, p_f=jnp.array([0.0, 1, -1, 2]))
    start = cells.LSTMState(h=jnp.zeros((2, 4)), c=jnp.full((2, 4), 3.0))
    final, ys = run(CELL, params, xs[:1], start)
    assert bool((ys == 0).all())
    assert_close(final.c[0], 3 * sigmoid(3 * np.array([0.0, 1, -1, 2])))

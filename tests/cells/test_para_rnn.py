"""ParaGRU and ParaLSTM against the paper's equations, and against GRU with diagonal matrices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells
from tests.cells.reference import assert_close, check_loop, differentiate, draw_case, sigmoid


def test_para_gru_equals_the_papers_equations():
    """Its z is our 1 - z: it takes the new value where ours keeps the old."""

    def one_step(p, state, x):
        a_r, a_z, a_h = (np.diag(u) for u in np.split(p.u, 3))
        b_r, b_z, b_h = np.split(p.w_x.T @ x + p.b, 3)
        z = sigmoid(-(a_z @ state.h + b_z))
        r = sigmoid(a_r @ state.h + b_r)
        c = np.tanh(a_h @ (state.h * r) + b_h)
        return ((1 - z) * state.h + z * c,)

    check_loop(cells.ParaGRU(input_size=3, hidden_size=4), one_step)


def test_para_lstm_equals_the_papers_equations():
    def one_step(p, state, x):
        a_f, a_z, a_o = (np.diag(u) for u in np.split(p.u, 3))
        b_f, b_z, b_o = np.split(p.w_x.T @ x + p.b, 3)
        f = sigmoid(a_f @ state.h + b_f + p.p_f * state.c)
        z = np.tanh(a_z @ state.h + b_z)
        c = f * state.c + (1 - f) * z
        o = sigmoid(a_o @ state.h + b_o + p.p_o * c)
        return o * np.tanh(c), c

    check_loop(cells.ParaLSTM(input_size=3, hidden_size=4), one_step)


def test_para_gru_is_gru_with_diagonal_matrices():
    """Values and gradients: those of u are the diagonals of those of the matrices."""
    cell, gru = (kind(input_size=3, hidden_size=4) for kind in (cells.ParaGRU, cells.GRU))
    params, state, xs = draw_case(cell)
    w_h = jnp.concatenate([jnp.diag(u) for u in jnp.split(params.u, 3)], 1)
    dense = cells.GRUParams(w_x=params.w_x, w_h=w_h, b=params.b, b_h=jnp.zeros(4))
    found, (d_params, *d_rest) = differentiate(cell, params, state, xs)
    want, (d_dense, *d_want) = differentiate(gru, dense, state, xs)
    assert_close(found, want)
    d_u = jnp.concatenate([jnp.diagonal(d) for d in jnp.split(d_dense.w_h, 3, 1)])
    assert_close(d_params, cells.ParaGRUParams(w_x=d_dense.w_x, u=d_u, b=d_dense.b))
    assert_close(d_rest, d_want)


@pytest.mark.parametrize("kind", [cells.ParaGRU, cells.ParaLSTM])
def test_units_do_not_meet(kind):
    cell = kind(input_size=2, hidden_size=3)
    params, state, xs = draw_case(cell)
    z = cell.encode(params, xs[0, 0])
    row = jax.tree.map(lambda leaf: leaf[0], state)
    slopes = jax.jacfwd(lambda state: cell.step(params, state, z))(row)
    for slope in jax.tree.leaves(slopes):
        assert ((slope != 0) == jnp.eye(3, dtype=bool)).all()


def test_forget_bias():
    b = cells.ParaLSTM(input_size=1, hidden_size=2, forget_bias=3.0).init(jax.random.key(0)).b
    assert b.tolist() == [3.0, 3.0, 0.0, 0.0, 0.0, 0.0]

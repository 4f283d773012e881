"""IndRNN against the paper's equation, and against Elman with a diagonal matrix."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells
from tests.cells.reference import assert_close, check_loop, differentiate, draw_case, run


@pytest.mark.parametrize(
    ("f", "by_numpy"), [(jax.nn.relu, lambda a: a.clip(0)), (jnp.tanh, np.tanh)]
)
def test_equals_the_papers_equation(f, by_numpy):
    def one_step(p, state, x):
        return (by_numpy(p.w_x.T.dot(x) + np.diag(p.u).dot(state.h) + p.b),)

    check_loop(cells.IndRNN(input_size=3, hidden_size=4, activation=f), one_step)


def test_is_elman_with_a_diagonal_matrix():
    """Values and gradients: those of u are the diagonal of those of the matrix."""
    cell = cells.IndRNN(input_size=3, hidden_size=4, activation=jnp.tanh)
    params, state, xs = draw_case(cell)
    dense = cells.ElmanParams(w_x=params.w_x, w_h=jnp.diag(params.u), b=params.b)
    found, (d_params, *d_rest) = differentiate(cell, params, state, xs)
    elman = cells.Elman(input_size=3, hidden_size=4)
    want, (d_dense, *d_want) = differentiate(elman, dense, state, xs)
    assert_close(found, want)
    expected = cells.IndRNNParams(w_x=d_dense.w_x, u=jnp.diagonal(d_dense.w_h), b=d_dense.b)
    assert_close(d_params, expected)
    assert_close(d_rest, d_want)


def test_units_do_not_meet():
    cell = cells.IndRNN(input_size=2, hidden_size=3)
    params, state, xs = draw_case(cell)
    _, ys = run(cell, params, xs, state)
    _, moved = run(cell, params, xs, state._replace(h=state.h.at[:, 1].add(1.0)))
    assert (moved[..., [0, 2]] == ys[..., [0, 2]]).all() and (moved[..., 1] != ys[..., 1]).any()


def test_clipping_bounds_the_gradient():
    """At the bound, the gradient over T steps of an open ReLU unit grows by gamma."""
    cell = cells.IndRNN(input_size=1, hidden_size=2)
    u = jnp.array([-7.0, 3.0])
    params = cells.IndRNNParams(w_x=jnp.zeros((1, 2)), u=u, b=jnp.zeros(2))
    params = cells.clip_recurrent(params, num_steps=50, gamma=3.0)
    np.testing.assert_allclose(params.u, [-(3 ** (1 / 50)), 3 ** (1 / 50)], rtol=1e-15)

    def last(h):
        return run(cell, params, jnp.zeros((50, 1)), cells.ElmanState(h=h))[0].h[1]

    np.testing.assert_allclose(jax.grad(last)(jnp.ones(2)), [0.0, 3.0], rtol=1e-13)
    for bad in ({"num_steps": 0}, {"num_steps": 5, "gamma": 0.0}):
        with pytest.raises(ValueError, match="num_steps >= 1 and gamma > 0, got"):
            cells.clip_recurrent(params, **bad)


def test_starts_within_one():
    u = cells.IndRNN(input_size=1, hidden_size=1000).init(jax.random.key(0), jnp.bfloat16).u
    assert u.dtype == jnp.bfloat16 and float(abs(u).max()) <= 1 and float(abs(u).max()) > 0.9

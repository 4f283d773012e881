"""MinGRU and MinLSTM against loops over the paper's equations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers

T, B, D, H = 6, 2, 3, 4


def logistic(v):
    return 1 / (1 + np.exp(-v))


def loop(kind, params, xs, h):
    """Algorithms 2 and 6 of the paper in their plain forms, unit by unit."""
    w, b = np.asarray(params.w_x), np.asarray(params.b)
    ys = np.empty((T, B, H))
    h = np.array(h)
    for t, row, unit in np.ndindex(T, B, H):
        columns = [
            np.dot(xs[t, row], w[:, k + unit]) + b[k + unit] for k in range(0, w.shape[1], H)
        ]
        if kind is cells.MinGRU:
            z, candidate = logistic(columns[0]), columns[1]
            h[row, unit] = (1 - z) * h[row, unit] + z * candidate
        else:
            i, f, candidate = logistic(columns[0]), logistic(columns[1]), columns[2]
            h[row, unit] = f / (f + i) * h[row, unit] + i / (f + i) * candidate
        ys[t, row, unit] = h[row, unit]
    return h, ys


@pytest.mark.parametrize("kind", [cells.MinGRU, cells.MinLSTM])
def test_equals_the_papers_loop(kind):
    cell = kind(input_size=D, hidden_size=H)
    rng = np.random.default_rng(0)
    params = jax.tree.map(
        lambda leaf: jnp.asarray(rng.standard_normal(leaf.shape)),
        cell.init(jax.random.key(0), jnp.float64),
    )
    xs, h = rng.standard_normal((T, B, D)), rng.standard_normal((B, H))
    last, want = loop(kind, params, xs, h)
    for driver in (drivers.scan, drivers.associative):
        state, ys = driver(cell, params, jnp.asarray(xs), cells.MinRNNState(h=jnp.asarray(h)))
        np.testing.assert_allclose(ys, want, atol=1e-12)
        np.testing.assert_allclose(state.h, last, atol=1e-12)


def test_closed_gates_give_their_ratio():
    """sigmoid(-200) is 0 in float32; two of them are still as one to e."""
    cell = cells.MinLSTM(input_size=1, hidden_size=1)
    params = cells.MinLSTMParams(
        w_x=jnp.array([[1.0, 1.0, 0.0]], jnp.float32), b=jnp.array([0.0, 1.0, 3.0], jnp.float32)
    )
    z = cell.encode(params, jnp.array([-200.0], jnp.float32))
    np.testing.assert_allclose(z.keep, [np.e / (1 + np.e)], rtol=1e-5)
    np.testing.assert_allclose(z.write, [3 / (1 + np.e)], rtol=1e-5)
    gradient = jax.grad(lambda x: cell.encode(params, x).keep.sum())(jnp.array([-200.0]))
    assert bool(jnp.isfinite(gradient).all())


def test_forget_bias_is_the_second_gates():
    params = cells.MinLSTM(input_size=1, hidden_size=2, forget_bias=1.5).init(jax.random.key(0))
    assert params.b.tolist() == [0, 0, 1.5, 1.5, 0, 0]


def test_half_precision_parameters_keep_a_wide_memory():
    """A decay of 0.999 is no number of bfloat16."""
    cell = cells.MinGRU(input_size=1, hidden_size=1)
    params = cells.MinGRUParams(
        w_x=jnp.zeros((1, 2), jnp.bfloat16), b=jnp.array([-6.9, 0.0], jnp.bfloat16)
    )
    start = cells.MinRNNState(h=jnp.ones(1, jnp.float32))
    state, ys = drivers.scan(cell, params, jnp.zeros((1000, 1), jnp.bfloat16), start)
    decay = 1 - logistic(float(params.b[0]))
    assert ys.dtype == jnp.float32 == cell.initial_state(params).h.dtype
    np.testing.assert_allclose(state.h, decay**1000, rtol=1e-4)

"""LRU against a loop with a dense complex matrix, and its initialisation against its definition."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers

T, B, D, N = 6, 2, 3, 4


def loop(params, xs, h):
    """The paper's equations with Lambda as a matrix, column vectors, one row at a time."""
    p = jax.tree.map(np.asarray, params)
    matrix = np.diag(np.exp(-np.exp(p.nu_log)) * np.exp(1j * np.exp(p.theta_log)))
    b = (p.w_x[:, :N] + 1j * p.w_x[:, N:]).T * np.exp(p.gamma_log)[:, None]
    c = (p.w_y[:N] - 1j * p.w_y[N:]).T
    h, ys = np.array(h), np.empty((T, B, D))
    for t, row in np.ndindex(T, B):
        h[row] = matrix @ h[row] + b @ xs[t, row]
        ys[t, row] = (c @ h[row]).real + np.diag(p.d) @ xs[t, row]
    return h, ys


def test_equals_the_papers_loop():
    cell = cells.LRU(input_size=D, hidden_size=N, min_radius=0.5, max_radius=0.99)
    params = cell.init(jax.random.key(0), jnp.float64)
    rng = np.random.default_rng(0)
    xs, h = rng.standard_normal((T, B, D)), rng.standard_normal((B, N, 2)) @ [1, 1j]
    last, want = loop(params, xs, h)
    start = cell.initial_state(params, (B,))._replace(h=jnp.asarray(h))
    for driver in (drivers.scan, drivers.associative):
        state, ys = driver(cell, params, jnp.asarray(xs), start)
        np.testing.assert_allclose(ys, want, atol=1e-12)
        np.testing.assert_allclose(state.h, last, atol=1e-12)
        np.testing.assert_allclose(state.skip, np.asarray(params.d) * xs[-1], atol=1e-12)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_starts_on_the_ring(dtype):
    cell = cells.LRU(
        input_size=64, hidden_size=2000, min_radius=0.9, max_radius=0.999, max_phase=math.pi / 10
    )
    p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), cell.init(jax.random.key(1), dtype))
    slack = 1e-4 if dtype == jnp.float32 else 0.01
    radius, phase = np.exp(-np.exp(p.nu_log)), np.exp(p.theta_log)
    assert 0.9 - slack <= radius.min() and radius.max() <= 0.999 + slack
    assert 0 <= phase.min() and phase.max() <= math.pi / 10 + slack
    # Uniform on the ring: the area within radius r grows like r^2, hence the mean of r^2.
    assert abs((radius**2).mean() - (0.9**2 + 0.999**2) / 2) < 0.005
    assert abs(phase.mean() - math.pi / 20) < 0.01
    np.testing.assert_allclose(np.exp(2 * p.gamma_log), 1 - radius**2, rtol=0.1)
    assert abs(p.w_x.var() * 2 * 64 - 1) < 0.05 and abs(p.w_y.var() * 2000 - 1) < 0.05


def test_normalisation_keeps_the_variance():
    """White noise of variance 1 gives every state the variance |B|^2, however slowly it decays."""
    cell = cells.LRU(input_size=1, hidden_size=8, min_radius=0.9, max_radius=0.99)
    params = cell.init(jax.random.key(0))
    params = params._replace(w_x=jnp.ones((1, 16)) / math.sqrt(2))
    xs = jax.random.normal(jax.random.key(1), (600, 200, 1), jnp.float32)
    state, _ = drivers.scan(cell, params, xs)
    power = (jnp.abs(state.h) ** 2).mean(0)
    assert bool((abs(power - 1) < 0.4).all())


def test_half_precision_states_are_complex_and_wide():
    cell = cells.LRU(input_size=D, hidden_size=N)
    params = cell.init(jax.random.key(0), jnp.bfloat16)
    state, ys = drivers.scan(cell, params, jnp.ones((T, B, D), jnp.bfloat16))
    assert state.h.dtype == jnp.complex64 and ys.dtype == jnp.float32


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"min_radius": 0.9, "max_radius": 0.9}, "min_radius=0.9, max_radius=0.9"),
        ({"max_radius": 1.1}, "outside the unit circle"),
        ({"min_radius": -0.1}, "min_radius=-0.1"),
        ({"max_phase": 0.0}, "max_phase must lie"),
        ({"max_phase": 7.0}, "got 7.0"),
    ],
)
def test_bad_choices_are_refused(choices, message):
    with pytest.raises(ValueError, match=message):
        cells.LRU(input_size=D, hidden_size=N, **choices)

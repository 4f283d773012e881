"""Lyapunov exponents against known values, determinants, and a QR loop in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import analysis, cells
from tests.laws.cases import jitter, make_case


def henon(state):
    x, y = state
    return jnp.stack([1 - 1.4 * x**2 + y, 0.3 * x])


@pytest.mark.usefixtures("optimized")
def test_henon():
    """0.41922 and -1.62319 (Sprott, Chaos and time-series analysis, 2003); the sum is ln 0.3.

    The mean over a trajectory is a statistic: its error over 64 x 2,000 steps is about 5e-4.
    """
    starts = 0.1 * jax.random.normal(jax.random.key(0), (64, 2))

    @jax.jit
    @jax.vmap
    def run(start):
        return analysis.map_lyapunov_exponents(henon, start, 2200, warmup=200, every=4)

    exponents = run(starts)
    np.testing.assert_allclose(exponents.sum(-1), np.log(0.3), rtol=1e-12)
    np.testing.assert_allclose(exponents.mean(0), [0.41922, -1.62319], atol=2e-3)


def test_logistic_map_and_the_first_of_several():
    """Ln 2 each, for a state that is a tree with a counter; slower maps come after."""

    def step(state):
        return {
            "fast": 4 * state["fast"] * (1 - state["fast"]),
            "slow": 0.7 * state["slow"],
            "count": state["count"] + 1,
        }

    state = {"fast": jnp.array(0.3), "slow": jnp.ones(2), "count": jnp.array(0)}
    run = lambda **options: analysis.map_lyapunov_exponents(step, state, 3000, **options)
    every = run(warmup=1000)
    np.testing.assert_allclose(every[0], np.log(2), atol=5e-3)
    np.testing.assert_allclose(every[1:], np.log(0.7), rtol=1e-10)
    np.testing.assert_allclose(run(num_exponents=2, warmup=1000), every[:2], rtol=1e-10)


def test_linear_map_has_the_logarithms_of_its_eigenvalues():
    """Also one whose axes are its directions, a double one and one that kills a direction."""
    random = np.random.default_rng(0)
    basis = random.standard_normal((4, 4))
    values = np.array([2.0, 1.0, 0.5, 0.25])
    for matrix in (np.diag(values[::-1]), basis @ np.diag(values) @ np.linalg.inv(basis)):
        matrix = jnp.asarray(matrix)
        found = analysis.map_lyapunov_exponents(
            lambda x, m=matrix: m @ x, 0 * matrix[0], 200, warmup=100
        )
        np.testing.assert_allclose(found, np.log(values), atol=1e-10)
    kill = lambda x: x * jnp.array([2.0, 0.0])
    lost = analysis.map_lyapunov_exponents(kill, jnp.ones(2), 4, warmup=2)
    np.testing.assert_allclose(lost, [np.log(2), -np.inf], rtol=1e-12)


def test_of_a_driven_network_equals_a_loop_in_numpy():
    """A batch of rows; the loop begins with the same directions."""
    cell = cells.Elman(input_size=2, hidden_size=5)
    params = jitter(cell.init(jax.random.key(0), jnp.float64), jax.random.key(1), 0.8)
    xs = 0.3 * jax.random.normal(jax.random.key(2), (40, 2, 2))
    start = np.linalg.qr(jax.random.normal(jax.random.key(0), (5, 5)))[0]
    names = ("warmup", "every")
    run = jax.jit(analysis.lyapunov_exponents, static_argnums=0, static_argnames=names)
    found = run(cell, params, xs, warmup=10)
    for row in range(2):
        h, q, growth = np.zeros(5), start, []
        for x in np.asarray(xs[:, row]):
            h = np.tanh(x @ params.w_x + h @ params.w_h + params.b)
            q, r = np.linalg.qr(np.diag(1 - h**2) @ np.asarray(params.w_h).T @ q)
            growth.append(np.log(abs(np.diag(r))))
        np.testing.assert_allclose(found[row], np.mean(growth[10:], axis=0), rtol=1e-10)
    in_blocks = run(cell, params, xs, warmup=10, every=5)
    np.testing.assert_allclose(in_blocks, found, rtol=1e-8)


def test_the_sum_is_the_mean_logarithm_of_the_determinant():
    """Of the whole state of an LSTM, h and c."""
    cell, params, state, xs = make_case("lstm", num_steps=6, num_rows=1)
    found = analysis.lyapunov_exponents(cell, params, xs, state)
    z, now, logs = cell.encode(params, xs), state, []

    def flat(rows, z):
        h, c = jnp.split(rows, 2)
        new = cell.step(params, cells.LSTMState(h=h, c=c), z)
        return jnp.concatenate([new.h, new.c])

    jacobian = jax.jit(jax.jacfwd(flat))
    for t in range(6):
        rows = jnp.concatenate([now.h[0], now.c[0]])
        logs.append(np.linalg.slogdet(jacobian(rows, z[t, 0]))[1])
        now = cell.step(params, now, z[t])
    np.testing.assert_allclose(found.sum(), np.mean(logs), rtol=1e-10)


@pytest.mark.slow
def test_complex_states_count_as_real_pairs():
    cell, params, state, xs = make_case("lru", num_steps=120, num_rows=1)
    found = analysis.lyapunov_exponents(cell, params, xs, state, num_exponents=2, warmup=90)
    largest = -jnp.exp(params.nu_log).min()
    np.testing.assert_allclose(found[0], [largest, largest], rtol=1e-3)


CELL = cells.Elman(input_size=2, hidden_size=3)
BAD = [
    (dict(num_exponents=4), r"in 1\.\.3.* got 4"),
    (dict(num_exponents=0), r"in 1\.\.3"),
    (dict(warmup=6), r"in 0\.\.5.* got 6"),
    (dict(every=4), "divides the 6 steps and warmup=0, got 4"),
    (dict(warmup=1, every=2), "warmup=1, got 2"),
    (dict(every=0), "got 0"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_counts_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        params = CELL.init(jax.random.key(0))
        analysis.lyapunov_exponents(CELL, params, jnp.ones((6, 2)), **options)


def test_maps_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="num_steps must be"):
        analysis.map_lyapunov_exponents(henon, jnp.ones(2), 0)
    with pytest.raises(ValueError, match="floating fields"):
        analysis.map_lyapunov_exponents(lambda n: n + 1, jnp.array(0), 3)

"""Streamed ridge regression against NumPy's solvers on the whole data at once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import ops

ROWS, FEATURES, OUT = 30, 4, 2


def data(seed=0, offset=3.0):
    random = np.random.default_rng(seed)
    x = random.standard_normal((ROWS, FEATURES)) + offset
    return x, random.standard_normal((ROWS, OUT)) + x @ random.standard_normal((FEATURES, OUT))


def closed_form(x, y, alpha, weights=None, intercept=True):
    """Weighted and centred normal equations, in float64."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    weights = np.ones(len(x)) if weights is None else weights
    centre = weights @ np.c_[x, y] / weights.sum() * intercept
    mean_x, mean_y = centre[: x.shape[1]], centre[x.shape[1] :]
    left = (x - mean_x).T @ np.diag(weights) @ (x - mean_x) + alpha * np.eye(x.shape[1])
    w = np.linalg.solve(left, (x - mean_x).T @ np.diag(weights) @ (y - mean_y))
    return ops.Readout(w, mean_y - mean_x @ w)


update = jax.jit(ops.ridge_update)


def fit(x, y, alpha, *, chunks=(ROWS,), weights=None, dtype=jnp.float64, **options):
    stats = ops.ridge_init(x.shape[1], y.shape[1], dtype)
    begin = 0
    for size in chunks:
        part = slice(begin, begin + size)
        own = None if weights is None else jnp.asarray(weights[part])
        stats = update(stats, jnp.asarray(x[part]), jnp.asarray(y[part]), own)
        begin += size
    assert begin == len(x)
    return ops.ridge_solve(stats, alpha, **options)


def assert_close(found, want, tolerance=1e-12):
    for have, expected in zip(found, want, strict=True):
        np.testing.assert_allclose(have, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("alpha", [0.0, 1e-3, 10.0])
@pytest.mark.parametrize("intercept", [True, False])
def test_equals_the_closed_form(alpha, intercept):
    x, y = data()
    want = closed_form(x, y, alpha, intercept=intercept)
    assert_close(fit(x, y, alpha, intercept=intercept), want)
    if alpha == 0:
        ones = np.ones((ROWS, 1)) if intercept else np.zeros((ROWS, 1))
        least = np.linalg.lstsq(np.c_[x, ones], y)[0]
        assert_close(want, (least[:-1], least[-1]), 1e-11)


def test_any_chunks_and_shards_give_the_same():
    x, y = data()
    whole = fit(x, y, 0.1)
    for chunks in ((1,) * ROWS, (7, 0, 23), (28, 2)):
        assert_close(fit(x, y, 0.1, chunks=chunks), whole)
    empty = ops.ridge_init(FEATURES, OUT, jnp.float64)
    halves = [
        update(empty, jnp.asarray(x[s]), jnp.asarray(y[s])) for s in (slice(9), slice(9, None))
    ]
    assert_close(ops.ridge_solve(ops.ridge_merge(*halves), 0.1), whole)
    assert_close(ops.ridge_solve(ops.ridge_merge(halves[1], halves[0]), 0.1), whole)
    # The triangular factor is that of Cholesky: unique, so that statistics can be compared.
    full = update(empty, jnp.asarray(x), jnp.asarray(y))
    ones = np.c_[np.ones(ROWS), x]
    np.testing.assert_allclose(full.r, np.linalg.cholesky(ones.T @ ones).T, atol=1e-11)


def test_axes_of_time_and_batch_and_jit():
    x, y = data()
    stats = jax.jit(ops.ridge_update)(
        ops.ridge_init(FEATURES, OUT, jnp.float64),
        jnp.asarray(x.reshape(5, 3, 2, FEATURES)),
        jnp.asarray(y.reshape(5, 3, 2, OUT)),
    )
    alphas = jnp.array([0.0, 0.5])
    found = jax.vmap(ops.ridge_solve, in_axes=(None, 0))(stats, alphas)
    for k, alpha in enumerate(alphas.tolist()):
        assert_close((found.w[k], found.b[k]), closed_form(x, y, alpha))


def test_weights_and_masks():
    x, y = data()
    weights = np.random.default_rng(1).uniform(0, 2, ROWS) * (np.arange(ROWS) % 3 > 0)
    want = closed_form(x, y, 0.1, weights)
    bad_x, bad_y = x.copy(), y.copy()
    bad_x[weights == 0], bad_y[weights == 0] = np.nan, np.inf
    assert_close(fit(bad_x, bad_y, 0.1, chunks=(11, 19), weights=weights), want)
    mask = weights > 0
    assert_close(fit(bad_x, bad_y, 0.1, weights=mask), closed_form(x[mask], y[mask], 0.1))


def test_dependent_features():
    """alpha = 0 gives the least squares solution of smallest norm; any other alpha its own."""
    x, y = data(offset=0.0)
    x = np.c_[x, x[:, 0], 2 * x[:, 1]]
    centred = x - x.mean(0)
    w, b = fit(x, y, 0.0)
    assert_close((w,), (np.linalg.lstsq(centred, y - y.mean(0), rcond=1e-10)[0],))
    assert_close((b,), (y.mean(0) - x.mean(0) @ w,))
    assert_close(fit(x, y, 1e-3), closed_form(x, y, 1e-3))
    # In float32 equal features share their weight differently; what they predict is the same.
    single, double = fit(x, y, 1e-3, dtype=jnp.float32), closed_form(x, y, 1e-3)
    np.testing.assert_allclose(x @ np.asarray(single.w, float), x @ double.w, atol=1e-5)
    # Fewer rows than features.
    few = fit(x[:3], y[:3], 0.0, chunks=(3,))
    np.testing.assert_allclose(x[:3] @ np.asarray(few.w) + np.asarray(few.b), y[:3], atol=1e-12)


def test_single_precision_solves_what_normal_equations_cannot():
    """Columns that differ by 1e-4: their products agree to the last digit of float32."""
    random = np.random.default_rng(0)
    x = random.standard_normal((200, 1)) + 1e-4 * random.standard_normal((200, 3))
    x = x.astype(np.float32)
    y = x @ np.array([[1.0], [2.0], [-3.0]])
    found = fit(x, y, 1e-9, chunks=(50,) * 4, dtype=jnp.float32)
    predicted = x @ np.asarray(found.w, np.float64) + np.asarray(found.b, np.float64)
    assert np.abs(predicted - y).max() < 0.02 * y.std()
    large = data(offset=1000.0)  # means far larger than deviations
    found = fit(*large, 0.1, chunks=(10, 20), dtype=jnp.float32)
    assert_close((found.w,), (closed_form(*large, 0.1).w,), 1e-3)


def test_no_data_and_no_variation():
    stats = ops.ridge_init(FEATURES, OUT)
    for alpha in (0.0, 1.0):
        assert_close(ops.ridge_solve(stats, alpha), (np.zeros((FEATURES, OUT)), np.zeros(OUT)))
    constant = ops.ridge_update(stats, jnp.ones((5, FEATURES)), 7 * jnp.ones((5, OUT)))
    w, b = ops.ridge_solve(constant, 0.1)
    np.testing.assert_allclose(w.sum(0) + b, 7, rtol=1e-5)
    half = ops.ridge_update(
        stats, jnp.ones((5, FEATURES), jnp.bfloat16), jnp.ones((5, OUT), jnp.bfloat16)
    )
    assert half.r.dtype == jnp.float32


def test_bad_input():
    stats = ops.ridge_init(FEATURES, OUT)
    for x, y in (((5, 3), (5, OUT)), ((5, FEATURES), (5, 1)), ((5, FEATURES), (4, OUT))):
        with pytest.raises(ValueError, match=r"must be \(..., 4\) and \(..., 2\) with equal"):
            ops.ridge_update(stats, jnp.ones(x), jnp.ones(y))
    with pytest.raises(ValueError, match=r"weights has shape \(5, 1\), but there are \(5,\) rows"):
        ops.ridge_update(stats, jnp.ones((5, FEATURES)), jnp.ones((5, OUT)), jnp.ones((5, 1)))
    for alpha in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=f"alpha must be a finite penalty >= 0, got {alpha}"):
            ops.ridge_solve(stats, alpha)

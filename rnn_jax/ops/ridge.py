"""Ridge regression in closed form from streamed data: the readout of reservoirs.

    w, b = argmin  sum_i weight_i * |x_i @ w + b - y_i|^2 + alpha * |w|^2

The data pass once, in chunks of any size. What is kept is the square root of the normal equations,
a triangular R with R'R = [1 X]'[1 X], and with it [1 X]'Y; a chunk is added by a QR decomposition
of R with the new rows below. Summing the products themselves would square the condition of the
data: the states of a reservoir, nearly dependent, would lose in float32 what tells them apart.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.ops.masks import select
from rnn_jax.typing import DType


class RidgeStats(NamedTuple):
    """What ridge regression needs to know of the data so far; F features, O targets."""

    r: jax.Array  # (1 + F, 1 + F) upper triangular, of the data with a column of ones before
    q_y: jax.Array  # (1 + F, O) the targets in the coordinates of its rows


class Readout(NamedTuple):
    """A linear map ``x @ w + b``."""

    w: jax.Array  # (F, O)
    b: jax.Array  # (O,)


def ridge_init(num_features: int, num_targets: int, dtype: DType = jnp.float32) -> RidgeStats:
    """The statistics of no data.

    Args:
        num_features: F.
        num_targets: O.
        dtype: In which to compute, float32 or float64.

    Example:
        >>> ridge_init(3, 1).r.shape
        (4, 4)
    """
    size = 1 + num_features
    return RidgeStats(jnp.zeros((size, size), dtype), jnp.zeros((size, num_targets), dtype))


def ridge_update(
    stats: RidgeStats, features: jax.Array, targets: jax.Array, weights: jax.Array | None = None
) -> RidgeStats:
    """Add data.

    A chunk of n rows takes about 2 (n + F) F^2 operations: let it have F rows or more.

    Args:
        stats: What was there before.
        features: (..., F), any leading axes: (T, *B, F) as it comes from a driver.
        targets: (..., O).
        weights: (...) booleans (a mask: True = real) or numbers >= 0; None for 1 everywhere. Rows
            of weight 0 change nothing, NaN and inf included.

    Returns:
        The statistics of both; however the data are cut, the same to rounding.

    Raises:
        ValueError: If shapes do not fit each other or the statistics.

    Example:
        >>> x, y = jnp.array([[1.0], [3.0]]), jnp.array([[0.0], [4.0]])
        >>> r, q_y = ridge_update(ridge_init(1, 1), x, y)
        >>> [[round(abs(v), 3) for v in row] for row in r.tolist()]  # [[sqrt(n), ...], [0, ...]]
        [[1.414, 2.828], [0.0, 1.414]]
    """
    rows, sizes = features.shape[:-1], (stats.r.shape[0] - 1, stats.q_y.shape[1])
    if targets.shape[:-1] != rows or (features.shape[-1], targets.shape[-1]) != sizes:
        raise ValueError(
            f"features {features.shape} and targets {targets.shape} must be (..., {sizes[0]}) and "
            f"(..., {sizes[1]}) with equal leading axes, as ridge_init was told."
        )
    dtype = stats.r.dtype
    x, y = features.astype(dtype), targets.astype(dtype)
    ones = jnp.ones((*rows, 1), dtype)
    if weights is not None:
        if weights.shape != rows:
            raise ValueError(f"weights has shape {weights.shape}, but there are {rows} rows.")
        x, y = select(weights.astype(bool), (x, y), (jnp.zeros_like(x), jnp.zeros_like(y)))
        ones = jnp.sqrt(weights.astype(dtype))[..., None]
        x, y = jnp.broadcast_to(ones, x.shape) * x, jnp.broadcast_to(ones, y.shape) * y
    new = jnp.concatenate([ones, x, y], axis=-1)
    return _append(stats, new.reshape(-1, new.shape[-1]))


def ridge_merge(first: RidgeStats, second: RidgeStats) -> RidgeStats:
    """The statistics of two bodies of data together, as of what several devices have seen.

    Example:
        >>> x, y = jnp.array([[1.0], [3.0]]), jnp.array([[0.0], [4.0]])
        >>> a, b = (ridge_update(ridge_init(1, 1), x[i : i + 1], y[i : i + 1]) for i in (0, 1))
        >>> round(float(ridge_solve(ridge_merge(a, b), alpha=0.0).w[0, 0]), 4)
        2.0
    """
    return _append(first, jnp.concatenate(second, axis=-1))


def _append(stats: RidgeStats, new: jax.Array) -> RidgeStats:
    """Sequential accumulation: what lies beyond the rows of r is the residual, and not needed."""
    rows = jnp.concatenate([jnp.concatenate(stats, axis=-1), new])
    size = stats.r.shape[0]
    top = jnp.linalg.qr(rows, mode="r")[:size]
    signs = jnp.where(jnp.diagonal(top) < 0, -1, 1).astype(top.dtype)[:, None]
    top = top * jnp.broadcast_to(signs, top.shape)  # a positive diagonal makes r unique
    return RidgeStats(top[:, :size], top[:, size:])


def ridge_solve(stats: RidgeStats, alpha: float | jax.Array, *, intercept: bool = True) -> Readout:
    """The readout that minimises the squared error plus ``alpha * |w|^2``; b is not penalised.

        w = (X'X + alpha * I)^-1 X'Y,   b = mean_y - mean_x @ w        (X, Y centred)

    By the singular values of the triangular factor, so it neither fails nor blows up where features
    repeat each other. With ``alpha`` = 0 those below the rounding of the largest count as zero, and
    the result is the least squares solution of smallest norm, as from ``numpy.linalg.lstsq``.

    Args:
        stats: Of all the data.
        alpha: Penalty >= 0, on the scale of sums over rows (not means), as in reservoirpy and
            scikit-learn.
        intercept: Whether there is a b; without, b is zero and X, Y are not centred.

    Raises:
        ValueError: If ``alpha`` is negative or not finite.

    Example:
        >>> x = jnp.array([[0.0], [1.0], [2.0]])
        >>> w, b = ridge_solve(ridge_update(ridge_init(1, 1), x, 3 * x + 1), alpha=0.0)
        >>> round(float(w[0, 0]), 4), round(float(b[0]), 4)
        (3.0, 1.0)

    References:
        Hoerl and Kennard, Ridge regression: biased estimation for nonorthogonal problems, 1970,
        doi:10.1080/00401706.1970.10488634.
        Lawson and Hanson, Solving least squares problems, 1974, doi:10.1137/1.9781611971217
        (chapter 27, sequential accumulation).
    """
    if isinstance(alpha, (int, float)) and not 0 <= alpha < float("inf"):
        raise ValueError(f"alpha must be a finite penalty >= 0, got {alpha}.")
    r, q_y = stats
    skipped = 1 if intercept else 0  # the first row of r is the ones' direction
    u, s, v_t = jnp.linalg.svd(r[skipped:, 1:], full_matrices=False)
    alpha = jnp.asarray(alpha, s.dtype)
    floor = jnp.where(alpha > 0, 0, s[0] * s.size * jnp.finfo(s.dtype).eps)
    kept = s > floor
    share = jnp.where(kept, s / jnp.where(kept, s**2 + alpha, 1), 0)[:, None]
    seen = _product(u.T, q_y[skipped:])
    w = _product(v_t.T, jnp.broadcast_to(share, seen.shape) * seen)
    if not intercept:
        return Readout(w, jnp.zeros_like(w[0]))
    root = r[0, 0]  # of the sum of weights
    return Readout(w, (q_y[0] - _product(r[0, 1:], w)) / jnp.where(root > 0, root, 1))


def _product(x: jax.Array, y: jax.Array) -> jax.Array:
    """``x @ y`` with all the digits there are; accelerators round to fewer by default."""
    return jnp.matmul(x, y, precision=jax.lax.Precision.HIGHEST)

"""Linear recurrences with block-diagonal matrices, in parallel over time: plain, and damped.

Every array here has the axes (T, *B, G, K), matrices (T, *B, G, K, K).
"""

from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.drivers.recurrence import linear_recurrence, states_from_zero
from rnn_jax.ops.masks import select
from rnn_jax.ops.types import vary_like
from rnn_jax.typing import PyTree

UNROLLED = 4  # blocks up to this size are multiplied entry by entry, not by a matrix product


def times(a: jax.Array, x: jax.Array) -> jax.Array:
    """Matrix times vector in each block.

    Example:
        >>> times(jnp.array([[0.0, 1.0], [2.0, 0.0]]), jnp.array([3.0, 4.0])).tolist()
        [4.0, 6.0]
    """
    if x.shape[-1] <= UNROLLED:
        return reduce(jnp.add, [a[..., j] * x[..., j, None] for j in range(x.shape[-1])])
    return jnp.einsum("...ij,...j->...i", a, x)


def product(a: jax.Array, b: jax.Array) -> jax.Array:
    """Matrix times matrix in each block.

    Example:
        >>> product(jnp.array([[0.0, 1.0], [2.0, 0.0]]), jnp.eye(2)).tolist()
        [[0.0, 1.0], [2.0, 0.0]]
    """
    if a.shape[-1] <= UNROLLED:
        size = a.shape[-1]
        return reduce(jnp.add, [a[..., j, None] * b[..., j, None, :] for j in range(size)])
    return jnp.einsum("...ij,...jk->...ik", a, b)


def transpose(a: jax.Array) -> jax.Array:
    """Each block transposed.

    Example:
        >>> transpose(jnp.array([[0.0, 1.0], [2.0, 0.0]])).tolist()
        [[0.0, 2.0], [1.0, 0.0]]
    """
    return jnp.swapaxes(a, -1, -2)


def shift(x: jax.Array, reverse: bool, edge: jax.Array | None = None) -> jax.Array:
    """The value of the step before; ``edge`` (or zero) before the first.

    Example:
        >>> shift(jnp.array([1.0, 2.0, 3.0]), False).tolist()
        [0.0, 1.0, 2.0]
    """
    first = jnp.zeros_like(x[:1]) if edge is None else edge[None]
    return jnp.concatenate([x[1:], first] if reverse else [first, x[:-1]])


def block_recurrence(
    a: jax.Array, b: jax.Array, reverse: bool = False, cut: jax.Array | None = None
) -> jax.Array:
    """Solve ``s_t = a_t s_{t-1} + b_t`` from zero, a_t a matrix for each block.

    Differentiable in every order and both modes, as ``linear_recurrence`` is, which it is for
    blocks of one number.

    Args:
        a: (T, *B, G, K, K).
        b: (T, *B, G, K).
        reverse: From the last step to the first.
        cut: (T, *B) bool; where True nothing comes across, not even NaN: ``s_t = b_t``.

    Returns:
        All s_t (T, *B, G, K).

    Example:
        >>> turn = jnp.broadcast_to(jnp.array([[0.0, -1.0], [1.0, 0.0]]), (3, 1, 2, 2))
        >>> block_recurrence(turn, jnp.ones((3, 1, 2)))[:, 0].tolist()
        [[1.0, 1.0], [0.0, 2.0], [-1.0, 1.0]]
    """
    if b.shape[-1] == 1:
        return linear_recurrence(a[..., 0], b, jnp.zeros_like(b[0]), reverse, cut)
    if cut is not None:
        cut = vary_like(cut, b)
        a = select(cut, jnp.zeros_like(a), a)

    def residual(s: jax.Array) -> jax.Array:
        before = shift(s, reverse)
        return s - times(a, before if cut is None else select(cut, jnp.zeros_like(s), before))

    def solve(_: Any, b: jax.Array) -> jax.Array:
        return states_from_zero(a, b, cut, reverse, None, product, times)

    def transposed(_: Any, d: jax.Array) -> jax.Array:
        back = transpose(shift(a, not reverse))
        later = None if cut is None else shift(cut, not reverse)
        return states_from_zero(back, d, later, not reverse, None, product, times)

    return jax.lax.custom_linear_solve(residual, b, solve, transposed)


def damped_recurrence(
    a: jax.Array, b: jax.Array, damping: jax.Array, reverse: bool = False
) -> jax.Array:
    """The step of Levenberg and Marquardt, by a Kalman smoother that is parallel over time.

        minimise  sum_t |s_t - a_t s_{t-1} - b_t|^2 + damping |s_t|^2

    It is the mean of a linear Gaussian model with unit noise in which every s_t has been seen to be
    0 with the precision ``damping``. With 0 it is ``block_recurrence``, with much of it s = 0.

    Args:
        a: (T, *B, G, K, K).
        b: (T, *B, G, K).
        damping: (*B,), at least 0.
        reverse: From the last step to the first.

    Returns:
        All s_t (T, *B, G, K).

    Example:
        >>> a, b = jnp.full((2, 1, 1, 1), 0.5), jnp.ones((2, 1, 1))
        >>> s = damped_recurrence(a, b, jnp.array(1.0))  # without damping 1 and 1.5
        >>> [f"{value:.4f}" for value in s.ravel().tolist()]
        ['0.3529', '0.5882']

    References:
        Sarkka and Garcia-Fernandez, Temporal parallelization of Bayesian smoothers, 2021,
        arXiv:1905.13002.
        Gonzalez, Warrington, Smith and Linderman, Towards scalable and stable parallelization of
        nonlinear RNNs, 2024, arXiv:2407.19115.
    """
    size, first = b.shape[-1], -1 if reverse else 0
    eye = jnp.eye(size, dtype=b.dtype)
    gain = jnp.expand_dims(damping / (1 + damping), (0, b.ndim - 2, b.ndim - 1))
    gain = jnp.broadcast_to(gain, b.shape)
    wide = jnp.broadcast_to(gain[..., None], a.shape)
    unit = vary_like(jnp.broadcast_to(eye, a.shape), b)
    a = a.at[first].set(0)  # before the first step there is nothing
    back = transpose(a)
    elements = (
        (1 - wide) * a,
        (1 - gain) * b,
        (1 - wide) * unit,
        -gain * times(back, b),
        wide * product(back, a),
    )
    _, mean, covariance, _, _ = jax.lax.associative_scan(_filter, elements, reverse=reverse)
    # From the last step back: E[s_t | s_{t+1}] = mean + e (s_{t+1} - a mean - b)
    a, b = shift(a, not reverse), shift(b, not reverse)
    spread = product(covariance, transpose(a))
    e = transpose(_solve(product(a, spread) + unit, transpose(spread)))
    return block_recurrence(e, mean - times(e, times(a, mean) + b), not reverse)


def _filter(first: PyTree, second: PyTree) -> PyTree:
    """What two stretches of a Kalman filter are together: A, b, C, eta, J as in the paper."""
    (a1, b1, c1, eta1, j1), (a2, b2, c2, eta2, j2) = first, second
    size = b1.shape[-1]
    mixed = product(c1, j2) + vary_like(
        jnp.broadcast_to(jnp.eye(size, dtype=b1.dtype), c1.shape), b1
    )
    # d = (I + C1 J2)^-1, applied from the left; its transpose is (I + J2 C1)^-1.
    right = jnp.concatenate([a1, c1, (b1 + times(c1, eta2))[..., None]], -1)
    solved = _solve(mixed, right)
    da, dc, db = solved[..., :size], solved[..., size : 2 * size], solved[..., 2 * size]
    return (
        product(a2, da),
        times(a2, db) + b2,
        product(product(a2, dc), transpose(a2)) + c2,
        times(transpose(da), eta2 - times(j2, b1)) + eta1,
        product(transpose(da), product(j2, a1)) + j1,
    )


def _solve(a: jax.Array, b: jax.Array) -> jax.Array:
    """a^-1 b in each block, b (..., K, M)."""
    if a.shape[-1] == 1:
        return b / a
    if a.shape[-1] == 2:
        (p, q), (r, s) = (a[..., 0, 0], a[..., 0, 1]), (a[..., 1, 0], a[..., 1, 1])
        inverse = jnp.stack([jnp.stack([s, -q], -1), jnp.stack([-r, p], -1)], -2)
        return product(inverse / (p * s - q * r)[..., None, None], b)
    return jnp.linalg.solve(a, b)

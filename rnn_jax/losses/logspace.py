"""Sums of probabilities by their logarithms, made for differentiation.

The logarithm of zero is the finite ``ZERO`` here: nothing is ever inf - inf, so no gradient is NaN,
and what passes through an impossible event underflows to exactly nothing beside anything possible.
"""

import jax
import jax.numpy as jnp

from rnn_jax.ops.types import shard_like
from rnn_jax.typing import Array

ZERO = -1e30  # the logarithm of 0; sums of 1e8 of them still fit in float32


def is_zero(x: Array) -> Array:
    """Whether a logarithm stands for probability 0.

    Example:
        >>> is_zero(jnp.array([-1000.0, 2 * ZERO])).tolist()
        [False, True]
    """
    return x < 0.5 * ZERO


def finite(x: Array) -> Array:
    """Replace -inf by ``ZERO``, without gradient there.

    Example:
        >>> x = finite(jnp.array([-jnp.inf, 2.0]))
        >>> bool(jnp.isfinite(x[0])), x[1].item()
        (True, 2.0)
    """
    return jnp.where(x < ZERO, jnp.full_like(x, ZERO), x)


def below_zero(logits: Array) -> Array:
    """Move the largest logit to 0: the softmax stays, and a small loss keeps its digits.

    Example:
        >>> below_zero(jnp.array([[40.0, 38.0]])).tolist()
        [[0.0, -2.0]]
    """
    top = jnp.max(jax.lax.stop_gradient(logits), axis=-1, keepdims=True)
    return logits - jnp.broadcast_to(top, logits.shape)


def log_sum(*terms: Array) -> Array:
    """``log(exp(a) + exp(b) + ...)``, elementwise.

    Example:
        >>> bool(jnp.isclose(log_sum(jnp.log(jnp.array(2.0)), jnp.array(ZERO)), jnp.log(2.0)))
        True
    """
    highest = jax.lax.stop_gradient(terms[0])
    for term in terms[1:]:
        highest = jnp.maximum(highest, jax.lax.stop_gradient(term))
    return highest + jnp.log(sum((jnp.exp(term - highest) for term in terms), 0.0))


def log_sum_over(x: Array, axis: int) -> Array:
    """``log(sum(exp(x)))`` over one axis of finite numbers.

    Example:
        >>> bool(jnp.isclose(log_sum_over(jnp.zeros((4, 2)), 0), jnp.log(4.0)).all())
        True
    """
    highest = jax.lax.stop_gradient(jnp.max(x, axis=axis, keepdims=True))
    total = jnp.log(jnp.sum(jnp.exp(x - highest), axis=axis, keepdims=True)) + highest
    return jnp.squeeze(total, axis)


def at(x: Array, index: Array) -> Array:
    """``x[..., index]`` of each row, as a sum over a mask: any sharding, a dense gradient.

    Args:
        x: (*B, N).
        index: (*B,) integer; outside 0..N-1 the result is 0.

    Returns:
        (*B,).

    Example:
        >>> at(jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([1, 0])).tolist()
        [2.0, 3.0]
    """
    places = jax.lax.broadcasted_iota(index.dtype, x.shape, x.ndim - 1)
    chosen = shard_like(places == jnp.broadcast_to(index[..., None], x.shape), x)
    return jnp.sum(jnp.where(chosen, x, jnp.zeros_like(x)), axis=-1)


def lifted(forward: tuple[Array, ...], offset: Array) -> tuple[tuple[Array, ...], Array]:
    """Move the largest of the logarithms (*B, N) to 0 and keep what was taken off, row by row.

    Sums of many hundred nats would round each step's share to their own last digit; near 0 the
    digits stay. The gradient is that without it: what is taken off here comes back in ``offset``.

    Example:
        >>> (x,), offset = lifted((jnp.array([[-700.0, -701.0]]),), jnp.zeros(1))
        >>> x.tolist(), offset.tolist()
        ([[0.0, -1.0]], [-700.0])
    """
    tops = [jnp.max(jax.lax.stop_gradient(x), axis=-1) for x in forward if x.shape[-1]]
    top = tops[0]
    for other in tops[1:]:
        top = jnp.maximum(top, other)
    top = jnp.where(is_zero(top), jnp.zeros_like(top), top)  # what is impossible stays so
    parts = tuple(x - jnp.broadcast_to(top[..., None], x.shape) for x in forward)
    return parts, offset + top


def negative_log(log_probability: Array, good: Array | None = None) -> Array:
    """The loss ``-log p``: never below 0; inf, with zero gradient, where p is 0.

    Args:
        log_probability: Finite; ``ZERO`` and below stand for probability 0.
        good: Bool; False is probability 0 too.

    Example:
        >>> negative_log(jnp.array([-2.0, 1e-7, ZERO])).tolist()
        [2.0, 0.0, inf]
    """
    possible = jnp.logical_not(is_zero(log_probability))
    if good is not None:
        possible = jnp.logical_and(possible, good)
    loss = -log_probability
    rounding = jax.lax.stop_gradient(jnp.minimum(loss, jnp.zeros_like(loss)))
    return jnp.where(possible, loss - rounding, jnp.full_like(loss, jnp.inf))

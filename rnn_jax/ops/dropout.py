"""Dropout in two halves: draw which units are kept, then drop the others."""

import jax
import jax.numpy as jnp

from rnn_jax.ops.types import shard_like
from rnn_jax.typing import Shape


def keep_mask(key: jax.Array, rate: float, shape: Shape) -> jax.Array:
    """Which units are kept: each with probability ``1 - rate``, by itself.

    Args:
        key: Random key.
        rate: Probability of dropping, in [0, 1].
        shape: Of the result.

    Returns:
        Booleans, True = kept: a quarter of the memory of float32, and no gradient.

    Example:
        >>> 800 < keep_mask(jax.random.key(0), 0.1, (1000,)).sum() < 1000
        Array(True, dtype=bool)
    """
    return jax.random.bernoulli(key, 1 - rate, tuple(shape))


def drop(x: jax.Array, keep: jax.Array, rate: float) -> jax.Array:
    """Inverted dropout: zero where a unit is dropped, ``x / (1 - rate)`` where it is kept.

        y = keep * x / (1 - rate),   E[y] = x

    Args:
        x: (..., *S).
        keep: Booleans (*S); missing leading axes are broadcast: one mask for many steps.
        rate: The rate that ``keep`` was drawn with, < 1.

    Example:
        >>> drop(jnp.ones((2, 2)), jnp.array([True, False]), 0.5).tolist()
        [[2.0, 0.0], [2.0, 0.0]]

    References:
        Srivastava et al., Dropout: a simple way to prevent neural networks from overfitting, 2014.
    """
    keep = shard_like(jnp.broadcast_to(keep, x.shape), x)
    return jnp.where(keep, x / (1 - rate), 0)

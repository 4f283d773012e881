"""Rows of tokens: shifted, reversed, and without what stands on padding."""

import jax
import jax.numpy as jnp

from rnn_jax.models.checks import check_tokens
from rnn_jax.ops import length_mask


def shift(target: jax.Array, start: int) -> jax.Array:
    """Tokens (B, T) one step later, behind the start symbol; the last is not needed.

    Example:
        >>> shift(jnp.array([[5, 6, 2]]), 1).tolist()
        [[1, 5, 6]]
    """
    check_tokens(target, "target")
    return jnp.concatenate([jnp.full_like(target[:, :1], start), target[:, :-1]], axis=1)


def reverse_rows(xs: jax.Array, lengths: jax.Array | None) -> jax.Array:
    """The real steps of each row of xs (B, T, ...) in reverse; padding stays at the end.

    Example:
        >>> reverse_rows(jnp.array([[3, 4, 5], [6, 7, 0]]), jnp.array([3, 2])).tolist()
        [[5, 4, 3], [7, 6, 0]]
    """
    if lengths is None:
        return jnp.flip(xs, 1)
    steps = jnp.arange(xs.shape[1])[None]
    place = jnp.where(steps < lengths[:, None], lengths[:, None] - 1 - steps, steps)
    return jnp.take_along_axis(xs, place.reshape(*place.shape, *(1,) * (xs.ndim - 2)), axis=1)


def real_tokens(tokens: jax.Array, lengths: jax.Array | None) -> jax.Array:
    """Tokens (B, T) with 0 where they are not real: padding may be any number, -1 too.

    Example:
        >>> real_tokens(jnp.array([[3, 4, -1]]), jnp.array([2])).tolist()
        [[3, 4, 0]]
    """
    if lengths is None or tokens.ndim != 2:
        return tokens
    return jnp.where(length_mask(jnp.asarray(lengths), tokens.shape[1]).T, tokens, 0)

"""Rows of tokens: shifted, reversed, without what stands on padding, as vectors."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.decoding import look_up
from rnn_jax.models.checks import check_array, check_tokens
from rnn_jax.ops import length_mask
from rnn_jax.ops.checks import check_lengths
from rnn_jax.ops.types import explicit_sharding


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


def real_tokens(tokens: jax.Array, lengths: jax.Array | None, name: str = "tokens") -> jax.Array:
    """Tokens (B, T) with 0 where they are not real: padding may be any number, -1 too.

    Raises:
        ValueError: Naming the argument, if it is no array or the lengths do not fit.

    Example:
        >>> real_tokens(jnp.array([[3, 4, -1]]), jnp.array([2])).tolist()
        [[3, 4, 0]]
    """
    check_array(tokens, name)
    if lengths is None or tokens.ndim != 2:
        return tokens
    lengths = jnp.asarray(lengths)
    check_lengths(lengths, tokens.shape[::-1], name)
    return jnp.where(length_mask(lengths, tokens.shape[1]).T, tokens, 0)


class _Table(NamedTuple):
    embedding: jax.Array


def embed(table: jax.Array, tokens: jax.Array, scaled: bool = False) -> jax.Array:
    """Vectors (..., E) of tokens (...), also where the batch is sharded on an Explicit mesh.

    Args:
        table: (V, E), one row for each token.
        tokens: Whole numbers.
        scaled: Times sqrt(E), so that vectors drawn to serve as output weights too, of length about
            1, arrive with features of about 1.

    Example:
        >>> embed(jnp.array([[0.5], [2.0]]), jnp.array([[1, 0, 1]])).tolist()
        [[[2.0], [0.5], [2.0]]]
    """
    found = look_up(_Table(table), tokens)
    return found * jnp.asarray(table.shape[-1] ** 0.5, found.dtype) if scaled else found


def reshape_rows(xs: jax.Array, *shape: int) -> jax.Array:
    """Another shape, of rows that stay sharded as they are where the mesh is explicit.

    Example:
        >>> reshape_rows(jnp.arange(6), 3, 2).tolist()
        [[0, 1], [2, 3], [4, 5]]
    """
    sharding = explicit_sharding(xs)
    if sharding is None:
        return xs.reshape(shape)
    rows = jax.sharding.PartitionSpec(*sharding.spec[:1])
    out = jax.sharding.NamedSharding(sharding.mesh, rows)
    return jax.lax.reshape(xs, shape, out_sharding=out)

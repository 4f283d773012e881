"""Dropout of whole sequences and whole words; the key is an argument, None means evaluation."""

import jax
import jax.numpy as jnp

from rnn_jax import ops


def dropout(x: jax.Array, rate: float, key: jax.Array | None) -> jax.Array:
    """Ordinary dropout: each element by itself, kept ones scaled by 1 / (1 - rate).

    Example:
        >>> x = dropout(jnp.ones((100, 100)), 0.5, jax.random.key(0))
        >>> sorted(set(x.ravel().tolist()))
        [0.0, 2.0]
    """
    if key is None or rate == 0:
        return x
    return ops.drop(x, ops.keep_mask(key, rate, x.shape), rate)


def locked_dropout(x: jax.Array, rate: float, key: jax.Array | None) -> jax.Array:
    """Variational dropout: one mask for all steps of a row.

    Args:
        x: (B, T, D).
        rate: Probability of dropping, in [0, 1).
        key: Random key; None for evaluation.

    Example:
        >>> x = locked_dropout(jnp.ones((4, 7, 5)), 0.5, jax.random.key(0))
        >>> bool((x == x[:, :1]).all())
        True

    References:
        Gal and Ghahramani, A theoretically grounded application of dropout in recurrent neural
        networks, 2016, arXiv:1512.05287.
    """
    if key is None or rate == 0:
        return x
    keep = ops.keep_mask(key, rate, (x.shape[0], 1, x.shape[2]))
    return ops.drop(x, jnp.broadcast_to(keep, x.shape), rate)


def embedding_dropout(table: jax.Array, rate: float, key: jax.Array | None) -> jax.Array:
    """Drop whole words from an embedding: every occurrence of a dropped word is zero.

    Args:
        table: (V, E), one row for each word.
        rate: Probability of dropping, in [0, 1).
        key: Random key; None for evaluation.

    Example:
        >>> table = embedding_dropout(jnp.ones((50, 3)), 0.5, jax.random.key(0))
        >>> sorted(set(table.sum(1).tolist()))
        [0.0, 6.0]

    References:
        Merity, Keskar and Socher, Regularizing and optimizing LSTM language models, 2017,
        arXiv:1708.02182.
    """
    if key is None or rate == 0:
        return table
    keep = ops.keep_mask(key, rate, (table.shape[0], 1))
    return ops.drop(table, jnp.broadcast_to(keep, table.shape), rate)

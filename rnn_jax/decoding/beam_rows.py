"""Rows and beams: the axes (B, K), their merged form (B*K) that a step sees, and the way back."""

import jax
import jax.numpy as jnp

from rnn_jax.ops.types import batch_like
from rnn_jax.typing import DType, PyTree


def full(anchor: jax.Array, shape: tuple[int, ...], value: float, dtype: DType) -> jax.Array:
    """An array (B, *shape) of one value, sharded and varying like the rows of ``anchor`` (B, ...).

    Example:
        >>> full(jnp.zeros(2), (3,), 1, jnp.int32).tolist()
        [[1, 1, 1], [1, 1, 1]]
    """
    return batch_like(jnp.full((anchor.shape[0], *shape), value, dtype), anchor[None], 1)


def repeat(tree: PyTree, size: int) -> PyTree:
    """Every row ``size`` times in sequence: leaves (B, ...) -> (B*K, ...).

    Example:
        >>> repeat(jnp.array([1, 2]), 2).tolist()
        [1, 1, 2, 2]
    """

    def one(leaf: jax.Array) -> jax.Array:
        spread = jnp.broadcast_to(leaf[:, None], (leaf.shape[0], size, *leaf.shape[1:]))
        return merge(spread)

    return jax.tree.map(one, tree)


def merge(x: jax.Array) -> jax.Array:
    """(B, K, ...) -> (B*K, ...).

    Example:
        >>> merge(jnp.zeros((2, 3, 4))).shape
        (6, 4)
    """
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])


def split(x: jax.Array, num_rows: int) -> jax.Array:
    """(B*K, ...) -> (B, K, ...).

    Example:
        >>> split(jnp.zeros((6, 4)), 2).shape
        (2, 3, 4)
    """
    return x.reshape(num_rows, -1, *x.shape[1:])


def pick(tree: PyTree, index: jax.Array) -> PyTree:
    """``leaf[b, index[b, n]]`` for every leaf (B, K, ...) and index (B, N): (B, N, ...).

    Example:
        >>> pick(jnp.array([[1, 2], [3, 4]]), jnp.array([[1], [0]])).tolist()
        [[2], [3]]
    """
    return jax.tree.map(lambda leaf: jax.vmap(lambda x, i: x[i])(leaf, index), tree)


def pick_merged(tree: PyTree, index: jax.Array) -> PyTree:
    """``pick`` for leaves in merged form, (B*K, ...) -> (B*N, ...).

    Example:
        >>> pick_merged(jnp.array([1, 2, 3, 4]), jnp.array([[1, 1], [1, 0]])).tolist()
        [2, 2, 4, 3]
    """
    rows = index.shape[0]
    return jax.tree.map(lambda leaf: merge(pick(split(leaf, rows), index)), tree)


def backtrack(
    tokens: jax.Array, parents: jax.Array, counts: jax.Array, beams: jax.Array, pad: int
) -> jax.Array:
    """Read hypotheses from a beam search's record, from their last tokens back to the first.

    Args:
        tokens: What each beam chose at each step, (T, B, K).
        parents: Which beam of the step before it came from, (T, B, K).
        counts: Tokens to read of each hypothesis, (B, N), in 0..T.
        beams: Where each stands at its last token, step ``counts - 1``, (B, N).
        pad: What stands behind a hypothesis.

    Returns:
        (T, B, N).

    Example:
        >>> tokens = jnp.array([[[1, 2]], [[3, 4]]])
        >>> parents = jnp.array([[[0, 0]], [[1, 0]]])
        >>> backtrack(tokens, parents, jnp.array([[2, 1]]), jnp.array([[0, 0]]), 9).tolist()
        [[[2, 1]], [[3, 9]]]
    """
    steps = jnp.arange(tokens.shape[0], dtype=counts.dtype)

    def one(
        beam: jax.Array, step: tuple[jax.Array, jax.Array, jax.Array]
    ) -> tuple[jax.Array, jax.Array]:
        time, token, parent = step
        inside = time < counts
        found = jnp.where(inside, pick(token, beam), pad)
        return jnp.where(inside, pick(parent, beam).astype(beam.dtype), beam), found

    return jax.lax.scan(one, beams, (steps, tokens, parents), reverse=True)[1]

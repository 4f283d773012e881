"""What a live hypothesis may choose next: probabilities, prefix, least length, blocked n-grams."""

from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.decoding.beam_rows import pick


def log_probabilities(logits: jax.Array, dtype: Any, normalize: bool) -> jax.Array:
    """``log_softmax`` over the last axis; where every logit is -inf, nothing is possible: -inf.

    Example:
        >>> log_probabilities(jnp.full((1, 2), -jnp.inf), jnp.float32, True).tolist()
        [[-inf, -inf]]
    """
    logits = logits.astype(dtype)
    if not normalize:
        return logits
    nothing = jnp.max(logits, axis=-1, keepdims=True) == -jnp.inf
    nothing = jnp.broadcast_to(nothing, logits.shape)
    safe = jnp.where(nothing, jnp.zeros_like(logits), logits)
    return jnp.where(nothing, -jnp.inf, jax.nn.log_softmax(safe, axis=-1))


def gives_logits(step: Any) -> bool:
    """Whether a step gives logits; one whose attribute ``normalize`` is False gives scores.

    Example:
        >>> gives_logits(len)
        True
    """
    return bool(getattr(step, "normalize", True))


def forbid(
    search: Any, data: Any, totals: jax.Array, history: jax.Array | None, time: jax.Array
) -> jax.Array:
    """-inf for each token of totals (B, K, V) that must not come at ``time``."""
    tokens = jax.lax.broadcasted_iota(jnp.int32, totals.shape, 2)
    bad = (tokens == search.end) & (time + 1 < search.min_length)
    if history is not None:
        bad = bad | _repeated(history, search.block_ngrams, totals.shape[-1], time)
    if data.prefix is not None:
        given = jax.lax.dynamic_index_in_dim(data.prefix, time, 0, keepdims=False)
        given = given.astype(tokens.dtype)
        other = tokens != jnp.broadcast_to(given[:, None, None], totals.shape)
        bad = jnp.where(forced(data, totals, time), other, bad)
    return jnp.where(bad, -jnp.inf, totals)


def forced(data: Any, like: jax.Array, time: jax.Array) -> jax.Array:
    """Whether the token at ``time`` is the prefix's, in the shape of ``like`` (B, ...)."""
    if data.prefix is None:
        return jnp.zeros_like(like, bool)
    rows = jnp.expand_dims(time < data.prefix_lengths, tuple(range(1, like.ndim)))
    return jnp.broadcast_to(rows, like.shape)


def _repeated(history: jax.Array, size: int, vocab_size: int, time: jax.Array) -> jax.Array:
    """Which tokens (B, K, V) would end an n-gram that the history (B, K, T) has already."""
    if size > history.shape[2]:  # more than a whole hypothesis
        return jnp.zeros((*history.shape[:2], vocab_size), bool)
    starts = history.shape[2] - size + 1
    begin = jnp.maximum(time - (size - 1), 0)
    last = jax.lax.dynamic_slice_in_dim(history, begin, size - 1, axis=2)
    ends = jax.lax.broadcasted_iota(jnp.int32, (*history.shape[:2], starts), 2) + size - 1
    same = ends < time
    for i in range(size - 1):
        same = same & (history[:, :, i : i + starts] == last[:, :, i : i + 1])
    tokens = jnp.where(same, history[:, :, size - 1 :], vocab_size)

    def mark(tokens: jax.Array) -> jax.Array:
        return jnp.zeros((vocab_size,), bool).at[tokens].set(True, mode="drop")

    return jax.vmap(jax.vmap(mark))(tokens)


def remember(
    history: jax.Array | None, parents: jax.Array, tokens: jax.Array, time: jax.Array
) -> jax.Array | None:
    """The history (B, K, T) of the beams that go on, with their new tokens."""
    if history is None:
        return None
    return jax.lax.dynamic_update_index_in_dim(pick(history, parents), tokens, time, 2)

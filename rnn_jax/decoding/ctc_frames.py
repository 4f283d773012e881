"""Frames of a CTC network as log-probabilities, with padding that any recursion may walk over."""

from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.decoding.beam_rules import log_probabilities
from rnn_jax.losses.checks import as_lengths, as_scores
from rnn_jax.ops.masks import length_mask
from rnn_jax.ops.types import shard_like


def check_frames(
    logits: Any, lengths: Any, blank: int
) -> tuple[jax.Array, jax.Array | None, tuple[int, ...]]:
    """Logits (T, B, V) in float32 or wider, lengths (B,), and what the batch axes *B were.

    Raises:
        ValueError: If shapes, dtypes, lengths or the blank do not fit.

    Example:
        >>> logits, lengths, batch_shape = check_frames(jnp.zeros((5, 2, 3, 4)), None, 0)
        >>> logits.shape, lengths, batch_shape
        ((5, 6, 4), None, (2, 3))
    """
    logits = as_scores("logits", logits, "(T, *B, V)")
    num_steps, *batch, vocab_size = logits.shape
    if isinstance(blank, bool) or not isinstance(blank, int) or not 0 <= blank < vocab_size:
        raise ValueError(
            f"blank is {blank!r}, but classes are 0..{vocab_size - 1}: it is a column of logits."
        )
    if vocab_size < 2:
        raise ValueError(
            f"logits has {vocab_size} class: CTC needs the blank and at least one label."
        )
    lengths = as_lengths("lengths", lengths, tuple(batch), num_steps, "frames of logits")
    lengths = lengths if lengths is None else lengths.reshape(-1)
    return logits.reshape(num_steps, -1, vocab_size), lengths, tuple(batch)


def log_frames(logits: jax.Array, lengths: jax.Array | None, blank: int) -> jax.Array:
    """Log-probabilities of logits (T, B, V). On padding a blank is certain.

    A certain blank changes no prefix's probability, so padding needs no further care; what stands
    there, NaN included, is not read.

    Example:
        >>> frames = log_frames(jnp.zeros((2, 1, 2)), jnp.array([1]), 0)
        >>> (100 * jnp.exp(frames[:, 0])).round().tolist()
        [[50.0, 50.0], [100.0, 0.0]]
    """
    frames = log_probabilities(logits, logits.dtype, True)
    if lengths is None:
        return frames
    classes = jax.lax.broadcasted_iota(jnp.int32, frames.shape, 2)
    certain = jnp.where(classes == blank, jnp.zeros_like(frames), -jnp.inf)
    real = shard_like(length_mask(lengths, frames.shape[0])[..., None], frames[..., :1])
    return jnp.where(jnp.broadcast_to(real, frames.shape), frames, certain)


def recur(factors: jax.Array, inputs: jax.Array) -> jax.Array:
    """``x_t = factor_t (x_{t-1} + input_t)`` from x_0 = 0 in logarithms, (B, T) to (B, T + 1).

    The first factor multiplies the first input, and so on; all steps at once, in log2 T rounds.

    Example:
        >>> half, ones = jnp.full((1, 3), jnp.log(0.5)), jnp.zeros((1, 3))
        >>> (1000 * jnp.exp(recur(half, ones))).round().tolist()
        [[0.0, 500.0, 750.0, 875.0]]
    """

    def join(
        one: tuple[jax.Array, jax.Array], other: tuple[jax.Array, jax.Array]
    ) -> tuple[jax.Array, jax.Array]:
        return one[0] + other[0], jnp.logaddexp(one[1] + other[0], other[1])

    x = jax.lax.associative_scan(join, (factors, factors + inputs), axis=1)[1]
    return jnp.concatenate([jnp.full_like(x[:, :1], -jnp.inf), x], axis=1)

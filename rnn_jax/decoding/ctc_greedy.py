"""``ctc_greedy``: the labels of the most probable path."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.decoding.ctc_frames import check_frames, log_frames
from rnn_jax.ops.types import shard_like


class Labels(NamedTuple):
    """Labels without alignment."""

    tokens: jax.Array  # (T, *B), the blank behind a row's labels
    lengths: jax.Array  # (*B,) labels of each row
    log_probs: jax.Array  # (*B,) of the path that was read


def ctc_greedy(logits: jax.Array, lengths: Any = None, *, blank: int = 0) -> Labels:
    """Read the most probable class of each frame, merge equal neighbours, drop blanks.

    The most probable path need not belong to the most probable labels: many poor paths may lead to
    the same. ``ctc_prefix_beam`` adds them up.

    Args:
        logits: Scores before softmax, or log-probabilities, (T, *B, V).
        lengths: Frames of each row, (*B,); None for T. A row without frames has no labels, with
            probability 1. What stands on padding is not read.
        blank: The class that stands for no label.

    Returns:
        Labels; where a real frame holds a NaN or +inf, log-probability NaN and no labels; where a
        frame has -inf alone, -inf and none.

    Raises:
        ValueError: If shapes, dtypes, lengths or the blank do not fit.

    Example:
        >>> logits = 5 * jax.nn.one_hot(jnp.array([1, 1, 0, 1, 2]), 3)[:, None]
        >>> labels = ctc_greedy(logits)
        >>> labels.tokens[:, 0].tolist(), labels.lengths.tolist()
        ([1, 1, 2, 0, 0], [3])

    References:
        Graves, Fernandez, Gomez and Schmidhuber, Connectionist temporal classification, 2006,
        doi:10.1145/1143844.1143891.
    """
    logits, lengths, batch_shape = check_frames(logits, lengths, blank)
    labels = _greedy(blank, logits, lengths)
    return jax.tree.map(lambda x: x.reshape(*x.shape[:-1], *batch_shape), labels)


@partial(jax.jit, static_argnums=0)
def _greedy(blank: int, logits: jax.Array, lengths: jax.Array | None) -> Labels:
    frames = log_frames(logits, lengths, blank)
    path = jnp.argmax(frames, axis=-1).astype(jnp.int32)
    log_probs = jnp.sum(jnp.max(frames, axis=-1), axis=0)
    before = jnp.concatenate([jnp.full_like(path[:1], blank), path[:-1]])
    good = jnp.broadcast_to(log_probs > -jnp.inf, path.shape)
    kept = (path != blank) & (path != before) & good
    # Kept labels first, in their order: a sort by position needs no scatter.
    steps = shard_like(jax.lax.broadcasted_iota(jnp.int32, path.shape, 0), path)
    order = jnp.where(kept, steps, steps + path.shape[0])
    tokens = jax.lax.sort((order, jnp.where(kept, path, blank)), dimension=0, num_keys=1)[1]
    return Labels(tokens, jnp.sum(kept.astype(jnp.int32), axis=0), log_probs)

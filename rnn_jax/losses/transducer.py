"""The transducer's loss (RNN-T): alignments that may write several labels at one frame."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.losses import logspace
from rnn_jax.losses.checks import as_labels, as_lengths, as_scores, real_steps
from rnn_jax.ops.masks import length_mask, select
from rnn_jax.ops.types import batch_like, shard_like
from rnn_jax.typing import Array


def transducer_loss(
    logits: jax.Array,
    labels: jax.Array,
    *,
    lengths: Any = None,
    label_lengths: Any = None,
    blank: int = 0,
) -> jax.Array:
    """Negative log-likelihood of the labels, summed over all monotonic alignments to the frames.

    At frame t with u labels written the model writes label u + 1 and stays at the frame, or writes
    blank and goes to the next; after the last frame's blank all must be written:

        a[0, 0] = 1,   a[t, u] = a[t-1, u] p_{t-1,u}[blank] + a[t, u-1] p_{t,u-1}[label_u]
        p(labels) = a[T, U]

    All cells with equal t + u are computed at once, T + U steps in all. Unlike CTC, any number of
    labels fits into one frame, so every label sequence is possible.

    Args:
        logits: Scores before softmax (T, U + 1, *B, V): of the next symbol at frame t after u
            labels, blank among the classes.
        labels: (U, *B), integer; anything on padding. U may be 0.
        lengths: Frames of each row (*B,), None for T. Without frames (0) the probability is 1 for
            no label, else 0.
        label_lengths: Labels of each row (*B,), None for U.
        blank: The class that goes to the next frame.

    Returns:
        (*B,) losses in nats, in float32 or wider, never below 0, each that of its row alone; inf
        with zero gradient where the probability is 0.

    Raises:
        ValueError: If shapes or dtypes do not fit, lengths exceed the axes, or a real label is
            known to be blank or no class (traced, such a row costs inf with zero gradient).

    Example:
        >>> loss = transducer_loss(jnp.zeros((3, 2, 1, 4)), jnp.array([[2]]))
        >>> (4**4 * jnp.exp(-loss)).round().tolist()  # 3 alignments of 4 symbols each
        [3.0]

    ``torchaudio.functional.rnnt_loss`` is batch first, (B, T, U + 1, V), and has no zero lengths.

    References:
        Graves, Sequence transduction with recurrent neural networks, 2012, arXiv:1211.3711.
    """
    logits = as_scores("logits", logits, "(T, U + 1, *B, V)")
    num_steps, num_places, *rows, num_classes = logits.shape
    batch = tuple(rows)
    if isinstance(blank, bool) or not isinstance(blank, int) or not 0 <= blank < num_classes:
        raise ValueError(f"blank is {blank!r}, but classes are 0..{num_classes - 1}.")
    labels = jnp.asarray(labels)
    if labels.shape != (num_places - 1, *batch):
        raise ValueError(
            f"labels has shape {labels.shape}, but logits of shape {logits.shape}, (T, U + 1, *B, "
            f"V), need {(num_places - 1, *batch)}: one place more in the logits than labels."
        )
    lengths = as_lengths("lengths", lengths, batch, num_steps, "frames of logits")
    label_lengths = as_lengths(
        "label_lengths", label_lengths, batch, num_places - 1, "positions of labels"
    )
    labels, good = as_labels(
        labels, real_steps(labels, label_lengths), num_classes, not_allowed=blank
    )
    frames = jnp.full(batch, num_steps, jnp.int32) if lengths is None else lengths
    written = jnp.full(batch, num_places - 1, jnp.int32) if label_lengths is None else label_lengths
    frames, written = frames.astype(jnp.int32), written.astype(jnp.int32)
    at_frame = length_mask(frames, num_steps)[:, None]
    at_place = length_mask(written + 1, num_places)[None]
    real = jnp.logical_and(*jnp.broadcast_arrays(at_frame, at_place))
    real = shard_like(real, logits[..., 0])
    logits = logspace.finite(select(real, logits, jnp.zeros((), logits.dtype)))
    found = _log_likelihood(logits, labels, real, frames, written, blank)
    return logspace.negative_log(found, jnp.all(good, axis=0))


def _emissions(
    logits: Array, labels: Array, real: Array, written: Array, blank: int
) -> tuple[Array, Array]:
    """Log-probability (T, U + 1, *B) of blank and of the next label, ``ZERO`` where not real."""
    places = jnp.pad(labels, ((0, 1), *((0, 0),) * written.ndim))
    log_blank, log_label = _softmax_at(logits, places, blank)
    more = length_mask(written, logits.shape[1])
    more = jnp.logical_and(real, jnp.broadcast_to(more[None], real.shape))
    nothing = jnp.full((), logspace.ZERO, logits.dtype)
    return select(real, log_blank, nothing), select(more, log_label, nothing)


@jax.checkpoint
def _softmax_at(logits: Array, labels: Array, blank: int) -> tuple[Array, Array]:
    """The softmax over (T, U + 1, *B, V) is made again for the gradient, not kept."""
    logits = logspace.below_zero(logits)
    log_total = jax.nn.logsumexp(logits, axis=-1)
    label = logspace.at(logits, jnp.broadcast_to(labels[None], log_total.shape))
    blanks = logspace.at(logits, jnp.full_like(label, blank, jnp.int32))
    return logspace.finite(blanks - log_total), logspace.finite(label - log_total)


def _diagonals(x: Array) -> Array:
    """(T, U + 1, *B) -> (T + U + 1, *B, U + 1): entry d, u is that of frame d - u, or ``ZERO``."""
    num_steps, num_places, *rows = x.shape
    total = num_steps + num_places
    x = jnp.swapaxes(x, 0, 1)
    rest = jnp.broadcast_to(jnp.full_like(x[:, :1], logspace.ZERO), (num_places, num_places, *rows))
    flat = jnp.concatenate([x, rest], axis=1).reshape(num_places * total, *rows)
    skewed = flat[: num_places * (total - 1)].reshape(num_places, total - 1, *rows)
    return jnp.moveaxis(skewed, 0, -1)


@partial(jax.jit, static_argnames="blank")
def _log_likelihood(
    logits: Array, labels: Array, real: Array, frames: Array, written: Array, blank: int
) -> Array:
    log_blank, log_label = _emissions(logits, labels, real, written, blank)
    num_steps, num_places, *rows = log_blank.shape
    batch, dtype = tuple(rows), log_blank.dtype
    like = log_blank[0]  # (U + 1, *B)
    nothing = batch_like(jnp.full((*batch, 1), logspace.ZERO, dtype), like, len(batch))
    start = batch_like(jnp.zeros((*batch, 1), dtype), like, len(batch))
    start = jnp.concatenate([start, *(nothing,) * (num_places - 1)], axis=-1)
    offset = batch_like(jnp.zeros(batch, dtype), like, len(batch))
    blanks, labels = _diagonals(log_blank), _diagonals(log_label)
    steps = length_mask(frames + written, num_steps + num_places - 1)
    steps = shard_like(steps, blanks[..., 0])

    def step(carry: tuple[Any, Array], at: tuple[Array, Array, Array]) -> tuple[Any, None]:
        (a,), offset = carry
        blank, label, valid = at
        up = jnp.concatenate([nothing, (a + label)[..., :-1]], axis=-1)
        new = logspace.lifted((logspace.log_sum(a + blank, up),), offset)
        return select(valid, new, carry), None

    ((a,), offset), _ = jax.lax.scan(step, ((start,), offset), (blanks, labels, steps))
    return logspace.at(a, written) + offset

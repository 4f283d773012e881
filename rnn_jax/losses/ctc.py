"""Connectionist temporal classification: labels without alignment (Graves et al. 2006)."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.losses import logspace
from rnn_jax.losses.checks import as_labels, as_lengths, as_scores, real_steps
from rnn_jax.ops.masks import select
from rnn_jax.ops.types import batch_like
from rnn_jax.typing import Array


def ctc_loss(
    logits: jax.Array,
    labels: jax.Array,
    *,
    lengths: Any = None,
    label_lengths: Any = None,
    blank: int = 0,
    zero_infinity: bool = False,
) -> jax.Array:
    """Negative log-likelihood of the labels, summed over all alignments to the frames.

        p(labels) = sum over paths (pi_1, ..., pi_T) that collapse to labels of prod_t p_t[pi_t]

    A path collapses by merging equal neighbours, then dropping blanks. With b_t[u], l_t[u] the
    probability of having written u labels, the last frame blank or the label u itself,

        b_t[u] = (b_{t-1}[u] + l_{t-1}[u]) p_t[blank]
        l_t[u] = (l_{t-1}[u] + b_{t-1}[u-1] + [label_u != label_{u-1}] l_{t-1}[u-1]) p_t[label_u]

    Labels that need more frames than there are (their number plus one for each repetition) have
    probability 0: the loss is inf and its gradient exactly zero. It is never below 0.

    Args:
        logits: Scores before softmax (T, *B, V), blank among the classes. Log-probabilities do as
            well: the softmax leaves them as they are.
        labels: (U, *B), integer; anything on padding. U may be 0, and may exceed T.
        lengths: Frames of each row (*B,), None for T. Without frames (0) the probability is 1 for
            no label, else 0.
        label_lengths: Labels of each row (*B,), None for U.
        blank: The class that stands for no label.
        zero_infinity: 0 instead of inf for impossible rows.

    Returns:
        (*B,) losses in nats, in float32 or wider, each that of its row alone. ``tally`` makes means
        of them; PyTorch's "mean" divides each by its number of labels first.

    Raises:
        ValueError: If shapes or dtypes do not fit, lengths exceed the axes, or a real label is
            known to be blank or no class (traced, such a row costs inf with zero gradient).

    Example:
        >>> loss = ctc_loss(
        ...     jnp.zeros((3, 2, 4)), jnp.array([[1, 1], [2, 1]]), lengths=jnp.array([3, 2])
        ... )
        >>> (4**3 * jnp.exp(-loss)).round().tolist()  # 5 of 64 paths; 1 1 needs 3 frames
        [5.0, 0.0]

    ``optax.ctc_loss`` gives about 1e5 with a gradient for impossible labels, can go below 0, and
    does not trace inside ``jax.shard_map`` with its default check (optax 0.2.8).

    References:
        Graves, Fernandez, Gomez and Schmidhuber, Connectionist temporal classification, 2006,
        doi:10.1145/1143844.1143891.
    """
    logits = as_scores("logits", logits, "(T, *B, V)")
    num_steps, *batch, num_classes = logits.shape
    if isinstance(blank, bool) or not isinstance(blank, int) or not 0 <= blank < num_classes:
        raise ValueError(f"blank is {blank!r}, but classes are 0..{num_classes - 1}.")
    labels = jnp.asarray(labels)
    if labels.ndim != logits.ndim - 1 or labels.shape[1:] != tuple(batch):
        raise ValueError(
            f"labels has shape {labels.shape}, but logits of shape {logits.shape} need (U, "
            f"{', '.join(map(str, batch))}): label positions first, then the batch axes."
        )
    real = real_steps(logits[..., 0], lengths, of="frames of logits")
    label_lengths = as_lengths(
        "label_lengths", label_lengths, tuple(batch), labels.shape[0], "positions of labels"
    )
    labels, good = as_labels(
        labels, real_steps(labels, label_lengths), num_classes, not_allowed=blank
    )
    if label_lengths is None:
        label_lengths = jnp.full(tuple(batch), labels.shape[0], jnp.int32)
    logits = logspace.finite(select(real, logits, jnp.zeros((), logits.dtype)))
    found = _log_likelihood(logits, jnp.moveaxis(labels, 0, -1), real, label_lengths, blank)
    loss = logspace.negative_log(found, jnp.all(good, axis=0))
    return jnp.where(jnp.isinf(loss), jnp.zeros_like(loss), loss) if zero_infinity else loss


@partial(jax.jit, static_argnames="blank")
def _log_likelihood(
    logits: Array, labels: Array, real: Array, label_lengths: Array, blank: int
) -> Array:
    """labels (*B, U) and the rest clean; finite, ``ZERO`` and below for probability 0."""
    batch, size = labels.shape[:-1], labels.shape[-1]
    log_blank, log_label = _emissions(logits, labels, blank)
    nothing = jnp.full((*batch, 1), logspace.ZERO, logits.dtype)
    nothing = batch_like(nothing, logits, len(batch))
    start = (
        batch_like(jnp.zeros((*batch, 1), logits.dtype), logits, len(batch)),
        *(jnp.broadcast_to(nothing, (*batch, size)),) * 2,
    )
    same = labels[..., 1:] == labels[..., :-1]

    def step(carry: tuple[Any, Array], at: tuple[Array, Array, Array]) -> tuple[Any, None]:
        (first, blanks, written), offset = carry
        p_blank, p_label, valid = at
        # blanks before any label, after label u, and label u itself
        before = jnp.concatenate([first, blanks], axis=-1)[..., :size]
        other = jnp.where(same, jnp.full_like(p_label[..., 1:], logspace.ZERO), written[..., :-1])
        other = jnp.concatenate([nothing, other], axis=-1)[..., :size]
        wide = jnp.broadcast_to(p_blank[..., None], p_label.shape)
        new = (
            first + p_blank[..., None],
            logspace.log_sum(blanks, written) + wide,
            logspace.log_sum(written, before, other) + p_label,
        )
        return select(valid, logspace.lifted(new, offset), carry), None

    offset = batch_like(jnp.zeros(batch, logits.dtype), logits, len(batch))
    ((first, blanks, written), offset), _ = jax.lax.scan(
        step, (start, offset), (log_blank, log_label, real)
    )
    ends = jnp.concatenate([first, logspace.log_sum(blanks, written)], axis=-1)
    return logspace.at(ends, label_lengths) + offset


@jax.checkpoint
def _softmax_at(logits: Array, labels: Array) -> Array:
    """log p_t[label] of every label (T, *B, U); the softmax is computed again for the gradient."""
    ids = jnp.broadcast_to(labels[None], (*logits.shape[:-1], labels.shape[-1]))
    logits = logspace.below_zero(logits)
    chosen = jnp.take_along_axis(logits, ids, axis=-1)
    log_total = jax.nn.logsumexp(logits, axis=-1, keepdims=True)
    return logspace.finite(chosen - jnp.broadcast_to(log_total, chosen.shape))


def _emissions(logits: Array, labels: Array, blank: int) -> tuple[Array, Array]:
    """Log-probability of blank (T, *B) and of every label (T, *B, U)."""
    ids = jnp.concatenate([jnp.full_like(labels[..., :1], blank), labels], axis=-1)
    if not labels.shape[-1]:
        ids = jnp.full((*labels.shape[:-1], 1), blank, labels.dtype)
    log_p = _softmax_at(logits, ids)
    return log_p[..., 0], log_p[..., 1:]

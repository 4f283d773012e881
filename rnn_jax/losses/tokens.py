"""Cross entropy of tokens: one prediction at every step."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.drivers.chunks import scan_chunks
from rnn_jax.losses.checks import as_labels, as_scores, real_steps
from rnn_jax.losses.logspace import at, below_zero
from rnn_jax.losses.sums import Sum, check_probability, tally
from rnn_jax.ops.linear import wider
from rnn_jax.ops.masks import select
from rnn_jax.ops.types import vary_like
from rnn_jax.typing import Array, Params


def token_losses(
    logits: jax.Array,
    labels: jax.Array,
    *,
    lengths: Any = None,
    mask: Any = None,
    label_smoothing: float = 0.0,
    prior: jax.Array | None = None,
) -> jax.Array:
    """Cross entropy of every token, 0 on padding.

        loss_t = -(1 - s) log p_t[label_t] - s sum_v q_v log p_t[v],   p_t = softmax(logits_t)

    Args:
        logits: Scores before softmax (T, *B, V).
        labels: Right classes (T, *B), integer. On padding they may be anything, such as -1.
        lengths: Real steps of each row (*B,).
        mask: (T, *B) bool, True = real; with lengths, both must hold.
        label_smoothing: s in [0, 1), the share of the target that goes to all classes.
        prior: q (V,), how that share is spread: None for evenly, or the classes' frequencies
            (unigram smoothing).

    Returns:
        (T, *B) in float32 or wider, in nats. A real label that is no class, which only traced
        values can smuggle in, costs inf with zero gradient, and so does a step whose logits are all
        -inf. Padding changes nothing, NaN included.

    Raises:
        ValueError: If shapes or dtypes do not fit, or a real label is known to be outside 0..V-1.

    Example:
        >>> losses = token_losses(
        ...     jnp.zeros((3, 2, 4)),
        ...     jnp.array([[0, 3], [1, 2], [-1, 0]]),
        ...     lengths=jnp.array([2, 3]),
        ... )
        >>> (losses / jnp.log(4.0)).round(2).tolist()
        [[1.0, 1.0], [1.0, 1.0], [0.0, 1.0]]

    ``torch.nn.functional.cross_entropy`` has classes on axis 1, marks padding by one label
    (``ignore_index``), and lets NaN of the padding into the gradient.

    References:
        Szegedy et al., Rethinking the Inception architecture, 2015, arXiv:1512.00567 (smoothing).
    """
    logits = as_scores("logits", logits, "(T, *B, V)")
    num_classes = logits.shape[-1]
    check_probability("label_smoothing", label_smoothing)
    if prior is not None and jnp.shape(prior) != (num_classes,):
        raise ValueError(
            f"prior has shape {jnp.shape(prior)}, but there are {num_classes} classes: give one "
            f"probability for each, ({num_classes},)."
        )
    real = real_steps(logits[..., 0], lengths, mask)
    labels, good = as_labels(labels, real, num_classes)
    plain = isinstance(label_smoothing, (int, float)) and label_smoothing == 0
    return _token_losses(logits, labels, real, good, label_smoothing, prior, plain)


@partial(jax.jit, static_argnames="plain")
def _token_losses(
    logits: Array,
    labels: Array,
    real: Array,
    good: Array,
    label_smoothing: Any,
    prior: Any,
    plain: bool,
) -> Array:
    """All clean but for the padding of the logits; ``plain``: nothing is smoothed."""
    zero = jnp.zeros((), logits.dtype)
    logits = select(real, logits, zero)
    possible = jnp.logical_not(jnp.max(logits, axis=-1) == -jnp.inf)  # NaN stays loud
    good, logits = jnp.logical_and(good, possible), below_zero(select(possible, logits, zero))
    log_total = jax.nn.logsumexp(logits, axis=-1)
    loss = log_total - at(logits, labels)
    if not plain:
        label_smoothing = jnp.asarray(label_smoothing).astype(loss.dtype)
        if prior is None:
            spread = log_total - jnp.mean(logits, axis=-1)
        else:
            q = jnp.broadcast_to(jnp.asarray(prior).astype(logits.dtype), logits.shape)
            used = jnp.where(q == 0, jnp.zeros_like(logits), logits)  # 0 * -inf is 0 here
            spread = log_total * jnp.sum(q, axis=-1) - jnp.sum(q * used, axis=-1)
        loss = (1 - label_smoothing) * loss + label_smoothing * spread
    loss = select(good, loss, jnp.full((), jnp.inf, loss.dtype))
    return select(real, loss, jnp.zeros((), loss.dtype))


def cross_entropy(
    logits: jax.Array,
    labels: jax.Array,
    *,
    lengths: Any = None,
    mask: Any = None,
    label_smoothing: float = 0.0,
    prior: jax.Array | None = None,
) -> Sum:
    """Cross entropy over all real tokens, as a sum and a count.

    ``.mean`` is the loss per token, ``.perplexity`` and ``.bits`` come from the same sum; for
    shards, windows and batches see ``Sum.share`` and ``merge``. A batch of padding alone has mean 0
    and gradient 0. Arguments and errors are those of ``token_losses``.

    Args:
        logits: Scores before softmax (T, *B, V).
        labels: Right classes (T, *B), integer; anything on padding.
        lengths: Real steps of each row (*B,).
        mask: (T, *B) bool, True = real.
        label_smoothing: Share of the target that goes to all classes.
        prior: How that share is spread (V,); None for evenly.

    Returns:
        ``Sum``. Per row: ``token_losses(...).sum(0)``.

    Raises:
        ValueError: As ``token_losses``.

    Example:
        >>> found = cross_entropy(
        ...     jnp.zeros((3, 2, 4)), jnp.zeros((3, 2), int), lengths=jnp.array([3, 1])
        ... )
        >>> found.count.item(), round(found.perplexity.item(), 3), round(found.bits.item(), 3)
        (4, 4.0, 2.0)
    """
    losses = token_losses(
        logits, labels, lengths=lengths, mask=mask, label_smoothing=label_smoothing, prior=prior
    )
    return tally(losses, lengths=lengths, mask=mask)


def chunked_cross_entropy(
    readout: Callable[[Params, jax.Array], jax.Array],
    params: Params,
    hs: jax.Array,
    labels: jax.Array,
    *,
    chunk_size: int,
    lengths: Any = None,
    mask: Any = None,
    label_smoothing: float = 0.0,
    prior: jax.Array | None = None,
) -> Sum:
    """``cross_entropy`` of ``readout(params, hs)`` without ever holding all the logits.

    With a large vocabulary logits (T, *B, V) are the largest array of a language model. Here they
    are made for ``chunk_size`` steps at a time, and made again for the gradient.

    Args:
        readout: ``readout(params, h) -> logits``, h (K, *B, H), logits (K, *B, V), step by step.
        params: Of the readout.
        hs: Hidden states (T, *B, H).
        labels: Right classes (T, *B).
        chunk_size: Steps K whose logits are held at once.
        lengths, mask, label_smoothing, prior: As ``token_losses``.

    Returns:
        ``Sum``, equal to that of ``cross_entropy`` but for the order of the sum.

    Raises:
        ValueError: As ``token_losses``, and for a chunk size below 1.

    Example:
        >>> hs, labels = jnp.ones((5, 2, 3)), jnp.zeros((5, 2), int)
        >>> readout = lambda w, h: h @ w
        >>> found = chunked_cross_entropy(readout, jnp.ones((3, 4)), hs, labels, chunk_size=2)
        >>> found.count.item()
        10
    """
    if not isinstance(chunk_size, int) or chunk_size < 1:
        raise ValueError(f"chunk_size must be a whole number >= 1, got {chunk_size!r}.")
    hs = jnp.asarray(hs)
    as_scores("hs", hs, "(T, *B, H)")
    real = real_steps(hs[..., 0], lengths, mask)
    params = vary_like(params, hs)
    sizes = jax.eval_shape(readout, params, hs[:1])
    labels, good = as_labels(labels, real, sizes.shape[-1])

    @jax.checkpoint
    def one(params: Params, h: jax.Array, labels: jax.Array, real: jax.Array) -> jax.Array:
        logits = readout(params, select(real, h, jnp.zeros((), h.dtype)))
        losses = token_losses(
            logits, labels, mask=real, label_smoothing=label_smoothing, prior=prior
        )
        return jnp.sum(losses)

    def body(total: jax.Array, rows: Any, _: None) -> tuple[jax.Array, None]:
        return total + one(params, *rows), None

    dtype = wider(sizes.dtype, jnp.float32)
    start = vary_like(jnp.zeros((), dtype), hs)
    total, _ = scan_chunks(body, start, (hs, labels, real), chunk_size, False)
    bad = jnp.logical_and(real, jnp.logical_not(good))
    total = jnp.where(jnp.any(bad), jnp.full_like(total, jnp.inf), total)
    return Sum(total, jnp.sum(real, dtype=jnp.int32))

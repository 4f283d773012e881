"""Negative log-likelihoods of what is no token: real vectors, and several yes-or-no labels."""

from math import log, pi
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.losses.checks import as_scores, real_steps
from rnn_jax.ops.linear import wider
from rnn_jax.ops.masks import select
from rnn_jax.typing import Array


def gaussian_nll(
    means: jax.Array,
    log_scales: jax.Array,
    targets: jax.Array,
    *,
    lengths: Any = None,
    mask: Any = None,
) -> jax.Array:
    """``-log p`` of real vectors under independent normal distributions, at every step.

        loss_t = sum_d ((x_d - mu_d) / s_d)^2 / 2 + log s_d + log(2 pi) / 2,   s = exp(log_scales)

    Args:
        means: mu (T, *B, D).
        log_scales: Logarithm of the standard deviation s (T, *B, D).
        targets: x (T, *B, D); anything on padding.
        lengths: Real steps of each row (*B,).
        mask: (T, *B) bool, True = real.

    Returns:
        (T, *B) in float32 or wider, 0 on padding; ``tally`` makes a mean of them. A density may be
        above 1, so this may be below 0.

    Raises:
        ValueError: If shapes or dtypes do not fit.

    Example:
        >>> zeros = jnp.zeros((5, 2, 3))
        >>> loss = gaussian_nll(zeros, zeros, zeros)
        >>> loss.shape, bool(jnp.allclose(loss, 1.5 * jnp.log(2 * jnp.pi)))
        ((5, 2), True)

    ``torch.nn.GaussianNLLLoss`` takes variances, clamps them, and leaves the constant out unless
    ``full=True``.
    """
    means, log_scales, targets, real = _clean(
        {"means": means, "log_scales": log_scales, "targets": targets}, lengths, mask
    )
    return _masked(-_log_normal(means, log_scales, targets), real)


def mixture_nll(
    logits: jax.Array,
    means: jax.Array,
    log_scales: jax.Array,
    targets: jax.Array,
    *,
    lengths: Any = None,
    mask: Any = None,
) -> jax.Array:
    """``-log p`` of real vectors under a mixture of normal distributions (mixture density network).

        p(x) = sum_k softmax(logits)_k prod_d Normal(x_d; mu_kd, exp(log_scales_kd))

    Args:
        logits: Of the components, (T, *B, K).
        means: mu (T, *B, K, D).
        log_scales: (T, *B, K, D).
        targets: x (T, *B, D); anything on padding.
        lengths: Real steps of each row (*B,).
        mask: (T, *B) bool, True = real.

    Returns:
        (T, *B) in float32 or wider, 0 on padding.

    Raises:
        ValueError: If shapes or dtypes do not fit.

    Example:
        >>> means = jnp.zeros((5, 2, 4, 3))  # equal components are as good as one
        >>> loss = mixture_nll(jnp.ones((5, 2, 4)), means, means, means[..., 0, :])
        >>> bool(jnp.allclose(loss, 1.5 * jnp.log(2 * jnp.pi)))
        True

    References:
        Bishop, Mixture density networks, 1994 (Aston University, NCRG/94/004).
        Graves, Generating sequences with recurrent neural networks, 2013, arXiv:1308.0850.
    """
    means, log_scales, real = _clean(
        {"means": means, "log_scales": log_scales}, lengths, mask, axes="(T, *B, K, D)"
    )
    targets, _ = _clean({"targets": targets}, lengths, mask)
    logits, _ = _clean({"logits": logits}, lengths, mask, axes="(T, *B, K)")
    if logits.shape != means.shape[:-1] or targets.shape != means.shape[:-2] + means.shape[-1:]:
        raise ValueError(
            f"logits has shape {logits.shape}, means {means.shape} and targets {targets.shape}: "
            "they must be (T, *B, K), (T, *B, K, D) and (T, *B, D)."
        )
    each = _log_normal(means, log_scales, jnp.broadcast_to(targets[..., None, :], means.shape))
    dtype = wider(logits.dtype, each.dtype)
    joint = jax.nn.log_softmax(logits).astype(dtype) + each.astype(dtype)
    return _masked(-jax.nn.logsumexp(joint, axis=-1), real)


def bernoulli_nll(
    logits: jax.Array, targets: jax.Array, *, lengths: Any = None, mask: Any = None
) -> jax.Array:
    """``-log p`` of several independent yes-or-no labels at every step: the keys of a piano.

        loss_t = -sum_d y_d log sigmoid(l_d) + (1 - y_d) log sigmoid(-l_d)

    Args:
        logits: l (T, *B, D).
        targets: y (T, *B, D), bool, or numbers in 0..1; anything on padding.
        lengths: Real steps of each row (*B,).
        mask: (T, *B) bool, True = real.

    Returns:
        (T, *B) in float32 or wider, 0 on padding.

    Raises:
        ValueError: If shapes or dtypes do not fit.

    Example:
        >>> loss = bernoulli_nll(jnp.zeros((5, 2, 3)), jnp.ones((5, 2, 3), bool))
        >>> bool(jnp.allclose(loss, 3 * jnp.log(2.0)))
        True
    """
    logits = as_scores("logits", logits, "(T, *B, D)")
    targets = jnp.asarray(targets)
    if not jnp.issubdtype(targets.dtype, jnp.floating):
        targets = targets.astype(logits.dtype)
    logits, targets, real = _clean({"logits": logits, "targets": targets}, lengths, mask)
    softplus = jax.nn.softplus(logits)
    return _masked(jnp.sum(softplus - targets * logits, axis=-1), real)


def _log_normal(means: Array, log_scales: Array, targets: Array) -> Array:
    """Summed over the last axis."""
    distance = (targets - means) * jnp.exp(-log_scales)
    return jnp.sum(-0.5 * jnp.square(distance) - log_scales - 0.5 * log(2 * pi), axis=-1)


def _masked(losses: Array, real: Array) -> Array:
    return select(real, losses, jnp.zeros((), losses.dtype))


def _clean(
    arrays: dict[str, Any], lengths: Any, mask: Any, axes: str = "(T, *B, D)"
) -> tuple[Array, ...]:
    """The arrays in one dtype, of one shape, 0 on padding; and which steps (T, *B) are real."""
    found = [as_scores(name, array, axes) for name, array in arrays.items()]
    if len({x.shape for x in found}) > 1:
        shapes = ", ".join(f"{name} {x.shape}" for name, x in zip(arrays, found))
        raise ValueError(f"the shapes differ: {shapes}; all must be {axes}.")
    dtype = wider(*(x.dtype for x in found))
    first = found[0][(..., *(0,) * (2 if "K, D" in axes else 1))]
    real = real_steps(first, lengths, mask)
    return *(select(real, x.astype(dtype), jnp.zeros((), dtype)) for x in found), real

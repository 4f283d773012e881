"""Penalties on the weights of a whole sequence, as ``cells.Alignments`` gives them."""

import jax
import jax.numpy as jnp

from rnn_jax.ops.checks import check_lengths
from rnn_jax.ops.linear import wider
from rnn_jax.ops.masks import length_mask, select
from rnn_jax.ops.types import shard_like


def _real(weights: jax.Array, lengths: jax.Array | None) -> jax.Array:
    """Weights in float32 or wider, zero on the steps that are not real."""
    if weights.ndim < 2:
        raise ValueError(
            f"weights has shape {weights.shape}, but those of a sequence are (T, *B, S): stack "
            "them over time."
        )
    weights = weights.astype(wider(weights.dtype, jnp.float32))
    if lengths is None:
        return weights
    lengths = jnp.asarray(lengths)
    check_lengths(lengths, weights.shape[: 1 + lengths.ndim], "weights")
    return select(length_mask(lengths, weights.shape[0]), weights, jnp.zeros((), weights.dtype))


def _places(x: jax.Array, memory_lengths: jax.Array | None) -> jax.Array:
    """Zero in (*B, ..., S) at the places that are not real."""
    if memory_lengths is None:
        return x
    lengths = jnp.asarray(memory_lengths)
    check_lengths(lengths, (x.shape[-1], *x.shape[: lengths.ndim]), "the memory")
    x = jnp.moveaxis(x, -1, 0)
    x = select(length_mask(lengths, x.shape[0]), x, jnp.zeros((), x.dtype))
    return jnp.moveaxis(x, 0, -1)


def doubly_stochastic(
    weights: jax.Array,
    lengths: jax.Array | None = None,
    memory_lengths: jax.Array | None = None,
) -> jax.Array:
    """The penalty that makes attention look at every place, once in all.

        sum over s of (1 - sum over t of w_{t,s})^2

    Args:
        weights: (T, *B, S), of several heads (T, *B, N, S).
        lengths: Real steps of each row, (*B,); None if all are, or if the others' weights are zero.
        memory_lengths: Real places of each row, (*B,); None for all S. The padding of the memory,
            which no weight ever reaches, would count 1 each.

    Returns:
        (*B,), of several heads (*B, N), to be weighed with the paper's lambda; float32 or wider.

    Raises:
        ValueError: If shapes do not fit, or lengths are beyond T or S.

    Example:
        >>> doubly_stochastic(jnp.array([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])).item()
        1.5
        >>> doubly_stochastic(jnp.ones((2, 3)) / 2, memory_lengths=jnp.array(1)).item()
        0.0

    References:
        Xu et al., Show, attend and tell, 2015, arXiv:1502.03044.
    """
    missing = 1 - _real(weights, lengths).sum(0)
    return _places(jnp.square(missing), memory_lengths).sum(-1)


def coverage_loss(weights: jax.Array, lengths: jax.Array | None = None) -> jax.Array:
    """How often attention reads again what it has read.

        sum over t and s of min(w_{t,s}, sum over t' < t of w_{t',s})

    Args:
        weights: (T, *B, S), of several heads (T, *B, N, S).
        lengths: Real steps of each row, (*B,); None if all are, or if the others' weights are zero.

    Returns:
        (*B,), of several heads (*B, N); float32 or wider. See et al. divide by the steps.

    Raises:
        ValueError: If shapes do not fit, or lengths are beyond T.

    Example:
        >>> coverage_loss(jnp.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])).item()
        1.0

    References:
        See, Liu and Manning, Get to the point: summarization with pointer-generator networks, 2017,
        arXiv:1704.04368.
    """
    weights = _real(weights, lengths)
    coverage = jnp.cumsum(weights, axis=0) - weights
    return jnp.minimum(weights, coverage).sum((0, -1))


def guided_attention(
    weights: jax.Array,
    lengths: jax.Array | None = None,
    memory_lengths: jax.Array | None = None,
    width: float = 0.2,
) -> jax.Array:
    """A penalty on what is far from the diagonal: for speech from text, and text from speech.

        sum over t and s of w_{t,s} (1 - exp(-(s / S - t / T)^2 / (2 width^2)))

    Args:
        weights: (T, *B, S), of several heads (T, *B, N, S).
        lengths: T of each row, (*B,); None for all steps.
        memory_lengths: S of each row, (*B,); None for all places.
        width: The paper's g.

    Returns:
        (*B,), of several heads (*B, N); float32 or wider. The paper divides by T S.

    Raises:
        ValueError: If shapes do not fit, lengths are beyond T or S, or ``width`` is not positive.

    Example:
        >>> guided_attention(jnp.eye(4)).item()
        0.0

    References:
        Tachibana, Uenoyama and Aihara, Efficiently trainable text-to-speech system based on deep
        convolutional networks with guided attention, 2018, arXiv:1710.08969.
    """
    if not width > 0:
        raise ValueError(f"guided_attention: width must be > 0, got {width}.")
    weights = _real(weights, lengths)
    t, s = _share(weights, 0, lengths), _share(weights, weights.ndim - 1, memory_lengths)
    cost = 1 - jnp.exp(-jnp.square(s - t) / (2 * width**2))
    return (weights * cost).sum((0, -1))


def _share(weights: jax.Array, axis: int, lengths: jax.Array | None) -> jax.Array:
    """Each index along an axis as a share of its row's length, in the shape of the weights."""
    index = jax.lax.broadcasted_iota(weights.dtype, weights.shape, axis)
    index = shard_like(index, weights)
    if lengths is None:
        return index / weights.shape[axis]
    most = jnp.maximum(jnp.asarray(lengths), 1).astype(weights.dtype)
    most = jnp.expand_dims(most, (0, *range(1 + most.ndim, weights.ndim)))
    return index / jnp.broadcast_to(most, weights.shape)

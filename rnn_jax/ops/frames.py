"""Frames of features: one utterance's mean and variance, stacks of neighbours, slopes in time."""

import jax
import jax.numpy as jnp

from rnn_jax.ops.checks import check_lengths
from rnn_jax.ops.linear import wider
from rnn_jax.ops.masks import length_mask, select


def standardize(
    xs: jax.Array, *, lengths: jax.Array | None = None, epsilon: float = 1e-5
) -> jax.Array:
    """Give each feature of each row mean 0 and variance 1 over the real frames.

        y_tf = (x_tf - mean_f) / sqrt(var_f + epsilon)

    Removes what a microphone and a room add to log energies. The variance is the biased one.

    Args:
        xs: (T, *B, F).
        lengths: Real frames of each row, (*B,); None for all.
        epsilon: Added to the variance: a feature that never changes becomes 0.

    Returns:
        (T, *B, F) in the dtype of xs, computed in float32 or wider; zero on padding.

    Raises:
        ValueError: If lengths do not fit xs.

    Example:
        >>> xs = jnp.array([[1.0], [3.0], [9.0]])
        >>> [round(y, 3) for y in standardize(xs, lengths=jnp.array(2))[:, 0].tolist()]
        [-1.0, 1.0, 0.0]

    References:
        Viikki and Laurila, Cepstral domain segmental feature vector normalization for noise robust
        speech recognition, 1998, doi:10.1016/S0167-6393(98)00033-8.
    """
    mask, count = _real(xs, lengths)
    zero = jnp.zeros((), wider(xs.dtype, jnp.float32))
    wide = select(mask, xs.astype(zero.dtype), zero)
    count = jnp.maximum(count, 1).astype(zero.dtype)[None, ..., None]
    centred = select(mask, wide - wide.sum(0, keepdims=True) / count, zero)
    variance = jnp.square(centred).sum(0, keepdims=True) / count
    return (centred * jax.lax.rsqrt(variance + epsilon)).astype(xs.dtype)


def stack_frames(
    xs: jax.Array, size: int, stride: int, *, lengths: jax.Array | None = None
) -> tuple[jax.Array, jax.Array | None]:
    """Put ``size`` neighbouring frames side by side, once every ``stride`` frames.

        y_t = [x_{st}, x_{st+1}, ..., x_{st+size-1}],   new length = ceil(length / stride)

    Frames behind the end of a row are zero. With ``stride = size`` it is
    ``layers.TimeReduction(mode="concat")``; with a shorter stride the stacks overlap.

    Args:
        xs: (T, *B, F).
        size: Frames in a stack, >= 1.
        stride: Frames from one stack to the next, >= 1.
        lengths: Real frames of each row, (*B,).

    Returns:
        (ceil(T / stride), *B, size * F), zero on padding; and the new lengths, None without.

    Raises:
        ValueError: If a size is below 1 or lengths do not fit xs.

    Example:
        >>> ys, lengths = stack_frames(jnp.arange(1.0, 6.0)[:, None], 3, 2, lengths=jnp.array(4))
        >>> ys.tolist(), lengths.item()
        ([[1.0, 2.0, 3.0], [3.0, 4.0, 0.0], [0.0, 0.0, 0.0]], 2)

    References:
        Sak, Senior, Rao and Beaufays, Fast and accurate recurrent neural network acoustic models
        for speech recognition, 2015, arXiv:1507.06947.
    """
    if min(size, stride) < 1:
        raise ValueError(f"stack_frames: size={size} and stride={stride} must be >= 1.")
    mask, count = _real(xs, lengths)
    xs = select(mask, xs, jnp.zeros((), xs.dtype))
    num_frames = xs.shape[0]
    padded = jnp.pad(xs, [(0, size - 1)] + [(0, 0)] * (xs.ndim - 1))
    parts = [padded[lag : lag + num_frames : stride] for lag in range(size)]
    ys = jnp.concatenate(parts, axis=-1)
    if lengths is None:
        return ys, None
    new = -(-count // stride)
    return select(length_mask(new, ys.shape[0]), ys, jnp.zeros((), ys.dtype)), new


def deltas(xs: jax.Array, size: int = 2, *, lengths: jax.Array | None = None) -> jax.Array:
    """Slope of each feature in time, by regression over ``size`` frames to either side.

        d_t = sum_n n (x_{t+n} - x_{t-n}) / (2 sum_n n^2),   n = 1..size

    Before the first and behind the last real frame stands that frame again. Slopes of slopes are
    ``deltas(deltas(xs))``; ``jnp.concatenate`` puts them beside the features.

    Args:
        xs: (T, *B, F).
        size: Frames to either side, >= 1.
        lengths: Real frames of each row, (*B,).

    Returns:
        (T, *B, F), zero on padding.

    Raises:
        ValueError: If ``size`` is below 1 or lengths do not fit xs.

    Example:
        >>> deltas(jnp.array([[0.0], [2.0], [4.0], [9.0]]), 1, lengths=jnp.array(3))[:, 0].tolist()
        [1.0, 2.0, 1.0, 0.0]

    References:
        Furui, Speaker-independent isolated word recognition using dynamic features of speech
        spectrum, 1986, doi:10.1109/TASSP.1986.1164788.
    """
    if size < 1:
        raise ValueError(f"deltas: size={size} must be >= 1.")
    mask, count = _real(xs, lengths)
    xs = select(mask, xs, jnp.zeros((), xs.dtype))
    if not xs.shape[0]:
        return xs
    steps = jax.lax.broadcasted_iota(jnp.int32, mask.shape, 0)
    last = jnp.maximum(count - 1, 0)[None]

    def at(lag: int) -> jax.Array:
        places = jnp.clip(steps + lag, 0, jnp.broadcast_to(last, steps.shape))
        return jnp.take_along_axis(xs, jnp.broadcast_to(places[..., None], xs.shape), axis=0)

    slopes = jnp.zeros_like(xs)
    for n in range(1, size + 1):
        slopes = slopes + n * (at(n) - at(-n))
    norm = 2 * sum(n * n for n in range(1, size + 1))
    return select(mask, slopes / norm, jnp.zeros((), xs.dtype))


def _real(xs: jax.Array, lengths: jax.Array | None) -> tuple[jax.Array, jax.Array]:
    """Which frames of (T, *B, F) are real, (T, *B), and how many of each row, (*B,) int32."""
    if lengths is None:
        lengths = jnp.full(xs.shape[1:-1], xs.shape[0], jnp.int32)
    check_lengths(lengths, xs.shape[:-1])
    lengths = jnp.asarray(lengths).astype(jnp.int32)
    return length_mask(lengths, xs.shape[0]), lengths

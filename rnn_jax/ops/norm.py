"""Normalisation over the last axis."""

import jax
import jax.numpy as jnp

from rnn_jax.ops.linear import scale, shift, wider


def layer_norm(
    x: jax.Array, gain: jax.Array, bias: jax.Array | None = None, epsilon: float = 1e-5
) -> jax.Array:
    """Layer normalisation over the last axis.

        y = gain * (x - mean(x)) / sqrt(var(x) + epsilon) + bias

    Args:
        x: (..., H).
        gain: (H,).
        bias: (H,), or None for none.
        epsilon: Added to the (biased) variance.

    Returns:
        (..., H), computed in float32 or wider, in the dtype of ``x``.

    Example:
        >>> y = layer_norm(jnp.array([[1.0, 3.0]]), jnp.ones(2))
        >>> [round(v, 3) for v in y[0].tolist()]
        [-1.0, 1.0]

    References:
        Ba, Kiros and Hinton, Layer normalization, 2016, arXiv:1607.06450.
    """
    wide = x.astype(wider(x.dtype, jnp.float32))
    centred = wide - wide.mean(-1, keepdims=True)
    variance = jnp.square(centred).mean(-1, keepdims=True)
    y = scale(centred * jax.lax.rsqrt(variance + epsilon), gain)
    return (y if bias is None else shift(y, bias)).astype(x.dtype)

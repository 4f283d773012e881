"""Products and sums that say their dtype and their broadcasting.

The rule of the whole library: *matrix products run in the dtype of the weights, everything else in
the dtype of the data*. So bfloat16 weights give bfloat16 products whatever the state's precision,
and a float32 state is never rounded by them.
"""

from functools import reduce

import jax
import jax.numpy as jnp

from rnn_jax.ops.row_products import product, product_by_rows, transposing
from rnn_jax.ops.types import explicit_sharding
from rnn_jax.typing import DType


def real_dtype(dtype: DType) -> DType:
    """The dtype of the real part: ``complex64 -> float32``; real dtypes are returned as they are.

    Example:
        >>> real_dtype(jnp.complex64)
        dtype('float32')
    """
    return jnp.finfo(dtype).dtype


def wider(*dtypes: DType) -> DType:
    """The dtype that holds all the given ones, also where implicit promotion is forbidden.

    Example:
        >>> wider(jnp.bfloat16, jnp.float32)
        dtype('float32')
    """
    with jax.numpy_dtype_promotion("standard"):
        return reduce(jnp.promote_types, dtypes)


def matmul(x: jax.Array, w: jax.Array) -> jax.Array:
    """Multiply in the dtype of the weights: ``x @ w``.

    Args:
        x: Data (..., D).
        w: Weights (D, G).

    Returns:
        (..., G), in the wider of the two dtypes; the products are taken in ``w.dtype`` and
        accumulated in the result's.

    Example:
        >>> matmul(jnp.ones((2, 3), jnp.float32), jnp.ones((3, 4), jnp.bfloat16)).dtype
        dtype('float32')
    """
    sharded = explicit_sharding(x) or explicit_sharding(w)
    if transposing.value and x.dtype == w.dtype and not sharded:
        return product_by_rows(x, w)
    return product(x.astype(w.dtype), w, wider(x.dtype, w.dtype))


def shift(x: jax.Array, b: jax.Array) -> jax.Array:
    """Add a vector to the last axes: ``x + b``, in the dtype of ``x``.

    Example:
        >>> shift(jnp.zeros((2, 3)), jnp.arange(3, dtype=jnp.bfloat16))[0].tolist()
        [0.0, 1.0, 2.0]
    """
    return x + jnp.broadcast_to(b.astype(x.dtype), x.shape)


def scale(x: jax.Array, g: jax.Array) -> jax.Array:
    """Multiply the last axes by a vector: ``x * g``, in the dtype of ``x``.

    Example:
        >>> scale(jnp.ones((2, 3)), jnp.arange(3, dtype=jnp.bfloat16))[0].tolist()
        [0.0, 1.0, 2.0]
    """
    return x * jnp.broadcast_to(g.astype(x.dtype), x.shape)


def join(*parts: jax.Array) -> jax.Array:
    """Features side by side, in the widest of the parts' dtypes.

    Example:
        >>> join(jnp.zeros(2), jnp.ones(1, jnp.bfloat16)).tolist()
        [0.0, 0.0, 1.0]
    """
    dtype = wider(*(part.dtype for part in parts))
    return jnp.concatenate([part.astype(dtype) for part in parts], axis=-1)


def affine(x: jax.Array, w: jax.Array, b: jax.Array | None) -> jax.Array:
    """The affine map ``x @ w + b``.

    Args:
        x: Data (..., D).
        w: Weights (D, G).
        b: Bias (G,), or None for none.

    Returns:
        (..., G) in float32 or wider: pre-activations are summed, and so is the bias' gradient,
        which loses all its digits in bfloat16.

    Example:
        >>> affine(jnp.ones((2, 3)), jnp.ones((3, 4)), jnp.ones((4,))).tolist()[0]
        [4.0, 4.0, 4.0, 4.0]
    """
    y = matmul(x.astype(wider(x.dtype, jnp.float32)), w)
    return y if b is None else shift(y, b)

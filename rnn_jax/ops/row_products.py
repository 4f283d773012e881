"""The gradient of weights, a sum over rows: ``dw = x^T d``, at the speed of other products."""

import jax
import jax.numpy as jnp

from rnn_jax.ops.types import explicit_sharding
from rnn_jax.typing import DType

# Read by ``linear.matmul``; jit traces anew where it differs.
transposing = jax.make_user_context(False)


def row_product(x: jax.Array, d: jax.Array, w: jax.Array, transpose: bool) -> jax.Array:
    """The gradient of weights w in ``x @ w`` when that of the product is d: ``x^T d``.

    XLA's product for CPUs reads a transposed left operand at half its speed where the width is a
    power of two (19 against 35 GFLOP/s for 512 rows, 512 x 2048). ``transpose`` has x transposed
    in memory first, which costs little. It gathers the rows, so that it is nothing for rows that
    lie on several devices, and is not done to weights of an Explicit mesh.

    Args:
        x: Data (*B, D).
        d: (*B, G).
        w: The weights (D, G), whose dtype the products are taken in.
        transpose: Whether x is transposed first.

    Returns:
        (D, G), in the dtype of d.

    Example:
        >>> x, d, w = jnp.ones((5, 2, 3)), jnp.ones((5, 2, 4)), jnp.ones((3, 4))
        >>> row_product(x, d, w, True)[0].tolist()
        [10.0, 10.0, 10.0, 10.0]
    """
    x, narrow = x.astype(w.dtype), d.astype(w.dtype)
    if transpose and explicit_sharding(w) is None:
        rows = jax.lax.optimization_barrier(x.reshape(-1, x.shape[-1]).T)
        columns = narrow.reshape(-1, d.shape[-1])
        return jnp.matmul(rows, columns, preferred_element_type=d.dtype)
    leading = tuple(range(d.ndim - 1))
    return jax.lax.dot_general(
        x, narrow, ((leading, leading), ((), ())), preferred_element_type=d.dtype,
        out_sharding=explicit_sharding(w),
    )  # fmt: skip


def product(x: jax.Array, w: jax.Array, dtype: DType) -> jax.Array:
    """``x @ w`` in the given dtype.

    Example:
        >>> product(jnp.ones((2, 3)), jnp.ones((3, 4)), jnp.float32).shape
        (2, 4)
    """
    return jax.lax.dot_general(
        x, w, (((x.ndim - 1,), (0,)), ((), ())), preferred_element_type=dtype
    )


@jax.custom_vjp
def product_by_rows(x: jax.Array, w: jax.Array) -> jax.Array:
    """``x @ w`` of one dtype, with ``row_product`` for its gradient; a rule for reverse mode alone.

    Example:
        >>> loss = lambda w: product_by_rows(jnp.ones((5, 3)), w).sum()
        >>> jax.grad(loss)(jnp.ones((3, 4)))[0].tolist()
        [5.0, 5.0, 5.0, 5.0]
    """
    return product(x, w, w.dtype)


def _forward(x: jax.Array, w: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return product(x, w, w.dtype), (x, w)


def _backward(operands: tuple[jax.Array, jax.Array], d: jax.Array) -> tuple[jax.Array, jax.Array]:
    x, w = operands
    d_x = jax.lax.dot_general(d, w, (((d.ndim - 1,), (1,)), ((), ())))
    return d_x, row_product(x, d, w, True)


product_by_rows.defvjp(_forward, _backward)

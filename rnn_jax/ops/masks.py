"""Masks of valid steps, and selection by them."""

import jax
import jax.numpy as jnp

from rnn_jax.typing import PyTree


def length_mask(lengths: jax.Array, num_steps: int) -> jax.Array:
    """Which steps are real: ``mask[t, *b] = t < lengths[*b]``.

    Args:
        lengths: Number of real steps of each row, (*B,), integer; NumPy's too.
        num_steps: T.

    Returns:
        (T, *B) bool.

    Example:
        >>> length_mask(jnp.array([1, 3, 0]), 3).astype(int).tolist()
        [[1, 1, 0], [0, 1, 0], [0, 1, 0]]
    """
    lengths = jnp.asarray(lengths)  # NumPy's int64 where JAX has no such thing
    if lengths.dtype.itemsize < 4:  # uint8 counts to 255, and there are more steps
        lengths = lengths.astype(jnp.int32)
    shape = (num_steps, *lengths.shape)
    steps = jax.lax.broadcasted_iota(lengths.dtype, shape, 0)
    return steps < jnp.broadcast_to(lengths[None], shape)


def select(condition: jax.Array, yes: PyTree, no: PyTree) -> PyTree:
    """``where`` over trees, the condition's axes leading: ``yes`` where it holds, else ``no``.

    Args:
        condition: (*B,) bool.
        yes: Tree of arrays (*B, ...).
        no: The same tree, or a tree of scalars.

    Returns:
        A tree like ``yes``. It is a selection and no product, so NaN and inf on the side that is
        not taken do not show, neither in values nor, where both sides are finite, in gradients.

    Example:
        >>> select(jnp.array([True, False]), jnp.ones((2, 2)), jnp.zeros((2, 2))).tolist()
        [[1.0, 1.0], [0.0, 0.0]]
    """

    def one(y: jax.Array, n: jax.Array) -> jax.Array:
        axes = tuple(range(condition.ndim, y.ndim))
        return jnp.where(jnp.broadcast_to(jnp.expand_dims(condition, axes), y.shape), y, n)

    return jax.tree.map(one, yes, no)

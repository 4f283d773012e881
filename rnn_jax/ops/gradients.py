"""Functions that leave values alone and change what flows back through them."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from rnn_jax.ops.linear import wider
from rnn_jax.typing import PyTree


def clip_gradient_value(tree: PyTree, limit: float) -> PyTree:
    """The identity, whose gradient is clipped number by number.

        y = x,   dx = min(max(dy, -limit), limit)

    Reverse mode alone is changed; forward mode sees the identity that it is. A second derivative
    takes the clip for the derivative of a linear function, so it is right where nothing is clipped.

    Args:
        tree: Arrays; of complex ones the real and the imaginary part are clipped, each by itself,
            and those that are not floating are left alone.
        limit: Largest absolute value that passes.

    Example:
        >>> jax.grad(lambda x: (3 * clip_gradient_value(x, 2.0)).sum())(jnp.ones(2)).tolist()
        [2.0, 2.0]
    """

    def clip(dy: jax.Array) -> jax.Array:
        if jnp.issubdtype(dy.dtype, jnp.complexfloating):
            return jax.lax.complex(clip(dy.real), clip(dy.imag))
        return jnp.clip(dy, -limit, limit)

    return _with_transpose(tree, lambda dy: jax.tree.map(clip, dy))


def clip_gradient_norm(tree: PyTree, limit: float, batch_ndim: int) -> PyTree:
    """The identity, whose gradient is scaled down, row by row, to a norm of at most ``limit``.

        y = x,   dx = dy * min(1, limit / |dy|),   |.| over all leaves of one row

    Higher derivatives as in ``clip_gradient_value``.

    Args:
        tree: Arrays (*B, ...), the batch axes the same for all.
        limit: Largest Euclidean norm that passes.
        batch_ndim: Number of axes of *B.

    Example:
        >>> f = lambda x: jnp.vdot(clip_gradient_norm(x, 1.0, 0), jnp.array([3.0, 4.0]))
        >>> [round(d, 2) for d in jax.grad(f)(jnp.zeros(2)).tolist()]
        [0.6, 0.8]
    """

    def clip(dy: PyTree) -> PyTree:
        leaves = jax.tree.leaves(dy)
        dtype = wider(jnp.float32, *(jnp.finfo(leaf.dtype).dtype for leaf in leaves))
        axes = [tuple(range(batch_ndim, leaf.ndim)) for leaf in leaves]
        squares = [jnp.square(jnp.abs(leaf).astype(dtype)) for leaf in leaves]
        total = sum(square.sum(axis) for square, axis in zip(squares, axes, strict=True))
        too_long = total > limit**2
        factor = jnp.where(too_long, limit * jax.lax.rsqrt(jnp.where(too_long, total, 1)), 1)

        def scale(leaf: jax.Array) -> jax.Array:
            wide = jnp.expand_dims(factor, tuple(range(batch_ndim, leaf.ndim)))
            return leaf * jnp.broadcast_to(wide, leaf.shape).astype(leaf.dtype)

        return jax.tree.map(scale, dy)

    return _with_transpose(tree, clip)


def _with_transpose(tree: PyTree, backward: Callable[[PyTree], PyTree]) -> PyTree:
    """The identity with a transpose of our own.

    It is written as the solution of 1 x = b: of all that JAX has, that alone has rules for forward
    mode, vmap and transposition (``custom_vjp`` refuses forward mode, ``linear_call`` vmap).
    """
    leaves, treedef = jax.tree.flatten(tree)
    places = [i for i, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    solved = jax.lax.custom_linear_solve(
        lambda x: x, [leaves[i] for i in places], lambda _, b: b, lambda _, dy: backward(dy)
    )
    for place, leaf in zip(places, solved, strict=True):
        leaves[place] = leaf
    return treedef.unflatten(leaves)

"""Functions that leave values alone and change what flows back through them."""

import math
from collections.abc import Callable
from itertools import accumulate

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

    def one(leaf: jax.Array) -> jax.Array:
        floating = jnp.issubdtype(leaf.dtype, jnp.inexact)
        return _with_transpose(leaf, clip) if floating else leaf

    return jax.tree.map(one, tree)


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

    leaves, treedef = jax.tree.flatten(tree)
    places = [i for i, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    rows = [_real_rows(leaves[i], batch_ndim) for i in places]
    dtype = wider(jnp.float32, *(row.dtype for row in rows))

    def clip(dy: jax.Array) -> jax.Array:
        square = jnp.square(dy).sum(-1, keepdims=True)
        too_long = square > limit**2
        factor = jnp.where(too_long, limit * jax.lax.rsqrt(jnp.where(too_long, square, 1)), 1)
        return dy * jnp.broadcast_to(factor, dy.shape)

    # One array: custom_linear_solve (jax 0.10.2) fails on a tree whose leaves are partly constant.
    joined = _with_transpose(jnp.concatenate([row.astype(dtype) for row in rows], -1), clip)
    ends = list(accumulate(row.shape[-1] for row in rows))
    for place, part in zip(places, jnp.split(joined, ends[:-1], -1), strict=True):
        leaves[place] = _from_real_rows(part, leaves[place])
    return jax.tree.unflatten(treedef, leaves)


def _real_rows(leaf: jax.Array, batch_ndim: int) -> jax.Array:
    """(*B, ...) -> (*B, N), real and imaginary parts beside each other."""
    if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
        leaf = jnp.stack([leaf.real, leaf.imag], -1)
    return leaf.reshape(*leaf.shape[:batch_ndim], math.prod(leaf.shape[batch_ndim:]))


def _from_real_rows(rows: jax.Array, like: jax.Array) -> jax.Array:
    if jnp.issubdtype(like.dtype, jnp.complexfloating):
        pairs = rows.reshape(*like.shape, 2)
        return jax.lax.complex(pairs[..., 0], pairs[..., 1]).astype(like.dtype)
    return rows.reshape(like.shape).astype(like.dtype)


def _with_transpose(x: jax.Array, backward: Callable[[jax.Array], jax.Array]) -> jax.Array:
    """The identity with a transpose of our own.

    It is written as the solution of 1 x = b: of all that JAX has, that alone has rules for forward
    mode, vmap and transposition (``custom_vjp`` refuses forward mode, ``linear_call`` vmap).
    """
    return jax.lax.custom_linear_solve(lambda x: x, x, lambda _, b: b, lambda _, dy: backward(dy))

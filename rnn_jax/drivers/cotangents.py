"""Gradients as JAX' rules in reverse want them: known zeros, and none of whole numbers."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from rnn_jax.typing import PyTree, State


def instantiate(gradient: State, zeros: State) -> State:
    """Gradients in the dtypes of ``zeros``, and these where JAX knows that there are none.

    Example:
        >>> instantiate((jnp.ones(1),), (jnp.zeros(1),))[0].tolist()
        [1.0]
    """
    return jax.tree.map(
        lambda d, zero: zero if isinstance(d, SymbolicZero) else d.astype(zero.dtype),
        gradient,
        zeros,
    )


def drop_zeros(gradient: State) -> State:
    """None where JAX knows that a gradient is zero.

    Example:
        >>> drop_zeros((jnp.ones(1),))[0].tolist()
        [1.0]
    """
    return jax.tree.map(lambda d: None if isinstance(d, SymbolicZero) else d, gradient)


def with_none(tree: PyTree, inexact: list[jax.Array]) -> PyTree:
    """A tree of the given gradients, None (no gradient) at whole-numbered and boolean leaves.

    Example:
        >>> with_none((jnp.ones(2), jnp.array(True)), [jnp.zeros(2)])[1] is None
        True
    """
    treedef: Any  # jax 0.10 gives it no type
    leaves, treedef = jax.tree.flatten(tree)
    new = iter(inexact)
    floating = (jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in leaves)
    return treedef.unflatten([next(new) if yes else None for yes in floating])

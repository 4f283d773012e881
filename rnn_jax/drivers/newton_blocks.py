"""States as vectors in blocks, and which block of the Jacobian each entry meets.

Newton's method needs the derivative of a step by the state before it, a matrix for each step and
row. What is kept of it is block-diagonal, G blocks of K x K, in one of three ways:

    full      one block of all N numbers of the state: everything meets everything
    block     a block for each unit: unit i of h meets unit i of h and of c
    diagonal  N blocks of one number
"""

from dataclasses import dataclass
from math import prod
from typing import Any, Literal

import jax
import jax.numpy as jnp

from rnn_jax.typing import PyTree, State

Structure = Literal["full", "block", "diagonal"]


@dataclass(frozen=True)
class Blocks:
    """How a state becomes (..., G, K) and back; complex numbers count as two real ones.

    Leaves of different sizes are filled up with zeros where units are paired ("block").

    Example:
        >>> from rnn_jax import cells
        >>> state = cells.LSTMState(h=jnp.zeros((4, 3)), c=jnp.ones((4, 3)))
        >>> [blocks_of(state, 1, kind).pack(state).shape for kind in ("full", "block", "diagonal")]
        [(4, 1, 6), (4, 3, 2), (4, 6, 1)]
    """

    structure: Structure
    treedef: Any
    shapes: tuple[tuple[int, ...], ...]  # of the leaves, without leading axes
    is_complex: tuple[bool, ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Real numbers in each part; a complex leaf has two."""
        pairs = zip(self.shapes, self.is_complex, strict=True)
        return tuple(prod(shape) for shape, twice in pairs for _ in range(1 + twice))

    def pack(self, state: State) -> jax.Array:
        """Leaves (..., *shape) to (..., G, K)."""
        parts = []
        for leaf, shape in zip(jax.tree.leaves(state), self.shapes, strict=True):
            flat = leaf.reshape(*leaf.shape[: leaf.ndim - len(shape)], prod(shape))
            is_complex = jnp.issubdtype(leaf.dtype, jnp.complexfloating)
            parts += [flat.real, flat.imag] if is_complex else [flat]
        if self.structure != "block":
            axis = -2 if self.structure == "full" else -1
            return jnp.expand_dims(jnp.concatenate(parts, -1), axis)
        most = max(self.sizes)
        return jnp.stack([_fill(part, most) for part in parts], -1)

    def unpack(self, packed: jax.Array) -> State:
        """(..., G, K) to leaves (..., *shape)."""
        lead, sizes = packed.shape[:-2], self.sizes
        if self.structure == "block":
            parts = [packed[..., :size, k] for k, size in enumerate(sizes)]
        else:
            flat = packed[..., 0, :] if self.structure == "full" else packed[..., 0]
            ends = [sum(sizes[: k + 1]) for k in range(len(sizes))]
            parts = [flat[..., end - size : end] for end, size in zip(ends, sizes, strict=True)]
        rest = iter(parts)
        leaves = [
            (jax.lax.complex(next(rest), next(rest)) if twice else next(rest)).reshape(*lead, *s)
            for s, twice in zip(self.shapes, self.is_complex, strict=True)
        ]
        return jax.tree.unflatten(self.treedef, leaves)


def _fill(x: jax.Array, size: int) -> jax.Array:
    pads = [(0, 0)] * (x.ndim - 1) + [(0, size - x.shape[-1])]
    return x if x.shape[-1] == size else jnp.pad(x, pads)


def blocks_of(state: State, num_axes: int, structure: Structure) -> Blocks:
    """The blocks of states like this one, whose leaves have so many leading axes.

    Example:
        >>> from rnn_jax import cells
        >>> state = cells.LRUState(h=jnp.zeros((4, 3), complex), skip=jnp.ones((4, 2)))
        >>> blocks = blocks_of(state, 1, "block")
        >>> blocks.sizes, blocks.pack(state).shape
        ((3, 3, 2), (4, 3, 3))
        >>> bool((blocks.unpack(blocks.pack(state)).skip == state.skip).all())
        True
    """
    leaves, treedef = jax.tree.flatten(state)
    return Blocks(
        structure=structure,
        treedef=treedef,
        shapes=tuple(tuple(leaf.shape[num_axes:]) for leaf in leaves),
        is_complex=tuple(jnp.issubdtype(leaf.dtype, jnp.complexfloating) for leaf in leaves),
    )


def check_floating(state: PyTree, name: str) -> None:
    """Newton's method moves states by small amounts, so they must be real or complex numbers.

    Raises:
        ValueError: Naming the leaf that is not.

    Example:
        >>> check_floating({"h": jnp.zeros(2)}, "Elman")
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            raise ValueError(
                f"the state of {name} has {leaf.dtype} in state{jax.tree_util.keystr(path)}, which "
                "has no derivative, so newton cannot solve for it: use drivers.scan."
            )

"""One row's step as a function of plain real numbers: what learning forward in time differentiates.

A row's state is a list of *parts*, real arrays: one for each real leaf, two for each complex one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.drivers.common import cast_like, split_inexact, widen
from rnn_jax.ops.linear import matmul, real_dtype, wider
from rnn_jax.typing import Params, PyTree, State

Parts = list[jax.Array]
Theta = list[jax.Array]  # the leaves of the parameters that can be differentiated


def influence_dtype(*trees: PyTree) -> Any:
    """The real dtype in which influences are kept: the widest of the leaves', float32 at least.

    Example:
        >>> influence_dtype(jnp.ones(2, jnp.bfloat16))
        dtype('float32')
    """
    leaves = [leaf for tree in trees for leaf in split_inexact(tree)[0]]
    return wider(jnp.float32, *(real_dtype(leaf.dtype) for leaf in leaves))


def to_parts(state: State, dtype: Any) -> Parts:
    """The floating leaves as real arrays.

    Example:
        >>> [part.tolist() for part in to_parts((jnp.ones(1), jnp.array([1 + 2j])), jnp.float32)]
        [[1.0], [1.0], [2.0]]
    """
    parts: Parts = []
    for leaf in split_inexact(state)[0]:
        is_complex = jnp.issubdtype(leaf.dtype, jnp.complexfloating)
        parts += [leaf.real, leaf.imag] if is_complex else [leaf]
    return [part.astype(dtype) for part in parts]


def from_parts(parts: Parts, like: State) -> State:
    """The state of these parts, in their precision; leaves of other kinds are those of ``like``.

    Example:
        >>> like = (jnp.array([1 + 2j]), jnp.array(3))
        >>> state = from_parts([jnp.array([4.0]), jnp.array([5.0])], like)
        >>> state[0].tolist(), int(state[1])
        ([(4+5j)], 3)
    """
    leaves, rebuild = split_inexact(like)
    left = iter(parts)

    def one(leaf: jax.Array) -> jax.Array:
        if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
            return jax.lax.complex(next(left), next(left))
        return next(left)

    return rebuild([one(leaf) for leaf in leaves])


class At(NamedTuple):
    """What a row meets at one step."""

    x: jax.Array  # (D,)
    noise: PyTree  # what the cell drew for the step
    index: Any  # the row's number
    key: jax.Array | None = None  # draws the signs of UORO


@dataclass(frozen=True, kw_only=True)
class RowStep:
    """A cell's functions for one row, of ``theta`` and of the state's parts.

    Args:
        cell: A cell.
        rebuild: From ``theta`` to the parameters.
        dtype: In which all parts are.
        key: Draws what stays fixed over the sequence; None for evaluation.
        batch_shape: *B, for the drawing.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.Elman(input_size=2, hidden_size=3)
        >>> theta, rebuild = split_inexact(cell.init(jax.random.key(0)))
        >>> RowStep(cell=cell, rebuild=rebuild, dtype=jnp.float32).start(theta)[0].tolist()
        [0.0, 0.0, 0.0]
    """

    cell: Any
    rebuild: Callable[[Theta], Params]
    dtype: Any
    key: jax.Array | None = None
    batch_shape: tuple[int, ...] = ()

    def params(self, theta: Theta, row: Any = 0) -> Params:
        """What the given row computes with: its own masks where a key draws some."""
        params = self.rebuild(theta)
        if self.key is None:
            return params

        def draw(size: tuple[int, ...]) -> Params:
            # mypy forgets in here that the key is there
            return base.perturb(self.cell, params, self.key, size)  # type: ignore[arg-type]

        def one(leaf: jax.Array, two: Any, three: Any) -> jax.Array:
            if two.shape == three.shape:
                return leaf
            rows = leaf.reshape(prod(self.batch_shape), *leaf.shape[len(self.batch_shape) :])
            return jax.lax.dynamic_index_in_dim(rows, row, keepdims=False)

        shapes = [jax.eval_shape(lambda size=size: draw(size)) for size in ((2,), (3,))]
        return jax.tree.map(one, draw(self.batch_shape), *shapes)

    def start(self, theta: Theta, row: Any = 0) -> Parts:
        """The cell's initial state."""
        return to_parts(self.cell.initial_state(self.params(theta, row)), self.dtype)

    def after(self, theta: Theta, parts: Parts, like: State, at: At) -> tuple[Parts, State]:
        """The parts after a step, and the state in the dtypes of the one before, ``like``."""
        params = self.params(theta, at.index)
        z = base.encode(self.cell, params, at.x, at.noise)
        state, z = widen(from_parts(parts, like), z)
        new = self.cell.step(params, state, z)
        return to_parts(new, self.dtype), cast_like(new, like)

    def output(self, theta: Theta, parts: Parts, like: State, row: Any = 0) -> jax.Array:
        """The output of a state, in the dtypes of ``like``."""
        state = cast_like(from_parts(parts, like), like)
        return self.cell.readout(self.params(theta, row), state)

    def unit_jacobian(
        self, theta: Theta, parts: Parts, like: State, at: At
    ) -> dict[tuple[int, int], jax.Array]:
        """What each unit of a gated cell does to itself, by (to, from) part, each (H,).

        Around the matrix product all is elementwise, so a tangent of ones asks all units at once:

            d s'_k / d s_k = dgate_k/ds_k + sum_j dgate_k/dr_jk * w_h[k, jk] * dh_k/ds_k
        """
        params = self.params(theta, at.index)
        z = base.encode(self.cell, params, at.x, at.noise)
        w_h = self.cell.recurrent(params)

        def hidden(parts: Parts) -> jax.Array:
            state, _ = widen(from_parts(parts, like), z)
            return base.hidden(self.cell, params, state)

        def gate(parts: Parts, r: jax.Array) -> Parts:
            state, wide_z = widen(from_parts(parts, like), z)
            return to_parts(self.cell.gate(params, state, wide_z, r), self.dtype)

        size, r = w_h.shape[0], matmul(hidden(parts), w_h)
        through_r = [jnp.zeros(size, self.dtype) for _ in parts]
        for j in range(w_h.shape[1] // size):
            block = slice(j * size, (j + 1) * size)
            ones = jnp.zeros_like(r).at[block].set(1)
            diagonal = jnp.diagonal(w_h[:, block]).astype(self.dtype)
            out = jax.jvp(lambda r: gate(parts, r), (r,), (ones,))[1]
            through_r = [total + d * diagonal for total, d in zip(through_r, out, strict=True)]
        found = {}
        for source in range(len(parts)):
            ones_there = ones_at(parts, source)
            direct = jax.jvp(lambda parts: gate(parts, r), (parts,), (ones_there,))[1]
            dh = jax.jvp(hidden, (parts,), (ones_there,))[1].astype(self.dtype)
            for to, (d, via) in enumerate(zip(direct, through_r, strict=True)):
                found[to, source] = d + via * dh
        return found


def ones_at(parts: Parts, place: int) -> Parts:
    """Ones for one part, zeros for the others.

    Example:
        >>> [part.tolist() for part in ones_at([jnp.zeros(1), jnp.zeros(2)], 1)]
        [[0.0], [1.0, 1.0]]
    """
    return [jnp.full_like(part, i == place) for i, part in enumerate(parts)]

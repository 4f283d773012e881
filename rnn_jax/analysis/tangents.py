"""A step of a cell as a function of one vector, and small changes carried through it.

The state of a row is one vector of real numbers: every floating leaf flattened, complex ones as
their real and imaginary parts. Rows of a batch do not touch each other, so one tangent serves all
rows at once, and no Jacobian is formed: K columns of it are K tangents (K, *B, N).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.cells.wrapper import last_name
from rnn_jax.drivers.common import Plan, advance
from rnn_jax.ops.linear import real_dtype, wider
from rnn_jax.ops.types import shard_like, vary_like
from rnn_jax.typing import PyTree, State

Step = Callable[[State, PyTree], State]


def batch_ndim(cell: Any, plan: Plan) -> int:
    """The number of batch axes of a call."""
    return plan.inputs.xs.ndim - 1 - len(base.input_shape(cell))


def steps_of(cell: Any, plan: Plan) -> tuple[Step, PyTree]:
    """``step(state, at)`` and what arrives at each step, leaves (T, ...), to scan over."""
    z = base.encode(cell, plan.params, plan.inputs.xs, plan.inputs.noise)
    marks = plan.inputs._replace(xs=None, noise=None)

    def step(state: State, at: PyTree) -> State:
        return advance(cell, plan.params, plan.start, state, *at)

    return step, (z, marks)


def ravel(
    state: State, batch_ndim: int, names: tuple[str, ...] | None = None
) -> tuple[jax.Array, Callable[[jax.Array], State], int]:
    """A state as vectors (*B, N), how to make it a state again, and how many numbers are chosen.

    Those in the fields ``names``, the chosen ones, come first; None chooses all.

    Raises:
        ValueError: If a name is no floating field of the state, or there is none.
    """
    paths: Any
    treedef: Any
    paths, treedef = jax.tree_util.tree_flatten_with_path(state)
    leaves = [leaf for _, leaf in paths]
    floating = [k for k, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    have = {last_name(paths[k][0]) for k in floating}
    if not floating or not set(names or ()) <= have or names == ():
        raise ValueError(
            f"names={names}, but the floating fields of the state are {sorted(have)}: name some of "
            "these, or None for all."
        )
    chosen = [k for k in floating if names is None or last_name(paths[k][0]) in names]
    order = chosen + [k for k in floating if k not in chosen]
    dtype = wider(jnp.float32, *(real_dtype(leaves[k].dtype) for k in floating))
    parts = [_to_real(leaves[k], batch_ndim).astype(dtype) for k in order]
    ends = [sum(part.shape[-1] for part in parts[: k + 1]) for k in range(len(parts))]

    def back(rows: jax.Array) -> State:
        full = list(leaves)
        for k, part in zip(order, jnp.split(rows, ends[:-1], axis=-1), strict=True):
            full[k] = _from_real(part, leaves[k])
        return jax.tree.unflatten(treedef, full)

    return jnp.concatenate(parts, axis=-1), back, ends[len(chosen) - 1]


def _to_real(leaf: jax.Array, batch_ndim: int) -> jax.Array:
    shape = (*leaf.shape[:batch_ndim], -1)
    if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
        return jnp.concatenate([leaf.real.reshape(shape), leaf.imag.reshape(shape)], axis=-1)
    return leaf.reshape(shape)


def _from_real(part: jax.Array, like: jax.Array) -> jax.Array:
    if jnp.issubdtype(like.dtype, jnp.complexfloating):
        real, imaginary = jnp.split(part, 2, axis=-1)
        part = jax.lax.complex(real, imaginary)
    return part.reshape(like.shape).astype(like.dtype)


def columns(matrix: jax.Array, rows: jax.Array) -> jax.Array:
    """The columns of a matrix (N, K) as tangents (K, *B, N) of rows (*B, N), the same for all."""

    def one(column: jax.Array) -> jax.Array:
        column = jnp.broadcast_to(column.astype(rows.dtype), rows.shape)
        return vary_like(shard_like(column, rows), rows)

    return jax.vmap(one)(matrix.T)


def push(
    step: Step,
    state: State,
    at: PyTree,
    tangents: jax.Array,
    batch_ndim: int,
    names: tuple[str, ...] | None = None,
) -> tuple[State, jax.Array]:
    """One step: the next state, and the tangents (K, *B, N) that it makes of these."""
    rows, back, _ = ravel(state, batch_ndim, names)

    def as_rows(rows: jax.Array) -> tuple[jax.Array, State]:
        new = step(back(rows), at)
        return ravel(new, batch_ndim, names)[0], new

    _, linear, new = jax.linearize(as_rows, rows, has_aux=True)
    return new, jax.vmap(linear)(tangents)

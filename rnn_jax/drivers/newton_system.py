"""The steps of a cell as one system of equations, its Jacobian, and its derivative.

s_t = f_t(s_{t-1}),   f_t: one step, with its reset before and its padding held
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.drivers.common import Inputs, advance, cast_like
from rnn_jax.drivers.newton_blocks import Blocks
from rnn_jax.drivers.newton_linear import block_recurrence, shift
from rnn_jax.ops.types import shard_like, vary_like
from rnn_jax.typing import Params, PyTree, State


class Operands(NamedTuple):
    """All arrays that the states depend on."""

    params: Params
    begin: State  # before the first step, in the precision of the computation
    start: State  # what a reset returns to; None without resets
    z: PyTree  # encoded inputs (T, *B, ...)
    marks: Inputs  # valid and reset (T, *B)


@dataclass(frozen=True)
class System:
    """What is known before tracing."""

    cell: Any
    blocks: Blocks  # what of the Jacobian the iterations use
    exact: Blocks | None  # blocks that hold all of the Jacobian; None if none are small enough
    is_elementwise: bool
    reverse: bool
    damped: bool
    tolerance: float
    max_iterations: int
    dtypes: tuple[Any, ...]  # of the state that the caller gave

    def steps(self, operands: Operands, before: State) -> State:
        """All steps at once, each from the state before it."""

        def one(before: State, z: PyTree, marks: Inputs) -> State:
            return advance(self.cell, operands.params, operands.start, before, z, marks)

        return jax.vmap(one)(before, operands.z, operands.marks)

    def before(self, operands: Operands, states: State) -> State:
        """The state before each step."""
        edge = partial(shift, reverse=self.reverse)
        return jax.tree.map(
            lambda s, begin: edge(s, edge=begin.astype(s.dtype)), states, operands.begin
        )

    def linearise(
        self, operands: Operands, blocks: Blocks, states: State
    ) -> tuple[jax.Array, jax.Array]:
        """What the steps make of these states, and their Jacobian in blocks, packed."""

        def packed(before: jax.Array) -> jax.Array:
            return blocks.pack(self.steps(operands, blocks.unpack(before)))

        before = blocks.pack(self.before(operands, states))
        value, slope = jax.linearize(packed, before)
        num_blocks, size = before.shape[-2:]
        apart = self.is_elementwise and size == len(blocks.sizes)  # no block meets another
        return value, (_columns if num_blocks == 1 or apart else _own_columns)(slope, before)


def _direction(before: jax.Array, chosen: Callable[[jax.Array, jax.Array], jax.Array]) -> jax.Array:
    """1 in the chosen entries (g, k), else 0."""
    g, k = (jax.lax.broadcasted_iota(jnp.int32, before.shape, before.ndim - n) for n in (2, 1))
    return shard_like(vary_like(chosen(g, k).astype(before.dtype), before), before)


def _columns(slope: Callable[[jax.Array], jax.Array], before: jax.Array) -> jax.Array:
    """The blocks (..., G, K, K) where no other block meets them: all of them at once."""

    def column(at: jax.Array) -> jax.Array:
        return slope(_direction(before, lambda g, k: k == at))

    return jax.vmap(column, out_axes=-1)(jnp.arange(before.shape[-1], dtype=jnp.int32))


def _own_columns(slope: Callable[[jax.Array], jax.Array], before: jax.Array) -> jax.Array:
    """The diagonal blocks (..., G, K, K) of a Jacobian that has others: one block after another."""

    def block(group: jax.Array) -> jax.Array:
        def column(at: jax.Array) -> jax.Array:
            whole = slope(_direction(before, lambda g, k: jnp.logical_and(g == group, k == at)))
            return jax.lax.dynamic_index_in_dim(whole, group, whole.ndim - 2, keepdims=False)

        return jax.vmap(column, out_axes=-1)(jnp.arange(before.shape[-1], dtype=jnp.int32))

    blocks = jax.lax.map(block, jnp.arange(before.shape[-2], dtype=jnp.int32))
    return jnp.moveaxis(blocks, 0, -3)


def sequential(system: System, operands: Operands) -> State:
    """The states by a loop over the steps, rounded at each as ``scan`` does."""

    begin, start = (_cast(s, system.dtypes) for s in (operands.begin, operands.start))

    def body(state: State, at: tuple[PyTree, Inputs]) -> tuple[State, State]:
        new = advance(system.cell, operands.params, start, state, *at)
        return new, new

    _, states = jax.lax.scan(body, begin, (operands.z, operands.marks), reverse=system.reverse)
    return cast_like(states, operands.begin)


def _cast(state: State, dtypes: tuple[Any, ...]) -> State:
    if state is None:
        return None
    leaves, treedef = jax.tree.flatten(state)
    return jax.tree.unflatten(treedef, [s.astype(d) for s, d in zip(leaves, dtypes, strict=True)])


def _step_from(
    cell: Any, params: Params, start: State, z: PyTree, marks: Inputs, before: State
) -> State:
    """``advance`` with the state last."""
    return advance(cell, params, start, before, z, marks)


def spread(
    system: System, operands: Operands, states: State, own: State, converged: jax.Array
) -> State:
    """Solve ``d_t = J_t d_{t-1} + own_t`` with the Jacobian at the solution: how changes spread."""

    def in_parallel(blocks: Blocks) -> State:
        _, jacobian = system.linearise(operands, blocks, states)
        d = block_recurrence(jacobian, blocks.pack(own), system.reverse, operands.marks.reset)
        return blocks.unpack(d)

    def one_by_one() -> State:
        def body(d: State, at: Any) -> tuple[State, State]:
            before, z, marks, own = at
            fixed = system.cell, operands.params, operands.start
            step = partial(_step_from, *fixed, z, marks)
            new = jax.tree.map(jnp.add, jax.jvp(step, (before,), (d,))[1], own)
            return new, new

        zero = jax.tree.map(lambda leaf: jnp.zeros_like(leaf[0]), own)
        steps = (system.before(operands, states), operands.z, operands.marks, own)
        return jax.lax.scan(body, zero, steps, reverse=system.reverse)[1]

    if system.exact is None:
        return one_by_one()
    return jax.lax.cond(converged, partial(in_parallel, system.exact), one_by_one)

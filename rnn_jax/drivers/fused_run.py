"""The two kernels of ``fused`` and the rule that ties them together."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.drivers.common import Inputs, advance_by, cast_like, split_inexact, widen
from rnn_jax.drivers.cotangents import drop_zeros, instantiate, with_none
from rnn_jax.drivers.deferred_steps import (
    Collected,
    Point,
    gate_has_parameters,
    gradients_at,
    step_backward,
)
from rnn_jax.ops.linear import matmul, wider
from rnn_jax.ops.masks import select
from rnn_jax.ops.types import batch_like
from rnn_jax.typing import Params, PyTree, State


class Choices(NamedTuple):
    """How the kernels run."""

    reverse: bool
    interpret: bool
    by_row: tuple[bool, ...]  # which leaves of the parameters have a batch axis: masks drawn by key


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def run_fused(
    cell: Any, how: Choices, params: Params, state: State, start: State, inputs: Inputs
) -> tuple[State, State]:
    """The final state and all states; leaves (B, n), inputs (T, B, ...).

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.Elman(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> inputs = Inputs(jnp.ones((5, 4, 2), jnp.float32), None, None, None)
        >>> state = cell.initial_state(params, (4,))
        >>> how = Choices(False, True, (False,) * 3)
        >>> run_fused(cell, how, params, state, None, inputs)[1].h.shape
        (5, 4, 3)
    """
    from rnn_jax.kernels import time_loop  # Pallas takes half as long to load as JAX

    shared, own, join = _split(params, how.by_row)

    def body(shared: Any, fixed: Any, state: State, step: Any, _: None) -> tuple[State, State]:
        (leaves, w_h), (own, start), (z, marks) = shared, fixed, step
        params = join(leaves, own)

        def gate(state: State, z: PyTree) -> State:
            r = matmul(base.hidden(cell, params, state), w_h)
            return cell.gate(params, state, z, r)

        new = advance_by(gate, start, state, z, marks)
        return new, new

    zs = base.encode(cell, params, inputs.xs, inputs.noise)
    return time_loop(
        body,
        (shared, cell.recurrent(params)),
        (own, start),
        state,
        (zs, _columns(inputs)),
        reverse=how.reverse,
        interpret=how.interpret,
        name=f"{type(cell).__name__}_forward",
    )


def _forward(
    cell: Any, how: Choices, *arguments: PyTree
) -> tuple[tuple[State, State], tuple[PyTree, ...]]:
    params, state, start, inputs = jax.tree.map(lambda leaf: leaf.value, arguments)
    final, states = run_fused(cell, how, params, state, start, inputs)
    return (final, states), (params, state, start, inputs, states)


def _backward(
    cell: Any, how: Choices, residuals: tuple[PyTree, ...], cotangents: tuple[State, State]
) -> tuple[PyTree, ...]:
    params, state, start, inputs, states = residuals
    d_start = None if start is None else _wide_zeros(start, inputs.xs)
    d_final = instantiate(cotangents[0], _wide_zeros(state, inputs.xs))
    zs = base.encode(cell, params, inputs.xs, inputs.noise)
    steps = (zs, _columns(inputs), drop_zeros(cotangents[1]))
    (d_state, d_start), made = _run_backward(
        cell, how, params, start, (d_final, d_start), steps, states, state
    )
    point = None
    if made.begun is not None:
        begun, z = widen(made.begun, zs)
        h = base.hidden(cell, params, begun)
        point = Point(begun, z, matmul(h, cell.recurrent(params)))
    d_weights, d_xs = gradients_at(cell, params, inputs, made.h, point, made.collected)
    return (
        with_none(params, cast_like(d_weights, split_inexact(params)[0])),
        cast_like(d_state, state),
        None if start is None else cast_like(d_start, start),
        Inputs(d_xs, None, None, None),
    )


run_fused.defvjp(_forward, _backward, symbolic_zeros=True)


class Made(NamedTuple):
    """What the backward kernel makes at each step, leaves (T, B, n)."""

    collected: Collected
    h: jax.Array  # what met w_h
    begun: State  # the state that the step began with; None where the gate has no parameters


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _run_backward(
    cell: Any,
    how: Choices,
    params: Params,
    start: State,
    carry: tuple[State, State],
    steps: tuple[PyTree, Inputs, State],
    states: State,
    first: State,
) -> tuple[tuple[State, State], Made]:
    """Back through all steps: the gradient of the state, and what the weights' are made of."""
    from rnn_jax.kernels import time_loop

    shared, own, join = _split(params, how.by_row)

    def body(shared: Any, fixed: Any, carry: Any, step: Any, begun: State) -> tuple[Any, Made]:
        (leaves, w_h), (own, start), (z, marks, d_out) = shared, fixed, step
        params = join(leaves, own)
        if marks.reset is not None:
            begun = select(marks.reset, start, begun)
        wide, z = widen(begun, z)
        h = base.hidden(cell, params, wide)
        here = Point(wide, z, matmul(h, w_h))
        carry, kept = step_backward(cell, params, w_h, carry, here, marks, d_out)
        # The products that the weights' gradients are made of run in the weights' dtype anyway.
        d_z, d_r, h = jax.tree.map(lambda d: d.astype(w_h.dtype), (kept.d_z, kept.d_r, h))
        has_parameters = gate_has_parameters(cell, params, here)
        collected = Collected(d_z, d_r, kept.d_new if has_parameters else None)
        return carry, Made(collected, h, begun if has_parameters else None)

    carry, made = time_loop(
        body,
        (shared, cell.recurrent(params)),
        (own, start),
        carry,
        steps,
        states,
        first,
        reverse=not how.reverse,
        interpret=how.interpret,
        name=f"{type(cell).__name__}_backward",
    )
    collected = jax.tree.map(lambda d: d.astype(wider(d.dtype, jnp.float32)), made.collected)
    return carry, made._replace(collected=collected)


@_run_backward.defjvp
def _refuse(cell: Any, how: Choices, *_: Any) -> Any:
    raise ValueError(
        "the fused kernel has a rule of first order alone: to differentiate its gradient use "
        "drivers.scan."
    )


def _split(
    params: Params, by_row: tuple[bool, ...]
) -> tuple[list[jax.Array], list[jax.Array], Callable[..., Params]]:
    """The leaves that all rows share, those that each row has of its own, and how to join them."""
    treedef: Any  # jax 0.10 gives it no type
    leaves, treedef = jax.tree.flatten(params)

    def join(shared: list[jax.Array], own: list[jax.Array]) -> Params:
        from_shared, from_own = iter(shared), iter(own)
        return treedef.unflatten([next(from_own if yes else from_shared) for yes in by_row])

    pairs = list(zip(leaves, by_row, strict=True))
    return [leaf for leaf, yes in pairs if not yes], [leaf for leaf, yes in pairs if yes], join


def _columns(inputs: Inputs) -> Inputs:
    """The marks of each step as columns (T, B, 1), which stand beside the rows of the state."""
    valid, reset = jax.tree.map(lambda marks: marks[..., None], (inputs.valid, inputs.reset))
    return Inputs(None, None, valid, reset)


def _wide_zeros(tree: State, xs: jax.Array) -> State:
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), widen(tree)[0])
    return batch_like(zeros, xs, 1)

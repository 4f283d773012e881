"""The chunked deferred gradient: how ``scan`` differentiates gated cells.

Differentiating a loop adds to the gradient of the weights at every step, in the weights' dtype, and
stores every intermediate value. Here the forward loop keeps only the states. The backward loop
takes K steps at a time, recomputes their pre-activations from the stored states with one matrix
product, carries back the gradient of the state alone,

    dz_t, dr_t, ds = vjp(gate)(ds_t),   ds_{t-1} = ds + (dr_t @ w_h.T on h)

and collects dz and dr. After a loop, once for all its steps,

    dw_h = sum_t h_{t-1}.T @ dr_t,   dw_x, db, dx = vjp(encode)(dz)

in float32. No gradient of a weight, hence no collective of a data-parallel run, stands inside a
loop. The backward pass runs in a few segments, so that only one segment's dz exists at a time.
"""

from functools import partial, reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from rnn_jax.cells import base
from rnn_jax.drivers.chunks import concatenate, cut, num_rows, run_steps, scan_chunks
from rnn_jax.drivers.common import Inputs, Plan, cast_like, split_inexact, widen
from rnn_jax.drivers.deferred_steps import Segment, chunk_backward, weight_gradients
from rnn_jax.ops.types import batch_like
from rnn_jax.typing import Params, PyTree, State

CHUNK = 16  # most steps whose gates are recomputed by one matrix product
SEGMENTS = 4  # most parts of the backward pass, each with its own weight-gradient product


class Layout(NamedTuple):
    """How the time axis is cut."""

    reverse: bool
    chunk: int
    unroll: int


def supports_deferred(cell: Any, state: State) -> bool:
    """Whether the rule applies: a gated cell whose state is all real floating point.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.LSTM(input_size=2, hidden_size=3)
        >>> supports_deferred(cell, cell.initial_state(cell.init(jax.random.key(0))))
        True
    """
    floating = (jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(state))
    return base.is_gated(cell) and all(floating)


def run_deferred(cell: Any, plan: Plan, reverse: bool, unroll: int | None) -> tuple[State, State]:
    """The final state and all states of a gated cell, with the deferred rule in reverse.

    Example:
        >>> from rnn_jax import cells
        >>> from rnn_jax.drivers.common import prepare
        >>> cell = cells.LSTM(input_size=2, hidden_size=3)
        >>> plan = prepare(cell, cell.init(jax.random.key(0)), jnp.ones((5, 2)), None)
        >>> run_deferred(cell, plan, False, None)[1].h.shape
        (5, 3)
    """
    chunk = _chunk_size(num_rows(plan.inputs))
    layout = Layout(reverse, chunk, min(unroll or chunk, chunk))
    return _run(cell, layout, plan.params, plan.start, plan.state, plan.inputs)


def _chunk_size(num_steps: int) -> int:
    """At most CHUNK; a size that divides T where there is one of more than half that."""
    divisors = (k for k in range(CHUNK, CHUNK // 2, -1) if num_steps % k == 0)
    return min(num_steps, next(divisors, CHUNK))


def _segments(num_steps: int, chunk: int) -> list[tuple[int, int]]:
    """At most SEGMENTS spans of whole chunks; the remainder belongs to the last."""
    num_chunks = max(num_steps // chunk, 1)
    parts = min(SEGMENTS, num_chunks)
    edges = [num_chunks * i // parts * chunk for i in range(parts)] + [num_steps]
    return list(zip(edges[:-1], edges[1:], strict=True))


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _run(
    cell: Any, layout: Layout, params: Params, start: State, state: State, inputs: Inputs
) -> tuple[State, State]:
    body = partial(run_steps, cell, layout.reverse, layout.unroll, params, start)
    return scan_chunks(body, state, inputs, layout.chunk, layout.reverse)


def _forward(
    cell: Any, layout: Layout, *arguments: PyTree
) -> tuple[tuple[State, State], tuple[PyTree, ...]]:
    params, start, state, inputs = jax.tree.map(lambda leaf: leaf.value, arguments)
    final, states = _run(cell, layout, params, start, state, inputs)
    return (final, states), (params, start, state, inputs, states)


def _backward(
    cell: Any, layout: Layout, residuals: tuple[PyTree, ...], cotangents: tuple[State, State]
) -> tuple[PyTree, ...]:
    params, start, state, inputs, states = residuals
    d_final, d_states = cotangents
    zeros = partial(_wide_zeros, xs=inputs.xs, batch_ndim=_batch_ndim(cell, inputs))
    d_final = jax.tree.map(
        lambda d, zero: zero if isinstance(d, SymbolicZero) else d.astype(zero.dtype),
        d_final,
        zeros(state),
    )
    d_states = jax.tree.map(lambda d: None if isinstance(d, SymbolicZero) else d, d_states)
    carry = (d_final, None if start is None else zeros(start))
    body = partial(chunk_backward, cell, layout.reverse, layout.unroll, params, start)
    weights, _ = split_inexact(params)
    parts: list[list[jax.Array]] = []
    d_xs = []
    spans = _segments(num_rows(inputs), layout.chunk)
    for begin, end in spans if layout.reverse else spans[::-1]:
        previous = _previous(state, states, begin, end, layout.reverse)
        segment = Segment(cut(inputs, begin, end), previous, cut(d_states, begin, end))
        carry, collected = scan_chunks(body, carry, segment, layout.chunk, not layout.reverse)
        more, d_x = weight_gradients(cell, params, start, segment, collected)
        parts.append(more)
        d_xs.append(d_x)
    d_weights = [
        reduce(jnp.add, terms).astype(leaf.dtype)
        for leaf, *terms in zip(weights, *parts, strict=True)
    ]
    return (
        _with_none(params, d_weights),
        None if start is None else cast_like(carry[1], start),
        cast_like(carry[0], state),
        Inputs(concatenate(d_xs if layout.reverse else d_xs[::-1]), None, None, None),
    )


_run.defvjp(_forward, _backward, symbolic_zeros=True)


def _batch_ndim(cell: Any, inputs: Inputs) -> int:
    return inputs.xs.ndim - 1 - len(base.input_shape(cell))


def _wide_zeros(tree: State, xs: jax.Array, batch_ndim: int) -> State:
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), widen(tree)[0])
    return batch_like(zeros, xs, batch_ndim)


def _previous(state: State, states: State, begin: int, end: int, reverse: bool) -> State:
    """The state before each of the steps begin..end, in the order of the time axis."""
    first = jax.tree.map(lambda leaf: leaf[None], state)
    if reverse:
        last = first if end == num_rows(states) else cut(states, end, end + 1)
        parts = [cut(states, begin + 1, end), last]
    else:
        first = first if begin == 0 else cut(states, begin - 1, begin)
        parts = [first, cut(states, begin, end - 1)]
    return concatenate([part for part in parts if num_rows(part)])


def _with_none(tree: PyTree, inexact: list[jax.Array]) -> PyTree:
    """A tree of the given gradients, None (no gradient) at whole-numbered and boolean leaves."""
    leaves, treedef = jax.tree.flatten(tree)
    new = iter(inexact)
    floating = (jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in leaves)
    return treedef.unflatten([next(new) if yes else None for yes in floating])

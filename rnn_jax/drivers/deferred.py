"""The chunked deferred gradient: how ``scan`` differentiates gated cells.

Differentiating a loop adds to the gradient of the weights at every step, in the weights' dtype, and
stores every intermediate value. Here the forward loop keeps only the states, or what the gates read
too. The backward loop takes K steps at a time, has their pre-activations from there or recomputes
them from the states with one matrix product, carries back the gradient of the state alone,

    dz_t, dr_t, ds = vjp(gate)(ds_t),   ds_{t-1} = ds + (dr_t @ w_h.T on h)

and collects dz and dr. After a loop, once for all its steps,

    dw_h = sum_t h_{t-1}.T @ dr_t,   dw_x, db, dx = vjp(encode)(dz)

in float32. No gradient of a weight, hence no collective of a data-parallel run, stands inside a
loop. The backward pass runs in a few segments, so that only one segment's dz exists at a time.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.drivers import deferred_store
from rnn_jax.drivers.chunks import concatenate, cut, num_rows, run_steps, scan_chunks
from rnn_jax.drivers.common import Inputs, Plan, cast_like, split_inexact, widen
from rnn_jax.drivers.cotangents import drop_zeros, instantiate, with_none
from rnn_jax.drivers.deferred_steps import Steps, chunk_backward, weight_gradients
from rnn_jax.ops.linear import wider
from rnn_jax.ops.platforms import target_platform
from rnn_jax.ops.types import batch_like, may_be_partitioned
from rnn_jax.typing import Params, PyTree, State

CHUNK = 8  # most steps that the backward loop takes at once, on a CPU
UNROLL = 4  # steps laid out in one iteration; more is slower on a CPU, where fusions repeat work
# Elsewhere, by what compilers say of an LSTM, B 64, T 256, H 1024, not timed on a device: an H200
# starts 11 kernels for a step of training with UNROLL 1, 6.5 with 4, 5.8 with 8; a TPU v5e takes
# 23.8 M cycles with chunks of 16 steps, 42.6 M without the rule, and unrolling gains it nothing.
ELSEWHERE = {"gpu": (16, 8), "tpu": (16, 1)}


class Layout(NamedTuple):
    """How the time axis is cut."""

    reverse: bool
    chunk: int
    unroll: int
    sum_inside: bool  # sum the weight gradients chunk by chunk, inside the backward loop
    transpose: bool  # the rows before these sums: see ``ops.row_products``
    store: deferred_store.Stored


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


def run_deferred(
    cell: Any,
    plan: Plan,
    reverse: bool,
    unroll: int | None,
    chunk: int | None = None,
    store: deferred_store.Store | None = None,
) -> tuple[State, State]:
    """The final state and all states of a gated cell, with the deferred rule in reverse.

    Example:
        >>> from rnn_jax import cells
        >>> from rnn_jax.drivers.common import prepare
        >>> cell = cells.LSTM(input_size=2, hidden_size=3)
        >>> plan = prepare(cell, cell.init(jax.random.key(0)), jnp.ones((5, 2)), None)
        >>> run_deferred(cell, plan, False, None)[1].h.shape
        (5, 3)
    """
    num_steps = num_rows(plan.inputs)
    usual_chunk, usual_unroll = choose_loop(num_steps)
    chunk = usual_chunk if chunk is None else min(chunk, num_steps)
    sum_inside = not may_be_partitioned(plan.inputs.xs)
    transpose = sum_inside and target_platform() == "cpu"
    choice = deferred_store.choose_store(cell, plan, store)
    unroll = min(unroll or usual_unroll, chunk)
    layout = Layout(reverse, chunk, unroll, sum_inside, transpose, choice)
    try:
        return _run(cell, layout, plan.params, plan.start, plan.state, plan.inputs)
    except TypeError as error:
        if "custom_vjp" not in str(error):
            raise
        raise ValueError(
            "the deferred gradient is a rule for reverse mode: for forward mode (jax.jvp, "
            'jax.jacfwd, jax.hessian) pass gradient="autodiff" to scan.'
        ) from error


def choose_loop(num_steps: int, platform: str | None = None) -> tuple[int, int]:
    """Steps in a chunk and in an iteration: the platform's, a chunk that divides T if one does.

    Args:
        num_steps: T.
        platform: "cpu", "gpu" or "tpu"; None for ``target_platform()``.

    Example:
        >>> choose_loop(128, "cpu"), choose_loop(35, "cpu"), choose_loop(128, "gpu")
        ((8, 4), (7, 4), (16, 8))
    """
    most, unroll = ELSEWHERE.get(platform or target_platform(), (CHUNK, UNROLL))
    divisors = (k for k in range(most, most // 2, -1) if num_steps % k == 0)
    chunk = min(num_steps, next(divisors, most))
    return chunk, min(unroll, chunk)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _run(
    cell: Any, layout: Layout, params: Params, start: State, state: State, inputs: Inputs
) -> tuple[State, State]:
    def body(state: State, inputs: Inputs, _: None) -> tuple[State, State]:
        return run_steps(cell, layout.reverse, layout.unroll, params, start, state, inputs)

    return scan_chunks(body, state, inputs, layout.chunk, layout.reverse)


def _forward(
    cell: Any, layout: Layout, *arguments: PyTree
) -> tuple[tuple[State, State], tuple[PyTree, ...]]:
    params, start, state, inputs = jax.tree.map(lambda leaf: leaf.value, arguments)
    if not layout.store.gates:
        final, states = _run(cell, layout, params, start, state, inputs)
        return (final, states), (params, start, state, inputs, states, deferred_store.Kept())

    def body(state: State, inputs: Inputs, _: None) -> tuple[State, tuple[State, Any]]:
        return deferred_store.run_keeping(
            cell, layout.reverse, layout.unroll, layout.store.total, params, start, state, inputs
        )

    final, (states, kept) = scan_chunks(body, state, inputs, layout.chunk, layout.reverse)
    return (final, states), (params, start, state, inputs, states, kept)


def _backward(
    cell: Any, layout: Layout, residuals: tuple[PyTree, ...], cotangents: tuple[State, State]
) -> tuple[PyTree, ...]:
    params, start, state, inputs, states, kept = residuals
    d_final, d_states = cotangents
    zeros = partial(_wide_zeros, xs=inputs.xs, batch_ndim=_batch_ndim(cell, inputs))
    d_final, d_states = instantiate(d_final, zeros(state)), drop_zeros(d_states)
    d_start = None if start is None else zeros(start)
    weights, _ = split_inexact(params)
    d_weights = [jnp.zeros_like(leaf, dtype=wider(leaf.dtype, jnp.float32)) for leaf in weights]

    def body(
        carry: tuple[State, State, list[jax.Array]],
        rows: tuple[Inputs, State, State, Any],
        entry: State,
    ) -> tuple[tuple[State, State, list[jax.Array]], PyTree]:
        d_state, d_start, total = carry
        inputs, states, d_states, kept = rows
        steps = Steps(inputs, _previous(entry, states, layout.reverse), d_states, kept)
        (d_state, d_start), collected = chunk_backward(
            cell, layout.reverse, layout.unroll, params, start, (d_state, d_start), steps
        )
        if not layout.sum_inside:
            return (d_state, d_start, total), collected
        more, d_xs = weight_gradients(cell, params, start, steps, collected, layout.transpose)
        return (d_state, d_start, jax.tree.map(jnp.add, total, more)), d_xs

    entries = _entries(state, states, layout.chunk, layout.reverse)
    (d_state, d_start, d_weights), out = scan_chunks(
        body,
        (d_final, d_start, d_weights),
        (inputs, states, d_states, kept),
        layout.chunk,
        not layout.reverse,
        entries,
    )
    if not layout.sum_inside:
        steps = Steps(inputs, _previous(state, states, layout.reverse), d_states, kept)
        d_weights, out = weight_gradients(cell, params, start, steps, out)
    return (
        with_none(params, cast_like(d_weights, weights)),
        None if start is None else cast_like(d_start, start),
        cast_like(d_state, state),
        Inputs(out, None, None, None),
    )


_run.defvjp(_forward, _backward, symbolic_zeros=True)


def _batch_ndim(cell: Any, inputs: Inputs) -> int:
    return inputs.xs.ndim - 1 - len(base.input_shape(cell))


def _wide_zeros(tree: State, xs: jax.Array, batch_ndim: int) -> State:
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), widen(tree)[0])
    return batch_like(zeros, xs, batch_ndim)


def _previous(entry: State, states: State, reverse: bool) -> State:
    """The state before each of some steps, from the one before them all and those after each."""
    first, total = jax.tree.map(lambda leaf: leaf[None], entry), num_rows(states)
    rest = cut(states, 1, total) if reverse else cut(states, 0, total - 1)
    return concatenate(([rest, first] if reverse else [first, rest]) if total > 1 else [first])


def _entries(state: State, states: State, chunk: int, reverse: bool) -> State:
    """The state before each chunk, in the order of the time axis."""
    begin, total = chunk if reverse else chunk - 1, num_rows(states)
    first = jax.tree.map(lambda leaf: leaf[None], state)
    if total <= chunk:
        return first
    rest = jax.tree.map(
        lambda leaf: jax.lax.slice_in_dim(leaf, begin, total if reverse else total - 1, chunk),
        states,
    )
    return concatenate([rest, first] if reverse else [first, rest])

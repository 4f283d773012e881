"""What every driver does before and after its loop: checks, types, padding, noise.

``prepare`` turns a call's arguments into a ``Plan``; ``advance`` is one step with its selections
and its dtype rule; ``finish`` makes the outputs. A driver only decides how the steps follow each
other.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.drivers.checks import check_cell, check_inputs, check_marks, check_params, check_state
from rnn_jax.ops.linear import real_dtype, wider
from rnn_jax.ops.masks import length_mask, select
from rnn_jax.ops.types import batch_like, vary_like
from rnn_jax.typing import Params, PyTree, State


class Inputs(NamedTuple):
    """What arrives at each step, every leaf with the leading axes (T, *B); None where absent."""

    xs: jax.Array | Any  # (T, *B, D), finite on padding; None once encoded
    noise: PyTree  # what the cell drew for each step
    valid: jax.Array | None  # (T, *B) bool, True = real
    reset: jax.Array | None  # (T, *B) bool, True = restart before this step


class Plan(NamedTuple):
    """A checked call: everything typed like the inputs."""

    params: Params
    state: State  # where to begin, leaves (*B, ...)
    start: State  # what a reset returns to; None without resets
    inputs: Inputs


def prepare(
    cell: Any,
    params: Params,
    xs: jax.Array,
    state: State | None,
    *,
    lengths: jax.Array | None = None,
    mask: jax.Array | None = None,
    reset: jax.Array | None = None,
    key: jax.Array | None = None,
) -> Plan:
    """Check the arguments of a driver, draw its noise, clean its padding, type its state.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.LSTM(input_size=2, hidden_size=3)
        >>> plan = prepare(cell, cell.init(jax.random.key(0)), jnp.ones((5, 4, 2)), None)
        >>> plan.state.h.shape, plan.inputs.valid is None
        ((4, 3), True)
    """
    check_cell(cell, key)
    xs = jnp.asarray(xs)
    batch_shape = check_inputs(cell, xs)
    check_params(cell, params)
    lengths, mask, reset = (
        jnp.asarray(marks) if isinstance(marks, (list, tuple)) else marks
        for marks in (lengths, mask, reset)
    )
    check_marks(xs.shape[: 1 + len(batch_shape)], lengths, mask, reset)
    params = vary_like(params, xs)
    step_noise = None
    if key is not None:
        key_sequence, key_steps = jax.random.split(key)
        params = base.perturb(cell, params, key_sequence, batch_shape)
        step_noise = base.noise(cell, params, key_steps, xs.shape[: 1 + len(batch_shape)])
    initial = batch_like(cell.initial_state(params, batch_shape), xs, len(batch_shape))
    if state is None:
        state = initial
    else:
        check_state(cell, state, initial)
        state = batch_like(jax.tree.map(jnp.asarray, state), xs, len(batch_shape))
    start = None
    if reset is not None:
        start = jax.tree.map(lambda leaf, like: leaf.astype(like.dtype), initial, state)
    valid = mask
    if lengths is not None:
        by_length = length_mask(jnp.asarray(lengths), xs.shape[0])
        valid = by_length if mask is None else jnp.logical_and(by_length, mask)
    if valid is not None:
        xs = select(valid, xs, jnp.zeros((), xs.dtype))
    return Plan(params, state, start, Inputs(xs, step_noise, valid, reset))


def finish(cell: Any, plan: Plan, states: State) -> jax.Array:
    """The outputs (T, *B, O) of the states after each step: zero on padding.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.Elman(input_size=2, hidden_size=3)
        >>> plan = prepare(cell, cell.init(jax.random.key(0)), jnp.ones((5, 2)), None)
        >>> finish(cell, plan, cells.ElmanState(h=jnp.ones((5, 3)))).shape
        (5, 3)
    """
    ys = cell.readout(plan.params, states)
    valid = plan.inputs.valid
    return ys if valid is None else select(valid, ys, jnp.zeros((), ys.dtype))


def _cast(tree: PyTree, dtype: Any) -> PyTree:
    """Cast real leaves to ``dtype``, complex ones to its complex partner, others not at all."""

    def one(leaf: jax.Array) -> jax.Array:
        if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
            return leaf.astype(wider(dtype, jnp.complex64))
        return leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(one, tree)


def widen(*trees: PyTree) -> tuple[PyTree, ...]:
    """Bring all floating leaves to one precision, the widest of them and at least float32.

    Example:
        >>> a, b = widen(jnp.ones(2, jnp.bfloat16), {"z": jnp.ones(3, jnp.bfloat16)})
        >>> a.dtype, b["z"].dtype
        (dtype('float32'), dtype('float32'))
    """
    dtype = jnp.dtype(jnp.float32)
    for leaf in jax.tree.leaves(trees):
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            dtype = wider(dtype, real_dtype(leaf.dtype))
    return tuple(_cast(tree, dtype) for tree in trees)


def cast_like(tree: PyTree, like: PyTree) -> PyTree:
    """Cast every leaf to the dtype of its fellow.

    Example:
        >>> cast_like(jnp.ones(2), jnp.ones(2, jnp.bfloat16)).dtype
        dtype(bfloat16)
    """
    return jax.tree.map(lambda leaf, other: leaf.astype(other.dtype), tree, like)


def split_inexact(tree: PyTree) -> tuple[list[jax.Array], Callable[[list[Any]], PyTree]]:
    """The leaves that can be differentiated, and how to put others in their places.

    Example:
        >>> leaves, rebuild = split_inexact((jnp.ones(2), jnp.array([True])))
        >>> len(leaves), rebuild([jnp.zeros(2)])[0].tolist()
        (1, [0.0, 0.0])
    """
    treedef: Any  # jax 0.10 gives it no type
    leaves, treedef = jax.tree.flatten(tree)
    places = [i for i, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.inexact)]

    def rebuild(new: list[Any]) -> PyTree:
        full = list(leaves)
        for place, leaf in zip(places, new, strict=True):
            full[place] = leaf
        return treedef.unflatten(full)

    return [leaves[i] for i in places], rebuild


def advance(
    cell: Any, params: Params, start: State, state: State, z: PyTree, marks: Inputs
) -> State:
    """One step: restart the rows that begin, compute in wide dtype, hold the rows that are padding.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.Elman(input_size=2, hidden_size=3)
        >>> plan = prepare(cell, cell.init(jax.random.key(0)), jnp.ones((1, 2)), None)
        >>> advance(cell, plan.params, None, plan.state, jnp.zeros(3), plan.inputs).h.tolist()
        [0.0, 0.0, 0.0]
    """
    return advance_by(partial(cell.step, params), start, state, z, marks)


def advance_by(
    step: Callable[[State, PyTree], State], start: State, state: State, z: PyTree, marks: Inputs
) -> State:
    """``advance`` by a given function (state, z) -> state.

    Example:
        >>> marks = Inputs(None, None, jnp.array([True, False]), None)
        >>> advance_by(jnp.add, None, jnp.zeros(2), jnp.ones(2), marks).tolist()
        [1.0, 0.0]
    """
    if marks.reset is not None:
        state = select(marks.reset, start, state)
    wide_state, wide_z = widen(state, z)
    new = cast_like(step(wide_state, wide_z), state)
    return new if marks.valid is None else select(marks.valid, new, state)

"""All layers of a stack in one loop, each one step behind the one below.

Layer k at time t needs itself at t - 1 and layer k - 1 at t, so all (k, t) with k + t = s can be
computed at once: T + L - 1 rounds instead of T * L steps one after another.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.drivers import common
from rnn_jax.drivers.common import Inputs, Plan
from rnn_jax.layers.common import reset_from_the_end
from rnn_jax.ops.masks import select
from rnn_jax.typing import PyTree, State


class Round(NamedTuple):
    """What arrives in one round, an entry for each layer, that of its own time."""

    x: list[jax.Array | None]  # (*B, D) the stack's input, where the layer reads it
    marks: list[Inputs]
    keep: list[jax.Array | None]  # (*B, O) of the layer below


def run_wavefront(
    stack: Any,
    params: tuple[Any, ...],
    xs: jax.Array,
    states: tuple[State | None, ...],
    lengths: jax.Array | None,
    reset: jax.Array | None,
    keys: list[Any],
    keeps: list[jax.Array | None],
) -> tuple[list[jax.Array], tuple[State, ...]]:
    """Every layer's outputs (T, *B, O) and final state, of a ``Stack`` of plain ``RNN``.

    Example:
        >>> from rnn_jax import cells, layers
        >>> rnn = layers.RNN(cell=cells.GRU(input_size=2, hidden_size=2))
        >>> stack = layers.Stack(layers=(rnn, rnn), order="wavefront")
        >>> params = stack.init(jax.random.key(0))
        >>> none = [None, None]
        >>> xs = jnp.ones((5, 4, 2))
        >>> outs, ends = run_wavefront(stack, params, xs, (None, None), None, None, none, none)
        >>> outs[1].shape, ends[1].h.shape
        ((5, 4, 2), (4, 2))
    """
    count, num_steps = len(stack.layers), xs.shape[0]
    reverse = stack.layers[0].reverse
    plans, nothing = _plans(
        stack, params, xs, states, lengths, reset_from_the_end(reset) if reverse else reset, keys
    )
    xs = plans[0].inputs.xs
    fixed = [None if stack.dropout_per == "step" else keep for keep in keeps]
    rounds = Round(
        x=[xs if k == 0 or stack.skip else None for k in range(count)],
        marks=[plan.inputs._replace(xs=None) for plan in plans],
        keep=[keep if stack.dropout_per == "step" else None for keep in keeps],
    )
    if reverse:
        rounds = jax.tree.map(lambda leaf: jnp.flip(leaf, 0), rounds)
    skewed = Round(*([_skew(tree, k, count) for k, tree in enumerate(part)] for part in rounds))
    groups = _groups([layer.cell for layer in stack.layers], plans)
    grouped = [_gather([plans[k].params for k in group]) for group in groups]
    starts = [_gather([plans[k].start for k in group]) for group in groups]

    def body(carry: Any, now: Round) -> tuple[Any, list[jax.Array]]:
        ends, belows = carry
        below = [now.x[0], *belows[:-1]]  # what the layer below gave one round ago
        read = [
            stack.arriving(k, now.x[k], below[k], now.keep[k] if fixed[k] is None else fixed[k])
            for k in range(count)
        ]
        new_ends, ys = [], [jnp.zeros(())] * count
        for i, group in enumerate(groups):
            step = partial(_step, stack.layers[group[0]].cell)
            if len(group) > 1:
                step = jax.vmap(step)
            end, y = step(
                grouped[i],
                starts[i],
                ends[i],
                _gather([read[k] for k in group]),
                _gather([now.marks[k] for k in group]),
            )
            new_ends.append(end)
            for k, y_k in zip(group, _scatter(y, len(group)), strict=True):
                ys[k] = stack.leaving(k, y_k, below[k])
        return (new_ends, ys), ys

    first = [_gather([plans[k].state for k in group]) for group in groups]
    (ends, _), outs = jax.lax.scan(body, (first, nothing), skewed)
    final: list[Any] = [None] * count
    for group, end in zip(groups, ends, strict=True):
        for k, state in zip(group, _scatter(end, len(group)), strict=True):
            final[k] = state
    ys = [out[k : k + num_steps] for k, out in enumerate(outs)]
    return [jnp.flip(y, 0) if reverse else y for y in ys], tuple(final)


def _step(
    cell: Any, params: Any, start: State, state: State, x: jax.Array, marks: Inputs
) -> tuple[State, jax.Array]:
    z = base.encode(cell, params, x, marks.noise)
    state = common.advance(cell, params, start, state, z, marks)
    y = cell.readout(params, state)
    if marks.valid is not None:
        y = select(marks.valid, y, jnp.zeros((), y.dtype))
    return state, y


def _plans(
    stack: Any,
    params: tuple[Any, ...],
    xs: jax.Array,
    states: tuple[State | None, ...],
    lengths: jax.Array | None,
    reset: jax.Array | None,
    keys: list[Any],
) -> tuple[list[Plan], list[jax.Array]]:
    """Each layer's checked call, zeros for the inputs that are not there yet, and such outputs."""
    if lengths is None:  # every layer has rounds without a real step
        row = xs[(0, ..., *(0,) * len(base.input_shape(stack)))]
        lengths = jnp.full_like(row, xs.shape[0], dtype=jnp.int32)
    plans, outputs = [], []
    below = xs
    for k, layer in enumerate(stack.layers):
        arriving = stack.arriving(k, xs, below, None)
        plan = common.prepare(
            layer.cell, params[k], arriving, states[k], lengths=lengths, reset=reset, key=keys[k]
        )
        plans.append(plan)
        y = jax.eval_shape(layer.cell.readout, plan.params, plan.state)
        nothing = jnp.zeros_like(xs[..., :1], dtype=y.dtype)  # with the sharding of the rows
        shape = (xs.shape[0], *y.shape)
        below = stack.leaving(k, jnp.broadcast_to(nothing, shape), jnp.zeros_like(below))
        outputs.append(below[0])
    return plans, outputs


def _groups(cells: list[Any], plans: list[Plan]) -> list[list[int]]:
    """Layers with equal cells and dtypes, which one batched product serves."""
    found: dict[Any, list[int]] = {}
    for k, (cell, plan) in enumerate(zip(cells, plans, strict=True)):
        leaves = jax.tree.leaves((plan.params, plan.state, plan.inputs.xs))
        found.setdefault((cell, *(leaf.dtype for leaf in leaves)), []).append(k)
    return list(found.values())


def _gather(trees: list[PyTree]) -> PyTree:
    """One tree as it is, several stacked."""
    if len(trees) == 1:
        return trees[0]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def _scatter(tree: PyTree, count: int) -> list[PyTree]:
    if count == 1:
        return [tree]
    return [jax.tree.map(lambda leaf, i=i: leaf[i], tree) for i in range(count)]


def _skew(tree: PyTree, k: int, count: int) -> PyTree:
    """Delay by k rounds: zeros (False) before and behind, T + L - 1 rounds in all."""

    def one(leaf: jax.Array) -> jax.Array:
        def nothing(rounds: int) -> jax.Array:
            return jnp.broadcast_to(jnp.zeros_like(leaf[:1]), (rounds, *leaf.shape[1:]))

        return jnp.concatenate([nothing(k), leaf, nothing(count - 1 - k)])

    return jax.tree.map(one, tree)

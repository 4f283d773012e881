"""``truncated``: a cell over time with the gradient cut, truncated backpropagation through time."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.drivers.chunks import concatenate, cut, fold, num_rows, run_steps, unfold
from rnn_jax.drivers.common import Inputs, Plan, cast_like, finish, prepare, widen
from rnn_jax.drivers.deferred import run_deferred, supports_deferred
from rnn_jax.ops.types import may_be_partitioned
from rnn_jax.typing import Params, PyTree, State


def truncated(
    cell: Any,
    params: Params,
    xs: jax.Array,
    state: State | None = None,
    *,
    k1: int,
    k2: int | None = None,
    lengths: jax.Array | None = None,
    mask: jax.Array | None = None,
    reset: jax.Array | None = None,
    reverse: bool = False,
    key: jax.Array | None = None,
    unroll: int | None = None,
    gradient: Literal["deferred", "autodiff"] = "deferred",
) -> tuple[State, jax.Array]:
    """Run a cell over a sequence whose gradient reaches back a few steps only.

    The values are those of ``scan``: the state goes forward for ever. The gradient is cut as by
    BPTT(k2; k1) of Williams and Peng: time is split into blocks of ``k1`` steps, and the outputs of
    a block depend on the ``k2`` steps that end where the block ends; the state before them is a
    constant. With k2 = k1, the default and the usual choice, every block starts from a constant
    state. With k2 > k1 an output sees the k2 - k1 steps before its block, or more; the blocks'
    windows are run again side by side, k2 / k1 times the work in one loop of k2 steps.

    A given ``state`` is a constant of the call, so a training loop hands the final state of one
    call to the next as it is. ``state=None`` is the cell's initial state, whose parameters, if it
    has any, learn from the windows that begin there. With k1 >= T the gradient is that of ``scan``
    but for the given state. The final state belongs to the last block.

    Args:
        cell: A cell.
        params: Its parameters.
        xs: Inputs (T, *B, D), time first.
        state: State to begin with, leaves (*B, ...), a constant; None for the cell's initial state.
        k1: Steps in a block, >= 1. The last block may lack its end; its window begins all the same
            where it would begin with it.
        k2: Steps that the gradient goes back from the end of a block, >= k1; None for k1.
        lengths: As for ``scan``. Blocks and windows count steps of xs, padding included.
        mask: As for ``scan``.
        reset: As for ``scan``.
        reverse: Run from the last step to the first; blocks are counted in that order.
        key: As for ``scan``; one key draws the same noise there and here.
        unroll: As for ``scan``.
        gradient: As for ``scan``, inside a block.

    Returns:
        The final state, leaves (*B, ...), and the outputs (T, *B, O).

    Raises:
        ValueError: If k1 < 1, k2 < k1, or an argument does not fit the cell or the inputs.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.LSTM(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = truncated(cell, params, jnp.ones((7, 4, 2)), k1=3)
        >>> state, ys = truncated(cell, params, jnp.ones((7, 4, 2)), state, k1=3)
        >>> ys.shape
        (7, 4, 3)

    References:
        Williams and Peng, An efficient gradient-based algorithm for on-line training of recurrent
        network trajectories, 1990, doi:10.1162/neco.1990.2.4.490.
    """
    k2 = k1 if k2 is None else k2
    _check_choices(k1, k2, unroll, gradient)
    state = jax.lax.stop_gradient(state)
    plan = prepare(cell, params, xs, state, lengths=lengths, mask=mask, reset=reset, key=key)
    run = partial(_run, cell, unroll, gradient)
    forward = plan._replace(inputs=_flip(plan.inputs)) if reverse else plan
    num_steps = num_rows(plan.inputs)
    if k1 >= num_steps:
        states = run(forward)
    elif k1 == k2 and not may_be_partitioned(forward.inputs.xs):
        states = _run_blocks(run, forward, k1)
    else:
        # Noise that stays for a sequence lies in the parameters, one draw for each row.
        side_by_side = run if key is None else partial(_map_blocks, run)
        forward = forward._replace(inputs=_marked(cell, forward.inputs))
        states = _run_windows(run, side_by_side, forward, k1, k2)
    final = jax.tree.map(lambda leaf: leaf[-1], states)
    return final, finish(cell, plan, _flip(states) if reverse else states)


def _check_choices(k1: int, k2: int, unroll: int | None, gradient: str) -> None:
    for name, value in (("k1", k1), ("k2", k2), ("unroll", 1 if unroll is None else unroll)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} must be a whole number of steps >= 1, got {value!r}.")
    if k2 < k1:
        raise ValueError(
            f"k2={k2} is less than k1={k1}: the first outputs of a block would have no gradient; "
            f"give k2 >= k1, or leave k2 out for k2 = k1."
        )
    if gradient not in ("deferred", "autodiff"):
        raise ValueError(f'gradient must be "deferred" or "autodiff", got {gradient!r}.')


_Run = Callable[[Plan], State]  # from a plan to the states after each of its steps


def _run(cell: Any, unroll: int | None, gradient: str, plan: Plan) -> State:
    if gradient == "deferred" and supports_deferred(cell, plan.state):
        return run_deferred(cell, plan, False, unroll)[1]
    params, state, start, inputs = plan
    return run_steps(cell, False, unroll or 1, params, start, state, inputs)[1]


def _run_blocks(run: _Run, plan: Plan, size: int) -> State:
    """k2 = k1 on one device: a loop over blocks, each from a constant state."""
    wide, last = widen(plan.params)[0], num_rows(plan.inputs) // size * size

    def body(state: State, inputs: Inputs) -> tuple[State, State]:
        # Narrowed inside, the weights' gradients of all blocks are summed in float32.
        params = cast_like(wide, plan.params)
        states = run(plan._replace(params=params, state=state, inputs=inputs))
        return _constant_row(states, -1), states

    state, states = jax.lax.scan(body, plan.state, fold(cut(plan.inputs, 0, last), size))
    parts = [unfold(states)]
    if last < num_rows(plan.inputs):
        parts.append(body(state, cut(plan.inputs, last, num_rows(plan.inputs)))[1])
    return concatenate(parts)


def _run_windows(run: _Run, side_by_side: _Run, plan: Plan, k1: int, k2: int) -> State:
    """All states as constants first, then from them the windows of all blocks at once.

    The weights' gradient is one sum over blocks, and so is a data-parallel run's one collective.
    """
    num_steps = num_rows(plan.inputs)
    num_blocks = -(-num_steps // k1)
    k2 = min(k2, num_blocks * k1)
    known = jax.lax.stop_gradient(run(jax.lax.stop_gradient(plan)))
    states = side_by_side(
        plan._replace(
            state=_begins(plan.state, known, num_blocks, k1, k2),
            start=jax.tree.map(partial(_repeat, size=num_blocks), plan.start),
            inputs=_windows(plan.inputs, num_blocks, k1, k2),
        )
    )
    blocks = jax.tree.map(lambda leaf: leaf[k2 - k1 :].swapaxes(0, 1), states)
    return cut(unfold(blocks), 0, num_steps)


def _map_blocks(run: _Run, plan: Plan) -> State:
    """Blocks on the axis before the rows, by ``vmap``: for parameters that differ between rows."""

    def one(state: State, start: State, inputs: Inputs) -> State:
        return run(plan._replace(state=state, start=start, inputs=inputs))

    return jax.vmap(one, in_axes=(0, 0, 1), out_axes=1)(plan.state, plan.start, plan.inputs)


def _begins(state: State, known: State, num_blocks: int, k1: int, k2: int) -> State:
    """The state before each block's window, (N, *B, ...); ``state`` before step 0 and earlier."""
    early = min(num_blocks, k2 // k1)
    first = (early + 1) * k1 - k2 - 1

    def one(leaf: jax.Array, known: jax.Array) -> jax.Array:
        later = [known[first : num_blocks * k1 - k2 : k1]] if early < num_blocks else []
        return concatenate([_repeat(leaf, early), *later])

    return jax.tree.map(one, state, known)


def _windows(inputs: Inputs, num_blocks: int, k1: int, k2: int) -> Inputs:
    """The k2 steps up to each block's end, (k2, N, *B, ...), no step of xs being padding."""
    pieces = -(-k2 // k1)  # blocks that a window touches
    before, after = (pieces - 1) * k1, num_blocks * k1 - num_rows(inputs)

    def one(leaf: jax.Array) -> jax.Array:
        nothing = jnp.zeros_like(leaf[0])
        padded = concatenate([_repeat(nothing, before), leaf, _repeat(nothing, after)])
        blocks = fold(padded, k1)
        parts = [blocks[i : i + num_blocks] for i in range(pieces)]
        return jnp.concatenate(parts, 1)[:, pieces * k1 - k2 :].swapaxes(0, 1)

    return jax.tree.map(one, inputs)


def _marked(cell: Any, inputs: Inputs) -> Inputs:
    """Inputs that say which steps are real."""
    if inputs.valid is not None:
        return inputs
    one_feature = inputs.xs[(..., *(0,) * len(base.input_shape(cell)))]
    return inputs._replace(valid=jnp.ones_like(one_feature, dtype=bool))


def _constant_row(tree: PyTree, row: int) -> PyTree:
    return jax.lax.stop_gradient(jax.tree.map(lambda leaf: leaf[row], tree))


def _repeat(leaf: jax.Array, size: int) -> jax.Array:
    return jnp.broadcast_to(leaf[None], (size, *leaf.shape))


def _flip(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: jax.lax.rev(leaf, (0,)), tree)

"""The halves of the deferred gradient: back through a chunk of states, then all weights at once."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.drivers.common import Inputs, cast_like, split_inexact, widen
from rnn_jax.drivers.deferred_store import Kept
from rnn_jax.ops.linear import matmul, wider
from rnn_jax.ops.masks import select
from rnn_jax.ops.row_products import row_product, transposing
from rnn_jax.ops.tracing import depends
from rnn_jax.typing import Params, PyTree, State


class Steps(NamedTuple):
    """Consecutive steps of the backward pass, leaves with leading axes (L, *B)."""

    inputs: Inputs
    previous: State  # the state before each step
    d_states: State  # gradient that arrives from the outputs, None where there is none
    kept: Kept  # what the forward loop left


class Collected(NamedTuple):
    """What the backward loop hands on to the weights, leaves (L, *B, ...)."""

    d_z: list[jax.Array]
    d_r: jax.Array | None  # None where it is d_z itself
    d_new: State | None  # None where the gate has no parameters


class Point(NamedTuple):
    """Where the gates of some steps are linearised, in wide dtype."""

    begun: State  # the state that the steps start from, after resets
    z: PyTree
    r: jax.Array


def _point(cell: Any, params: Params, start: State, steps: Steps) -> Point:
    inputs, begun = steps.inputs, steps.previous
    if inputs.reset is not None:
        full = jax.tree.map(lambda leaf, to: jnp.broadcast_to(leaf[None], to.shape), start, begun)
        begun = select(inputs.reset, full, begun)
    total, z, r = steps.kept
    if total is not None:
        begun, total = widen(begun, total)
        return Point(begun, total, jnp.zeros_like(total))
    if r is not None:
        begun, z = widen(begun, z)
        return Point(begun, z, r)
    begun, z = widen(begun, base.encode(cell, params, inputs.xs, inputs.noise))
    return Point(begun, z, matmul(base.hidden(cell, params, begun), cell.recurrent(params)))


def chunk_backward(
    cell: Any,
    reverse: bool,
    unroll: int,
    params: Params,
    start: State,
    carry: tuple[State, State],
    steps: Steps,
) -> tuple[tuple[State, State], Collected]:
    """Carry the gradient of the state, and of a reset's start, back through one chunk.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.Elman(input_size=2, hidden_size=3)
        >>> params, h = cell.init(jax.random.key(0)), jnp.ones((4, 3))
        >>> inputs = Inputs(jnp.ones((4, 2)), None, None, None)
        >>> steps = Steps(inputs, cells.ElmanState(h=h), cells.ElmanState(h=h), Kept())
        >>> carry = (cells.ElmanState(h=jnp.zeros(3)), None)
        >>> carry, out = chunk_backward(cell, False, 1, params, None, carry, steps)
        >>> out.d_z[0].shape, out.d_r is None
        ((4, 3), True)
    """
    w_h = cell.recurrent(params)
    point = _point(cell, params, start, steps)
    one = jax.tree.map(lambda leaf: leaf[0], point)
    keeps_new = gate_has_parameters(cell, params, one)

    def back(
        carry: tuple[State, State], at: tuple[Point, Inputs, State]
    ) -> tuple[tuple[State, State], Collected]:
        carry, kept = step_backward(cell, params, w_h, carry, *at)
        return carry, kept if keeps_new else kept._replace(d_new=None)

    marks = steps.inputs._replace(xs=None, noise=None)
    return jax.lax.scan(
        back, carry, (point, marks, steps.d_states), reverse=not reverse, unroll=unroll
    )


def step_backward(
    cell: Any,
    params: Params,
    w_h: jax.Array,
    carry: tuple[State, State],
    here: Point,
    marks: Inputs,
    d_out: State,
) -> tuple[tuple[State, State], Collected]:
    """Carry the gradient of the state, and of a reset's start, back through one step.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.Elman(input_size=2, hidden_size=3)
        >>> params, h = cell.init(jax.random.key(0)), jnp.ones(3)
        >>> state, marks = cells.ElmanState(h=h), Inputs(None, None, None, None)
        >>> here, carry = Point(state, h, h), (state, None)
        >>> carry, out = step_backward(cell, params, params.w_h, carry, here, marks, state)
        >>> carry[0].h.shape, out.d_z[0].shape
        ((3,), (3,))
    """
    d_state, d_start = carry
    d_state = jax.tree.map(
        lambda d, more: d if more is None else d + more.astype(d.dtype),
        cast_like(d_state, here.begun),
        d_out,
        is_leaf=lambda leaf: leaf is None,
    )
    d_new = d_state if marks.valid is None else select(marks.valid, d_state, _zeros(d_state))
    z_leaves, rebuild = split_inexact(here.z)
    _, vjp = jax.vjp(
        lambda s, z, r: cell.gate(params, s, rebuild(z), r), here.begun, z_leaves, here.r
    )
    d_begun, d_z, d_r = vjp(d_new)
    h, vjp = jax.vjp(lambda s: base.hidden(cell, params, s), here.begun)
    through_h = vjp(_matmul_transposed(d_r, w_h).astype(h.dtype))[0]
    d_begun = jax.tree.map(jnp.add, d_begun, through_h)
    if marks.valid is not None:
        d_begun = select(marks.valid, d_begun, d_state)
    if marks.reset is not None:
        zero = _zeros(d_begun)
        from_start = cast_like(select(marks.reset, d_begun, zero), d_start)
        d_start = jax.tree.map(jnp.add, d_start, from_start)
        d_begun = select(marks.reset, zero, d_begun)
    same = len(d_z) == 1 and d_z[0] is d_r
    return (cast_like(d_begun, carry[0]), d_start), Collected(d_z, None if same else d_r, d_new)


def weight_gradients(
    cell: Any,
    params: Params,
    start: State,
    steps: Steps,
    collected: Collected,
    transpose: bool = False,
) -> tuple[list[jax.Array], jax.Array]:
    """Gradients of all floating parameters (float32 or wider) and of xs, for all steps at once.

    ``transpose`` is that of ``ops.row_products``.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.Elman(input_size=2, hidden_size=3)
        >>> params, h = cell.init(jax.random.key(0)), jnp.ones((4, 3))
        >>> inputs = Inputs(jnp.ones((4, 2)), None, None, None)
        >>> steps = Steps(inputs, cells.ElmanState(h=h), cells.ElmanState(h=h), Kept())
        >>> d, dx = weight_gradients(cell, params, None, steps, Collected([h], None, None))
        >>> [leaf.shape for leaf in d], dx.shape
        ([(2, 3), (3, 3), (3,)], (4, 2))
    """
    point = _point(cell, params, start, steps)
    h = base.hidden(cell, params, point.begun)
    return gradients_at(cell, params, steps.inputs, h, point, collected, transpose)


def gradients_at(
    cell: Any,
    params: Params,
    inputs: Inputs,
    h: jax.Array,
    point: Point | None,
    collected: Collected,
    transpose: bool = False,
) -> tuple[list[jax.Array], jax.Array]:
    """``weight_gradients`` where the hidden state before each step is known.

    ``point`` is asked only where the gate has parameters, ``collected.d_new``.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.Elman(input_size=2, hidden_size=3)
        >>> params, h = cell.init(jax.random.key(0)), jnp.ones((4, 3))
        >>> inputs = Inputs(jnp.ones((4, 2)), None, None, None)
        >>> d, dx = gradients_at(cell, params, inputs, h, None, Collected([h], None, None))
        >>> d[1].tolist()[0], dx.shape
        ([4.0, 4.0, 4.0], (4, 2))
    """
    weights, rebuild = split_inexact(params)

    def encode(weights: list[jax.Array], xs: jax.Array) -> list[jax.Array]:
        return split_inexact(base.encode(cell, rebuild(weights), xs, inputs.noise))[0]

    with transposing(transpose):
        z_leaves, vjp = jax.vjp(encode, weights, inputs.xs)
    d_encode, d_x = vjp([d.astype(z.dtype) for d, z in zip(collected.d_z, z_leaves, strict=True)])
    total = [_wide(d) for d in d_encode]

    d_r = collected.d_z[0] if collected.d_r is None else collected.d_r
    w_h, vjp = jax.vjp(lambda weights: cell.recurrent(rebuild(weights)), weights)
    d_w_h = row_product(h, d_r, w_h, transpose)
    total = [a + _wide(b) for a, b in zip(total, vjp(d_w_h.astype(w_h.dtype))[0], strict=True)]

    if collected.d_new is not None and point is not None:
        _, vjp = jax.vjp(
            lambda weights: cell.gate(rebuild(weights), point.begun, point.z, point.r), weights
        )
        d_gate = vjp(collected.d_new)[0]
        total = [a + _wide(b) for a, b in zip(total, d_gate, strict=True)]
    return total, d_x


def gate_has_parameters(cell: Any, params: Params, point: Point) -> bool:
    """Whether ``gate`` reads any floating parameter, found by tracing it for one step.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.Elman(input_size=2, hidden_size=3)
        >>> here = Point(cells.ElmanState(h=jnp.ones(3)), jnp.ones(3), jnp.ones(3))
        >>> gate_has_parameters(cell, cell.init(jax.random.key(0)), here)
        False
    """
    weights, rebuild = split_inexact(params)
    return depends(lambda w: cell.gate(rebuild(w), point.begun, point.z, point.r), weights)


def _matmul_transposed(d_r: jax.Array, w_h: jax.Array) -> jax.Array:
    """``d_r @ w_h.T`` in the weights' dtype, accumulated in that of ``d_r``."""
    return jax.lax.dot_general(
        d_r.astype(w_h.dtype),
        w_h,
        (((d_r.ndim - 1,), (1,)), ((), ())),
        preferred_element_type=d_r.dtype,
    )


def _wide(leaf: jax.Array) -> jax.Array:
    return leaf.astype(wider(leaf.dtype, jnp.float32))


def _zeros(tree: PyTree) -> PyTree:
    return jax.tree.map(jnp.zeros_like, tree)

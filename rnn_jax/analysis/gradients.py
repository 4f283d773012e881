"""Where the gradient of a loss arrives: its norm at every time step."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.analysis.tangents import batch_ndim, ravel, steps_of
from rnn_jax.drivers.common import finish, prepare
from rnn_jax.ops.linear import wider
from rnn_jax.typing import Params, State


def gradient_norms(
    cell: Any,
    params: Params,
    xs: jax.Array,
    loss: Callable[[jax.Array], jax.Array],
    state: State | None = None,
    *,
    names: tuple[str, ...] | None = None,
    lengths: jax.Array | None = None,
    reset: jax.Array | None = None,
    key: jax.Array | None = None,
) -> jax.Array:
    """The size of d loss / d s_t for every step: what backpropagation through time brings there.

    It is the whole derivative: by the output at t and by all that come after it. A step that is not
    real holds the state, and has the gradient of the state that it holds: 0 behind a row's end.

    Args:
        cell: A cell.
        params: Its parameters.
        xs: Inputs (T, *B, D).
        loss: A function of the outputs (T, *B, O), zero on padding, that returns one number. Its
            scale is that of the norms: under a mean over rows each row has its share.
        state: State to begin with, leaves (*B, ...); None for the cell's initial state.
        names: Fields of the state that count, such as ("h",); None for the whole state.
        lengths: Real steps of each row, (*B,).
        reset: (T, *B) bool, as for ``drivers.scan``.
        key: Draws the noise of stochastic cells; None for evaluation.

    Returns:
        (T, *B), float32 or wider.

    Raises:
        ValueError: If ``names`` has none of the state's fields, or as for ``drivers.scan``.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.irnn(1, 1, scale=0.5)
        >>> state, params = cells.ElmanState(h=jnp.ones(1)), cell.init(jax.random.key(0))
        >>> last = lambda ys: ys[-1].sum()
        >>> gradient_norms(cell, params, jnp.zeros((3, 1)), last, state).tolist()
        [0.25, 0.5, 1.0]

    References:
        Bengio, Simard and Frasconi, Learning long-term dependencies with gradient descent is
        difficult, 1994, doi:10.1109/72.279181.
    """
    plan = prepare(cell, params, xs, state, lengths=lengths, reset=reset, key=key)
    batch = batch_ndim(cell, plan)
    step, inputs = steps_of(cell, plan)
    rows, _, chosen = ravel(plan.state, batch, names)

    def body(state: State, at: Any) -> tuple[State, State]:
        change, given = at
        rows, back, _ = ravel(step(state, given), batch, names)
        state = back(rows + change)
        return state, state

    def of_changes(changes: jax.Array) -> jax.Array:
        states = jax.lax.scan(body, plan.state, (changes, inputs))[1]
        return loss(finish(cell, plan, states))

    none = jnp.zeros_like(jnp.broadcast_to(rows, (plan.inputs.xs.shape[0], *rows.shape)))
    return _norm(jax.grad(of_changes)(none)[..., :chosen])


def input_gradient_norms(
    cell: Any,
    params: Params,
    xs: jax.Array,
    loss: Callable[[jax.Array], jax.Array],
    state: State | None = None,
    *,
    lengths: jax.Array | None = None,
    reset: jax.Array | None = None,
    key: jax.Array | None = None,
) -> jax.Array:
    """The size of d loss / d x_t for every step: how much the loss hangs on each input.

    The arguments are those of ``gradient_norms``.

    Returns:
        (T, *B), float32 or wider; 0 on padding.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.irnn(1, 1, scale=0.5)
        >>> params = cell.init(jax.random.key(0))._replace(w_x=jnp.ones((1, 1)))
        >>> last = lambda ys: ys[-1].sum()
        >>> input_gradient_norms(cell, params, jnp.ones((3, 1)), last).tolist()
        [0.25, 0.5, 1.0]
    """
    xs = jnp.asarray(xs)

    def of_inputs(xs: jax.Array) -> jax.Array:
        plan = prepare(cell, params, xs, state, lengths=lengths, reset=reset, key=key)
        step, inputs = steps_of(cell, plan)
        states = jax.lax.scan(lambda s, at: (step(s, at),) * 2, plan.state, inputs)[1]
        return loss(finish(cell, plan, states))

    plan = prepare(cell, params, xs, state, lengths=lengths, reset=reset, key=key)
    axes = batch_ndim(cell, plan) + 1
    return _norm(jax.grad(of_inputs)(xs).reshape(*xs.shape[:axes], -1))


def _norm(rows: jax.Array) -> jax.Array:
    """Euclidean, of the last axis; the squares are taken of what is at most 1."""
    rows = rows.astype(wider(rows.dtype, jnp.float32))
    largest = jnp.abs(rows).max(-1, keepdims=True)
    largest = jnp.where(largest > 0, largest, 1)
    squares = jnp.square(rows / jnp.broadcast_to(largest, rows.shape))
    return jnp.sqrt(squares.sum(-1)) * largest[..., 0]

"""``unrolled``: a cell over time by a Python loop; the reference to which all else is compared."""

from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.drivers.common import advance, finish, prepare
from rnn_jax.typing import Params, State


def unrolled(
    cell: Any,
    params: Params,
    xs: jax.Array,
    state: State | None = None,
    *,
    lengths: jax.Array | None = None,
    mask: jax.Array | None = None,
    reset: jax.Array | None = None,
    reverse: bool = False,
    key: jax.Array | None = None,
) -> tuple[State, jax.Array]:
    """Run a cell over a sequence by a Python loop, every step encoded by itself.

    The same result as ``scan``, which names the arguments; under ``jit`` the program grows with T,
    and so does its compile time (minutes at T = 128). Use it to check, to debug with prints, and
    where T is a handful.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.LSTM(input_size=2, hidden_size=3)
        >>> state, ys = unrolled(cell, cell.init(jax.random.key(0)), jnp.ones((5, 4, 2)))
        >>> ys.shape
        (5, 4, 3)
    """
    plan = prepare(cell, params, xs, state, lengths=lengths, mask=mask, reset=reset, key=key)
    num_steps = plan.inputs.xs.shape[0]
    now, states = plan.state, []
    for t in reversed(range(num_steps)) if reverse else range(num_steps):
        at = jax.tree.map(lambda leaf, t=t: leaf[t], plan.inputs)
        z = base.encode(cell, plan.params, at.xs, at.noise)
        now = advance(cell, plan.params, plan.start, now, z, at)
        states.append(now)
    if reverse:
        states.reverse()
    return now, finish(cell, plan, jax.tree.map(lambda *leaves: jnp.stack(leaves), *states))


def step(
    cell: Any, params: Params, state: State, x: jax.Array, *, key: jax.Array | None = None
) -> tuple[State, jax.Array]:
    """One step, for online use: the next state and the output.

    Args:
        cell: A cell.
        params: Its parameters.
        state: The state so far, leaves (*B, ...); begin with ``cell.initial_state(params, (*B,))``.
        x: One input (*B, D).
        key: Draws the noise of a stochastic cell for this step; None for evaluation.

    Returns:
        The next state and the output (*B, O).

    Raises:
        ValueError: As for ``scan``.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.LSTM(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state, y = step(cell, params, cell.initial_state(params, (4,)), jnp.ones((4, 2)))
        >>> y.shape
        (4, 3)
    """
    state, ys = unrolled(cell, params, jnp.asarray(x)[None], state, key=key)
    return state, ys[0]

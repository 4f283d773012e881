"""A reservoir that learns what comes next in closed form, and goes on by itself."""

from typing import Any

import jax
import numpy as np

from rnn_jax import cells, drivers, ops
from rnn_jax.typing import PyTree, State


def fit_next(
    cell: cells.EchoState,
    params: cells.EchoStateParams,
    xs: jax.Array,
    *,
    washout: int = 100,
    alpha: float = 1e-6,
) -> cells.EchoStateParams:
    """Parameters whose readout tells the next input, by ridge regression.

    Args:
        cell: A reservoir without feedback, of as many outputs as inputs.
        params: Its parameters.
        xs: A series (T, *B, D).
        washout: First steps that do not count, while the reservoir forgets where it began.
        alpha: The penalty on weights.

    Returns:
        The parameters with ``w_out`` and ``b_out`` fitted.

    Raises:
        ValueError: If the washout leaves nothing to learn from.

    Example:
        >>> import jax.numpy as jnp
        >>> cell = cells.EchoState(input_size=1, hidden_size=30, output_size=1)
        >>> xs = jnp.sin(jnp.arange(400, dtype=jnp.float32) / 3)[:, None]
        >>> params = fit_next(cell, cell.init(jax.random.key(0)), xs[:300])
        >>> state, ys = drivers.scan(cell, params, xs[:300])
        >>> bool(abs(go_on(cell, params, state, ys[-1], 99) - xs[301:]).max() < 0.1)
        True
    """
    if not 0 <= washout < len(xs) - 1:
        raise ValueError(f"washout={washout} must be at least 0 and below {len(xs) - 1} steps.")
    _, hs = drivers.scan(cells.Features(cell=cell), params, xs[:-1])
    stats = ops.ridge_init(cell.hidden_size, cell.output_size)
    w, b = ops.ridge_solve(ops.ridge_update(stats, hs[washout:], xs[washout + 1 :]), alpha)
    return params._replace(w_out=w, b_out=b)


def go_on(cell: Any, params: PyTree, state: State, x: jax.Array, num_steps: int) -> jax.Array:
    """What a cell makes of its own outputs, each of which is its next input.

    Args:
        cell: A cell of as many outputs as inputs.
        params: Its parameters.
        state: State before the first step, leaves (*B, ...).
        x: The first input (*B, D).
        num_steps: T.

    Returns:
        Its outputs (T, *B, D).

    Example:
        >>> import jax.numpy as jnp
        >>> cell = cells.irnn(1, 1, scale=0.0)
        >>> params = cell.init(jax.random.key(0))._replace(w_x=jnp.full((1, 1), 2.0))
        >>> go_on(cell, params, cell.initial_state(params), jnp.ones(1), 3)[:, 0].tolist()
        [2.0, 4.0, 8.0]
    """

    def step(carry: tuple[State, jax.Array], _: None) -> tuple[tuple[State, jax.Array], jax.Array]:
        state, y = drivers.step(cell, params, *carry)
        y = y.astype(x.dtype)
        return (state, y), y

    return jax.lax.scan(step, (state, x), None, num_steps)[1]


def valid_steps(came: Any, made: Any, limit: float = 0.4) -> np.ndarray:
    """Steps until what was made is wrong: |made - came| > limit * root mean square of |came|.

    Args:
        came: A standardised series (T, *B, D).
        made: What was foretold of it, of that shape or one that broadcasts to it.
        limit: Share of the series' size from which it counts as wrong.

    Returns:
        (*B), T where it never is.

    Example:
        >>> came = np.ones((4, 1))
        >>> int(valid_steps(came, [[1.1], [0.9], [1.5], [1.0]])), int(valid_steps(came, came))
        (2, 4)

    References:
        Pathak, Hunt, Girvan, Lu and Ott, Model-free prediction of large spatiotemporally chaotic
        systems from data: a reservoir computing approach, 2018, doi:10.1103/PhysRevLett.120.024102.
    """
    came, made = np.asarray(came, np.float64), np.asarray(made, np.float64)
    size = np.sqrt(np.square(came).sum(axis=-1).mean(axis=0))
    wrong = np.linalg.norm(made - came, axis=-1) > limit * size
    return np.where(wrong.any(axis=0), wrong.argmax(axis=0), len(wrong))

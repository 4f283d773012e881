"""Lyapunov exponents: how fast nearby trajectories part, by Benettin's method."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.analysis.tangents import Step, batch_ndim, columns, push, ravel, steps_of
from rnn_jax.drivers.common import prepare
from rnn_jax.typing import Params, PyTree, State


def lyapunov_exponents(
    cell: Any,
    params: Params,
    xs: jax.Array,
    state: State | None = None,
    *,
    num_exponents: int | None = None,
    warmup: int = 0,
    every: int = 1,
    key: jax.Array | None = None,
) -> jax.Array:
    """The exponents of a cell along the trajectory that its inputs drive it through.

        Q_t R_t = qr(J_t Q_{t-1}),   lambda_k = mean over t of log |R_t[k, k]|

    A small change grows like exp(lambda_1 t), an area like exp((lambda_1 + lambda_2) t), and so on:
    lambda_1 > 0 is chaos, lambda_1 < 0 forgets the first state. Zero inputs give the exponents of
    the network left alone. Gradients shrink or grow at the same rates.

    Args:
        cell: A cell; its whole state counts, complex numbers as two real ones.
        params: Its parameters.
        xs: Inputs (T, *B, D).
        state: State to begin with, leaves (*B, ...); None for the cell's initial state.
        num_exponents: K, the largest ones; None for all, as many as the state has numbers.
        warmup: First steps that do not count, while state and directions settle.
        every: Steps between two decompositions; T and ``warmup`` are multiples of it. More is
            faster, and safe while the directions do not fall together in so many steps.
        key: Draws the noise of stochastic cells; None for evaluation.

    Returns:
        (*B, K) per step, float32 or wider, largest first as T grows; -inf for directions that are
        lost altogether (a unit that is reset or overwritten), NaN where the trajectory diverges.

    Raises:
        ValueError: If a count is out of range or no multiple, or as for ``drivers.scan``.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.irnn(1, 2, scale=0.5)
        >>> state, params = cells.ElmanState(h=jnp.ones(2)), cell.init(jax.random.key(0))
        >>> exponents = lyapunov_exponents(cell, params, jnp.zeros((20, 1)), state)
        >>> [round(e, 3) for e in jnp.exp(exponents).tolist()]
        [0.5, 0.5]

    References:
        Benettin, Galgani, Giorgilli and Strelcyn, Lyapunov characteristic exponents for smooth
        dynamical systems and for Hamiltonian systems; a method for computing all of them, part 2:
        numerical application, 1980, doi:10.1007/BF02128237.
        Vogt, Puelma Touzel, Shlizerman and Lajoie, On Lyapunov exponents for RNNs: understanding
        information propagation using dynamical systems tools, 2020, arXiv:2006.14123.
    """
    plan = prepare(cell, params, xs, state, key=key)
    step, inputs = steps_of(cell, plan)
    num_steps = plan.inputs.xs.shape[0]
    counts = (num_steps, num_exponents, warmup, every)
    return _exponents(step, plan.state, inputs, batch_ndim(cell, plan), *counts)


def map_lyapunov_exponents(
    step: Callable[[State], State],
    state: State,
    num_steps: int,
    *,
    num_exponents: int | None = None,
    warmup: int = 0,
    every: int = 1,
) -> jax.Array:
    """The exponents of a map: of any function from a state to the next.

    Args:
        step: The map; its state is an array or a tree of arrays without batch axes (use
            ``jax.vmap`` for several).
        state: Where to begin.
        num_steps: T.
        num_exponents: As for ``lyapunov_exponents``, and so are ``warmup`` and ``every``.

    Returns:
        (K,) per step.

    Raises:
        ValueError: If a count is out of range or no multiple.

    Example:
        >>> logistic = lambda x: 4 * x * (1 - x)
        >>> exponents = map_lyapunov_exponents(logistic, jnp.array([0.3]), 1000)
        >>> bool(abs(exponents[0] - jnp.log(2.0)) < 0.02)
        True
    """
    if not isinstance(num_steps, int) or num_steps < 1:
        raise ValueError(f"num_steps must be a whole number >= 1, got {num_steps!r}.")
    state = jax.tree.map(jnp.asarray, state)
    counts = (num_steps, num_exponents, warmup, every)
    return _exponents(lambda state, _: step(state), state, None, 0, *counts)


def _exponents(
    step: Step,
    state: State,
    inputs: PyTree,
    batch: int,
    num_steps: int,
    num_exponents: int | None,
    warmup: int,
    every: int,
) -> jax.Array:
    rows = ravel(state, batch)[0]
    size = rows.shape[-1]
    count = size if num_exponents is None else num_exponents
    _check_counts(num_steps, count, size, warmup, every)
    # Directions that no map prefers: along the axes, those of a diagonal map would never mix.
    random = jax.random.normal(jax.random.key(0), (size, count), rows.dtype)
    directions = columns(jnp.linalg.qr(random)[0], rows)

    def one(carry: Any, at: PyTree) -> tuple[Any, None]:
        state, directions = carry
        return push(step, state, at, directions, batch), None

    def block(carry: Any, at: PyTree) -> tuple[Any, jax.Array]:
        state, directions = jax.lax.scan(one, carry, at, length=every)[0]
        q, r = jnp.linalg.qr(jnp.moveaxis(directions, 0, -1))
        growth = jnp.log(jnp.abs(jnp.diagonal(r, axis1=-2, axis2=-1)))
        return (state, jnp.moveaxis(q, -1, 0)), growth

    shape = (num_steps // every, every)
    blocks = jax.tree.map(lambda leaf: leaf.reshape(*shape, *leaf.shape[1:]), inputs)
    growth = jax.lax.scan(block, (state, directions), blocks, length=shape[0])[1]
    return growth[warmup // every :].sum(0) / (num_steps - warmup)


def _check_counts(num_steps: int, count: int, size: int, warmup: int, every: int) -> None:
    if not isinstance(count, int) or not 1 <= count <= size:
        raise ValueError(
            f"num_exponents must be a whole number in 1..{size}, the numbers in the state, got "
            f"{count!r}."
        )
    if not isinstance(warmup, int) or not 0 <= warmup < num_steps:
        raise ValueError(
            f"warmup must be a whole number of steps in 0..{num_steps - 1}, since there are "
            f"{num_steps}, got {warmup!r}."
        )
    if not isinstance(every, int) or every < 1 or num_steps % every or warmup % every:
        raise ValueError(
            f"every must be a whole number >= 1 that divides the {num_steps} steps and "
            f"warmup={warmup}, got {every!r}."
        )

"""The edge between batch-major modules and the time-major core: axes are moved, nothing else."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.cells.base import input_shape
from rnn_jax.layers.common import num_time_axes
from rnn_jax.typing import Params, State

Driver = Callable[..., tuple[State, jax.Array]]


def run_batch_major(
    driver: Driver,
    cell: Any,
    params: Params,
    xs: jax.Array,
    state: State | None = None,
    *,
    lengths: jax.Array | None = None,
    mask: jax.Array | None = None,
    reset: jax.Array | None = None,
    reverse: bool = False,
    context: jax.Array | None = None,
    key: jax.Array | None = None,
) -> tuple[State, jax.Array]:
    """Run a driver on sequences whose batch axes come first.

    Args:
        driver: ``drivers.scan`` or another with its head; it gets only the options that are set.
        cell: A cell.
        params: Its parameters.
        xs: Inputs (*B, T, D).
        state: State to begin with, leaves (*B, ...); None for the cell's initial state.
        lengths: Real steps of each row, (*B,), integer.
        mask: Which steps are real, (*B, T) bool.
        reset: Where a row begins anew, (*B, T) bool.
        reverse: Run from the last step to the first.
        context: Bound to the parameters of a cell that has ``bind``, (*B, V).
        key: Draws the noise of a stochastic cell; None for evaluation.

    Returns:
        The final state, leaves (*B, ...), and the outputs (*B, T, O), bit for bit the driver's.

    Raises:
        ValueError: If xs, mask or reset do not fit, in batch-major words; if there is a context and
            the cell takes none.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.LSTM(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = run_batch_major(drivers.scan, cell, params, jnp.ones((4, 5, 2)))
        >>> ys.shape, state.h.shape
        ((4, 5, 3), (4, 3))
    """
    xs = jnp.asarray(xs)
    axes = _check_inputs(cell, xs)
    if context is not None:
        if not hasattr(cell, "bind"):
            raise ValueError(
                f"context is given, but {type(cell).__name__} takes none: wrap it, "
                f"cells.Context(cell=..., context_size={jnp.shape(context)[-1]})."
            )
        params = cell.bind(params, context)
    options = {"lengths": lengths, "key": key}
    for name, marks in (("mask", mask), ("reset", reset)):
        if marks is not None:
            if jnp.shape(marks) != xs.shape[: axes[-1] + 1]:
                raise ValueError(
                    f"{name} has shape {jnp.shape(marks)}, but the batch and time axes of xs are "
                    f"{xs.shape[: axes[-1] + 1]}: give one boolean for each step, (*B, T)."
                )
            options[name] = jnp.moveaxis(jnp.asarray(marks), axes, range(len(axes)))
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if reverse:
        given["reverse"] = True
    xs = jnp.moveaxis(xs, axes, range(len(axes)))
    state, ys = driver(cell, params, xs, state, **given)
    return state, jnp.moveaxis(ys, range(len(axes)), axes)


def _check_inputs(cell: Any, xs: jax.Array) -> tuple[int, ...]:
    """Check xs (*B, T, D) against the cell and return the time axis; two axes of a grid."""
    name, features, count = type(cell).__name__, input_shape(cell), num_time_axes(cell)
    end = xs.ndim - len(features)
    if end < count or xs.shape[end:] != features:
        what, time = ("sequences", "T") if count == 1 else ("grids", "height, width")
        raise ValueError(
            f"xs has shape {xs.shape}, but {name} takes {what} (*B, {time}, "
            f"{', '.join(map(str, features))}): batch first, then time, then features. Make the "
            f"cell with the inputs' size, or move the axes."
        )
    return tuple(range(end - count, end))

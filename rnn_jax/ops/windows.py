"""Windows of neighbouring steps: a convolution over time is a linear map of them."""

import jax
import jax.numpy as jnp

from rnn_jax.ops.masks import length_mask, select


def windows(
    xs: jax.Array,
    size: int,
    *,
    previous: jax.Array | None = None,
    lengths: jax.Array | None = None,
    reset: jax.Array | None = None,
    reverse: bool = False,
) -> jax.Array:
    """Put each step beside the ``size - 1`` before it: ``[x_{t-size+1}, ..., x_{t-1}, x_t]``.

    Causal, so it may stand before any cell; the steps before the first are zero.

    Args:
        xs: (T, *B, D).
        size: Steps in a window, >= 1; 1 returns the steps as they are.
        previous: The steps before the first, (size - 1, *B, D), to go on where another call ended:
            the last of its xs, or with ``reverse``, where they follow the last, its first.
        lengths: Real steps of each row, (*B,); what stands behind them, NaN included, enters no
            window.
        reset: (T, *B) bool; True begins a new sequence, whose windows do not look back beyond it.
        reverse: Windows look ahead, ``[x_{t+size-1}, ..., x_t]``: what a driver that runs with
            ``reverse`` has seen. ``reset`` then marks where it begins, the last step of a sequence.

    Returns:
        (T, *B, size * D), oldest step first.

    Raises:
        ValueError: If ``size`` < 1, or a shape does not fit xs.

    Example:
        >>> windows(jnp.array([[1.0], [2.0], [3.0]]), 2).tolist()
        [[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]
    """
    _check(xs, size, previous, lengths, reset)
    if lengths is not None:
        xs = select(length_mask(lengths, xs.shape[0]), xs, jnp.zeros((), xs.dtype))
    if previous is None:
        nothing = jnp.zeros_like(xs[:1])  # with the sharding of the rows
        previous = jnp.broadcast_to(nothing, (size - 1, *xs.shape[1:]))
    num_steps = xs.shape[0]
    parts = [xs, previous.astype(xs.dtype)] if reverse else [previous.astype(xs.dtype), xs]
    padded = jnp.concatenate(parts)
    seen, columns = None, []
    for lag in range(size):
        begin = lag if reverse else size - 1 - lag
        column = jax.lax.slice_in_dim(padded, begin, begin + num_steps)
        if reset is not None:
            seen = _seen(reset, lag, reverse, seen)
            column = select(seen, column, jnp.zeros((), xs.dtype))
        columns.append(column)
    return jnp.concatenate(columns[::-1], axis=-1)


def _seen(reset: jax.Array, lag: int, reverse: bool, nearer: jax.Array | None) -> jax.Array:
    """Whether the step ``lag`` back belongs to the same sequence: no reset in between."""
    if nearer is None:
        return jnp.ones_like(reset)
    shift = lag - 1  # the reset that would cut between lag - 1 and lag stands at the nearer one
    edge = jnp.zeros_like(reset[:shift])
    if reverse:
        marks = jnp.concatenate([reset[shift:], edge])
    else:
        marks = jnp.concatenate([edge, reset[: max(reset.shape[0] - shift, 0)]])
    return jnp.logical_and(nearer, jnp.logical_not(marks))


def _check(
    xs: jax.Array,
    size: int,
    previous: jax.Array | None,
    lengths: jax.Array | None,
    reset: jax.Array | None,
) -> None:
    if size < 1:
        raise ValueError(f"windows: size must be >= 1 steps, got {size}; 1 is the step alone.")
    wanted = {
        "previous": (previous, (size - 1, *xs.shape[1:])),
        "lengths": (lengths, xs.shape[1:-1]),
        "reset": (reset, xs.shape[:-1]),
    }
    for name, (value, shape) in wanted.items():
        if value is not None and jnp.shape(value) != shape:
            raise ValueError(
                f"windows: {name} has shape {jnp.shape(value)}, but with size={size} and xs "
                f"{xs.shape} it must be {shape}."
            )

"""A linear recurrence whose time axis lies on several devices, with one small exchange."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from rnn_jax.drivers.recurrence import linear_recurrence, shift
from rnn_jax.ops.masks import select
from rnn_jax.typing import PyTree


def check_axis(axis_name: str, key: jax.Array | None) -> None:
    """Check that a mesh axis can be the time axis here.

    Raises:
        ValueError: If no mesh axis is bound to the name, or noise is asked for.

    Example:
        >>> check_axis("time", None)
        Traceback (most recent call last):
        ...
        ValueError: axis_name is 'time', but no mesh axis of that name is bound here: ...
    """
    try:
        jax.lax.axis_size(axis_name)
    except NameError:
        raise ValueError(
            f"axis_name is {axis_name!r}, but no mesh axis of that name is bound here: call the "
            "driver inside jax.shard_map over a mesh that has it."
        ) from None
    if key is not None:
        raise ValueError(
            "key and axis_name cannot go together: every device would draw the noise of the same "
            "steps. Evaluate with key=None, or leave time unsharded."
        )


def local_lengths(lengths: jax.Array, num_steps: int, axis_name: str) -> jax.Array:
    """Real steps of each row in this device's part, of those in the whole sequence.

    Args:
        lengths: (*B,), integer, of the whole sequence.
        num_steps: T on each device.
        axis_name: Mesh axis over which time is sharded.

    Returns:
        (*B,), in 0..T.

    Example:
        >>> split = jax.vmap(lambda n: local_lengths(n, 4, "time"), axis_name="time")
        >>> split(jnp.array([6, 6, 6])).tolist()  # three devices, a row of six steps
        [4, 2, 0]
        >>> split(jnp.array([2, 2, 2], jnp.uint8)).tolist()
        [2, 0, 0]
    """
    begin = jax.lax.axis_index(axis_name) * num_steps
    return jnp.clip(lengths.astype(begin.dtype) - begin, 0, num_steps)  # unsigned would wrap


class Part(NamedTuple):
    """What a device has of the recurrence of one leaf: ``s_t = a_t s_{t-1} + b_t``."""

    a: jax.Array | None  # (T, *B, ...); None for s_t = b_t
    b: jax.Array  # (T, *B, ...)
    cut: jax.Array | None  # (T, *B) bool, where s_t = b_t


def join(
    parts: list[Part], begins: list[jax.Array], reverse: bool, chunk: int | None, axis_name: str
) -> tuple[list[jax.Array], list[jax.Array]]:
    """The states of each leaf on this device, and the final states of the whole sequence.

    Each device solves its part from zero, s, and finds the product of its a up to each step, p. The
    last of both, what the part does to a state, is all that is exchanged, by one ``all_gather``.
    From them every device takes the state before its part, and adds p times that to s.

    Args:
        parts: One for each leaf.
        begins: (*B, ...), the states before the first step of all.
        reverse: From the last step of the last device to the first of the first.
        chunk: As in ``linear_recurrence``.
        axis_name: Mesh axis over which time is sharded.

    Returns:
        (T, *B, ...) for each leaf, and (*B, ...), the same on every device, also by type.
    """
    size, number = jax.lax.axis_size(axis_name), jax.lax.axis_index(axis_name)
    first, last = (size - 1, 0) if reverse else (0, size - 1)

    def solve(part: Part, begin: jax.Array) -> tuple[jax.Array, jax.Array | None]:
        if part.a is None:
            return part.b, None
        begin = jnp.where(number == first, begin, jnp.zeros_like(begin))
        nothing, one = jnp.zeros_like(part.b), jnp.ones_like(begin)
        return (
            linear_recurrence(part.a, part.b, begin, reverse, part.cut, chunk),
            linear_recurrence(part.a, nothing, one, reverse, part.cut, chunk),
        )

    def summary(part: Part, states: jax.Array, powers: jax.Array | None) -> Part:
        end = 0 if reverse else -1
        product = jnp.zeros_like(states[end]) if powers is None else powers[end]
        return Part(product, states[end], None if part.cut is None else part.cut.any(0))

    def enter(
        part: Part, states: jax.Array, powers: jax.Array | None, ends: jax.Array
    ) -> jax.Array:
        if powers is None or part.a is None:
            return states
        entry = jnp.broadcast_to(shift(ends, reverse)[number][None], states.shape)
        if part.cut is not None:  # p is 0 there, but 0 * NaN is NaN
            seen = jax.lax.cummax(part.cut.astype(jnp.int32), reverse=reverse)
            entry = select(seen.astype(bool), jnp.zeros_like(entry), entry)
        return states + powers * entry

    solved = [solve(part, begin) for part, begin in zip(parts, begins, strict=True)]
    summaries = [summary(part, *own) for part, own in zip(parts, solved, strict=True)]
    ends = [
        linear_recurrence(a, b, jnp.zeros_like(b[0]), reverse, cut)
        for a, b, cut in _everyone(summaries, axis_name)
    ]
    entered = [enter(part, *own, end) for part, own, end in zip(parts, solved, ends, strict=True)]
    return entered, [end[last] for end in ends]


def _everyone(tree: PyTree, axis_name: str) -> PyTree:
    """What all devices have, leaves (devices, ...), by one exchange of real numbers."""
    dtype = jnp.finfo(jax.tree.leaves(tree)[0].dtype).dtype

    def plain(x: jax.Array) -> PyTree:
        return (x.real, x.imag) if jnp.iscomplexobj(x) else x.astype(dtype)

    def restored(like: jax.Array, x: Any) -> jax.Array:
        return jax.lax.complex(*x) if jnp.iscomplexobj(like) else x.astype(like.dtype)

    flat, unravel = ravel_pytree(jax.tree.map(plain, tree))
    gathered = jax.lax.all_gather(flat, axis_name, to="invarying")
    return jax.tree.map(restored, tree, jax.vmap(unravel)(gathered))

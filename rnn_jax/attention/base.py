"""The attention protocol: a memory prepared once, then attended to step by step.

    memory = attention.prepare(params, encoder_outputs, lengths)     once for a sequence
    state = attention.initial_state(params, memory)                  () for most kinds
    context, weights, state = attention.attend(params, memory, query, state)

A mechanism is a frozen dataclass of sizes and choices, like a cell. The memory is a plain tree
whose leaves have the batch axes first, so that a beam search repeats and gathers it like any state.

A mechanism of several heads has ``weight_heads`` = (N,), the axes of its weights before the places.
One that draws (monotonic noise, a hard choice) has a method ``noise(params, memory, key,
shape)`` with leaves (*shape, ...), shape = (T, *B); ``attend`` takes one step of it as its last
argument. Without noise it computes what it computes in evaluation.
"""

from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from rnn_jax.ops.checks import check_lengths
from rnn_jax.ops.linear import wider
from rnn_jax.ops.masks import length_mask, select
from rnn_jax.ops.types import batch_like
from rnn_jax.typing import Params, PyTree, State


class Memory(NamedTuple):
    """What is attended to, prepared once: batch axes first, finite where a step is not real."""

    keys: jax.Array  # (*B, S, A) what queries are compared with
    values: jax.Array  # (*B, S, E) what is read
    valid: jax.Array  # (*B, S) bool, True = real


class Attended(NamedTuple):
    """What one step of attention gives."""

    context: jax.Array  # (*B, O)
    weights: jax.Array  # (*B, S), of several heads (*B, N, S): exactly 0 on padding
    state: State  # leaves (*B, ...)


@runtime_checkable
class Attention(Protocol):
    """What every mechanism has. See the module's text for what each part means.

    Example:
        >>> from rnn_jax import attention
        >>> isinstance(attention.Dot(query_size=2, memory_size=2), Attention)
        True
    """

    @property
    def query_size(self) -> int: ...

    @property
    def memory_size(self) -> int: ...

    @property
    def output_size(self) -> int: ...

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> Params: ...

    def prepare(
        self, params: Params, memory: jax.Array, lengths: jax.Array | None = None
    ) -> Memory: ...

    def initial_state(self, params: Params, memory: Memory) -> State: ...

    def attend(
        self, params: Params, memory: Memory, query: jax.Array, state: State
    ) -> Attended: ...


def is_stochastic(attention: Any) -> bool:
    """Whether a key changes what the mechanism does: the method ``noise``.

    Example:
        >>> from rnn_jax import attention
        >>> is_stochastic(attention.Dot(query_size=2, memory_size=2))
        False
    """
    return bool(getattr(attention, "is_stochastic", hasattr(attention, "noise")))


def attend(
    attention: Any,
    params: Params,
    memory: Memory,
    query: jax.Array,
    state: State,
    noise: PyTree = None,
) -> Attended:
    """``attention.attend``, with the noise where there is some.

    Example:
        >>> from rnn_jax import attention
        >>> dot = attention.Dot(query_size=2, memory_size=2)
        >>> memory = dot.prepare((), jnp.ones((5, 4, 2)))
        >>> attend(dot, (), memory, jnp.ones((4, 2)), ()).context.shape
        (4, 2)
    """
    if noise is None:
        return attention.attend(params, memory, query, state)
    return attention.attend(params, memory, query, state, noise)


def clean(
    attention: Any, memory: jax.Array, lengths: jax.Array | None
) -> tuple[jax.Array, jax.Array]:
    """Check a memory (S, *B, E) and turn it to (*B, S, E), zero on padding, and valid (*B, S).

    Raises:
        ValueError: If it has other features than ``memory_size``, integers, no time axis, no steps,
            or lengths that do not fit.

    Example:
        >>> from rnn_jax import attention
        >>> dot = attention.Dot(query_size=2, memory_size=2)
        >>> values, valid = clean(dot, jnp.ones((3, 2, 2)), jnp.array([3, 1]))
        >>> values.shape, valid.astype(int).tolist()
        ((2, 3, 2), [[1, 1, 1], [1, 0, 0]])
    """
    memory, name = jnp.asarray(memory), type(attention).__name__
    if memory.ndim < 2 or memory.shape[-1] != attention.memory_size or 0 in memory.shape:
        raise ValueError(
            f"memory has shape {memory.shape}, but {name} attends to (S, *B, "
            f"{attention.memory_size}), time first, S and *B at least 1: make it with memory_size="
            "the features of the memory, or move the axes."
        )
    if not jnp.issubdtype(memory.dtype, jnp.floating):
        raise ValueError(
            f"memory has dtype {memory.dtype}, but {name} attends to floating-point numbers: embed "
            "tokens first, or cast with memory.astype(jnp.float32)."
        )
    marks = memory.shape[:-1]
    if lengths is None:
        valid = batch_like(jnp.ones((*marks[1:], marks[0]), bool), memory, memory.ndim - 2)
    else:
        lengths = jnp.asarray(lengths)
        check_lengths(lengths, marks, "memory")
        by_time = length_mask(lengths, marks[0])
        memory = select(by_time, memory, jnp.zeros((), memory.dtype))
        valid = jnp.moveaxis(by_time, 0, -1)
    return jnp.moveaxis(memory, 0, -2), valid


def widen_query(attention: Any, memory: Memory, query: jax.Array) -> jax.Array:
    """Check a query (*B, Q) against the memory, and bring it to float32 or wider.

    Raises:
        ValueError: If the memory is not prepared, or the query's size is not ``query_size`` or its
            batch not the memory's.

    Example:
        >>> from rnn_jax import attention
        >>> dot = attention.Dot(query_size=2, memory_size=2)
        >>> memory = dot.prepare((), jnp.ones((5, 4, 2)))
        >>> widen_query(dot, memory, jnp.ones((4, 2), jnp.bfloat16)).dtype
        dtype('float32')
    """
    if not isinstance(memory, Memory):
        raise ValueError(
            f"memory is of type {type(memory).__name__}, but {type(attention).__name__} attends to "
            "what prepare(params, memory, lengths) makes of it."
        )
    wanted = (*memory.valid.shape[:-1], attention.query_size)
    if tuple(query.shape) != wanted:
        raise ValueError(
            f"query has shape {query.shape}, but {type(attention).__name__} with query_size="
            f"{attention.query_size} on this memory takes {wanted}: one query for each row of the "
            "memory."
        )
    return query.astype(wider(query.dtype, jnp.float32))


def spread(memory: Memory, batch_shape: tuple[int, ...], like: jax.Array | None = None) -> Memory:
    """The memory for a batch: one of fewer batch axes serves all rows of the further ones.

    Args:
        memory: Leaves (*B', ...), B' the last axes of B or none.
        batch_shape: B.
        like: (*B, ...), whose sharding and varying axes the leaves take.

    Raises:
        ValueError: If the memory's batch axes are others.

    Example:
        >>> from rnn_jax import attention
        >>> memory = attention.Dot(query_size=2, memory_size=2).prepare((), jnp.ones((5, 2)))
        >>> spread(memory, (4,)).values.shape
        (4, 5, 2)
    """
    have = memory.valid.shape[:-1]
    if len(have) > len(batch_shape) or have != batch_shape[len(batch_shape) - len(have) :]:
        raise ValueError(
            f"memory has batch axes {have}, but the inputs have {batch_shape}: give one memory for "
            "each row, or one without batch axes for all. A beam search repeats the rows of the "
            "decoder's state and nothing else: keep the memory in it, as decoding.TokenStep shows."
        )
    ndim = len(have)
    memory = jax.tree.map(
        lambda leaf: jnp.broadcast_to(leaf, (*batch_shape, *leaf.shape[ndim:])), memory
    )
    return memory if like is None else batch_like(memory, like[None], len(batch_shape))

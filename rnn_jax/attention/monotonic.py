"""Monotonic attention: it moves forward only, and is trained in expectation."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.attention.around import Around, places
from rnn_jax.attention.base import Attended, Memory, widen_query
from rnn_jax.attention.soft import product
from rnn_jax.ops.linear import wider
from rnn_jax.ops.types import shard_like
from rnn_jax.typing import Params, State


def monotonic_alignment(p: jax.Array, previous: jax.Array) -> jax.Array:
    """Where a monotonic attention looks, in expectation; all places at once.

        q_s = (1 - p_{s-1}) q_{s-1} + previous_s,   w_s = p_s q_s

    From the place of the step before it goes forward, and stops at s with probability p_s. The
    recurrence over s is affine, so it is an associative scan. The paper's closed form, p cumprod(1
    - p) cumsum(previous / cumprod(1 - p)), divides by what underflows; this does not.

    Args:
        p: Probability of stopping at each place, (..., S).
        previous: Weights of the step before, (..., S).

    Returns:
        (..., S). What is missing to 1 is the chance of running past the end.

    Example:
        >>> monotonic_alignment(jnp.array([0.5, 0.5]), jnp.array([1.0, 0.0])).tolist()
        [0.5, 0.25]

    References:
        Raffel, Luong, Liu, Weiss and Eck, Online and linear-time attention by enforcing monotonic
        alignments, 2017, arXiv:1704.00784.
    """

    def then(first: Any, second: Any) -> Any:
        return first[0] * second[0], first[1] * second[0] + second[1]

    kept = jnp.concatenate([jnp.ones_like(p[..., :1]), 1 - p[..., :-1]], axis=-1)
    _, arriving = jax.lax.associative_scan(then, (kept, previous), axis=-1)
    return p * arriving


def monotonic_alignment_recursive(p: jax.Array, previous: jax.Array) -> jax.Array:
    """The same as ``monotonic_alignment``, place by place.

    Example:
        >>> monotonic_alignment_recursive(jnp.array([0.5, 0.5]), jnp.array([1.0, 0.0])).tolist()
        [0.5, 0.25]
    """

    def one(passing: jax.Array, at: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        p, previous = at
        arriving = passing + previous
        return (1 - p) * arriving, p * arriving

    first = jnp.moveaxis(p, -1, 0), jnp.moveaxis(previous, -1, 0)
    _, weights = jax.lax.scan(one, jnp.zeros_like(p[..., 0] * previous[..., 0]), first)
    return jnp.moveaxis(weights, 0, -1)


def monotonic_alignment_hard(p: jax.Array, previous: jax.Array) -> jax.Array:
    """The first place from that of the step before on whose p is above 1/2, as a one-hot vector.

    Args:
        p: (..., S).
        previous: One-hot, or zero where the end was passed: then it stays zero.

    Returns:
        (..., S), 0 and 1.

    Example:
        >>> p, previous = jnp.array([0.9, 0.1, 0.8, 0.9]), jnp.array([0.0, 1.0, 0.0, 0.0])
        >>> monotonic_alignment_hard(p, previous).tolist()
        [0.0, 0.0, 1.0, 0.0]
    """
    reached = jnp.cumsum(previous, axis=-1) > 0
    stops = jnp.logical_and(p > 0.5, reached)
    first = jnp.cumsum(stops.astype(jnp.int32), axis=-1) == 1
    return jnp.logical_and(stops, first).astype(p.dtype)


class MonotonicParams(NamedTuple):
    """Parameters of ``Monotonic``."""

    attention: Params
    r: jax.Array  # () offset of the scores


class MonotonicState(NamedTuple):
    """State of ``Monotonic``."""

    attention: State
    weights: jax.Array  # (*B, S) of the step before


@dataclass(frozen=True, kw_only=True)
class Monotonic(Around):
    """Monotonic attention: from the last place forward, to the first that it stops at.

        p_s = sigmoid(e_s + r + noise),   w = monotonic_alignment(p, previous w)
        hard: the first s >= the last place with p_s > 1/2

    It begins at place 0. Train with the expectation and, given a key, with normal noise on the
    scores, which drives p to 0 and 1; then ``dataclasses.replace(kind, hard=True)`` attends online,
    with the same parameters. Unlike the others' the weights sum to less than 1 where it may run
    past the end of the memory; once it has, the context is zero.

    Args:
        attention: The score e; the paper's is ``Additive(normalise=True)``.
        offset: Initial r; negative ones make it move on (the paper: -1, -4 for long inputs).
        noise_scale: Standard deviation of the noise.
        hard: Look at one place, not at the expectation.

    Raises:
        ValueError: If ``noise_scale`` is negative, or the inner attention has no score or is
            ``smooth``.

    Example:
        >>> from rnn_jax import attention
        >>> score = attention.Additive(query_size=3, memory_size=2, score_size=4, normalise=True)
        >>> kind = Monotonic(attention=score)
        >>> params = kind.init(jax.random.key(0))
        >>> memory = kind.prepare(params, jnp.ones((5, 4, 2)))
        >>> state = kind.initial_state(params, memory)
        >>> context, weights, state = kind.attend(params, memory, jnp.ones((4, 3)), state)
        >>> context.shape, bool((weights.sum(-1) <= 1).all())
        ((4, 2), True)

    References:
        Raffel, Luong, Liu, Weiss and Eck, Online and linear-time attention by enforcing monotonic
        alignments, 2017, arXiv:1704.00784.
    """

    offset: float = -1.0
    noise_scale: float = 1.0
    hard: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.attention.smooth:
            raise ValueError(
                "Monotonic: smooth=True of the inner attention has no meaning, for there is no "
                "softmax of its scores: leave it at False."
            )
        if not self.noise_scale >= 0:
            raise ValueError(f"Monotonic: noise_scale must be >= 0, got {self.noise_scale}.")

    @property
    def is_stochastic(self) -> bool:
        return self.noise_scale > 0

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> MonotonicParams:
        return MonotonicParams(self.attention.init(key, dtype), jnp.full((), self.offset, dtype))

    def initial_state(self, params: MonotonicParams, memory: Memory) -> MonotonicState:
        dtype = wider(memory.values.dtype, jnp.float32)
        start = (places(memory.valid, jnp.int32) == 0).astype(dtype)
        return MonotonicState(self.attention.initial_state(params.attention, memory), start)

    def noise(
        self, params: MonotonicParams, memory: Memory, key: jax.Array, shape: tuple[int, ...]
    ) -> jax.Array:
        dtype = wider(memory.values.dtype, jnp.float32)
        drawn = jax.random.normal(key, (*shape, memory.valid.shape[-1]), dtype)
        return self.noise_scale * drawn

    def attend(
        self,
        params: MonotonicParams,
        memory: Memory,
        query: jax.Array,
        state: MonotonicState,
        noise: jax.Array | None = None,
    ) -> Attended:
        query = widen_query(self, memory, query)
        scores = self.scores(params, memory, query, state.attention)
        scores = scores + jnp.broadcast_to(params.r.astype(scores.dtype), scores.shape)
        if noise is not None:
            scores = scores + shard_like(noise.astype(scores.dtype), scores)
        p = jnp.where(memory.valid, jax.nn.sigmoid(scores), 0)
        align = monotonic_alignment_hard if self.hard else monotonic_alignment
        weights = align(p, state.weights.astype(p.dtype))
        context = product("...s,...se->...e", weights, memory.values)
        inner = self.attention.advance(state.attention, weights)
        return Attended(
            context, weights, MonotonicState(inner, weights.astype(state.weights.dtype))
        )

"""Scores that know where attention was before: location-aware attention, and coverage."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.attention.additive import AdditiveParams, hidden_sum, init_additive
from rnn_jax.attention.base import Memory
from rnn_jax.attention.soft import Soft
from rnn_jax.ops.checks import check_count
from rnn_jax.ops.initializers import Glorot
from rnn_jax.ops.linear import matmul, wider
from rnn_jax.ops.types import shard_like
from rnn_jax.typing import Initializer, State


class LocationAwareParams(NamedTuple):
    """Parameters of ``LocationAware``."""

    score: AdditiveParams
    filters: jax.Array  # (filter_size, num_filters)
    u: jax.Array  # (num_filters, A)


def no_weights(memory: Memory) -> jax.Array:
    """Zero weights (*B, S) in the memory's precision, float32 at least.

    Example:
        >>> from rnn_jax import attention
        >>> memory = attention.Dot(query_size=2, memory_size=2).prepare((), jnp.ones((5, 4, 2)))
        >>> no_weights(memory).shape
        (4, 5)
    """
    weights = jnp.zeros(memory.valid.shape, wider(memory.values.dtype, jnp.float32))
    return shard_like(weights, memory.valid)


def neighbours(x: jax.Array, width: int) -> jax.Array:
    """Each place of (..., S) with those around it, zero beyond the ends.

        y[..., s, j] = x[..., s + j - (width - 1) // 2]

    Example:
        >>> neighbours(jnp.array([1.0, 2.0, 3.0]), 3).tolist()
        [[0.0, 1.0, 2.0], [1.0, 2.0, 3.0], [2.0, 3.0, 0.0]]
    """
    *lead, size = x.shape
    padded = jnp.pad(x, [(0, 0)] * len(lead) + [((width - 1) // 2, width // 2)])
    total = size + width - 1
    # Rows of one more than their length slip by one each: row j begins at place j.
    rows = jnp.broadcast_to(padded[..., None, :], (*lead, width, total))
    flat = rows.reshape(*lead, width * total)
    flat = jnp.pad(flat, [(0, 0)] * len(lead) + [(0, width)])
    return flat.reshape(*lead, width, total + 1)[..., :size].mT


@dataclass(frozen=True, kw_only=True)
class LocationAware(Soft):
    """Additive attention that sees where it looked at the step before.

        f = filters * previous weights                                   convolution over places
        e_s = v . tanh(m_s @ w_k + q @ w_q + f_s @ u + b)
        f_s = sum over j of previous[s + j - (filter_size - 1) // 2] filters[j]

    The previous weights begin at zero. ``smooth`` and ``temperature`` are the paper's smoothing and
    (below 1) sharpening for long inputs.

    Args:
        query_size: Q.
        memory_size: E.
        temperature: Divides the scores.
        smooth: sigmoid in place of exp in the softmax.
        score_size: A, hidden units of the score.
        num_filters: How many features a place has.
        filter_size: How many places a filter sees (the paper: 201 at 100 frames a second).
        cumulative: See the sum of all earlier weights instead of the last ones (Tacotron 2).
        normalise: Learn the length of v apart from its direction.
        kernel_init: Initialiser of all matrices.

    Raises:
        ValueError: If a size is below 1.

    Example:
        >>> kind = LocationAware(
        ...     query_size=3, memory_size=2, score_size=4, num_filters=2, filter_size=3
        ... )
        >>> params = kind.init(jax.random.key(0))
        >>> memory = kind.prepare(params, jnp.ones((5, 4, 2)))
        >>> state = kind.initial_state(params, memory)
        >>> context, weights, state = kind.attend(params, memory, jnp.ones((4, 3)), state)
        >>> context.shape, bool((state == weights).all())
        ((4, 2), True)

    References:
        Chorowski, Bahdanau, Serdyuk, Cho and Bengio, Attention-based models for speech recognition,
        2015, arXiv:1506.07503.
    """

    score_size: int
    num_filters: int
    filter_size: int
    cumulative: bool = False
    normalise: bool = False
    kernel_init: Initializer = Glorot()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(self, "num_filters", self.num_filters)

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> LocationAwareParams:
        key_score, key_f, key_u = jax.random.split(key, 3)
        return LocationAwareParams(
            score=init_additive(self, key_score, dtype),
            filters=self.kernel_init(key_f, (self.filter_size, self.num_filters), dtype),
            u=self.kernel_init(key_u, (self.num_filters, self.score_size), dtype),
        )

    def keys(self, params: LocationAwareParams, values: jax.Array) -> jax.Array:
        return matmul(values, params.score.w_k)

    def initial_state(self, params: LocationAwareParams, memory: Memory) -> jax.Array:
        return no_weights(memory)

    def score(
        self, params: LocationAwareParams, memory: Memory, query: jax.Array, state: State
    ) -> jax.Array:
        seen = matmul(neighbours(state, self.filter_size), params.filters)
        return hidden_sum(params.score, memory, query, matmul(seen, params.u))

    def advance(self, state: State, weights: jax.Array) -> jax.Array:
        weights = weights.astype(state.dtype)
        return state + weights if self.cumulative else weights


class CoverageParams(NamedTuple):
    """Parameters of ``Coverage``."""

    score: AdditiveParams
    w_c: jax.Array  # (1, A)


@dataclass(frozen=True, kw_only=True)
class Coverage(Soft):
    """Additive attention that sees how much of each place it has read already.

        c_s = sum of the weights of s at all earlier steps
        e_s = v . tanh(m_s @ w_k + q @ w_q + c_s w_c + b)

    The state is the coverage c. The loss that keeps it from reading twice is
    ``attention.coverage_loss``.

    Args:
        query_size: Q.
        memory_size: E.
        temperature: Divides the scores.
        smooth: sigmoid in place of exp in the softmax.
        score_size: A, hidden units of the score.
        normalise: Learn the length of v apart from its direction.
        kernel_init: Initialiser of all matrices.

    Example:
        >>> kind = Coverage(query_size=3, memory_size=2, score_size=4)
        >>> params = kind.init(jax.random.key(0))
        >>> memory = kind.prepare(params, jnp.ones((5, 4, 2)))
        >>> state = kind.initial_state(params, memory)
        >>> context, weights, state = kind.attend(params, memory, jnp.ones((4, 3)), state)
        >>> context.shape, bool((state == weights).all())
        ((4, 2), True)

    References:
        Tu, Lu, Liu, Liu and Li, Modeling coverage for neural machine translation, 2016,
        arXiv:1601.04811.
        See, Liu and Manning, Get to the point: summarization with pointer-generator networks, 2017,
        arXiv:1704.04368.
    """

    score_size: int
    normalise: bool = False
    kernel_init: Initializer = Glorot()

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> CoverageParams:
        key_score, key_c = jax.random.split(key)
        return CoverageParams(
            score=init_additive(self, key_score, dtype),
            w_c=self.kernel_init(key_c, (1, self.score_size), dtype),
        )

    def keys(self, params: CoverageParams, values: jax.Array) -> jax.Array:
        return matmul(values, params.score.w_k)

    def initial_state(self, params: CoverageParams, memory: Memory) -> jax.Array:
        return no_weights(memory)

    def score(
        self, params: CoverageParams, memory: Memory, query: jax.Array, state: State
    ) -> jax.Array:
        return hidden_sum(params.score, memory, query, matmul(state[..., None], params.w_c))

    def advance(self, state: State, weights: jax.Array) -> jax.Array:
        return state + weights.astype(state.dtype)

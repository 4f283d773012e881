"""Soft attention: the softmax of a score, and a weighted sum."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.attention.base import Attended, Memory, clean, widen_query
from rnn_jax.ops.checks import check_sizes
from rnn_jax.ops.linear import wider
from rnn_jax.typing import Params, State


def product(equation: str, x: jax.Array, w: jax.Array) -> jax.Array:
    """An einsum in the dtype of ``w`` that is summed in float32 or wider.

    Example:
        >>> product("...s,...se->...e", jnp.ones(3), jnp.ones((3, 2), jnp.bfloat16)).tolist()
        [3.0, 3.0]
    """
    dtype = wider(x.dtype, w.dtype, jnp.float32)
    return jnp.einsum(equation, x.astype(w.dtype), w, preferred_element_type=dtype)


def masked_softmax(
    scores: jax.Array, valid: jax.Array, temperature: float = 1.0, smooth: bool = False
) -> jax.Array:
    """Softmax over the last axis, of the real places only.

        w_s = exp(e_s / temperature) / sum over the real s' of exp(e_s' / temperature)

    Args:
        scores: e, (..., S), float32 or wider.
        valid: (..., S) bool.
        temperature: Below 1 sharpens, above 1 flattens.
        smooth: sigmoid in place of exp, which spreads the weights (Chorowski et al. 2015).

    Returns:
        (..., S): exactly 0 where not valid; all 0 where nothing is. What stands on padding, NaN
        included, changes neither values nor gradients.

    Example:
        >>> valid = jnp.array([[True, True, False], [False, False, False]])
        >>> masked_softmax(jnp.array([[1.0, 1.0, jnp.nan]] * 2), valid).tolist()
        [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]
    """
    scores = jnp.where(valid, scores, 0) / temperature
    if smooth:
        scores = jax.nn.log_sigmoid(scores)  # divided by the largest below: never 0 / 0
    top = jnp.where(valid, scores, -jnp.inf).max(-1, keepdims=True)
    top = jax.lax.stop_gradient(jnp.where(jnp.isneginf(top), 0, top))
    lowered = jnp.where(valid, scores - jnp.broadcast_to(top, scores.shape), 0)
    weights = jnp.where(valid, jnp.exp(lowered), 0)
    total = weights.sum(-1, keepdims=True)
    return weights / jnp.broadcast_to(jnp.where(total == 0, 1, total), weights.shape)


@dataclass(frozen=True, kw_only=True)
class Soft:
    """What mechanisms of one score have in common: the softmax of it weighs the memory.

        w = softmax(score(query, keys) / temperature),   context = sum over s of w_s values_s

    A kind derives from it and says ``init`` and ``score``; ``keys`` where the memory is projected;
    ``initial_state`` and ``advance`` where the weights of earlier steps count.

    Args:
        query_size: Q, features of a query (the decoder's state).
        memory_size: E, features of the memory (the encoder's outputs).
        temperature: Divides the scores: below 1 sharpens, above 1 flattens.
        smooth: sigmoid in place of exp in the softmax, which spreads the weights over more places.

    Example:
        >>> from rnn_jax import attention
        >>> issubclass(attention.Additive, Soft)
        True
    """

    query_size: int
    memory_size: int
    temperature: float = 1.0
    smooth: bool = False

    def __post_init__(self) -> None:
        check_sizes(self)
        if not self.temperature > 0:
            raise ValueError(
                f"{type(self).__name__}: temperature must be > 0, got {self.temperature}."
            )

    @property
    def output_size(self) -> int:
        return self.memory_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> Params:
        del key, dtype
        return ()

    def keys(self, params: Params, values: jax.Array) -> jax.Array:
        return values

    def prepare(
        self, params: Params, memory: jax.Array, lengths: jax.Array | None = None
    ) -> Memory:
        values, valid = clean(self, memory, lengths)
        return Memory(self.keys(params, values), values, valid)

    def initial_state(self, params: Params, memory: Memory) -> State:
        return ()

    def score(self, params: Params, memory: Memory, query: jax.Array, state: State) -> jax.Array:
        raise NotImplementedError(f"{type(self).__name__} has no score of its own")

    def advance(self, state: State, weights: jax.Array) -> State:
        return state

    def attend(self, params: Params, memory: Memory, query: jax.Array, state: State) -> Attended:
        query = widen_query(self, memory, query)
        scores = self.score(params, memory, query, state)
        weights = masked_softmax(scores, memory.valid, self.temperature, self.smooth)
        context = product("...s,...se->...e", weights, memory.values)
        return Attended(context, weights, self.advance(state, weights))

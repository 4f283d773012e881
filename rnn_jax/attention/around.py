"""What mechanisms around the score of another have in common."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.attention.base import Memory
from rnn_jax.attention.soft import Soft
from rnn_jax.ops.types import shard_like
from rnn_jax.typing import DType, Params, State


@dataclass(frozen=True, kw_only=True)
class Around:
    """A mechanism that makes other weights of an inner one's scores.

    Its parameters are a NamedTuple whose field ``attention`` holds the inner ones.

    Args:
        attention: One with a method ``score``: dot, general, additive, concat, location-aware,
            coverage.

    Raises:
        ValueError: If the inner one has no score.

    Example:
        >>> from rnn_jax import attention
        >>> issubclass(attention.Monotonic, Around)
        True
    """

    attention: Any

    def __post_init__(self) -> None:
        if not isinstance(self.attention, Soft) or hasattr(self.attention, "weight_heads"):
            raise ValueError(
                f"{type(self).__name__}: attention is {self.attention!r}, which has no single "
                "score to use: give one such as attention.Additive(...)."
            )

    @property
    def query_size(self) -> int:
        return self.attention.query_size

    @property
    def memory_size(self) -> int:
        return self.attention.memory_size

    @property
    def output_size(self) -> int:
        return self.attention.output_size

    def prepare(
        self, params: Params, memory: jax.Array, lengths: jax.Array | None = None
    ) -> Memory:
        return self.attention.prepare(params.attention, memory, lengths)

    def scores(self, params: Params, memory: Memory, query: jax.Array, state: State) -> jax.Array:
        """The inner scores, over the inner temperature; 0 where the memory is not real."""
        scores = self.attention.score(params.attention, memory, query, state)
        return jnp.where(memory.valid, scores / self.attention.temperature, 0)


def places(valid: jax.Array, dtype: DType) -> jax.Array:
    """0, 1, ..., S - 1 along the last axis, of the shape and sharding of ``valid``.

    Example:
        >>> places(jnp.ones((2, 3), bool), jnp.int32).tolist()
        [[0, 1, 2], [0, 1, 2]]
    """
    return shard_like(jax.lax.broadcasted_iota(dtype, valid.shape, valid.ndim - 1), valid)

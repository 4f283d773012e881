"""Cells and layers with a memory of their own, so that they stand under the laws as any other."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.cells.wrapper import Wrapper
from rnn_jax.layers import CrossAttention


@dataclass(frozen=True, kw_only=True)
class WithMemory(Wrapper):
    """``init`` binds a random memory (S, E) for all rows; its last step is padding."""

    num_steps: int = 4

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> Any:
        key_cell, key_memory = jax.random.split(key)
        shape = (self.num_steps, self.cell.attention.memory_size)
        memory = jax.random.normal(key_memory, shape, dtype)
        lengths = jnp.array(self.num_steps - 1)
        return self.cell.bind(self.cell.init(key_cell, dtype), memory, lengths)


@dataclass(frozen=True, kw_only=True)
class ReadsMemory(CrossAttention):
    """The same for a layer, whose gradients reach the memory: it is bound at every call."""

    num_steps: int = 4

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> Any:
        shape = (self.num_steps, self.attention.memory_size)
        return super().init(key, dtype)._replace(memory=jax.random.normal(key, shape, dtype))

    def apply(self, params: Any, *arguments: Any, **options: Any) -> Any:
        bound = self.bind(params, params.memory, jnp.array(self.num_steps - 1))
        return super().apply(bound, *arguments, **options)

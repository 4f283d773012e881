"""A gate on what attention reads."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax import attention as attending
from rnn_jax.attention import Attended, Memory
from rnn_jax.ops.initializers import Glorot
from rnn_jax.ops.linear import affine
from rnn_jax.typing import Initializer, Params, PyTree, State


class GatedAttentionParams(NamedTuple):
    """Parameters of ``GatedAttention``."""

    attention: Params
    w: jax.Array  # (Q, 1)
    b: jax.Array  # (1,)


@dataclass(frozen=True, kw_only=True)
class GatedAttention:
    """The decoder decides at each step how much it looks.

        context = sigmoid(q @ w + b) * context of the inner attention

    Args:
        attention: Any mechanism.
        kernel_init: Initialiser of ``w``.

    Example:
        >>> dot = attending.Dot(query_size=2, memory_size=2)
        >>> kind = GatedAttention(attention=dot)
        >>> params = kind.init(jax.random.key(0))
        >>> memory = kind.prepare(params, jnp.ones((5, 4, 2)))
        >>> kind.attend(params, memory, jnp.zeros((4, 2)), ()).context[0].tolist()
        [0.5, 0.5]

    References:
        Xu et al., Show, attend and tell, 2015, arXiv:1502.03044 (section 4.2.1, beta).
    """

    attention: Any
    kernel_init: Initializer = Glorot()

    @property
    def query_size(self) -> int:
        return self.attention.query_size

    @property
    def memory_size(self) -> int:
        return self.attention.memory_size

    @property
    def output_size(self) -> int:
        return self.attention.output_size

    @property
    def weight_heads(self) -> tuple[int, ...]:
        """Axes of the weights before the places: (N,) of several heads."""
        return getattr(self.attention, "weight_heads", ())

    @property
    def is_stochastic(self) -> bool:
        return attending.is_stochastic(self.attention)

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> GatedAttentionParams:
        key_attention, key_w = jax.random.split(key)
        return GatedAttentionParams(
            attention=self.attention.init(key_attention, dtype),
            w=self.kernel_init(key_w, (self.query_size, 1), dtype),
            b=jnp.zeros((1,), dtype),
        )

    def prepare(self, params: Params, memory: jax.Array, lengths: Any = None) -> Memory:
        return self.attention.prepare(params.attention, memory, lengths)

    def initial_state(self, params: Params, memory: Memory) -> State:
        return self.attention.initial_state(params.attention, memory)

    def noise(self, params: Params, memory: Memory, key: jax.Array, shape: Any) -> PyTree:
        return self.attention.noise(params.attention, memory, key, shape)

    def attend(
        self, params: Params, memory: Memory, query: jax.Array, state: State, noise: PyTree = None
    ) -> Attended:
        given = () if noise is None else (noise,)
        found = self.attention.attend(params.attention, memory, query, state, *given)
        gate = jax.nn.sigmoid(affine(query, params.w, params.b)).astype(found.context.dtype)
        return found._replace(context=jnp.broadcast_to(gate, found.context.shape) * found.context)

"""Self-attention over a sequence, as a layer."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.attention.multi_head import MultiHead, MultiHeadParams
from rnn_jax.layers.base import Output
from rnn_jax.layers.common import clean, prepare
from rnn_jax.ops.checks import check_instance
from rnn_jax.typing import State


@dataclass(frozen=True, kw_only=True)
class SelfAttention:
    """Every step attends to all steps of its sequence: multi-head self-attention.

        ys = attention.attend_sequence(prepare(xs), xs)

    It has no memory from call to call: its state is (), and a sequence in two calls is two
    sequences. ``reset`` begins a new sequence within a row, and a step sees those of its own only.

    Args:
        attention: A ``MultiHead`` with ``query_size`` and ``memory_size`` D.
        causal: Let a step see itself and the steps before only.

    Raises:
        ValueError: If the attention is no ``MultiHead``, or its two sizes differ.

    Example:
        >>> from rnn_jax import attention, layers
        >>> heads = attention.MultiHead(query_size=4, memory_size=4, num_heads=2, head_size=3)
        >>> layer = layers.SelfAttention(attention=heads, causal=True)
        >>> params = layer.init(jax.random.key(0))
        >>> ys, lengths, _ = layer.apply(params, jnp.ones((5, 2, 4)), lengths=jnp.array([5, 3]))
        >>> ys.shape, bool((ys[3:, 1] == 0).all())
        ((5, 2, 4), True)

    References:
        Vaswani et al., Attention is all you need, 2017, arXiv:1706.03762.
    """

    attention: MultiHead
    causal: bool = False

    def __post_init__(self) -> None:
        example = "attention.MultiHead(query_size=4, memory_size=4, num_heads=2, head_size=2)"
        check_instance("SelfAttention", "attention", self.attention, MultiHead, example)
        sizes = (self.attention.query_size, self.attention.memory_size)
        if sizes[0] != sizes[1]:
            raise ValueError(
                f"SelfAttention: query_size={sizes[0]} and memory_size={sizes[1]} are both the "
                "features of the sequence: make them equal."
            )

    @property
    def input_size(self) -> int:
        return self.attention.query_size

    @property
    def output_size(self) -> int:
        return self.attention.output_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> MultiHeadParams:
        return self.attention.init(key, dtype)

    def initial_state(self, params: MultiHeadParams, batch_shape: tuple[int, ...] = ()) -> State:
        return ()

    def apply(
        self,
        params: MultiHeadParams,
        xs: jax.Array,
        state: State | None = None,
        *,
        lengths: jax.Array | None = None,
        reset: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> Output:
        """Run over xs (T, *B, D); ``state`` is () or None, ``key`` is not used."""
        del key
        if jax.tree.leaves(state):
            raise ValueError("SelfAttention: it has no memory, so state must be () or None.")
        xs, lengths, reset, _ = prepare(self, xs, lengths, reset)
        memory = self.attention.prepare(params, xs, lengths)
        allowed = None if reset is None else _same_sequence(reset)
        ys, _ = self.attention.attend_sequence(
            params, memory, xs, causal=self.causal, allowed=allowed
        )
        return Output(clean(ys, lengths), lengths, ())


def _same_sequence(reset: jax.Array) -> jax.Array:
    """Which steps have no reset between them, (*B, T, T)."""
    number = jnp.moveaxis(jnp.cumsum(reset.astype(jnp.int32), axis=0), 0, -1)
    shape = (*number.shape, number.shape[-1])
    rows = jnp.broadcast_to(number[..., :, None], shape)
    return rows == jnp.broadcast_to(number[..., None, :], shape)

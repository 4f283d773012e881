"""Scores that are products: dot, scaled dot, and Luong's general (bilinear) one."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.attention.base import Memory
from rnn_jax.attention.soft import Soft, product
from rnn_jax.ops.initializers import Glorot
from rnn_jax.ops.linear import matmul
from rnn_jax.typing import Initializer, Params, State


@dataclass(frozen=True, kw_only=True)
class Dot(Soft):
    """The dot product of query and memory; it has no parameters.

        e_s = q . m_s,   scaled: e_s = q . m_s / sqrt(E)

    Args:
        query_size: Q, equal to ``memory_size``.
        memory_size: E.
        temperature: Divides the scores.
        smooth: sigmoid in place of exp in the softmax.
        scaled: Divide by sqrt(E), which keeps the scores of random vectors near 1.

    Raises:
        ValueError: If the two sizes differ.

    Example:
        >>> dot = Dot(query_size=2, memory_size=2)
        >>> memory = dot.prepare((), jnp.ones((5, 4, 2)), jnp.array([5, 2, 1, 0]))
        >>> context, weights, _ = dot.attend((), memory, jnp.ones((4, 2)), ())
        >>> context.shape, weights[1].tolist()
        ((4, 2), [0.5, 0.5, 0.0, 0.0, 0.0])

    References:
        Luong, Pham and Manning, Effective approaches to attention-based neural machine translation,
        2015, arXiv:1508.04025. Scaled: Vaswani et al., Attention is all you need, 2017,
        arXiv:1706.03762.
    """

    scaled: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.query_size != self.memory_size:
            raise ValueError(
                f"Dot: query_size={self.query_size} and memory_size={self.memory_size} differ, so "
                "there is no dot product: use General, which has a matrix between them."
            )

    def score(self, params: Params, memory: Memory, query: jax.Array, state: State) -> jax.Array:
        scores = product("...a,...sa->...s", query, memory.keys)
        return scores / math.sqrt(self.memory_size) if self.scaled else scores


class GeneralParams(NamedTuple):
    """Parameters of ``General``."""

    w_k: jax.Array  # (E, Q)


@dataclass(frozen=True, kw_only=True)
class General(Soft):
    """A bilinear score: Luong's general.

        e_s = q^T W m_s = q . (m_s @ w_k),   w_k = W^T

    Args:
        query_size: Q.
        memory_size: E.
        temperature: Divides the scores.
        smooth: sigmoid in place of exp in the softmax.
        kernel_init: Initialiser of ``w_k``.

    Example:
        >>> general = General(query_size=3, memory_size=2)
        >>> params = general.init(jax.random.key(0))
        >>> memory = general.prepare(params, jnp.ones((5, 4, 2)))
        >>> general.attend(params, memory, jnp.ones((4, 3)), ()).context.shape
        (4, 2)

    References:
        Luong, Pham and Manning, Effective approaches to attention-based neural machine translation,
        2015, arXiv:1508.04025.
    """

    kernel_init: Initializer = Glorot()

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> GeneralParams:
        return GeneralParams(self.kernel_init(key, (self.memory_size, self.query_size), dtype))

    def keys(self, params: GeneralParams, values: jax.Array) -> jax.Array:
        return matmul(values, params.w_k)

    def score(
        self, params: GeneralParams, memory: Memory, query: jax.Array, state: State
    ) -> jax.Array:
        return product("...a,...sa->...s", query, memory.keys)

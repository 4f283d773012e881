"""Scores by a small network: Bahdanau's additive one, plain or normalised, and Luong's concat."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.attention.base import Memory
from rnn_jax.attention.soft import Soft
from rnn_jax.ops.initializers import Glorot
from rnn_jax.ops.linear import affine, matmul
from rnn_jax.typing import Initializer, State


class AdditiveParams(NamedTuple):
    """Parameters of ``Additive``, and of the kinds that add to its sum."""

    w_q: jax.Array  # (Q, A)
    w_k: jax.Array  # (E, A)
    b: jax.Array  # (A,)
    v: jax.Array  # (A,)
    g: jax.Array | None  # () length of v where normalised


def init_additive(attention: Any, key: jax.Array, dtype: Any) -> AdditiveParams:
    """Fresh parameters for a mechanism with ``score_size`` hidden units.

    Example:
        >>> kind = Additive(query_size=3, memory_size=2, score_size=4)
        >>> init_additive(kind, jax.random.key(0), jnp.float32).w_q.shape
        (3, 4)
    """
    key_q, key_k, key_v = jax.random.split(key, 3)
    size, init = attention.score_size, attention.kernel_init
    return AdditiveParams(
        w_q=init(key_q, (attention.query_size, size), dtype),
        w_k=init(key_k, (attention.memory_size, size), dtype),
        b=jnp.zeros((size,), dtype),
        v=init(key_v, (size, 1), dtype)[:, 0],
        g=jnp.full((), size**-0.5, dtype) if attention.normalise else None,
    )


def hidden_sum(
    params: AdditiveParams, memory: Memory, query: jax.Array, more: jax.Array | None = None
) -> jax.Array:
    """The score v . tanh(keys_s + q @ w_q + b + more_s), (*B, S).

    Example:
        >>> kind = Additive(query_size=3, memory_size=2, score_size=4)
        >>> params = kind.init(jax.random.key(0))
        >>> memory = kind.prepare(params, jnp.ones((5, 2)))
        >>> hidden_sum(params, memory, jnp.ones(3)).shape
        (5,)
    """
    q = affine(query, params.w_q, params.b)
    total = memory.keys.astype(q.dtype) + jnp.broadcast_to(q[..., None, :], memory.keys.shape)
    if more is not None:
        total = total + more.astype(q.dtype)
    v = params.v
    if params.g is not None:
        wide = v.astype(q.dtype)
        v = (params.g.astype(q.dtype) * wide * jax.lax.rsqrt(jnp.vdot(wide, wide))).astype(v.dtype)
    return matmul(jnp.tanh(total), v[:, None])[..., 0]


@dataclass(frozen=True, kw_only=True)
class Additive(Soft):
    """Bahdanau's score: a network of one hidden layer on query and memory.

        e_s = v . tanh(m_s @ w_k + q @ w_q + b)
        e_s = g v / |v| . tanh(m_s @ w_k + q @ w_q + b)         normalised

    The projection of the memory is made once, in ``prepare``. As in TensorFlow Addons' normalised
    form, g begins at 1 / sqrt(A); unlike there, b is also there in the plain one (it begins at 0).

    Args:
        query_size: Q.
        memory_size: E.
        temperature: Divides the scores.
        smooth: sigmoid in place of exp in the softmax.
        score_size: A, hidden units of the score.
        normalise: Learn the length of v apart from its direction.
        kernel_init: Initialiser of ``w_q``, ``w_k`` and ``v``.

    Example:
        >>> additive = Additive(query_size=3, memory_size=2, score_size=4)
        >>> params = additive.init(jax.random.key(0))
        >>> memory = additive.prepare(params, jnp.ones((5, 4, 2)), jnp.array([5, 2, 1, 0]))
        >>> context, weights, _ = additive.attend(params, memory, jnp.ones((4, 3)), ())
        >>> context.shape, weights[1].tolist()
        ((4, 2), [0.5, 0.5, 0.0, 0.0, 0.0])

    References:
        Bahdanau, Cho and Bengio, Neural machine translation by jointly learning to align and
        translate, 2015, arXiv:1409.0473.
        Salimans and Kingma, Weight normalization, 2016, arXiv:1602.07868.
    """

    score_size: int
    normalise: bool = False
    kernel_init: Initializer = Glorot()

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> AdditiveParams:
        return init_additive(self, key, dtype)

    def keys(self, params: AdditiveParams, values: jax.Array) -> jax.Array:
        return matmul(values, params.w_k)

    def score(
        self, params: AdditiveParams, memory: Memory, query: jax.Array, state: State
    ) -> jax.Array:
        return hidden_sum(params, memory, query)


class ConcatParams(NamedTuple):
    """Parameters of ``Concat``."""

    w: jax.Array  # (Q + E, A), the query's rows first
    v: jax.Array  # (A,)


@dataclass(frozen=True, kw_only=True)
class Concat(Soft):
    """Luong's concat score.

        e_s = v . tanh([q; m_s] @ w)

    It is the additive score with the two matrices in one, drawn as one, and without a bias.

    Args:
        query_size: Q.
        memory_size: E.
        temperature: Divides the scores.
        smooth: sigmoid in place of exp in the softmax.
        score_size: A, hidden units of the score.
        kernel_init: Initialiser of ``w`` and ``v``.

    Example:
        >>> concat = Concat(query_size=3, memory_size=2, score_size=4)
        >>> params = concat.init(jax.random.key(0))
        >>> memory = concat.prepare(params, jnp.ones((5, 4, 2)))
        >>> concat.attend(params, memory, jnp.ones((4, 3)), ()).context.shape
        (4, 2)

    References:
        Luong, Pham and Manning, Effective approaches to attention-based neural machine translation,
        2015, arXiv:1508.04025.
    """

    score_size: int
    kernel_init: Initializer = Glorot()

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> ConcatParams:
        key_w, key_v = jax.random.split(key)
        return ConcatParams(
            w=self.kernel_init(key_w, (self.query_size + self.memory_size, self.score_size), dtype),
            v=self.kernel_init(key_v, (self.score_size, 1), dtype)[:, 0],
        )

    def keys(self, params: ConcatParams, values: jax.Array) -> jax.Array:
        return matmul(values, params.w[self.query_size :])

    def score(
        self, params: ConcatParams, memory: Memory, query: jax.Array, state: State
    ) -> jax.Array:
        q = matmul(query, params.w[: self.query_size])
        total = memory.keys.astype(q.dtype) + jnp.broadcast_to(q[..., None, :], memory.keys.shape)
        return matmul(jnp.tanh(total), params.v[:, None])[..., 0]

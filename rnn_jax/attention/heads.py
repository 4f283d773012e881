"""Several heads whose keys and queries come from small networks: listen, attend and spell."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.attention.base import Attended, Memory, widen_query
from rnn_jax.attention.soft import Soft, masked_softmax, product
from rnn_jax.ops.checks import check_count
from rnn_jax.ops.initializers import Glorot
from rnn_jax.ops.linear import affine, wider
from rnn_jax.ops.masks import select
from rnn_jax.typing import Activation, Initializer, State


class HeadDense(NamedTuple):
    """One layer of a network that makes keys or queries."""

    w: jax.Array  # (in, out)
    b: jax.Array  # (out,)


def split_heads(x: jax.Array, num_heads: int) -> jax.Array:
    """(..., N * A) -> (..., N, A).

    Example:
        >>> split_heads(jnp.ones((5, 6)), 2).shape
        (5, 2, 3)
    """
    return x.reshape(*x.shape[:-1], num_heads, -1)


def join_heads(x: jax.Array) -> jax.Array:
    """(..., N, A) -> (..., N * A).

    Example:
        >>> join_heads(jnp.ones((5, 2, 3))).shape
        (5, 6)
    """
    return x.reshape(*x.shape[:-2], -1)


def project_heads(
    contexts: jax.Array, w_o: jax.Array, b_o: jax.Array | None, readable: jax.Array
) -> jax.Array:
    """[c_1, ..., c_N] @ w_o + b_o of contexts (..., N, E); zero where nothing could be read.

    Example:
        >>> contexts, w_o, b_o = jnp.ones((2, 1, 3)), jnp.ones((3, 4)), jnp.ones(4)
        >>> project_heads(contexts, w_o, b_o, jnp.array([True, False]))[:, 0].tolist()
        [4.0, 0.0]
    """
    context = affine(join_heads(contexts), w_o, b_o)
    return select(readable, context, jnp.zeros((), context.dtype))


class MLPHeadsParams(NamedTuple):
    """Parameters of ``MLPHeads``."""

    query: tuple[HeadDense, ...]
    key: tuple[HeadDense, ...]
    w_o: jax.Array  # (N * E, O)
    b_o: jax.Array  # (O,)


@dataclass(frozen=True, kw_only=True)
class MLPHeads(Soft):
    """Several heads whose queries and keys come from small networks: listen, attend and spell.

        e_{n,s} = phi_n(q) . psi_n(m_s),   w_n = softmax(e_n)
        context = [sum_s w_{1,s} m_s, ..., sum_s w_{N,s} m_s] @ w_o + b_o

    phi and psi are networks with ``hidden_sizes`` units and the activation, then an affine map to N
    times A features; the keys are made once, in ``prepare``.

    Args:
        query_size: Q.
        memory_size: E.
        temperature: Divides the scores.
        smooth: sigmoid in place of exp in the softmax.
        key_size: A, features of one head's key.
        num_heads: N.
        hidden_sizes: Hidden units of both networks; () for affine maps alone.
        context_size: O; None for E.
        activation: After each hidden layer.
        kernel_init: Initialiser of all matrices.

    Raises:
        ValueError: If a size is no whole number >= 1.

    Example:
        >>> heads = MLPHeads(
        ...     query_size=3, memory_size=2, key_size=4, num_heads=2, hidden_sizes=(5,)
        ... )
        >>> params = heads.init(jax.random.key(0))
        >>> memory = heads.prepare(params, jnp.ones((7, 6, 2)))
        >>> context, weights, _ = heads.attend(params, memory, jnp.ones((6, 3)), ())
        >>> context.shape, weights.shape
        ((6, 2), (6, 2, 7))

    References:
        Chan, Jaitly, Le and Vinyals, Listen, attend and spell, 2016, arXiv:1508.01211.
        Several heads: Chiu et al., State-of-the-art speech recognition with sequence-to-sequence
        models, 2018, arXiv:1712.01769.
    """

    key_size: int
    num_heads: int
    hidden_sizes: tuple[int, ...]
    context_size: int | None = None
    activation: Activation = jnp.tanh
    kernel_init: Initializer = Glorot()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(self, "num_heads", self.num_heads)
        if not isinstance(self.hidden_sizes, (tuple, list)):
            raise ValueError(
                f"MLPHeads: hidden_sizes is {self.hidden_sizes!r}: give a tuple, (128,) for one "
                "hidden layer and () for none."
            )
        object.__setattr__(self, "hidden_sizes", tuple(self.hidden_sizes))
        for k, size in enumerate(self.hidden_sizes):
            check_count(self, f"hidden_sizes[{k}]", size)

    @property
    def output_size(self) -> int:
        return self.context_size or self.memory_size

    @property
    def weight_heads(self) -> tuple[int, ...]:
        return (self.num_heads,)

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> MLPHeadsParams:
        key_q, key_k, key_o = jax.random.split(key, 3)

        def network(key: jax.Array, size: int) -> tuple[HeadDense, ...]:
            sizes = (size, *self.hidden_sizes, self.num_heads * self.key_size)
            keys = jax.random.split(key, len(sizes) - 1)
            return tuple(
                HeadDense(self.kernel_init(k, (a, b), dtype), jnp.zeros((b,), dtype))
                for k, a, b in zip(keys, sizes, sizes[1:], strict=False)
            )

        return MLPHeadsParams(
            query=network(key_q, self.query_size),
            key=network(key_k, self.memory_size),
            w_o=self.kernel_init(
                key_o, (self.num_heads * self.memory_size, self.output_size), dtype
            ),
            b_o=jnp.zeros((self.output_size,), dtype),
        )

    def _network(self, layers: tuple[HeadDense, ...], x: jax.Array) -> jax.Array:
        for k, layer in enumerate(layers):
            x = affine(x if k == 0 else self.activation(x), layer.w, layer.b)
        return x

    def keys(self, params: MLPHeadsParams, values: jax.Array) -> jax.Array:
        dtype = wider(values.dtype, params.w_o.dtype)
        return self._network(params.key, values).astype(dtype)

    def attend(
        self, params: MLPHeadsParams, memory: Memory, query: jax.Array, state: State
    ) -> Attended:
        query = split_heads(
            self._network(params.query, widen_query(self, memory, query)), self.num_heads
        )
        keys = split_heads(memory.keys, self.num_heads)
        scores = product("...na,...sna->...ns", query, keys)
        valid = jnp.broadcast_to(memory.valid[..., None, :], scores.shape)
        weights = masked_softmax(scores, valid, self.temperature, self.smooth)
        contexts = product("...ns,...se->...ne", weights, memory.values)
        context = project_heads(contexts, params.w_o, params.b_o, memory.valid.any(-1))
        return Attended(context, weights, state)

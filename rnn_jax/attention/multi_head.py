"""Multi-head attention: one query at a time, or whole sequences at once."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.attention.base import Attended, Memory, clean, widen_query
from rnn_jax.attention.heads import project_heads, split_heads
from rnn_jax.attention.soft import Soft, masked_softmax, product
from rnn_jax.ops.checks import check_count
from rnn_jax.ops.initializers import Glorot
from rnn_jax.ops.linear import affine, wider
from rnn_jax.ops.types import shard_like
from rnn_jax.typing import Initializer, State


class MultiHeadParams(NamedTuple):
    """Parameters of ``MultiHead``; the columns of one head stand together."""

    w_q: jax.Array  # (Q, N * A)
    b_q: jax.Array | None  # (N * A,)
    w_k: jax.Array  # (E, N * A)
    b_k: jax.Array | None  # (N * A,)
    w_v: jax.Array  # (E, N * A)
    b_v: jax.Array | None  # (N * A,)
    w_o: jax.Array  # (N * A, O)
    b_o: jax.Array | None  # (O,)


@dataclass(frozen=True, kw_only=True)
class MultiHead(Soft):
    """Scaled dot-product attention with several heads.

        Q = q @ w_q + b_q,   K = m @ w_k + b_k,   V = m @ w_v + b_v          cut into N heads
        w_n = softmax(Q_n K_n^T / sqrt(A)),   context = [w_1 V_1, ..., w_N V_N] @ w_o + b_o

    ``attend`` is one step of a decoder; ``attend_sequence`` takes all queries at once, which is
    cross-attention between two sequences, or self-attention where they are one (see
    ``layers.SelfAttention``). It equals ``torch.nn.MultiheadAttention`` (whose ``in_proj_weight``
    is [w_q, w_k, w_v] transposed), but a row with nothing to read gives 0 where torch gives NaN,
    and the weights stay apart by head.

    Args:
        query_size: Q.
        memory_size: E.
        temperature: Divides the scores, beside sqrt(A).
        smooth: sigmoid in place of exp in the softmax.
        num_heads: N.
        head_size: A, features of one head.
        context_size: O; None for Q.
        bias: Whether the four maps have biases; they begin at 0.
        kernel_init: Initialiser of the four matrices.

    Raises:
        ValueError: If a size is below 1.

    Example:
        >>> heads = MultiHead(query_size=3, memory_size=2, num_heads=2, head_size=4)
        >>> params = heads.init(jax.random.key(0))
        >>> memory = heads.prepare(params, jnp.ones((7, 6, 2)))
        >>> contexts, weights = heads.attend_sequence(params, memory, jnp.ones((5, 6, 3)))
        >>> contexts.shape, weights.shape
        ((5, 6, 3), (5, 6, 2, 7))

    References:
        Vaswani et al., Attention is all you need, 2017, arXiv:1706.03762.
    """

    num_heads: int
    head_size: int
    context_size: int | None = None
    bias: bool = True
    kernel_init: Initializer = Glorot()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count(self, "num_heads", self.num_heads)

    @property
    def output_size(self) -> int:
        return self.context_size or self.query_size

    @property
    def weight_heads(self) -> tuple[int, ...]:
        return (self.num_heads,)

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> MultiHeadParams:
        inner = self.num_heads * self.head_size
        rows = (self.query_size, self.memory_size, self.memory_size, inner)
        columns = (inner, inner, inner, self.output_size)
        parts: list[Any] = []
        for k, a, b in zip(jax.random.split(key, 4), rows, columns, strict=True):
            parts.append(self.kernel_init(k, (a, b), dtype))
            parts.append(jnp.zeros((b,), dtype) if self.bias else None)
        return MultiHeadParams(*parts)

    def prepare(
        self, params: MultiHeadParams, memory: jax.Array, lengths: jax.Array | None = None
    ) -> Memory:
        memory, valid = clean(self, memory, lengths)
        dtype = wider(memory.dtype, params.w_k.dtype)
        keys = affine(memory, params.w_k, params.b_k).astype(dtype)
        return Memory(keys, affine(memory, params.w_v, params.b_v).astype(dtype), valid)

    def attend(
        self, params: MultiHeadParams, memory: Memory, query: jax.Array, state: State
    ) -> Attended:
        query = widen_query(self, memory, query)
        found = self._read(params, memory, query[..., None, :], memory.valid[..., None, :])
        return Attended(found[0][..., 0, :], found[1][..., 0, :], state)

    def attend_sequence(
        self,
        params: MultiHeadParams,
        memory: Memory,
        queries: jax.Array,
        *,
        causal: bool = False,
        allowed: jax.Array | None = None,
    ) -> tuple[jax.Array, jax.Array]:
        """Attend with all queries of a sequence at once.

        Args:
            params: Parameters.
            memory: What ``prepare`` made.
            queries: (T, *B, Q).
            causal: Let query t see the places s <= t only.
            allowed: Which places a query may see, (*B, T, S) bool; None for all.

        Returns:
            Contexts (T, *B, O), and weights (T, *B, N, S). A query that may see nothing gives 0.

        Raises:
            ValueError: If shapes do not fit.
        """
        batch, size = memory.valid.shape[:-1], memory.valid.shape[-1]
        if queries.ndim < 2 or queries.shape[1:] != (*batch, self.query_size):
            raise ValueError(
                f"queries has shape {queries.shape}, but MultiHead with query_size="
                f"{self.query_size} on this memory takes (T, "
                f"{', '.join(map(str, (*batch, self.query_size)))})."
            )
        shape = (*batch, queries.shape[0], size)
        mask = jnp.broadcast_to(memory.valid[..., None, :], shape)
        if allowed is not None:
            if allowed.shape != shape:
                raise ValueError(f"allowed has shape {allowed.shape}, but must have {shape}.")
            mask = jnp.logical_and(mask, allowed)
        if causal:
            t, s = (jax.lax.broadcasted_iota(jnp.int32, shape, len(batch) + k) for k in (0, 1))
            mask = jnp.logical_and(mask, shard_like(s <= t, mask))
        queries = jnp.moveaxis(queries, 0, -2)
        queries = queries.astype(wider(queries.dtype, jnp.float32))
        contexts, weights = self._read(params, memory, queries, mask)
        return jnp.moveaxis(contexts, -2, 0), jnp.moveaxis(weights, -2, 0)

    def _read(
        self, params: MultiHeadParams, memory: Memory, queries: jax.Array, mask: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """Contexts (*B, T, O) and weights (*B, N, T, S) of queries (*B, T, Q)."""
        q = split_heads(affine(queries, params.w_q, params.b_q), self.num_heads)
        keys = split_heads(memory.keys, self.num_heads)
        scores = product("...tna,...sna->...nts", q, keys) / math.sqrt(self.head_size)
        valid = jnp.broadcast_to(mask[..., None, :, :], scores.shape)
        weights = masked_softmax(scores, valid, self.temperature, self.smooth)
        values = split_heads(memory.values, self.num_heads)
        contexts = product("...nts,...sna->...tna", weights, values)
        return project_heads(contexts, params.w_o, params.b_o, mask.any(-1)), weights

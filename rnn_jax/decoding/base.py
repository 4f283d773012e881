"""The decoder's step, and how to make one of a cell.

    state', logits = step(params, state, token)

``step`` is a plain function of arrays: state leaves (*B, ...), token (*B,) integer, logits (*B, V).
It is static: give the same function, or an equal one, to every call, and nothing is traced twice.
All of ``rnn_jax.decoding`` takes ``(step, params, state, ...)`` first and gives arrays time first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from rnn_jax.drivers.checks import check_cell
from rnn_jax.drivers.unrolled import step as cell_step
from rnn_jax.ops.checks import check_count
from rnn_jax.ops.initializers import Glorot
from rnn_jax.ops.linear import affine, wider
from rnn_jax.ops.types import explicit_sharding
from rnn_jax.typing import Params, State


class Step(Protocol):
    """One step of a decoder: it reads a token and says what may follow."""

    def __call__(
        self, params: Params, state: State, token: jax.Array, /
    ) -> tuple[State, jax.Array]: ...


class TokenStepParams(NamedTuple):
    """What ``TokenStep`` reads with its default ``embed`` and ``head``."""

    cell: Params
    embedding: jax.Array  # (V, D)
    w: jax.Array  # (O, V)
    b: jax.Array  # (V,)


def look_up(params: Any, token: jax.Array) -> jax.Array:
    """Rows of ``params.embedding`` (V, D), one for each token (*B,).

    Example:
        >>> zeros = jnp.zeros((2, 2))
        >>> look_up(TokenStepParams((), jnp.eye(2), zeros, zeros[0]), jnp.array([1, 0])).tolist()
        [[0.0, 1.0], [1.0, 0.0]]
    """
    sharding = explicit_sharding(token)
    if sharding is None:
        return params.embedding[token]
    spec = jax.sharding.PartitionSpec(*sharding.spec, *(None,) * (token.ndim - len(sharding.spec)))
    out = jax.sharding.NamedSharding(sharding.mesh, jax.sharding.PartitionSpec(*spec, None))
    return params.embedding.at[token].get(out_sharding=out)


def affine_head(params: Any, y: jax.Array) -> jax.Array:
    """Logits ``y @ params.w + params.b``, in float32 or wider.

    Example:
        >>> params = TokenStepParams((), jnp.eye(2), jnp.ones((3, 2)), jnp.array([0.0, 1.0]))
        >>> affine_head(params, jnp.ones(3)).tolist()
        [3.0, 4.0]
    """
    return affine(y, params.w, params.b)


@dataclass(frozen=True, kw_only=True)
class TokenStep:
    """A decoder's step made of a cell: embed the token, step, map the output to logits.

        x = embed(params, token),   s', y = cell(params.cell, s, x),   logits = head(params, y)

    Equal when its fields are, so give it named functions, not lambdas made anew. Without a key the
    cell evaluates: no dropout. To *train* with given tokens run the cell under a driver instead,
    ``drivers.scan(cell, params.cell, embed(params, tokens))``: the same numbers as
    ``teacher_forced``, with all inputs encoded at once and the deferred gradient.

    Args:
        cell: A cell; its parameters are ``params.cell``.
        embed: From params and token (*B,) to the cell's input (*B, D). The default looks up
            ``params.embedding`` (the identity matrix there is one-hot).
        head: From params and the cell's output (*B, O) to logits (*B, V). The default is affine in
            ``params.w`` and ``params.b``.

    Raises:
        ValueError: If ``cell`` is no cell.

    Example:
        >>> from rnn_jax import cells
        >>> step = TokenStep(cell=cells.GRU(input_size=4, hidden_size=3))
        >>> params = step.init(jax.random.key(0), vocab_size=7)
        >>> state, logits = step(params, step.initial_state(params, (2,)), jnp.array([5, 0]))
        >>> logits.shape
        (2, 7)

        With attention the memory goes into the state, where a beam search finds it:

        >>> from rnn_jax import attention
        >>> dot = attention.Dot(query_size=3, memory_size=3)
        >>> cell = cells.Attentive(cell=cells.GRU(input_size=4 + 3, hidden_size=3), attention=dot)
        >>> attentive = TokenStep(cell=cell)
        >>> def step(params, state, token):
        ...     inner, memory = state
        ...     bound = params._replace(cell=cell.bind(params.cell, memory))
        ...     inner, logits = attentive(bound, inner, token)
        ...     return (inner, memory), logits
        >>> params = attentive.init(jax.random.key(0), vocab_size=7)
        >>> memory = dot.prepare((), jnp.ones((5, 2, 3)), jnp.array([5, 3]))
        >>> inner = cell.initial_state(cell.bind(params.cell, memory), (2,))
        >>> step(params, (inner, memory), jnp.array([5, 0]))[1].shape
        (2, 7)
    """

    cell: Any
    embed: Callable[[Params, jax.Array], jax.Array] = look_up
    head: Callable[[Params, jax.Array], jax.Array] = affine_head

    def __post_init__(self) -> None:
        check_cell(self.cell, None)

    def init(self, key: jax.Array, dtype: Any = jnp.float32, *, vocab_size: int) -> TokenStepParams:
        """Parameters for the default ``embed`` and ``head``: normal rows, Glorot, zero bias."""
        check_count("TokenStep", "vocab_size", vocab_size)
        key_cell, key_embedding, key_head = jax.random.split(key, 3)
        return TokenStepParams(
            cell=self.cell.init(key_cell, dtype),
            embedding=jax.random.normal(key_embedding, (vocab_size, self.cell.input_size), dtype),
            w=Glorot()(key_head, (self.cell.output_size, vocab_size), dtype),
            b=jnp.zeros((vocab_size,), dtype),
        )

    def initial_state(self, params: Any, batch_shape: tuple[int, ...] = ()) -> State:
        return self.cell.initial_state(params.cell, batch_shape)

    def __call__(self, params: Any, state: State, token: jax.Array) -> tuple[State, jax.Array]:
        state, y = cell_step(self.cell, params.cell, state, self.embed(params, token))
        return state, self.head(params, y)


def token_log_prob(logits: jax.Array, token: jax.Array) -> jax.Array:
    """ln p of tokens (*B,) under logits (*B, V), in float32 or wider.

    Example:
        >>> bool(token_log_prob(jnp.zeros(4), jnp.array(1)) == -jnp.log(4.0))
        True
    """
    log_probs = jax.nn.log_softmax(logits.astype(wider(logits.dtype, jnp.float32)))
    ids = jax.lax.broadcasted_iota(token.dtype, logits.shape, logits.ndim - 1)
    chosen = ids == jnp.broadcast_to(jnp.expand_dims(token, -1), logits.shape)
    return jnp.sum(jnp.where(chosen, log_probs, 0), axis=-1)

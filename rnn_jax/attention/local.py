"""Luong's local attention: a window around one place, which is predicted or moves by itself."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.attention.around import Around, places
from rnn_jax.attention.base import Attended, Memory, widen_query
from rnn_jax.attention.soft import masked_softmax, product
from rnn_jax.ops.checks import check_sizes
from rnn_jax.ops.initializers import Glorot
from rnn_jax.ops.linear import matmul
from rnn_jax.ops.types import shard_like
from rnn_jax.typing import Initializer, Params, State


class LocalPParams(NamedTuple):
    """Parameters of ``LocalP``."""

    attention: Params
    w_p: jax.Array  # (Q, A)
    v_p: jax.Array  # (A,)


def _inside(valid: jax.Array, centre: jax.Array, window: int) -> tuple[jax.Array, jax.Array]:
    """Distances s - centre, and which real places are within the window."""
    away = places(valid, centre.dtype) - jnp.broadcast_to(centre[..., None], valid.shape)
    return away, jnp.logical_and(valid, jnp.abs(away) <= window)


@dataclass(frozen=True, kw_only=True)
class LocalP(Around):
    """Local attention with a predicted place: a Gaussian window of 2 D + 1 steps.

        p = length * sigmoid(v_p . tanh(q @ w_p)),   sigma = D / 2
        w_s = softmax(e_s - (s - p)^2 / (2 sigma^2))          of the s with |s - p| <= D
        w_s = softmax(e_s) exp(-(s - p)^2 / (2 sigma^2))      renormalise=False, as in the paper

    Places count from 0. The paper's weights sum to less than 1; by default ours sum to 1.

    Args:
        attention: The score e: ``General``, ``Dot``, ``Concat``, ...
        window_size: D.
        place_size: A, hidden units of the prediction.
        renormalise: Make the weights sum to 1.
        kernel_init: Initialiser of ``w_p`` and ``v_p``.

    Raises:
        ValueError: If a size is below 1, or the inner attention has no score.

    Example:
        >>> from rnn_jax import attention
        >>> general = attention.General(query_size=3, memory_size=2)
        >>> local = LocalP(attention=general, window_size=2, place_size=4)
        >>> params = local.init(jax.random.key(0))
        >>> memory = local.prepare(params, jnp.ones((9, 4, 2)))
        >>> weights = local.attend(params, memory, jnp.ones((4, 3)), ()).weights
        >>> bool(((weights > 0).sum(-1) <= 5).all())
        True

    References:
        Luong, Pham and Manning, Effective approaches to attention-based neural machine translation,
        2015, arXiv:1508.04025.
    """

    window_size: int
    place_size: int
    renormalise: bool = True
    kernel_init: Initializer = Glorot()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(self)

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> LocalPParams:
        key_inner, key_w, key_v = jax.random.split(key, 3)
        return LocalPParams(
            attention=self.attention.init(key_inner, dtype),
            w_p=self.kernel_init(key_w, (self.query_size, self.place_size), dtype),
            v_p=self.kernel_init(key_v, (self.place_size, 1), dtype)[:, 0],
        )

    def initial_state(self, params: LocalPParams, memory: Memory) -> State:
        return self.attention.initial_state(params.attention, memory)

    def attend(
        self, params: LocalPParams, memory: Memory, query: jax.Array, state: State
    ) -> Attended:
        query = widen_query(self, memory, query)
        scores = self.scores(params, memory, query, state)
        place = matmul(jnp.tanh(matmul(query, params.w_p)), params.v_p[:, None])[..., 0]
        centre = memory.valid.sum(-1).astype(place.dtype) * jax.nn.sigmoid(place)
        away, inside = _inside(memory.valid, centre, self.window_size)
        log_window = (-2 / self.window_size**2 * jnp.square(away)).astype(scores.dtype)
        smooth = self.attention.smooth
        if self.renormalise:
            # log(sigmoid(e)) is to smooth weights what e is to others.
            scores = jax.nn.log_sigmoid(scores) if smooth else scores
            weights = masked_softmax(scores + log_window, inside)
        else:
            weights = masked_softmax(scores, inside, smooth=smooth) * jnp.exp(log_window)
        context = product("...s,...se->...e", weights, memory.values)
        return Attended(context, weights, self.attention.advance(state, weights))


class LocalMParams(NamedTuple):
    """Parameters of ``LocalM``."""

    attention: Params


class LocalMState(NamedTuple):
    """State of ``LocalM``."""

    attention: State
    steps: jax.Array  # (*B,) int32, how many were done


@dataclass(frozen=True, kw_only=True)
class LocalM(Around):
    """Local attention whose place moves one step at a time: for two sequences in step.

        p_t = min(t, length - 1)                          t = 0, 1, ...
        w_s = softmax(e_s)                                of the s with |s - p_t| <= D

    Args:
        attention: The score e: ``General``, ``Dot``, ``Concat``, ...
        window_size: D.

    Raises:
        ValueError: If a size is below 1, or the inner attention has no score.

    Example:
        >>> from rnn_jax import attention
        >>> dot = attention.Dot(query_size=2, memory_size=2)
        >>> local = LocalM(attention=dot, window_size=1)
        >>> params = local.init(jax.random.key(0))
        >>> memory = local.prepare(params, jnp.ones((4, 2)))
        >>> state = local.initial_state(params, memory)
        >>> local.attend(params, memory, jnp.ones(2), state).weights.tolist()
        [0.5, 0.5, 0.0, 0.0]

    References:
        Luong, Pham and Manning, Effective approaches to attention-based neural machine translation,
        2015, arXiv:1508.04025.
    """

    window_size: int

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(self)

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> LocalMParams:
        return LocalMParams(self.attention.init(key, dtype))

    def initial_state(self, params: LocalMParams, memory: Memory) -> LocalMState:
        steps = jnp.zeros(memory.valid.shape[:-1], jnp.int32)
        return LocalMState(
            self.attention.initial_state(params.attention, memory),
            shard_like(steps, memory.valid[..., 0]),
        )

    def attend(
        self, params: LocalMParams, memory: Memory, query: jax.Array, state: LocalMState
    ) -> Attended:
        query = widen_query(self, memory, query)
        scores = self.scores(params, memory, query, state.attention)
        last = memory.valid.sum(-1).astype(state.steps.dtype) - 1
        _, inside = _inside(memory.valid, jnp.minimum(state.steps, last), self.window_size)
        weights = masked_softmax(scores, inside, smooth=self.attention.smooth)
        context = product("...s,...se->...e", weights, memory.values)
        inner = self.attention.advance(state.attention, weights)
        return Attended(context, weights, LocalMState(inner, state.steps + 1))

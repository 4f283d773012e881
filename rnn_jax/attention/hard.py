"""Hard attention: one place at a time, drawn, and trained by REINFORCE."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.attention.around import Around, places
from rnn_jax.attention.base import Attended, Memory, widen_query
from rnn_jax.attention.soft import masked_softmax, product
from rnn_jax.ops.linear import wider
from rnn_jax.ops.types import shard_like
from rnn_jax.typing import Params, State


class HardParams(NamedTuple):
    """Parameters of ``Hard``."""

    attention: Params


class HardState(NamedTuple):
    """State of ``Hard``: sums over the steps so far, which the surrogate loss asks for."""

    attention: State
    log_prob: jax.Array  # (*B,) log probability of the places that were chosen
    entropy: jax.Array  # (*B,) entropy of the choices


@dataclass(frozen=True, kw_only=True)
class Hard(Around):
    """Hard (stochastic) attention: the context is one place of the memory.

        s ~ softmax(e)                with a key;   s = argmax e   without one
        context = values_s,           weights = one-hot(s)

    Nothing flows back through the choice; ``reinforce`` makes a loss of ``log_prob`` and
    ``entropy``, which the final state holds, summed over the real steps.

    Args:
        attention: The score e: ``Additive``, ``Dot``, ...

    Raises:
        ValueError: If the inner attention has no score.

    Example:
        >>> from rnn_jax import attention
        >>> kind = Hard(attention=attention.Dot(query_size=2, memory_size=2))
        >>> params = kind.init(jax.random.key(0))
        >>> memory = kind.prepare(params, jnp.array([[0.0, 1.0], [2.0, 3.0], [1.0, 0.0]]))
        >>> state = kind.initial_state(params, memory)
        >>> context, weights, state = kind.attend(params, memory, jnp.ones(2), state)
        >>> context.tolist(), weights.tolist()
        ([2.0, 3.0], [0.0, 1.0, 0.0])

    References:
        Xu et al., Show, attend and tell, 2015, arXiv:1502.03044.
    """

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> HardParams:
        return HardParams(self.attention.init(key, dtype))

    def initial_state(self, params: HardParams, memory: Memory) -> HardState:
        zero = jnp.zeros(memory.valid.shape[:-1], wider(memory.values.dtype, jnp.float32))
        zero = shard_like(zero, memory.valid[..., 0])
        return HardState(self.attention.initial_state(params.attention, memory), zero, zero)

    def noise(
        self, params: HardParams, memory: Memory, key: jax.Array, shape: tuple[int, ...]
    ) -> jax.Array:
        """Gumbel noise: the largest of log-probabilities and it is a draw."""
        dtype = wider(memory.values.dtype, jnp.float32)
        return jax.random.gumbel(key, (*shape, memory.valid.shape[-1]), dtype)

    def attend(
        self,
        params: HardParams,
        memory: Memory,
        query: jax.Array,
        state: HardState,
        noise: jax.Array | None = None,
    ) -> Attended:
        query = widen_query(self, memory, query)
        scores = self.scores(params, memory, query, state.attention)
        p = masked_softmax(scores, memory.valid, smooth=self.attention.smooth)
        log_p = jnp.log(jnp.maximum(p, jnp.finfo(p.dtype).tiny))
        drawn = log_p if noise is None else log_p + shard_like(noise.astype(p.dtype), p)
        place = jnp.where(memory.valid, drawn, -jnp.inf).argmax(-1, keepdims=True)
        at = places(memory.valid, place.dtype) == jnp.broadcast_to(place, p.shape)
        weights = jnp.logical_and(at, memory.valid).astype(p.dtype)
        context = product("...s,...se->...e", weights, memory.values)
        dtype = state.log_prob.dtype
        new = HardState(
            self.attention.advance(state.attention, weights),
            state.log_prob + (weights * log_p).sum(-1).astype(dtype),
            state.entropy - (p * log_p).sum(-1).astype(dtype),
        )
        return Attended(context, weights, new)


def reinforce(
    log_prob: jax.Array,
    reward: jax.Array | float,
    baseline: jax.Array | float,
    entropy: jax.Array | None = None,
    entropy_weight: float = 0.0,
) -> jax.Array:
    """A loss whose gradient is the score-function estimate of that of -reward.

        loss = -(reward - baseline) log p(choices) - entropy_weight H

    Reward and baseline count as constants. The reward may itself depend on the parameters, as log
    p(y | choices) does: then add it, ``-reward + reinforce(...)``, and the expected gradient is
    that of the expected loss, whatever the baseline.

    Args:
        log_prob: Log probability of the places chosen, (*B,): ``log_prob`` of ``HardState``.
        reward: What came of them, (*B,); counts and hits will do.
        baseline: Its usual value, a number or (*B,): see ``moving_baseline``.
        entropy: H of the choices, (*B,), or None.
        entropy_weight: How much to keep them open.

    Returns:
        (*B,), float32 or wider.

    Raises:
        ValueError: If reward, baseline or entropy have other shapes than ``log_prob``.

    Example:
        >>> loss = lambda x: reinforce(x, jnp.array([3.0, 1.0]), 2.0).sum()
        >>> jax.grad(loss)(jnp.zeros(2)).tolist()
        [-1.0, 1.0]

    References:
        Williams, Simple statistical gradient-following algorithms for connectionist reinforcement
        learning, 1992, doi:10.1007/BF00992696.
        Xu et al., Show, attend and tell, 2015, arXiv:1502.03044.
    """
    log_prob = jnp.asarray(log_prob)
    dtype = wider(log_prob.dtype, jnp.float32)
    given = {"reward": reward, "baseline": baseline, "entropy": 0 if entropy is None else entropy}
    for name, value in given.items():
        if jnp.shape(value) not in ((), log_prob.shape):
            raise ValueError(
                f"reinforce: {name} has shape {jnp.shape(value)}, but log_prob has shape "
                f"{log_prob.shape}: give one number for each row, or one for all."
            )
    reward, baseline, bonus = (jnp.asarray(value).astype(dtype) for value in given.values())
    loss = -jax.lax.stop_gradient(reward - baseline) * log_prob.astype(dtype)
    return loss - entropy_weight * bonus


def moving_baseline(
    baseline: jax.Array | float, reward: jax.Array, decay: float = 0.9
) -> jax.Array:
    """The baseline after one more batch: a moving average of rewards.

        b' = decay b + (1 - decay) mean(reward)

    Args:
        baseline: b, a scalar; 0.0 to begin with.
        reward: (*B,).
        decay: In [0, 1).

    Returns:
        b', a scalar, float32 or wider; nothing flows back through it.

    Raises:
        ValueError: If ``decay`` is outside of [0, 1).

    Example:
        >>> moving_baseline(jnp.array(1.0), jnp.array([2.0, 4.0]), decay=0.5).item()
        2.0
    """
    if not 0 <= decay < 1:
        raise ValueError(f"moving_baseline: decay must lie in [0, 1), got {decay}.")
    baseline, reward = jnp.asarray(baseline), jnp.asarray(reward)
    dtype = wider(jnp.float32, baseline.dtype)
    new = decay * baseline.astype(dtype) + (1 - decay) * reward.astype(dtype).mean()
    return jax.lax.stop_gradient(new)

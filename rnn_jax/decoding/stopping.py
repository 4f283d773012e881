"""When a sequence ends: an end symbol (``decode(end=...)``), a stop output, a predicted length.

A *stop rule* is called after each step as ``stop(params, state, token, key) -> Stopped``: the state
after the step, and the token chosen at it, which still belongs to the sequence. A rule that may
hold before the first token, or before the first after a prefix, has a method ``at_start(params,
state) -> (*B,) bool``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.ops.linear import wider
from rnn_jax.ops.types import shard_like
from rnn_jax.typing import Params, State


class Stopped(NamedTuple):
    """What a stop rule says of each row."""

    ended: jax.Array  # (*B,) bool: the token just chosen is the last
    log_prob: jax.Array  # (*B,) of that decision; zeros where none is made


@dataclass(frozen=True, kw_only=True)
class StopOutput:
    """A Bernoulli stop output beside the logits: at each step the network says whether to end.

        p(stop after token t) = sigmoid(u_t),   u_t = output(params, s_t)

    With ``threshold=None`` the decision is drawn, and a sequence's probability is that of its
    tokens and decisions, p(y) = prod_t p(y_t) * prod_{t < n} (1 - p(stop_t)) * p(stop_n). With a
    threshold it ends at the first p(stop) >= threshold; the decisions' probabilities count the
    same. Train u (T, *B) of ``teacher_forced`` states with binary cross entropy.

    Args:
        output: From params and the state after the step to u, (*B,). A named function.
        threshold: None to draw, or a probability in (0, 1).

    Raises:
        ValueError: If the threshold is not between 0 and 1, or u is not floating-point (*B,).

    Example:
        >>> stop = StopOutput(output=lambda params, state: state, threshold=0.5)
        >>> stop((), jnp.array([-1.0, 2.0]), jnp.array([3, 3])).ended.tolist()
        [False, True]
    """

    output: Callable[[Params, State], jax.Array]
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise ValueError(
                f"StopOutput: threshold must lie between 0 and 1, got {self.threshold!r}; None "
                f"draws the decision."
            )

    @property
    def needs_key(self) -> bool:
        return self.threshold is None

    def __call__(
        self, params: Params, state: State, token: jax.Array, key: jax.Array | None = None
    ) -> Stopped:
        u = self.output(params, state)
        if u.shape != token.shape:
            raise ValueError(
                f"StopOutput: output gave shape {u.shape} for tokens of shape {token.shape}: give "
                f"one number for each row."
            )
        if not jnp.issubdtype(u.dtype, jnp.floating):
            raise ValueError(
                f"StopOutput: output gave dtype {u.dtype}: give u, whose sigmoid is the "
                f"probability of stopping, no decision."
            )
        u = u.astype(wider(u.dtype, jnp.float32))
        if self.threshold is None:
            assert key is not None
            coins = shard_like(jax.random.uniform(key, u.shape, u.dtype), u)
            ended = coins < jax.nn.sigmoid(u)
        else:
            ended = jax.nn.sigmoid(u) >= self.threshold
        return Stopped(ended, jax.nn.log_sigmoid(jnp.where(ended, u, -u)))


class CountdownState(NamedTuple):
    """State of ``LengthCountdown``."""

    inner: State  # of the step inside, leaves (*B, ...)
    remaining: jax.Array  # (*B,) int, tokens still to come


@dataclass(frozen=True, kw_only=True)
class LengthCountdown:
    """A predicted length fed back: the step sees at each token how many remain.

        s_t, logits_t = step(params, s_{t-1}, token_t, tau_t),   tau_0 = length,  tau_t = tau - t

    Something else predicts the length: of the encoder's state, by regression or classification.
    Begin with ``CountdownState(state, lengths)``; train by ``teacher_forced`` from the true
    lengths, decode from the predicted ones with ``stop=CountdownEnd()``. At 0 it stays.

    Args:
        step: ``step(params, state, token, remaining) -> (state, logits)``; remaining (*B,) integer
            counts the token to come, so it is 1 at the last. Scale or embed it there.

    Raises:
        ValueError: If the lengths are no integers: round what was predicted.

    Example:
        >>> def inner(params, state, token, remaining):
        ...     return state, jnp.stack([remaining, -remaining], -1).astype(jnp.float32)
        >>> step = LengthCountdown(step=inner)
        >>> state, logits = step((), CountdownState((), jnp.array([3, 1])), jnp.array([0, 0]))
        >>> state.remaining.tolist(), logits[:, 0].tolist()
        ([2, 0], [3.0, 1.0])
    """

    step: Callable[..., tuple[State, jax.Array]]

    def __call__(
        self, params: Params, state: CountdownState, token: jax.Array
    ) -> tuple[CountdownState, jax.Array]:
        if not jnp.issubdtype(state.remaining.dtype, jnp.integer):
            raise ValueError(
                f"LengthCountdown: remaining has dtype {state.remaining.dtype}: lengths are whole "
                f"numbers, jnp.round(lengths).astype(jnp.int32)."
            )
        inner, logits = self.step(params, state.inner, token, state.remaining)
        return CountdownState(inner, jnp.maximum(state.remaining - 1, 0)), logits


@dataclass(frozen=True)
class CountdownEnd:
    """Ends a row when nothing remains of its countdown; a length of 0 or less has no token at all.

    Example:
        >>> stop = CountdownEnd()
        >>> stop((), CountdownState((), jnp.array([2, 0])), jnp.array([5, 5])).ended.tolist()
        [False, True]
    """

    needs_key: ClassVar[bool] = False

    def at_start(self, params: Params, state: Any) -> jax.Array:
        if not isinstance(state, CountdownState):
            raise ValueError(
                f"CountdownEnd: the state is a {type(state).__name__}, which counts nothing: wrap "
                f"the step, LengthCountdown(step=step), and begin with CountdownState(state, n)."
            )
        return state.remaining <= 0

    def __call__(
        self, params: Params, state: Any, token: jax.Array, key: jax.Array | None = None
    ) -> Stopped:
        ended = self.at_start(params, state)
        return Stopped(ended, jnp.zeros_like(ended, jnp.float32))

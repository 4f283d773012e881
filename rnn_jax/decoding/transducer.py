"""Greedy decoding of a transducer (RNN-T): frame by frame, several labels at one frame."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.decoding.base import Step, token_log_prob
from rnn_jax.decoding.checks import (
    check_count,
    check_range,
    check_static,
    check_step,
    check_tokens,
)
from rnn_jax.decoding.teacher import typed
from rnn_jax.drivers.common import cast_like
from rnn_jax.losses.checks import as_lengths, as_scores, real_steps
from rnn_jax.ops.linear import wider
from rnn_jax.ops.masks import select
from rnn_jax.ops.types import batch_like
from rnn_jax.typing import Params, State

Join = Callable[[Params, jax.Array, jax.Array], jax.Array]


class Transduced(NamedTuple):
    """What ``transducer_greedy`` returns."""

    tokens: jax.Array  # (U, *B) int32, U = max_length; blank after the end
    lengths: jax.Array  # (*B,) labels written
    frames: jax.Array  # (U, *B) int32, the frame at which each was written; 0 after the end
    scores: jax.Array  # (*B,) ln p of all choices, blanks too: of this one alignment
    state: State  # before reading ``last``: with it, what to go on with, leaves (*B, ...)
    last: jax.Array  # (*B,) the last token, to be read next


def transducer_greedy(
    step: Step,
    join: Join,
    params: Params,
    state: State,
    frames: jax.Array,
    *,
    lengths: Any = None,
    start: Any = None,
    blank: int = 0,
    max_length: int | None = None,
    max_symbols: int = 8,
    chunk: int = 16,
) -> Transduced:
    """Write the most probable label at each frame until blank is more probable, then go on.

        s', y = step(params, s, token)
        symbol = argmax join(params, frame_t, y)
        a label: write it, token = symbol, s = s', same frame;   blank: t = t + 1, s as before

    It follows one alignment greedily, which need not be of the most probable labels. Rows go
    through their frames at their own pace, in one compiled loop that stops when all have ended.

    Args:
        step: The prediction network, ``step(params, state, token) -> (state, y)``, y (*B, P).
        join: The joint network, ``join(params, frame, y) -> logits``, frame (*B, E), logits
            (*B, V).
        params: Of both.
        state: Of the prediction network to begin with, leaves (*B, ...).
        frames: Encoder's outputs (T, *B, E).
        lengths: Real frames of each row (*B,).
        start: What the prediction network reads first, (*B,); None for blank.
        blank: The class that goes to the next frame.
        max_length: U, labels of a row at most, None for T times ``max_symbols``; a row that has as
            many ends.
        max_symbols: Labels at one frame at most; then the next frame follows without a blank.
        chunk: Steps in one iteration of the loop, between two questions of the host.

    Returns:
        ``Transduced``. To go on with more frames give its ``state``, with ``last`` as ``start``. A
        row whose logits held a NaN has score NaN.

    Raises:
        ValueError: If step, join or a shape does not fit, or a count is below 1.

    Example:
        >>> def step(params, state, token):  # remembers nothing
        ...     return state, jnp.zeros((*token.shape, 3))
        >>> def join(params, frame, y):
        ...     return frame + y
        >>> frames = jnp.array([[0.0, 9.0, 0.0], [9.0, 0.0, 0.0], [0.0, 0.0, 9.0]])
        >>> found = transducer_greedy(step, join, (), (), frames, max_symbols=1)
        >>> found.tokens.tolist(), found.lengths.item(), found.frames.tolist()
        ([1, 2, 0], 2, [0, 2, 0])

    References:
        Graves, Sequence transduction with recurrent neural networks, 2012, arXiv:1211.3711.
    """
    check_count("max_symbols", max_symbols)
    check_count("chunk", chunk)
    frames = jnp.asarray(frames)
    as_scores("frames", frames, "(T, *B, E)")
    max_length = frames.shape[0] * max_symbols if max_length is None else max_length
    check_count("max_length", max_length)
    batch = frames.shape[1:-1]
    real = real_steps(frames[..., 0], lengths, of="frames")
    lengths = as_lengths("lengths", lengths, batch, frames.shape[0], "frames")
    if lengths is None:
        lengths = jnp.full(batch, frames.shape[0], jnp.int32)
    if start is None:
        start = jnp.full(batch, blank, jnp.int32)
    start = check_tokens("start", start)
    if start.shape != batch:
        raise ValueError(
            f"start has shape {start.shape}, but frames of shape {frames.shape} have batch axes "
            f"{batch}: give one token for each row."
        )
    start, lengths = (batch_like(x.astype(jnp.int32), frames, len(batch)) for x in (start, lengths))
    frames = select(real, frames, jnp.zeros((), frames.dtype))
    params, state = typed(params, state, frames[..., 0])
    check_static(step=step, join=join)
    check_step(step, params, state, start)
    rule = _Rule(step, join, blank, max_length, max_symbols, chunk)
    check_range("blank", blank, _logits(rule, params, state, start, frames[0])[1].shape[-1])
    return _decode(rule, params, state, start, frames, lengths)


class _Rule(NamedTuple):
    """All that is static."""

    step: Any
    join: Any
    blank: int
    max_length: int
    max_symbols: int
    chunk: int


class _Carry(NamedTuple):
    """What goes from step to step, leaves (*B, ...) but the buffers (U, *B)."""

    state: State
    token: jax.Array
    time: jax.Array  # the frame it is at
    symbols: jax.Array  # labels written at this frame
    written: jax.Array  # labels written
    score: jax.Array
    tokens: jax.Array
    frames: jax.Array


@partial(jax.jit, static_argnums=0)
def _both(rule: _Rule, params: Params, state: State, token: jax.Array, frame: jax.Array) -> Any:
    new, y = rule.step(params, state, token)
    return new, rule.join(params, frame, y)


def _logits(
    rule: _Rule, params: Params, state: State, token: jax.Array, frame: jax.Array
) -> tuple[State, jax.Array]:
    """The state after the token, and the shape of the logits at the frame."""
    new, logits = _both.eval_shape(rule, params, state, token, frame)
    if logits.shape[:-1] != token.shape or not jnp.issubdtype(logits.dtype, jnp.floating):
        raise ValueError(
            f"join gave logits of shape {logits.shape} and dtype {logits.dtype} for batch axes "
            f"{token.shape}: they must be {(*token.shape, 'V')} and floating-point."
        )
    return new, logits


@partial(jax.jit, static_argnums=0)
def _decode(
    rule: _Rule,
    params: Params,
    state: State,
    start: jax.Array,
    frames: jax.Array,
    lengths: jax.Array,
) -> Transduced:
    logits = _logits(rule, params, state, start, frames[0])[1]
    zero = jnp.zeros_like(start)
    buffer = jnp.zeros((rule.max_length, *(1,) * start.ndim), jnp.int32) + zero[None]
    blanks = jnp.full_like(buffer, rule.blank)
    score = zero.astype(wider(logits.dtype, jnp.float32))
    carry = _Carry(state, start, zero, zero, zero, score, blanks, buffer)
    places = jax.lax.broadcasted_iota(jnp.int32, buffer.shape, 0)

    def is_live(carry: _Carry) -> jax.Array:
        return jnp.logical_and(carry.time < lengths, carry.written < rule.max_length)

    def advance(carry: _Carry, _: None) -> tuple[_Carry, None]:
        live = is_live(carry)
        index = jnp.minimum(carry.time, len(frames) - 1)[None, ..., None]
        index = jnp.broadcast_to(index, (1, *frames.shape[1:]))
        frame = jnp.take_along_axis(frames, index, axis=0)[0]
        state, y = rule.step(params, carry.state, carry.token)
        logits = rule.join(params, frame, y)
        symbol = jnp.argmax(logits, axis=-1).astype(jnp.int32)
        is_label = symbol != rule.blank
        here = jnp.logical_and(live, is_label)
        place = jnp.logical_and(places == carry.written[None], here[None])
        symbols = carry.symbols + 1
        onward = jnp.logical_or(~is_label, symbols >= rule.max_symbols)
        label = select(is_label, (cast_like(state, carry.state), symbol), carry[:2])
        new = carry._replace(
            state=label[0],
            token=label[1],
            time=carry.time + onward.astype(jnp.int32),
            symbols=jnp.where(onward, zero, symbols),
            written=carry.written + is_label.astype(jnp.int32),
            score=carry.score + token_log_prob(logits, symbol),
        )
        rest = select(live, new[:-2], carry[:-2])
        tokens = jnp.where(place, symbol[None], carry.tokens)
        times = jnp.where(place, carry.time[None], carry.frames)
        return _Carry._make((*rest, tokens, times)), None

    def run_chunk(carry: _Carry) -> _Carry:
        return jax.lax.scan(advance, carry, None, length=rule.chunk)[0]

    carry = jax.lax.while_loop(lambda carry: jnp.any(is_live(carry)), run_chunk, carry)
    return Transduced(
        carry.tokens, carry.written, carry.frames, carry.score, carry.state, carry.token
    )

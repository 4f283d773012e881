"""``decode``: a decoder running freely until it ends, without a word to the host at each token."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.decoding.base import Step, token_log_prob
from rnn_jax.decoding.checks import (
    check_count,
    check_draws,
    check_range,
    check_step,
    check_tokens,
)
from rnn_jax.decoding.rules import check_chosen, check_ends, check_pad, check_rules, check_stopped
from rnn_jax.decoding.samplers import Greedy
from rnn_jax.decoding.stopping import Stopped
from rnn_jax.decoding.teacher import Choose, like_state, typed
from rnn_jax.drivers.common import cast_like
from rnn_jax.ops.linear import wider
from rnn_jax.ops.masks import select
from rnn_jax.typing import Params, State

STOP = 2**32 - 2  # folded into the key for the stop rule; the tokens' draws count from 0


class Decoded(NamedTuple):
    """What ``decode`` returns."""

    tokens: jax.Array  # (T, *B), T = max_length; ``pad`` after the end
    lengths: jax.Array  # (*B,) tokens of each row, the end symbol included
    log_probs: jax.Array  # (T, *B), ln p of each token under the model, 0 after the end
    scores: jax.Array  # (*B,), their sum, and ln p of a stop rule's decisions
    state: State  # after reading all but the row's last token, leaves (*B, ...)


def decode(
    step: Step,
    params: Params,
    state: State,
    *,
    start: jax.Array,
    max_length: int,
    choose: Choose | None = None,
    end: int | tuple[int, ...] | None = None,
    stop: Callable[..., Stopped] | None = None,
    prefix: jax.Array | None = None,
    key: jax.Array | None = None,
    pad: int = 0,
    chunk: int = 16,
) -> Decoded:
    """Decode: choose a token, read it, until each row has ended.

        s_t, logits_t = step(params, s_{t-1}, token_{t-1}),   token_t = choose(logits_t, key_t)

    A row ends with an end symbol, when the stop rule says so, or at ``max_length``. Then its state
    is held; the loop stops when all rows have ended. It is one compiled program: a ``while`` over
    chunks, each a loop of known length, so that a GPU runs ``chunk`` steps between two questions of
    the host. The result is the same for every chunk. Nothing is traced again for other values of
    params, state, start, prefix and key, in or out of ``jit``. To go on after ``max_length``, give
    the final state, with the last token as ``start``. It cannot be differentiated in reverse: for
    gradients read what was decoded with ``teacher_forced``, or run ``free_running``.

    Args:
        step: ``step(params, state, token) -> (state, logits)``, such as ``TokenStep(cell=cell)``.
        params: Its parameters.
        state: State to begin with, leaves (*B, ...).
        start: The first token that is read, (*B,); it is no part of the result.
        max_length: T, tokens of a row at most, prefix and end symbol included.
        choose: ``Greedy()``, the default, ``Sample((Temperature(0.7), TopP(0.9)))``, or any static
            function of logits (*B, V) and a key.
        end: The end symbol, or several; static.
        stop: A rule, ``StopOutput(...)`` or ``CountdownEnd()``; with ``end``, either ends the row.
        prefix: Tokens (P, *B) that every row begins with, read one by one; no row ends in it, but
            one whose countdown it has used up ends with it.
        key: For choices and rules that draw. Inside ``shard_map`` give each shard its own
            (``jax.random.fold_in(key, jax.lax.axis_index(name))``).
        pad: What stands after a row's end; any integer of start's dtype, never read.
        chunk: Steps in one iteration of the loop.

    Returns:
        ``Decoded``: tokens (T, *B), lengths (*B,), log_probs (T, *B), scores (*B,), state.
        Probabilities are the model's, before any filter, and count the prefix.

    Raises:
        ValueError: If tokens lie outside the vocabulary, max_length is below the prefix's length, a
            key is missing, or state, start and what the step gives do not fit.

    Example:
        >>> from rnn_jax import cells, decoding
        >>> step = decoding.TokenStep(cell=cells.GRU(input_size=4, hidden_size=3))
        >>> params = step.init(jax.random.key(0), vocab_size=7)
        >>> state, start = step.initial_state(params, (2,)), jnp.array([0, 0])
        >>> found = decode(step, params, state, start=start, max_length=5, end=1)
        >>> found.tokens.shape, found.scores.shape
        ((5, 2), (2,))
        >>> drawn = decode(
        ...     step,
        ...     params,
        ...     state,
        ...     start=start,
        ...     max_length=5,
        ...     end=1,
        ...     choose=decoding.Sample((decoding.TopK(3),)),
        ...     key=jax.random.key(1),
        ... )
        >>> bool((drawn.lengths <= 5).all())
        True
    """
    choose = Greedy() if choose is None else choose
    check_count("max_length", max_length)
    check_count("chunk", chunk)
    check_rules(choose, stop)
    check_draws(key, choose=choose, stop=stop)
    start = check_tokens("start", start)
    prefix = _check_prefix(prefix, start, max_length)
    start = like_state(start, params, state)
    params, state = typed(params, state, start[None])
    vocab_size = check_step(step, params, state, start)
    check_range("start", start, vocab_size)
    check_range("prefix", prefix, vocab_size)
    ends, pad = check_ends(end, vocab_size), check_pad(pad, start.dtype)
    rule = _Rule(step, choose, stop, ends, pad, max_length, min(chunk, max_length))
    return _decode(rule, params, state, start, prefix, key)


def _check_prefix(prefix: Any, start: jax.Array, max_length: int) -> jax.Array | None:
    if prefix is None:
        return None
    prefix = jnp.asarray(prefix)
    if prefix.shape == (0, *start.shape):
        return None
    prefix = check_tokens("prefix", prefix)
    if prefix.ndim != start.ndim + 1 or prefix.shape[1:] != start.shape:
        raise ValueError(
            f"prefix has shape {prefix.shape}, but start has shape {start.shape}: give "
            f"{('P', *start.shape)}, time first."
        )
    if len(prefix) > max_length:
        raise ValueError(
            f"max_length is {max_length}, but the prefix has {len(prefix)} tokens, which count: "
            f"give max_length >= {len(prefix)}."
        )
    return prefix.astype(start.dtype)


class _Rule(NamedTuple):
    """All that is static."""

    step: Any
    choose: Any
    stop: Any
    ends: tuple[int, ...]
    pad: int
    max_length: int
    chunk: int


class _Carry(NamedTuple):
    """What goes from step to step, leaves (*B, ...)."""

    state: State
    token: jax.Array  # the last that was chosen
    ended: jax.Array
    lengths: jax.Array
    scores: jax.Array


@partial(jax.jit, static_argnums=0)
def _decode(
    rule: _Rule, params: Params, state: State, start: jax.Array, prefix: Any, key: Any
) -> Decoded:
    _, logits = jax.eval_shape(rule.step, params, state, start)
    dtype = wider(logits.dtype, jnp.float32)
    ended = jnp.zeros_like(start, bool)
    if hasattr(rule.stop, "at_start"):
        ended = jnp.logical_or(ended, rule.stop.at_start(params, state))
    nothing = jnp.zeros_like(start, jnp.int32)
    carry = _Carry(state, start, ended, nothing, nothing.astype(dtype))
    size, num_chunks = rule.chunk, -(-rule.max_length // rule.chunk)
    blank = jnp.zeros((num_chunks * size, *(1,) * start.ndim), start.dtype) + start[None]
    tokens, log_probs = jnp.full_like(blank, rule.pad), jnp.zeros_like(blank, dtype)
    can_end = bool(rule.ends) or rule.stop is not None
    advance = partial(_advance, rule, params, prefix, key)

    def goes_on(loop: Any) -> jax.Array:
        index, carry, _, _ = loop
        more = index < num_chunks
        return jnp.logical_and(more, ~jnp.all(carry.ended)) if can_end else more

    def run_chunk(loop: Any) -> Any:
        index, carry, *buffers = loop
        begin = index * size
        carry, new = jax.lax.scan(advance, carry, begin + jnp.arange(size))
        buffers = [
            jax.lax.dynamic_update_slice_in_dim(buffer, rows, begin, 0)
            for buffer, rows in zip(buffers, new)
        ]
        return index + 1, carry, *buffers

    loop = (jnp.asarray(0), carry, tokens, log_probs)
    _, carry, tokens, log_probs = jax.lax.while_loop(goes_on, run_chunk, loop)
    last = rule.max_length
    return Decoded(tokens[:last], carry.lengths, log_probs[:last], carry.scores, carry.state)


def _advance(
    rule: _Rule, params: Params, prefix: Any, key: Any, carry: _Carry, t: jax.Array
) -> tuple[_Carry, tuple[jax.Array, jax.Array]]:
    """One token of each row that has not ended; what is written of it."""
    state, logits = rule.step(params, carry.state, carry.token)
    state = cast_like(state, carry.state)
    key_token, key_stop = None, None
    if key is not None:
        key_token = jax.random.fold_in(key, t)
        key_stop = jax.random.fold_in(jax.random.fold_in(key, STOP), t)
    token = check_chosen(rule.choose(logits, key_token), carry.token)
    if prefix is not None:
        given = jax.lax.dynamic_index_in_dim(prefix, t, 0, keepdims=False)
        token = jnp.where(t < len(prefix), given, token)
    log_prob = token_log_prob(logits, token)
    ended, decided = jnp.zeros_like(carry.ended), jnp.zeros_like(log_prob)
    for end in rule.ends:
        ended = jnp.logical_or(ended, token == end)
    if rule.stop is not None:
        stopped = check_stopped(rule.stop(params, state, token, key_stop), token)
        ended = jnp.logical_or(ended, stopped.ended)
        decided = stopped.log_prob.astype(decided.dtype)
    if prefix is not None:
        free = t >= len(prefix)
        ended, decided = jnp.logical_and(ended, free), jnp.where(free, decided, 0)
        if hasattr(rule.stop, "at_start"):  # here the row's own tokens start
            over = jnp.logical_and(t == len(prefix) - 1, rule.stop.at_start(params, state))
            ended = jnp.logical_or(ended, over)
    live = jnp.logical_and(~carry.ended, t < rule.max_length)
    new = _Carry(
        state=state,
        token=token,
        ended=ended,
        lengths=carry.lengths + 1,
        scores=carry.scores + log_prob + decided,
    )
    written = jnp.where(live, token, rule.pad), jnp.where(live, log_prob, 0)
    return select(live, new, carry), written

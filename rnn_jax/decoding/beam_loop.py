"""The loop of ``beam_search``: live hypotheses, the pool of ended ones, and when a row is done."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.decoding.beam_rows import full, merge, pick, pick_merged, split
from rnn_jax.decoding.beam_rules import forbid, forced, log_probabilities, remember
from rnn_jax.drivers.common import cast_like
from rnn_jax.ops.masks import select
from rnn_jax.ops.types import shard_like, vary_like
from rnn_jax.typing import Params, State


@dataclass(frozen=True, kw_only=True)
class Search:
    """The choices of a search: static."""

    step: Callable[..., Any]
    beam_size: int
    num_best: int
    end: int
    max_length: int
    min_length: int
    length_penalty: Callable[..., jax.Array]
    coverage_penalty: Callable[..., jax.Array] | None
    alignment: Callable[[State], jax.Array] | None
    block_ngrams: int | None
    early_stop: str
    normalize: bool


class Data(NamedTuple):
    """What a search reads and does not change."""

    params: Params
    prefix: jax.Array | None  # (T, B) tokens that begin every hypothesis
    prefix_lengths: jax.Array | None  # (B,)
    source_valid: jax.Array | None  # (B, S) which source steps are real


class Live(NamedTuple):
    """Hypotheses that go on; those of log-probability -inf are none."""

    state: State  # leaves (B*K, ...)
    tokens: jax.Array  # (B, K) the last token
    log_probs: jax.Array  # (B, K)
    coverage: jax.Array | None  # (B, K, S) attention so far
    history: jax.Array | None  # (B, K, T) all tokens, where n-grams are blocked


class Pool(NamedTuple):
    """The best hypotheses that have come to their end, best first; score -inf is an empty place."""

    scores: jax.Array  # (B, N)
    log_probs: jax.Array  # (B, N)
    lengths: jax.Array  # (B, N) tokens, the end symbol among them
    counts: jax.Array  # (B, N) tokens before the end symbol
    beams: jax.Array  # (B, N) where the last of these stands


class Carry(NamedTuple):
    """All that the loop changes."""

    time: jax.Array  # ()
    live: Live
    pool: Pool
    tokens: jax.Array  # (T, B, K)
    parents: jax.Array  # (T, B, K)
    done: jax.Array  # (B,)
    failed: jax.Array  # (B,) a NaN was among a row's numbers


def empty_pool(anchor: jax.Array, size: int, dtype: Any) -> Pool:
    none = full(anchor, (size,), -jnp.inf, dtype)
    zero = full(anchor, (size,), 0, jnp.int32)
    return Pool(none, none, zero, zero, zero)


def run(search: Search, data: Data, carry: Carry, chunk: int) -> Carry:
    """Steps in chunks of a fixed number: on a GPU the host waits once a chunk, not once a step."""

    def unfinished(carry: Carry) -> jax.Array:
        going = jnp.logical_not(jnp.all(carry.done))
        return jnp.logical_and(going, carry.time < search.max_length)

    def one(carry: Carry, _: None) -> tuple[Carry, None]:
        return vary_like(advance(search, data, carry), carry.done), None

    def body(carry: Carry) -> Carry:
        return jax.lax.scan(one, carry, None, length=chunk)[0]

    return jax.lax.while_loop(unfinished, body, carry)


def advance(search: Search, data: Data, carry: Carry) -> Carry:
    """One step: every live hypothesis by every token; the best K that go on, the best that end."""
    live, size = carry.live, search.beam_size
    num_rows = live.tokens.shape[0]
    state, logits = search.step(data.params, live.state, merge(live.tokens))
    state = cast_like(state, live.state)
    gains = log_probabilities(split(logits, num_rows), live.log_probs.dtype, search.normalize)
    totals = jnp.broadcast_to(live.log_probs[..., None], gains.shape) + gains
    totals = select(live.log_probs > -jnp.inf, totals, jnp.array(-jnp.inf, totals.dtype))
    failed = jnp.logical_not(jnp.all(totals < jnp.inf, axis=(1, 2)))
    totals = forbid(search, data, totals, live.history, carry.time)
    coverage = live.coverage
    if search.alignment is not None and coverage is not None:
        coverage = coverage + split(search.alignment(state), num_rows).astype(coverage.dtype)

    # Of 2K candidates at most K end, so K go on; ended ones must be among the first K to count.
    vocab_size = totals.shape[-1]
    best, index = jax.lax.top_k(totals.reshape(num_rows, -1), 2 * size)
    parents, tokens = index // vocab_size, (index % vocab_size).astype(live.tokens.dtype)
    ends = (tokens == search.end) & jnp.logical_not(forced(data, tokens, carry.time))
    ended, origin = jnp.where(ends, best, -jnp.inf)[:, :size], parents[:, :size]
    ended_length = full(ended, (size,), 1, jnp.int32) + carry.time
    found = _score(search, data, ended, ended_length, _pick(coverage, origin))
    ended_pool = Pool(found, ended, ended_length, ended_length - 1, origin)

    log_probs, order = jax.lax.top_k(jnp.where(ends, -jnp.inf, best), size)
    parents, tokens = pick((parents, tokens), order)
    live = Live(
        state=pick_merged(state, parents),
        tokens=tokens,
        log_probs=log_probs,
        coverage=_pick(coverage, parents),
        history=remember(live.history, parents, tokens, carry.time),
    )
    cut = _cut(search, data, live, carry.time)
    pool = _best(search.num_best, carry.pool, ended_pool, cut)
    failed = jnp.logical_or(failed, jnp.any(jnp.isnan(found), axis=1))
    failed = jnp.logical_or(failed, jnp.any(jnp.isnan(cut.scores), axis=1))
    failed = jnp.logical_and(failed, jnp.logical_not(carry.done))
    pool = select(carry.done, carry.pool, pool)
    return Carry(
        time=carry.time + 1,
        live=live,
        pool=pool,
        tokens=jax.lax.dynamic_update_index_in_dim(carry.tokens, tokens, carry.time, 0),
        parents=jax.lax.dynamic_update_index_in_dim(carry.parents, parents, carry.time, 0),
        done=carry.done | failed | _is_done(search, live, pool, carry.time + 1),
        failed=carry.failed | failed,
    )


def _pick(coverage: jax.Array | None, index: jax.Array) -> jax.Array | None:
    return None if coverage is None else pick(coverage, index)


def _score(
    search: Search,
    data: Data,
    log_probs: jax.Array,
    lengths: jax.Array,
    coverage: jax.Array | None,
) -> jax.Array:
    scores = search.length_penalty(log_probs, lengths)
    if search.coverage_penalty is not None and coverage is not None:
        valid = data.source_valid
        if valid is not None:
            valid = jnp.broadcast_to(valid[:, None], coverage.shape)
        scores = scores + search.coverage_penalty(coverage, valid).astype(scores.dtype)
    return jnp.where(log_probs > -jnp.inf, scores, -jnp.inf)


def _cut(search: Search, data: Data, live: Live, time: jax.Array) -> Pool:
    """At the last step the hypotheses that still go on, cut there; before it, none."""
    lengths = jnp.full_like(live.tokens, search.max_length, dtype=jnp.int32)
    scores = _score(search, data, live.log_probs, lengths, live.coverage)
    scores = jnp.where(time + 1 == search.max_length, scores, -jnp.inf)
    beams = shard_like(jax.lax.broadcasted_iota(jnp.int32, live.tokens.shape, 1), lengths)
    return Pool(scores, live.log_probs, lengths, lengths, beams)


def _best(size: int, *pools: Pool) -> Pool:
    """The best of several pools; among equals the first."""
    joined = jax.tree.map(lambda *leaves: jnp.concatenate(leaves, axis=1), *pools)
    return pick(joined, jax.lax.top_k(joined.scores, size)[1])


def _is_done(search: Search, live: Live, pool: Pool, length: jax.Array) -> jax.Array:
    """Whether no live hypothesis, ``length`` tokens long, can still change the pool of its row.

    However it goes on, a hypothesis ends with n tokens, length < n <= max_length, and with a
    log-probability no higher than now; the coverage penalty is at most 0; the length penalty does
    not fall where the log-probability rises. So its score is at most the largest, over these n, of
    the length penalty of the best live log-probability. Each of these steps holds in floating point
    too. Who could only draw level comes too late: among equals the first stays.
    """
    best = jnp.max(live.log_probs, axis=1)
    if search.early_stop == "never":
        done = jnp.zeros_like(best, bool)
    elif search.early_stop == "first":
        done = jnp.logical_or(pool.scores[:, -1] > -jnp.inf, best == -jnp.inf)
    else:
        shape = (best.shape[0], search.max_length)
        lengths = jax.lax.broadcasted_iota(jnp.int32, shape, 1) + 1
        reached = search.length_penalty(jnp.broadcast_to(best[:, None], shape), lengths)
        possible = (lengths > length) & jnp.broadcast_to(best[:, None] > -jnp.inf, shape)
        bound = jnp.max(jnp.where(possible, reached, -jnp.inf), axis=1)
        done = pool.scores[:, -1] >= bound
    return jnp.logical_or(done, length >= search.max_length)

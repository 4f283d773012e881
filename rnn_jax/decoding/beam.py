"""``beam_search``: the most probable sequences of a decoder, by keeping several at a time."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.decoding.base import Step
from rnn_jax.decoding.beam_checks import check_choices, check_coverage, check_prefix, check_rows
from rnn_jax.decoding.beam_loop import Carry, Data, Live, Search, empty_pool, run
from rnn_jax.decoding.beam_rows import backtrack, full, repeat
from rnn_jax.decoding.beam_rules import gives_logits
from rnn_jax.decoding.checks import check_step
from rnn_jax.decoding.penalties import Coverage, LengthPenalty, NoPenalty
from rnn_jax.ops.linear import wider
from rnn_jax.ops.masks import length_mask
from rnn_jax.ops.types import batch_like, vary_like
from rnn_jax.typing import Params, State


class Beams(NamedTuple):
    """Hypotheses of each row, the best first."""

    tokens: jax.Array  # (T, *B, N), the end symbol from a hypothesis' end on
    lengths: jax.Array  # (*B, N) tokens of each, its end symbol among them
    scores: jax.Array  # (*B, N) with penalties; -inf: there is no such hypothesis
    log_probs: jax.Array  # (*B, N) without


def beam_search(
    step: Step,
    params: Params,
    state: State,
    *,
    beam_size: int,
    start: int | jax.Array,
    end: int,
    max_length: int,
    min_length: int = 0,
    length_penalty: LengthPenalty | None = None,
    coverage_penalty: Coverage | None = None,
    alignment: Callable[[State], jax.Array] | None = None,
    source_lengths: jax.Array | None = None,
    prefix: jax.Array | None = None,
    prefix_lengths: jax.Array | None = None,
    block_ngrams: int | None = None,
    num_best: int = 1,
    early_stop: Literal["safe", "first", "never"] = "safe",
    normalize: bool | None = None,
    chunk: int = 16,
) -> Beams:
    """Search for the sequences of the highest score, K at a time.

        score(y) = length_penalty(log p(y), n) + coverage_penalty(attention of y)

    Sequences are those of at most ``max_length`` tokens that end with ``end``, and those of
    ``max_length`` tokens without it, cut there. A step keeps the K most probable that go on; what
    ends within the K best is set apart, and never takes the place of one that goes on. With K large
    enough (V^T) the search is exhaustive; with K = 1 and no penalty it is greedy decoding.

    It stops where no sequence can change the result any more, which is proved by a bound: a
    sequence grows to some n <= ``max_length``, its log-probability only falls, and the coverage
    penalty is never above 0; so its score is at most the largest length penalty, over those n, of
    its present log-probability. Rows stop one by one. ``early_stop="first"`` is the usual heuristic
    instead: a row stops with its first ``num_best`` ended sequences, whatever could still come.

    All K hypotheses of a row share what the row's state began as; leaves (B, ...) are repeated to
    (B*K, ...) and follow their hypotheses. Arrays that stay the same for a row and are large may
    lie in ``params`` instead, where nothing copies them.

    Args:
        step: ``step(params, state, token) -> (state, logits)``, logits (B*K, V).
        params: Its parameters.
        state: Where to begin, leaves (*B, ...).
        beam_size: K, hypotheses of a row that go on; more than V is legal, more than V^T is not.
        start: The token to feed first: one for all rows, which then have one batch axis, or (*B,).
        end: The token that ends a sequence.
        max_length: T, most tokens of a sequence, prefix and end symbol among them.
        min_length: Fewest tokens of a sequence, its end symbol among them.
        length_penalty: ``GNMT(alpha)``, ``Average(alpha)``, ``WordReward(r)``, ``NoPenalty()``, the
            default, or a function like them.
        coverage_penalty: A ``Coverage``; it needs ``alignment``.
        alignment: From a new state to the attention weights of its step, (B*K, S).
        source_lengths: Real source steps, (*B,); only those must be covered. None for all S.
        prefix: Tokens (P, *B) that every sequence begins with; their probability counts. They may
            be what ``block_ngrams`` would forbid, and no sequence ends among them.
        prefix_lengths: How many of them each row has, (*B,); None for P.
        block_ngrams: n: no n tokens in a row come twice in a sequence. None for no such rule.
        num_best: N, how many sequences to return, <= K.
        early_stop: "safe", "first" or "never".
        normalize: Take ``log_softmax`` of what the step gives. False adds it as it is, for a sum of
            several models' log-probabilities; "safe" then needs it to be <= 0. None is True, but
            False for ``shallow_fusion`` and ``joint_step``, or what ``step.normalize`` says.
        chunk: Steps between two looks at whether all rows are done; a GPU waits for the host at
            each look.

    Returns:
        Beams of tokens (T, *B, N), lengths, scores and log-probabilities (*B, N). Where fewer than
        N sequences are possible, or found, the last have length 0 and score -inf. A row whose
        logits held a NaN or +inf has nothing but length 0 and score NaN; other rows are unharmed.
        Tokens of logit -inf are never chosen. Equal scores keep the order in which they were found,
        and within a step that of beam and token.

    Raises:
        ValueError: If an argument is out of range or does not fit the others.

    Example:
        >>> from rnn_jax import decoding
        >>> table = jnp.log(jnp.array([[0.0, 0.6, 0.4], [0.5, 0.25, 0.25], [0.9, 0.05, 0.05]]))
        >>> def step(params, state, token):
        ...     return state, params[token]
        >>> beams = decoding.beam_search(
        ...     step, table, (), beam_size=2, start=jnp.array([0]), end=0, max_length=3, num_best=2
        ... )
        >>> beams.tokens[:, 0].T.tolist(), (100 * jnp.exp(beams.scores)).round().tolist()
        ([[2, 0, 0], [1, 0, 0]], [[36.0, 30.0]])

    References:
        Graves, Sequence transduction with recurrent neural networks, 2012, arXiv:1211.3711.
        Wu et al., Google's neural machine translation system, 2016, arXiv:1609.08144.
    """
    state, start, batch_shape = check_rows(state, start)
    vocab_size = check_step(step, params, state, start)
    check_choices(
        vocab_size, beam_size, num_best, start, end, max_length, min_length, block_ngrams, chunk,
        early_stop, length_penalty or NoPenalty(),
    )  # fmt: skip
    num_chunks = -(-max_length // chunk)
    chunk = -(-max_length // num_chunks)  # as even as can be
    anchor = start
    for leaf in jax.tree.leaves((params, state, source_lengths, prefix, prefix_lengths)):
        anchor = vary_like(anchor, leaf)
    prefix, prefix_lengths = check_prefix(
        prefix, prefix_lengths, batch_shape, max_length, num_chunks * chunk, vocab_size
    )
    search = Search(
        step=step,
        beam_size=beam_size,
        num_best=num_best,
        end=int(end),
        max_length=max_length,
        min_length=min_length,
        length_penalty=NoPenalty() if length_penalty is None else length_penalty,
        coverage_penalty=coverage_penalty,
        alignment=alignment,
        block_ngrams=block_ngrams,
        early_stop=early_stop,
        normalize=gives_logits(step) if normalize is None else normalize,
    )
    state = repeat(batch_like(state, anchor[None], 1), beam_size)
    source_size = check_coverage(coverage_penalty, alignment, source_lengths, state, batch_shape)
    valid = None
    if source_lengths is not None:
        valid = length_mask(jnp.asarray(source_lengths).reshape(-1), source_size).T
    data = Data(params, prefix, prefix_lengths, valid)
    beams = _search(search, chunk, source_size, data, state, anchor)

    def rows(x: jax.Array) -> jax.Array:
        return x.reshape(*x.shape[:-2], *batch_shape, num_best)

    return jax.tree.map(rows, beams)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _search(
    search: Search, chunk: int, source_size: int, data: Data, state: State, anchor: jax.Array
) -> Beams:
    """The search for one batch axis; under ``jit``, so that equal calls are traced once."""
    tokens = repeat(anchor, search.beam_size)
    logits = jax.eval_shape(search.step, data.params, state, tokens)[1]
    carry = _begin(search, state, anchor, wider(logits.dtype, jnp.float32), source_size)
    num_steps = -(-search.max_length // chunk) * chunk
    tokens, parents = (
        full(anchor, (num_steps, search.beam_size), 0, dtype).swapaxes(0, 1)
        for dtype in (anchor.dtype, jnp.int32)
    )
    carry = carry._replace(tokens=tokens, parents=parents)
    return _read(search, run(search, data, carry, chunk))


def _begin(search: Search, state: State, anchor: jax.Array, dtype: Any, source_size: int) -> Carry:
    """One hypothesis for each row, the empty one; its K - 1 fellows are impossible."""
    size = search.beam_size
    zero, none = full(anchor, (1,), 0, dtype), full(anchor, (size - 1,), -jnp.inf, dtype)
    with_history = search.block_ngrams is not None
    live = Live(
        state=state,
        tokens=jnp.broadcast_to(anchor[:, None], (anchor.shape[0], size)),
        log_probs=jnp.concatenate([zero, none], axis=1),
        coverage=full(anchor, (size, source_size), 0, dtype) if source_size else None,
        history=full(anchor, (size, search.max_length), 0, anchor.dtype) if with_history else None,
    )
    never = full(anchor, (), False, bool)
    return Carry(
        time=vary_like(jnp.zeros((), jnp.int32), never),
        live=live,
        pool=empty_pool(anchor, search.num_best, dtype),
        tokens=live.tokens,  # room is made for these by the caller
        parents=live.tokens,
        done=never,
        failed=never,
    )


def _read(search: Search, carry: Carry) -> Beams:
    """The pool as sequences, with what failed made plain."""
    pool, failed = carry.pool, jnp.broadcast_to(carry.failed[:, None], carry.pool.scores.shape)
    there = (pool.scores > -jnp.inf) & jnp.logical_not(failed)
    counts = jnp.where(there, pool.counts, 0)
    tokens = backtrack(carry.tokens, carry.parents, counts, pool.beams, search.end)
    return Beams(
        tokens=tokens[: search.max_length],
        lengths=jnp.where(there, pool.lengths, 0),
        scores=jnp.where(failed, jnp.nan, pool.scores),
        log_probs=jnp.where(failed, jnp.nan, jnp.where(there, pool.log_probs, -jnp.inf)),
    )

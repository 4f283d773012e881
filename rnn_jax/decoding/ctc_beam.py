"""``ctc_prefix_beam``: the most probable labels of a CTC network, over all their alignments."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.decoding.beam import Beams
from rnn_jax.decoding.beam_fusion import weighted
from rnn_jax.decoding.beam_rows import full, merge, pick, pick_merged, repeat, split
from rnn_jax.decoding.beam_rules import log_probabilities
from rnn_jax.decoding.checks import check_count
from rnn_jax.decoding.ctc_frames import check_frames, log_frames
from rnn_jax.decoding.ctc_model import LanguageModel, check_model
from rnn_jax.decoding.ctc_prefixes import Prefixes, first, grow
from rnn_jax.drivers.common import cast_like
from rnn_jax.ops.masks import select
from rnn_jax.ops.types import shard_like, vary_like
from rnn_jax.typing import Params, State


@dataclass(frozen=True)
class _Search:
    beam_size: int
    num_best: int
    blank: int
    max_labels: int
    label_bonus: float
    step: Callable[..., Any] | None
    weight: float
    end: int | None


def ctc_prefix_beam(
    logits: jax.Array,
    lengths: Any = None,
    *,
    beam_size: int,
    blank: int = 0,
    num_best: int = 1,
    max_labels: int | None = None,
    language_model: LanguageModel | None = None,
    label_bonus: float = 0.0,
) -> Beams:
    """Search for the labels of the highest score, the K best prefixes at a time.

        score(y) = log sum over paths that collapse to y of p(path)
                   + weight * log p_lm(y) + label_bonus * |y|

    For each prefix the probabilities of its paths that end in a blank and that end in its last
    label are kept apart. A frame keeps a prefix as it is or writes one label more; where that gives
    a prefix that is there already, the two are one, found by comparing labels, not hashes. With K
    so large that no prefix is ever dropped the result is exact.

    Args:
        logits: Scores before softmax, or log-probabilities, (T, *B, V).
        lengths: Frames of each row, (*B,); None for T. A row without frames has no labels, with
            probability 1. What stands on padding is not read.
        beam_size: K, prefixes kept after each frame.
        blank: The class that stands for no label.
        num_best: N, how many labellings to return, <= K.
        max_labels: Most labels of a row; None for T.
        language_model: A ``LanguageModel``; it reads every prefix's labels.
        label_bonus: What each label adds to the score, in nats; a language model needs it, since
            it makes each label cost.

    Returns:
        Beams of tokens (T, *B, N), the blank behind the labels, T the most labels; lengths,
        scores, and log-probabilities, the CTC network's alone, (*B, N), best first. Where there
        are fewer labellings the last have length 0 and score -inf; where a row meets a NaN or
        +inf, score NaN.

    Raises:
        ValueError: If an argument is out of range or does not fit the others.

    Example:
        >>> from rnn_jax import decoding
        >>> logits = jnp.log(jnp.array([[[0.6, 0.4]], [[0.6, 0.4]]]))
        >>> decoding.ctc_greedy(logits).lengths.tolist()  # the best path has probability 0.36
        [0]
        >>> beams = ctc_prefix_beam(logits, beam_size=3)  # the paths of label 1 have 0.64 together
        >>> beams.tokens[:, 0, 0].tolist(), (100 * jnp.exp(beams.scores)).round().tolist()
        ([1, 0], [[64.0]])

    References:
        Graves, Fernandez, Gomez and Schmidhuber, Connectionist temporal classification, 2006,
        doi:10.1145/1143844.1143891.
        Hannun, Maas, Jurafsky and Ng, First-pass large vocabulary continuous speech recognition
        using bi-directional recurrent DNNs, 2014, arXiv:1408.2873.
    """
    logits, lengths, batch_shape = check_frames(logits, lengths, blank)
    num_steps, _, vocab_size = logits.shape
    max_labels = num_steps if max_labels is None else max_labels
    counts = {"beam_size": beam_size, "num_best": num_best, "max_labels": max_labels}
    for name, value in counts.items():
        check_count(name, value)
    if num_best > beam_size:
        raise ValueError(
            f"num_best={num_best} is more than beam_size={beam_size}: search with more prefixes, "
            f"or ask for fewer."
        )
    if not isinstance(label_bonus, (int, float)) or not abs(label_bonus) < float("inf"):
        raise ValueError(f"label_bonus={label_bonus!r} must be a finite number.")
    step, weight, end, model = None, 0.0, None, None
    if language_model is not None:
        model = check_model(language_model, batch_shape, logits)
        step, weight, end = language_model.step, language_model.weight, language_model.end
    search = _Search(
        beam_size,
        num_best,
        blank,
        min(max_labels, num_steps),
        label_bonus,
        step,
        weight,
        end,
    )
    beams = _run(search, logits, lengths, model)

    def rows(x: jax.Array) -> jax.Array:
        return x.reshape(*x.shape[:-2], *batch_shape, num_best)

    return jax.tree.map(rows, beams)


class _Carry(NamedTuple):
    prefixes: Prefixes  # leaves (B, K, ...)
    state: State  # the language model's, leaves (B*K, ...)
    gains: jax.Array  # (B, K, V) what the language model and the bonus add to each next label
    last: jax.Array  # (B, K) what they add at the end
    failed: jax.Array  # (B,)


@partial(jax.jit, static_argnums=0)
def _run(search: _Search, logits: jax.Array, lengths: jax.Array | None, model: Any) -> Beams:
    frames = log_frames(logits, lengths, search.blank)
    anchor = frames[0]
    for leaf in jax.tree.leaves(model):
        anchor = vary_like(anchor, leaf)
    carry = _begin(search, anchor, model)

    def one(carry: _Carry, frame: jax.Array) -> tuple[_Carry, None]:
        row = partial(grow, search.blank)
        prefixes, origin, tokens, failed = jax.vmap(row)(carry.prefixes, frame, carry.gains)
        new = carry._replace(prefixes=prefixes, failed=carry.failed | failed)
        if search.step is not None:
            written = tokens.astype(model[2].dtype)
            new = _read_labels(search, model[0], new, origin, written)
        return vary_like(new, anchor), None

    return _best(search, jax.lax.scan(one, carry, frames)[0])


def _begin(search: _Search, anchor: jax.Array, model: Any) -> _Carry:
    size, (num_rows, vocab_size) = search.beam_size, anchor.shape
    prefixes = first(anchor, size, search.max_labels)
    gains = full(anchor, (size, vocab_size), search.label_bonus, anchor.dtype)
    last = full(anchor, (size,), 0, anchor.dtype)
    carry = _Carry(prefixes, (), gains, last, full(anchor, (), False, bool))
    if search.step is None:
        return carry
    params, state, start = vary_like(model, anchor)
    state = repeat(state, size)
    carry = carry._replace(state=state)
    tokens = split(repeat(start, size), num_rows)
    everyone = jax.lax.broadcasted_iota(jnp.int32, tokens.shape, 1)
    everyone = shard_like(everyone, prefixes.lengths)
    return _read_labels(search, params, carry, everyone, tokens)


def _read_labels(
    search: _Search, params: Params, carry: _Carry, origin: jax.Array, tokens: jax.Array
) -> _Carry:
    """The language model reads the labels that were written; -1 is none."""
    assert search.step is not None
    num_rows, written = tokens.shape[0], tokens >= 0
    before = pick_merged(carry.state, origin)
    state, logits = search.step(params, before, merge(jnp.where(written, tokens, 0)))
    dtype = carry.gains.dtype
    log_probs = split(log_probabilities(logits, dtype, True), num_rows)
    gains = weighted(search.weight, log_probs)
    last = jnp.zeros_like(carry.last) if search.end is None else gains[..., search.end]
    gains, last = select(
        written, (gains + search.label_bonus, last), pick((carry.gains, carry.last), origin)
    )
    state = select(merge(written), cast_like(state, before), before)
    return carry._replace(state=state, gains=gains, last=last)


def _best(search: _Search, carry: _Carry) -> Beams:
    """The best N prefixes after the last frame."""
    prefixes = carry.prefixes
    log_probs = jnp.logaddexp(prefixes.blank, prefixes.label)
    scores, index = jax.lax.top_k(log_probs + prefixes.model + carry.last, search.num_best)
    labels, lengths, log_probs = pick((prefixes.labels, prefixes.lengths, log_probs), index)
    failed = jnp.broadcast_to((carry.failed | jnp.isnan(scores[:, 0]))[:, None], scores.shape)
    there = (scores > -jnp.inf) & jnp.logical_not(failed)
    lengths = jnp.where(there, lengths, 0)
    places = jax.lax.broadcasted_iota(jnp.int32, labels.shape, 2)
    inside = places < jnp.broadcast_to(lengths[..., None], labels.shape)
    tokens = jnp.where(inside, labels, search.blank)
    return Beams(
        tokens=jnp.moveaxis(tokens, 2, 0),
        lengths=lengths,
        scores=jnp.where(failed, jnp.nan, scores),
        log_probs=jnp.where(failed, jnp.nan, jnp.where(there, log_probs, -jnp.inf)),
    )

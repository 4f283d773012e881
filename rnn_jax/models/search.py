"""What a decoder says when nobody tells it: greedy, drawn, or by beam, in one compiled program."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax import decoding
from rnn_jax.models.pure import Pure, take_apart
from rnn_jax.typing import Params, PyTree


class Found(NamedTuple):
    """The sequence that a search found for each row, batch first."""

    tokens: jax.Array  # (B, T), T = max_length; the end symbol at the end and after it
    lengths: jax.Array  # (B,) tokens of each row, the end symbol included
    scores: jax.Array  # (B,) ln p, after the penalties of a beam


@dataclass(frozen=True, kw_only=True)
class Search:
    """How to look for a sequence.

    Args:
        start: The token that the decoder reads first.
        end: The token that ends a sequence.
        max_length: Most tokens of a sequence, the end symbol among them.
        beam_size: Hypotheses of a row that go on; 1 is greedy, or as ``choose`` says.
        length_penalty: Of a beam, ``decoding.GNMT(0.6)`` and its fellows; None for none.
        coverage_penalty: Of a beam over a decoder with attention, ``decoding.Coverage(...)``.
        choose: Without a beam, ``decoding.Sample(...)`` to draw; None for greedy.
        forbidden: Tokens that are never written; scores are those of what is left.

    Raises:
        ValueError: If a choice is for a beam and there is none, or the other way round.

    Example:
        >>> Search(start=1, end=2, max_length=9).beam_size
        1
    """

    start: int
    end: int
    max_length: int
    beam_size: int = 1
    length_penalty: Any = None
    coverage_penalty: Any = None
    choose: Callable[..., jax.Array] | None = None
    forbidden: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        penalties = (self.length_penalty, self.coverage_penalty)
        if self.beam_size == 1 and penalties != (None, None):
            raise ValueError(
                "length_penalty and coverage_penalty rank the hypotheses of a beam, but beam_size "
                "is 1: raise it, or leave them at None."
            )
        if self.beam_size != 1 and self.choose is not None:
            raise ValueError(
                f"choose={self.choose} draws one sequence, but beam_size={self.beam_size}: leave "
                "one of them at its default."
            )


@dataclass(frozen=True)
class _Without:
    """A step that gives some tokens no chance."""

    step: Callable[..., Any]
    forbid: decoding.Forbid

    def __call__(self, params: Params, state: Any, token: jax.Array) -> tuple[Any, jax.Array]:
        state, logits = self.step(params, state, token)
        return state, self.forbid(logits)


def _step(pure: Pure[Any], how: Search) -> Callable[..., Any]:
    return _Without(pure.step, decoding.Forbid(how.forbidden)) if how.forbidden else pure.step


def weights_of(state: Any) -> jax.Array:
    """The attention weights (B, S) in a decoder's state, for a penalty on coverage: heads' mean.

    Example:
        >>> from rnn_jax import cells
        >>> from rnn_jax.models import DecoderState
        >>> state = cells.AttentiveState((), (), (), jnp.ones((2, 4, 5)))
        >>> weights_of(DecoderState(state, None)).shape
        (2, 5)
    """
    weights = getattr(state.layer, "weights", state.weights)
    return weights.reshape(weights.shape[0], -1, weights.shape[-1]).mean(1)


def search(
    model: Any, how: Search, inputs: PyTree, lengths: jax.Array | None, key: jax.Array | None
) -> Found:
    """Look for a sequence for every row: compiled once for each model, search and shapes.

    Args:
        model: It has ``start(inputs, lengths)``, ``step`` and a ``decoder``.
        how: What to look for.
        inputs: What ``start`` reads.
        lengths: Its real steps, (B,), or None.
        key: For a search that draws.

    Raises:
        ValueError: If coverage is asked for and the model has no attention.

    Example:
        >>> from flax import nnx
        >>> from rnn_jax.models import Seq2Seq, Seq2SeqConfig
        >>> config = Seq2SeqConfig(source_vocab_size=9, target_vocab_size=7, hidden_size=4)
        >>> model = Seq2Seq(config, rngs=nnx.Rngs(0))
        >>> how = Search(start=1, end=2, max_length=5)
        >>> search(model, how, jnp.array([[3, 4]]), None, None).tokens.shape
        (1, 5)
    """
    if how.coverage_penalty is not None and model.decoder.config.attention is None:
        raise ValueError(
            f"coverage_penalty={how.coverage_penalty} asks how much was attended to, but the model "
            "has no attention: leave it at None."
        )
    pure, params = take_apart(model)
    lengths = None if lengths is None else jnp.asarray(lengths)
    return _search(pure, how, params, inputs, lengths, key)


@partial(jax.jit, static_argnums=(0, 1))
def _search(
    pure: Pure[Any], how: Search, params: Params, inputs: PyTree, lengths: Any, key: Any
) -> Found:
    state = pure(params).start(inputs, lengths)
    batch_size = jax.tree.leaves(inputs)[0].shape[0]
    start = jnp.full(batch_size, how.start)
    if how.beam_size == 1:
        one = decoding.decode(
            _step(pure, how),
            params,
            state,
            start=start,
            end=how.end,
            max_length=how.max_length,
            choose=how.choose,
            pad=how.end,
            key=key,
        )
        return Found(one.tokens.T, one.lengths, one.scores)
    beams = _beams(pure, how, params, state, start, lengths)
    return Found(beams.tokens[..., 0].T, beams.lengths[..., 0], beams.scores[..., 0])


def n_best(
    model: Any, how: Search, inputs: PyTree, lengths: jax.Array | None, num_best: int
) -> Found:
    """The ``num_best`` best sequences of a beam for every row, the best first.

    Args:
        model: It has ``start(inputs, lengths)``, ``step`` and a ``decoder``.
        how: What to look for; its ``beam_size`` is at least ``num_best``.
        inputs: What ``start`` reads.
        lengths: Its real steps, (B,), or None.
        num_best: N.

    Returns:
        Tokens (B, N, T), lengths and scores (B, N); of length 0 and score -inf where there are not
        so many.

    Raises:
        ValueError: If the beam is smaller than ``num_best``.

    Example:
        >>> from flax import nnx
        >>> from rnn_jax.models import Seq2Seq, Seq2SeqConfig
        >>> config = Seq2SeqConfig(source_vocab_size=9, target_vocab_size=7, hidden_size=4)
        >>> model = Seq2Seq(config, rngs=nnx.Rngs(0))
        >>> how = Search(start=1, end=2, max_length=5, beam_size=3)
        >>> n_best(model, how, jnp.array([[3, 4]]), None, 3).tokens.shape
        (1, 3, 5)
    """
    pure, params = take_apart(model)
    lengths = None if lengths is None else jnp.asarray(lengths)
    return _n_best(pure, how, num_best, params, inputs, lengths)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _n_best(
    pure: Pure[Any], how: Search, num_best: int, params: Params, inputs: PyTree, lengths: Any
) -> Found:
    start = jnp.full(jax.tree.leaves(inputs)[0].shape[0], how.start)
    state = pure(params).start(inputs, lengths)
    beams = _beams(pure, how, params, state, start, lengths, num_best)
    return Found(jnp.moveaxis(beams.tokens, 0, -1), beams.lengths, beams.scores)


def _beams(
    pure: Pure[Any],
    how: Search,
    params: Params,
    state: Any,
    start: Any,
    lengths: Any,
    num_best: int = 1,
) -> decoding.Beams:
    covers = how.coverage_penalty is not None
    return decoding.beam_search(
        _step(pure, how),
        params,
        state,
        beam_size=how.beam_size,
        num_best=num_best,
        start=start,
        end=how.end,
        max_length=how.max_length,
        length_penalty=how.length_penalty or decoding.NoPenalty(),
        coverage_penalty=how.coverage_penalty,
        alignment=weights_of if covers else None,
        source_lengths=lengths if covers else None,
    )

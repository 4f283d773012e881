"""A translator of sentences: text in, text out."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from rnn_jax import decoding
from rnn_jax.data.batch import PairBatch
from rnn_jax.data.buckets import PairBatches
from rnn_jax.data.vocabulary import PAD, START, UNKNOWN, Bytes, Vocabulary, row, sentence
from rnn_jax.models.search import Search, n_best, search
from rnn_jax.models.seq2seq import Seq2Seq


class Translation(NamedTuple):
    """One of the translations of a sentence."""

    text: str
    score: float  # ln p, divided by a beam's length penalty


@dataclass(frozen=True, eq=False)
class Translator:
    """A ``Seq2Seq`` and what its tokens stand for.

    Args:
        model: The model.
        sources: Vocabulary of what is read; a row is its tokens and the end symbol.
        targets: Vocabulary of what is written.

    Example:
        >>> from flax import nnx
        >>> from rnn_jax.data.vocabulary import Characters
        >>> from rnn_jax.models import Seq2SeqConfig
        >>> sizes = {"source_vocab_size": 6, "target_vocab_size": 7, "hidden_size": 4}
        >>> model = Seq2Seq(Seq2SeqConfig(**sizes), rngs=nnx.Rngs(0))
        >>> translator = Translator(model, Characters("ab"), Characters("xyz"))
        >>> found = translator(["ab", "", "b"], beam_size=3, num_best=2)
        >>> [len(best) for best in found], found[1]
        ([2, 1, 2], [Translation(text='', score=0.0)])
    """

    model: Seq2Seq
    sources: Vocabulary
    targets: Vocabulary

    def __call__(
        self,
        lines: Sequence[str],
        *,
        beam_size: int = 1,
        num_best: int = 1,
        alpha: float = 0.6,
        batch_size: int = 64,
    ) -> list[list[Translation]]:
        """The translations of every line, the best first; of an empty line it is empty.

        None holds the mark of an unknown word: the likeliest known one stands there.

        Args:
            lines: Sentences.
            beam_size: Hypotheses of a sentence that go on; 1 is greedy.
            num_best: How many translations of a line, at most ``beam_size``; fewer where there are
                not so many.
            alpha: Of ``decoding.GNMT``, a beam's length penalty.
            batch_size: Sentences side by side, of like length.

        Raises:
            ValueError: If the beam is smaller than ``num_best``.
        """
        if not 1 <= num_best <= beam_size:
            raise ValueError(f"num_best {num_best} is not in 1..{beam_size}, the beam_size")
        places = [place for place, line in enumerate(lines) if line]
        found = [[Translation("", 0.0)] for _ in lines]
        if not places:
            return found
        rows = [row(self.sources, lines[place]) for place in places]
        batches = PairBatches(rows, rows, batch_size=min(batch_size, len(rows)))
        for k, tokens, scores in self._search(batches, beam_size, num_best, alpha):
            best = zip(tokens, scores.tolist(), strict=True)
            found[places[k]] = [
                Translation(sentence(self.targets, line), score)
                for line, score in best
                if score > -np.inf
            ]
        return found

    def _search(
        self, batches: PairBatches, beam_size: int, num_best: int, alpha: float
    ) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Place in the data, tokens (N, T) and scores (N,) of every source."""
        for rows in batches.in_order():
            source, lengths = map(jnp.asarray, (rows.source, rows.source_lengths))
            limit = 2 * source.shape[1] + 10
            how = self._how(limit, beam_size, alpha)
            if beam_size == 1:
                one = search(self.model, how, source, lengths, None)
                tokens, scores = one.tokens[:, None], one.scores[:, None]
            else:
                tokens, _, scores = n_best(self.model, how, source, lengths, num_best)
            sides = map(np.asarray, (tokens, scores))
            for place, *found in zip(rows.indices.tolist(), *sides, strict=True):
                if place >= 0:
                    yield place, found[0], found[1]

    def _how(self, max_length: int, beam_size: int = 1, alpha: float = 0.6) -> Search:
        return Search(
            start=self.model.config.start,
            end=self.model.config.end,
            max_length=max_length,
            beam_size=beam_size,
            length_penalty=decoding.GNMT(alpha) if beam_size > 1 else None,
            forbidden=_never_written(self.targets),
        )

    def show(self, rows: PairBatch, directory: str | Path | None = None) -> str:
        """A few sentences and their translations; with a directory also alignment_1.png, ...

        Args:
            rows: The sentences.
            directory: Where pictures go of what was attended to, if the model has an attention.
        """
        real = np.flatnonzero(rows.indices >= 0)  # not those that fill up the batch
        source, lengths = jnp.asarray(rows.source[real]), jnp.asarray(rows.source_lengths[real])
        best = search(self.model, self._how(2 * source.shape[1]), source, lengths, None)
        sources = _cut(source, lengths)
        targets = _cut(best.tokens, best.lengths)
        if directory is not None and self.model.config.attention is not None:
            from rnn_jax.plots.alignment import save_alignments

            weights = self.model.alignments(source, best.tokens, source_lengths=lengths)
            labels = _labels(self.sources, sources), _labels(self.targets, targets)
            save_alignments(directory, weights, *labels)
        return "\n".join(
            f"    {sentence(self.sources, a)} -> {sentence(self.targets, b)}"
            for a, b in zip(sources, targets, strict=True)
        )


def _never_written(vocabulary: Vocabulary) -> tuple[int, ...]:
    """Padding, the start, and what is unknown, which bytes do not have."""
    return (PAD, START) if isinstance(vocabulary, Bytes) else (PAD, START, UNKNOWN)


def _cut(rows: Any, lengths: Any) -> list[np.ndarray]:
    return [line[:n] for line, n in zip(np.asarray(rows), np.asarray(lengths), strict=True)]


def _labels(vocabulary: Vocabulary, rows: list[np.ndarray]) -> list[list[str]]:
    def label(token: int) -> str:
        return "end" if token == vocabulary.end else vocabulary.decode([token])

    return [[label(token) for token in line.tolist()] for line in rows]

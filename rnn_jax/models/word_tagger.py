"""A tagger with its words and letters: from sentences to the tags of their words."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rnn_jax.data import subwords
from rnn_jax.data.buckets import PairBatches
from rnn_jax.data.errors import InputError
from rnn_jax.data.vocabulary import UNKNOWN, Characters, Words
from rnn_jax.models.pure import Pure
from rnn_jax.models.tagger import Tagger
from rnn_jax.typing import Params


@partial(jax.jit, static_argnums=0)
def _tags(pure: Pure[Tagger], params: Params, rows: Any, lengths: Any) -> jax.Array:
    return pure(params).tags(rows[..., 0], rows[..., 1:], lengths=lengths)


def plain(word: str) -> str:
    """A word as its vector knows it: in small letters, every digit a 0.

    Example:
        >>> plain("B-52s")
        'b-00s'
    """
    return re.sub(r"\d", "0", word.lower())


class WordTagger:
    """Tags of the words of sentences.

    A word is read twice: as ``plain`` has it, by a vector, and letter by letter as it stands.

    Args:
        words: What the tagger's words stand for.
        letters: What its letters stand for.
        tags: Names of its tags.
        max_letters: Letters of a word that are read, the first ones.

    Example:
        >>> from flax import nnx
        >>> from rnn_jax.models import LettersConfig, ReaderConfig, TaggerConfig, take_apart
        >>> tagger = WordTagger(Words(("in", "rome")), Characters("Reimno"), ["O", "city"], 4)
        >>> tagger.encode(["in", "ROME"]).tolist()
        [[4, 6, 8, 0, 0], [5, 4, 3, 3, 3]]
        >>> reader = ReaderConfig(vocab_size=6, hidden_size=2)
        >>> config = TaggerConfig(num_tags=2, reader=reader, letters=LettersConfig(vocab_size=10))
        >>> pure, params = take_apart(Tagger(config, rngs=nnx.Rngs(0)))
        >>> [len(tags) for tags in tagger(pure, params, [["in", "Rome"], ["in"]])]
        [2, 1]
    """

    def __init__(
        self, words: Words, letters: Characters, tags: Sequence[str], max_letters: int = 20
    ) -> None:
        self.words, self.letters, self.tags = words, letters, list(tags)
        self.max_letters = max_letters

    @classmethod
    def of(
        cls,
        sentences: Sequence[Sequence[str]],
        tags: Sequence[str],
        min_count: int = 1,
        max_size: int | None = None,
    ) -> "WordTagger":
        """With the words and letters of sentences to train on; rarer words are unknown."""
        lines = [" ".join(map(plain, sentence)) for sentence in sentences]
        letters = Characters.of(word for sentence in sentences for word in sentence)
        return cls(Words.of(lines, min_count, max_size), letters, tags)

    @classmethod
    def load(cls, directory: str | Path, tags: Sequence[str]) -> "WordTagger":
        """As ``save`` has written it."""
        words, letters = (subwords.load(directory, name) for name in ("vocabulary", "letters"))
        if not isinstance(words, Words) or not isinstance(letters, Characters):
            raise InputError(f"run_dir: {directory} holds the vocabulary of another model")
        return cls(words, letters, tags)

    def save(self, directory: str | Path) -> None:
        """Writes vocabulary.json and letters.json."""
        self.words.save(directory)
        self.letters.save(directory, "letters")

    def batches(
        self,
        sentences: Sequence[Sequence[str]],
        tags: Sequence[Sequence[str]],
        batch_size: int = 32,
        num_buckets: int = 5,
        seed: int = 0,
        bounds: tuple[tuple[int, int], ...] | None = None,
    ) -> PairBatches:
        """Sentences as ``encode`` has them, and the numbers of their tags."""
        numbers = [np.array([self.tags.index(tag) for tag in row], np.int32) for row in tags]
        return PairBatches(
            [self.encode(sentence) for sentence in sentences], numbers, batch_size=batch_size,
            num_buckets=num_buckets, round_to=8, seed=seed, given_bounds=bounds,
        )  # fmt: skip

    def encode(self, sentence: Sequence[str]) -> np.ndarray:
        """(T, 1 + C): the number of each word, and those of its letters, 0 behind them."""
        rows = np.zeros((len(sentence), 1 + self.max_letters), np.int32)
        for row, word in zip(rows, sentence):
            row[0] = self.words.index.get(plain(word), UNKNOWN)
            letters = self.letters.encode(word[: self.max_letters])
            row[1 : 1 + len(letters)] = letters
        return rows

    def __call__(
        self, pure: Pure[Tagger], params: Params, sentences: Sequence[Sequence[str]]
    ) -> list[list[str]]:
        """The best tags of every word of some sentences."""
        found: list[list[str]] = [[]] * len(sentences)
        some = [self.tags[:1] * len(sentence) for sentence in sentences]
        for batch in self.batches(sentences, some, num_buckets=2).in_order():
            tags = np.asarray(_tags(pure, params, batch.source, batch.source_lengths))
            for index, row, length in zip(batch.indices, tags, batch.source_lengths):
                if index >= 0:
                    found[index] = [self.tags[tag] for tag in row[:length]]
        return found

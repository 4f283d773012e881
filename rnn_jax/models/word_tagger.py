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
from rnn_jax.data.word_traits import WordTraits
from rnn_jax.models.pure import Pure
from rnn_jax.models.tagger import Tagger
from rnn_jax.typing import Params


@partial(jax.jit, static_argnums=0)
def _tags(pure: Pure[Tagger], params: Params, sides: Any, lengths: Any, bias: Any) -> jax.Array:
    words, letters, traits = sides
    return pure(params).tags(words, letters, traits=traits, lengths=lengths, bias=bias)


def plain(word: str) -> str:
    """A word as its vector knows it: in small letters, every digit a 0.

    Example:
        >>> plain("B-52s")
        'b-00s'
    """
    return re.sub(r"\d", "0", word.lower())


class WordTagger:
    """Tags of the words of sentences.

    A word is read twice: as ``plain`` has it, by a vector, and letter by letter as it stands; and
    its traits, if asked for.

    Args:
        words: What the tagger's words stand for.
        letters: What its letters stand for.
        tags: Names of its tags.
        max_letters: Letters of a word that are read, the first ones.
        traits: What else is seen of a word; None for nothing.
        outside: What is taken off the score of the tag O when tags are sought: above 0 finds more
            names, fewer of them right. Names that one learns from are better known than those to
            come, and so are missed less: choose it on held-out sentences.

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
        self,
        words: Words,
        letters: Characters,
        tags: Sequence[str],
        max_letters: int = 20,
        traits: WordTraits | None = None,
        outside: float = 0.0,
    ) -> None:
        self.words, self.letters, self.tags = words, letters, list(tags)
        self.max_letters, self.traits, self.outside = max_letters, traits, outside

    @classmethod
    def of(
        cls,
        sentences: Sequence[Sequence[str]],
        tags: Sequence[str],
        min_count: int = 1,
        max_size: int | None = None,
        traits: bool = False,
        outside: float = 0.0,
    ) -> "WordTagger":
        """With the words and letters of sentences to train on; rarer words are unknown.

        Args:
            sentences: to train on.
            tags: in the order of the model's.
            min_count: occurrences of a word that is known.
            max_size: most known words.
            traits: whether to count the words for ``WordTraits``.
            outside: as above.
        """
        lines = [" ".join(map(plain, sentence)) for sentence in sentences]
        letters = Characters.of(word for sentence in sentences for word in sentence)
        seen = WordTraits.of(sentences) if traits else None
        words = Words.of(lines, min_count, max_size)
        return cls(words, letters, tags, traits=seen, outside=outside)

    @classmethod
    def load(
        cls,
        directory: str | Path,
        tags: Sequence[str],
        traits: bool = False,
        outside: float = 0.0,
    ) -> "WordTagger":
        """As ``save`` has written it."""
        words, letters = (subwords.load(directory, name) for name in ("vocabulary", "letters"))
        if not isinstance(words, Words) or not isinstance(letters, Characters):
            raise InputError(f"run_dir: {directory} holds the vocabulary of another model")
        seen = WordTraits.load(directory) if traits else None
        return cls(words, letters, tags, traits=seen, outside=outside)

    def save(self, directory: str | Path) -> None:
        """Writes vocabulary.json and letters.json, and traits.json if there are traits."""
        self.words.save(directory)
        self.letters.save(directory, "letters")
        if self.traits is not None:
            self.traits.save(directory)

    def batches(
        self,
        sentences: Sequence[Sequence[str]],
        tags: Sequence[Sequence[str]],
        batch_size: int = 32,
        num_buckets: int = 5,
        seed: int = 0,
        bounds: tuple[tuple[int, int], ...] | None = None,
        learnt: bool = False,
    ) -> PairBatches:
        """Sentences as ``encode`` has them, and the numbers of their tags."""
        numbers = [np.array([self.tags.index(tag) for tag in row], np.int32) for row in tags]
        return PairBatches(
            [self.encode(sentence, learnt) for sentence in sentences], numbers, round_to=8,
            batch_size=batch_size, num_buckets=num_buckets, seed=seed, given_bounds=bounds,
        )  # fmt: skip

    def encode(self, sentence: Sequence[str], learnt: bool = False) -> np.ndarray:
        """(T, 1 + C + K): the number of each word, those of its letters, 0 behind them, its traits.

        `learnt` says that the sentence is one of those that the tagger is of: see ``WordTraits``.
        """
        rows = np.zeros((len(sentence), 1 + self.max_letters), np.int32)
        for row, word in zip(rows, sentence):
            row[0] = self.words.index.get(plain(word), UNKNOWN)
            letters = self.letters.encode(word[: self.max_letters])
            row[1 : 1 + len(letters)] = letters
        if self.traits is None:
            return rows
        return np.concatenate([rows, self.traits.encode(sentence, learnt)], axis=1)

    def sides(self, rows: Any) -> tuple[Any, Any, Any]:
        """Words (B, T), their letters (B, T, C) and traits (B, T, K), or None, of encoded rows."""
        letters, traits = rows[..., 1 : 1 + self.max_letters], rows[..., 1 + self.max_letters :]
        return rows[..., 0], letters, None if self.traits is None else traits

    def __call__(
        self, pure: Pure[Tagger], params: Params, sentences: Sequence[Sequence[str]]
    ) -> list[list[str]]:
        """The best tags of every word of some sentences."""
        found: list[list[str]] = [[]] * len(sentences)
        some = [self.tags[:1] * len(sentence) for sentence in sentences]
        bias = np.array([-self.outside * (tag == "O") for tag in self.tags], np.float32)
        for batch in self.batches(sentences, some, num_buckets=2).in_order():
            lengths = batch.source_lengths
            tags = np.asarray(_tags(pure, params, self.sides(batch.source), lengths, bias))
            for index, row, length in zip(batch.indices, tags, lengths):
                if index >= 0:
                    found[index] = [self.tags[tag] for tag in row[:length]]
        return found

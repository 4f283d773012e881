"""What one sees of a word at a glance: how it is written, how known it is, and among what."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from rnn_jax.data.errors import InputError
from rnn_jax.data.files import write_json

FORMS = (
    *("address", "user", "hashtag", "mark", "picture", "number", "mixed", "lower"),
    *("initial", "UPPER", "Title", "CamelCase", "otherWise"),
)


def form(word: str) -> int:
    """Which of ``FORMS`` a word is written in.

    Example:
        >>> [FORMS[form(word)] for word in ("http://t.co/x", "@ann", "#now", "...", "B2", "iPod")]
        ['address', 'user', 'hashtag', 'mark', 'mixed', 'otherWise']
        >>> [FORMS[form(word)] for word in ("a", "A", "ABC", "Rome", "McRae", "1/2")]
        ['lower', 'initial', 'UPPER', 'Title', 'CamelCase', 'number']
    """
    if word.startswith(("http://", "https://", "www.")):
        return FORMS.index("address")
    if word[:1] in ("@", "#") and len(word) > 1:
        return FORMS.index("user" if word[0] == "@" else "hashtag")
    if not any(map(str.isalnum, word)):
        return FORMS.index("mark" if word.isascii() else "picture")
    if not any(map(str.isalpha, word)):
        return FORMS.index("number")
    if any(map(str.isdigit, word)):
        return FORMS.index("mixed")
    if word.islower():
        return FORMS.index("lower")
    if word.isupper():
        return FORMS.index("initial" if len(word) == 1 else "UPPER")
    if word[0].isupper():
        return FORMS.index("Title" if word[1:].islower() else "CamelCase")
    return FORMS.index("otherWise")


@dataclass(frozen=True, eq=False)
class WordTraits:
    """Three numbers for each word of a sentence, of which a table makes vectors.

        form        how it is written: ``FORMS``
        known       how often the text to learn from has it, and how much of that in small letters
        capitals    the share of the sentence's words of letters alone that begin with a capital, in
                    fifths

    A name that nobody has heard of is a word that the text has not, or has in small letters only,
    written with a capital among words without. While a sentence is learnt from, its own words are
    not counted, so that there are unknown words to learn from.

    Args:
        counts: Occurrences of a word in any case, and in small letters.

    Example:
        >>> text = [["the", "Rose", "rose"], ["The", "rose"]]
        >>> traits = WordTraits.of(text)
        >>> traits.encode(["The", "ROSE", "Ann"]).tolist()
        [[10, 7, 4], [9, 7, 4], [10, 0, 4]]
        >>> traits.encode(text[0], learnt=True).tolist()[1]  # once elsewhere, in small letters
        [10, 4, 1]

    References:
        Collobert et al., Natural language processing (almost) from scratch, 2011,
        arXiv:1103.0398: capitals as a feature with a table of its own.
    """

    counts: dict[str, tuple[int, int]]

    sizes: ClassVar[tuple[int, ...]] = (len(FORMS), 17, 5)  # how many numbers each trait may be

    @classmethod
    def of(cls, sentences: Iterable[Sequence[str]]) -> "WordTraits":
        """Counted in sentences to learn from."""
        words = [word for sentence in sentences for word in sentence]
        every, small = _count(words)
        return cls({word: (count, small[word]) for word, count in every.items()})

    @classmethod
    def load(cls, directory: str | Path) -> "WordTraits":
        """As ``save`` has written it."""
        path = Path(directory) / "traits.json"
        try:
            stored = json.loads(path.read_text("utf-8"))
            return cls({word: (int(all_), int(small)) for word, (all_, small) in stored.items()})
        except (OSError, ValueError, AttributeError, TypeError) as error:
            raise InputError(f"run_dir: {path} cannot be read: {error}") from None

    def save(self, directory: str | Path) -> None:
        """Writes traits.json."""
        write_json(directory, "traits", dict(self.counts))

    def encode(self, sentence: Sequence[str], learnt: bool = False) -> np.ndarray:
        """(T, 3): the traits of each word; `learnt` if the sentence is one of those counted."""
        own, own_small = _count(sentence if learnt else ())
        spelt = [word for word in sentence if word.isalpha()]
        share = sum(word[0].isupper() for word in spelt) / max(len(spelt), 1)
        rows = np.zeros((len(sentence), len(self.sizes)), np.int32)
        for row, word in zip(rows, sentence):
            key = word.lower()
            count, small = self.counts.get(key, (0, 0))
            row[:] = form(word), _known(count - own[key], small - own_small[key]), min(5 * share, 4)
        return rows


def _count(words: Iterable[str]) -> tuple[Counter[str], Counter[str]]:
    """Occurrences of words in any case, and in small letters."""
    words = list(words)
    return Counter(map(str.lower, words)), Counter(word for word in words if word.islower())


def _known(count: int, small: int) -> int:
    """0 for never; else 1 + fourths in small letters + 4 * (0 once, 1 for 2 to 4, 2 to 19, 3)."""
    if count <= 0:
        return 0
    often = int(np.searchsorted((1, 4, 19), count))
    return 1 + 4 * often + min(4 * small // count, 3)

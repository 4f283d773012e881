"""Names in tagged sentences: from tags to spans, and how many were found."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

Tags = Sequence[str]


class Span(NamedTuple):
    """Words that are one thing."""

    start: int  # first word
    end: int  # after the last
    kind: str


class SpanScores(NamedTuple):
    """Shares, between 0 and 1, of spans with the right words and the right kind."""

    precision: float  # of those found
    recall: float  # of those there are
    f1: float  # harmonic mean of both
    total: int  # spans there are

    def __str__(self) -> str:
        return (
            f"F1 {100 * self.f1:.2f}, precision {100 * self.precision:.2f}, recall "
            f"{100 * self.recall:.2f} of {self.total:,} spans"
        )


def spans(tags: Tags) -> list[Span]:
    """The spans of a sentence's tags: O outside, B-KIND where one begins, I-KIND where it goes on.

    As the CoNLL evaluation does, a span begins also at an I-KIND after O or after another kind, so
    that any tags have spans.

    Example:
        >>> spans(["B-city", "I-city", "O", "I-name", "B-name", "I-city"])
        [Span(start=0, end=2, kind='city'), Span(start=3, end=4, kind='name'),
         Span(start=4, end=5, kind='name'), Span(start=5, end=6, kind='city')]
    """
    found, open_kind, start = [], "", 0
    for place, tag in enumerate([*tags, "O"]):
        prefix, _, kind = tag.partition("-")
        if open_kind and (prefix != "I" or kind != open_kind):
            found.append(Span(start, place, open_kind))
            open_kind = ""
        if kind and not open_kind:
            open_kind, start = kind, place
    return found


def span_scores(true: Iterable[Tags], said: Iterable[Tags]) -> SpanScores:
    """How well the spans of sentences were found, all together (micro average).

    Args:
        true: the tags of each sentence.
        said: what was found, likewise.

    Example:
        >>> print(span_scores([["B-x", "I-x", "O", "B-y"]], [["B-x", "I-x", "B-y", "O"]]))
        F1 50.00, precision 50.00, recall 50.00 of 2 spans
    """
    right = found = there = 0
    for tags, others in zip(true, said, strict=True):
        wanted, given = set(spans(tags)), set(spans(others))
        right, found, there = right + len(wanted & given), found + len(given), there + len(wanted)
    precision, recall = right / max(found, 1), right / max(there, 1)
    return SpanScores(precision, recall, 2 * right / max(found + there, 1), there)


def kind_of(tag: str) -> str:
    """A tag without where in its span it stands.

    Example:
        >>> kind_of("I-city"), kind_of("O")
        ('city', 'O')
    """
    return tag.partition("-")[2] or tag


def confusion(true: Iterable[Tags], said: Iterable[Tags], kinds: Sequence[str]) -> np.ndarray:
    """How many words of each kind (row) were taken for each kind (column).

    Example:
        >>> confusion([["O", "B-x", "I-x"]], [["O", "O", "B-x"]], ["O", "x"]).tolist()
        [[1, 0], [1, 1]]
    """
    place = {kind: k for k, kind in enumerate(kinds)}
    counts = np.zeros((len(kinds), len(kinds)), np.int64)
    for tags, others in zip(true, said, strict=True):
        for tag, other in zip(tags, others, strict=True):
            counts[place[kind_of(tag)], place[kind_of(other)]] += 1
    return counts


class FrequentTags:
    """Each word's most frequent tag: what is found without looking at a word's neighbours.

    Args:
        words: the words of each sentence.
        tags: their tags.

    Example:
        >>> tagger = FrequentTags([["in", "Rome"], ["Rome", "in"]], [["O", "B-x"], ["B-x", "O"]])
        >>> tagger([["Rome", "sleeps"]])
        [['B-x', 'O']]
    """

    def __init__(self, words: Iterable[Sequence[str]], tags: Iterable[Tags]) -> None:
        counts: dict[str, Counter[str]] = {}
        total = Counter[str]()
        for sentence, its_tags in zip(words, tags, strict=True):
            for word, tag in zip(sentence, its_tags, strict=True):
                counts.setdefault(word, Counter())[tag] += 1
                total[tag] += 1
        self.most = {word: count.most_common(1)[0][0] for word, count in counts.items()}
        self.otherwise = total.most_common(1)[0][0]

    def __call__(self, words: Iterable[Sequence[str]]) -> list[list[str]]:
        """The tags of other sentences; a word never seen has the most frequent tag of all."""
        return [[self.most.get(word, self.otherwise) for word in sentence] for sentence in words]

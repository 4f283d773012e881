"""What the numbers of a text stand for: characters, bytes or words, kept in the run directory."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike

from rnn_jax.data.errors import InputError
from rnn_jax.data.files import write_json

PAD, START, END, UNKNOWN = range(4)  # the same numbers in every vocabulary


class Vocabulary(Protocol):
    """A map from text to tokens and back.

    0 is padding, 1 starts a row, 2 ends one; neither is ever the token of a text, except that
    words and subwords write the end of a line as 2. A text without line ends has none of them:
    see ``row`` and ``sentence``.
    """

    pad: ClassVar[int] = PAD
    start: ClassVar[int] = START
    end: ClassVar[int] = END

    @property
    def size(self) -> int:
        """Number of tokens, the special ones among them."""

    def encode(self, text: str) -> np.ndarray:
        """Tokens (N,) int32 of a text."""

    def decode(self, tokens: ArrayLike) -> str:
        """The text of tokens (N,); padding and starts are left out."""

    def unknown(self, text: str) -> tuple[str, ...]:
        """What of a text has no token of its own, each thing once, in order."""

    def save(self, directory: str | Path, name: str = "vocabulary") -> None:
        """Writes NAME.json, and what else is needed, into a directory: ``load`` reads it."""


@dataclass(frozen=True)
class Characters:
    """Characters; those that are unknown become one token, written as the mark U+FFFD.

    Example:
        >>> vocabulary = Characters.of(["hello", "hole"])
        >>> vocabulary.symbols, vocabulary.size
        ('ehlo', 8)
        >>> vocabulary.encode("holz"), vocabulary.unknown("holz")
        (array([5, 7, 6, 3], dtype=int32), ('z',))
        >>> vocabulary.decode([1, 5, 7, 6, 3, 2, 0])
        'hol\ufffd'
    """

    symbols: str

    pad: ClassVar[int] = PAD
    start: ClassVar[int] = START
    end: ClassVar[int] = END

    @classmethod
    def of(cls, texts: Iterable[str], min_count: int = 1) -> "Characters":
        """The characters that occur at least so often, in order of code point."""
        counts = Counter[str]()
        for text in texts:
            counts.update(text)
        kept = sorted(symbol for symbol, count in counts.items() if count >= min_count)
        return cls("".join(_any(kept, "character", min_count)))

    @cached_property
    def index(self) -> dict[str, int]:
        return {symbol: 4 + place for place, symbol in enumerate(self.symbols)}

    @property
    def size(self) -> int:
        return 4 + len(self.symbols)

    def encode(self, text: str) -> np.ndarray:
        return np.fromiter((self.index.get(c, UNKNOWN) for c in text), np.int32, len(text))

    def decode(self, tokens: ArrayLike) -> str:
        symbols = ("", "", "", "\ufffd", *self.symbols)
        return "".join(symbols[token] for token in np.asarray(tokens))

    def unknown(self, text: str) -> tuple[str, ...]:
        return tuple(dict.fromkeys(c for c in text if c not in self.index))

    def save(self, directory: str | Path, name: str = "vocabulary") -> None:
        write_json(directory, name, {"kind": "characters", "symbols": self.symbols})


@dataclass(frozen=True)
class Bytes:
    """The bytes of UTF-8, after three special tokens: nothing is unknown.

    Example:
        >>> Bytes().encode("né"), Bytes().size
        (array([113, 198, 172], dtype=int32), 259)
        >>> Bytes().decode([113, 198, 172, 2])
        'né'
    """

    pad: ClassVar[int] = PAD
    start: ClassVar[int] = START
    end: ClassVar[int] = END

    @property
    def size(self) -> int:
        return 3 + 256

    def encode(self, text: str) -> np.ndarray:
        return np.frombuffer(text.encode(), np.uint8).astype(np.int32) + 3

    def decode(self, tokens: ArrayLike) -> str:
        kept = np.asarray(tokens, np.int64)
        return bytes((kept[kept > END] - 3).tolist()).decode(errors="replace")

    def unknown(self, text: str) -> tuple[str, ...]:
        return ()

    def save(self, directory: str | Path, name: str = "vocabulary") -> None:
        write_json(directory, name, {"kind": "bytes"})


@dataclass(frozen=True)
class Words:
    """Words, that is what stands between white space, the most frequent first.

    The end of a line is the token `end`, as in the Penn Treebank's language models; other white
    space comes back as one space. Punctuation stays with its word: the text should be tokenised.

    Example:
        >>> vocabulary = Words.of(["a rose is a rose", "a nose"], min_count=2)
        >>> vocabulary.words, vocabulary.size
        (('a', 'rose'), 6)
        >>> vocabulary.encode("a nose\\na rose"), vocabulary.unknown("a nose")
        (array([4, 3, 2, 4, 5], dtype=int32), ('nose',))
        >>> vocabulary.decode([4, 3, 2, 4, 5])
        'a <unk>\\na rose'
    """

    words: tuple[str, ...]

    pad: ClassVar[int] = PAD
    start: ClassVar[int] = START
    end: ClassVar[int] = END

    @classmethod
    def of(cls, texts: Iterable[str], min_count: int = 1, max_size: int | None = None) -> "Words":
        """The words that occur at least `min_count` times, the `max_size` - 4 most frequent."""
        counts = Counter[str]()
        for text in texts:
            counts.update(word for word in text.split() if word != "<unk>")
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        words = [word for word, count in ranked if count >= min_count]
        if max_size is not None and max_size < 5:
            raise ValueError(f"max_size {max_size} must be at least 5: four tokens are special")
        return cls(tuple(_any(words, "word", min_count)[: max_size and max_size - 4]))

    @cached_property
    def index(self) -> dict[str, int]:
        return {word: 4 + place for place, word in enumerate(self.words)}

    @property
    def size(self) -> int:
        return 4 + len(self.words)

    def encode(self, text: str) -> np.ndarray:
        lines = ([self.index.get(w, UNKNOWN) for w in line.split()] for line in text.split("\n"))
        return np.asarray(joined(lines), np.int32)

    def decode(self, tokens: ArrayLike) -> str:
        names = ("", "", "\n", "<unk>", *self.words)
        return "\n".join(" ".join(names[t] for t in line) for line in lines_of(tokens))

    def unknown(self, text: str) -> tuple[str, ...]:
        known = self.index.keys() | {"<unk>"}
        return tuple(dict.fromkeys(word for word in text.split() if word not in known))

    def save(self, directory: str | Path, name: str = "vocabulary") -> None:
        write_json(directory, name, {"kind": "words", "words": self.words})


def row(vocabulary: Vocabulary, text: str) -> np.ndarray:
    """The tokens of one sentence and the end symbol, as the translator's targets are.

    Raises:
        InputError: if the sentence has more than one line.

    Example:
        >>> row(Characters("ab"), "abba")
        array([4, 5, 5, 4, 2], dtype=int32)
    """
    if "\n" in text:
        raise InputError(f"text: a sentence is one line: {text[:60]!r}")
    return np.append(vocabulary.encode(text), np.int32(vocabulary.end))


def sentence(vocabulary: Vocabulary, tokens: ArrayLike) -> str:
    """The text before the first end symbol, which need not be there: undoes ``row``.

    Example:
        >>> sentence(Characters("ab"), [4, 5, 2, 4, 0, 0])
        'ab'
    """
    flat = np.asarray(tokens)
    ends = np.flatnonzero(flat == vocabulary.end)
    return vocabulary.decode(flat[: ends[0]] if ends.size else flat)


def joined(lines: Iterable[Iterable[int]]) -> list[int]:
    """The tokens of lines, an end symbol between two.

    Example:
        >>> joined([[7, 8], [], [9]])
        [7, 8, 2, 2, 9]
    """
    return [token for line in lines for token in (*line, END)][:-1]


def lines_of(tokens: ArrayLike) -> list[list[int]]:
    """Tokens cut at the end symbols, without padding and starts: undoes ``joined``.

    Example:
        >>> lines_of([1, 7, 8, 2, 2, 9, 0])
        [[7, 8], [], [9]]
    """
    lines: list[list[int]] = [[]]
    for token in np.asarray(tokens).tolist():
        if token == END:
            lines.append([])
        elif token not in (PAD, START):
            lines[-1].append(token)
    return lines


def _any(kept: list[str], what: str, min_count: int) -> list[str]:
    if not kept:
        often = "at all" if min_count == 1 else f"{min_count} times"
        raise InputError(f"data: no {what} occurs {often}; give more text or a lower min_count")
    return kept

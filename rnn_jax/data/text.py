"""Plain text as character indices: sources, vocabulary, split into training and held-out part."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rnn_jax.data import ngram
from rnn_jax.data.errors import InputError


def builtin_text() -> str:
    """The documentation of the Python language, which every Python carries (`pydoc_data.topics`).

    The topics are joined in sorted order of their keys. They quote one another, so a paragraph is
    taken only the first time it occurs: what is held out at the end is then really unseen. The
    text differs a little between versions of Python.

    Returns:
        About 370,000 characters over 103 symbols (Python 3.11).

    Example:
        >>> builtin_text()[:22]
        'The "assert" statement'
    """
    from pydoc_data.topics import topics

    paragraphs = (part for key in sorted(topics) for part in topics[key].split("\n\n"))
    return "\n\n".join(dict.fromkeys(part.strip("\n") for part in paragraphs))


def read_text(path: str | Path) -> str:
    """Reads a text file in UTF-8.

    Line ends become `\\n`; a byte order mark is dropped.

    Args:
        path: the file.

    Returns:
        The text.

    Raises:
        InputError: if the file is missing, cannot be read, is empty or is not UTF-8.

    Example:
        >>> read_text("no/such/file.txt")
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: data: no such file: no/such/file.txt
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"data: no such file: {path}") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"data: {path} is not UTF-8: byte 0x{error.object[error.start]:02x} at offset "
            f"{error.start}; convert it, for instance with `iconv -t utf-8`"
        ) from None
    except OSError as error:
        raise InputError(f"data: cannot read {path}: {error.strerror}") from None
    if not text:
        raise InputError(f"data: {path} is empty")
    return text


@dataclass(frozen=True)
class Vocabulary:
    """The characters of a text; a character's index is its place in `symbols`.

    Example:
        >>> vocabulary = Vocabulary.of("hello")
        >>> vocabulary.symbols, vocabulary.size
        ('ehlo', 4)
        >>> vocabulary.encode("hole")
        array([1, 3, 2, 0], dtype=int32)
        >>> vocabulary.decode([1, 3, 2, 0])
        'hole'
    """

    symbols: str

    @classmethod
    def of(cls, text: str) -> "Vocabulary":
        """The vocabulary of a text: its distinct characters in order of code point."""
        return cls("".join(sorted(set(text))))

    @property
    def size(self) -> int:
        return len(self.symbols)

    def encode(self, text: str) -> np.ndarray:
        """Indices (N,) int32 of the characters of `text`; InputError names the unknown ones."""
        index = {symbol: i for i, symbol in enumerate(self.symbols)}
        if unknown := sorted(set(text) - index.keys()):
            raise InputError(
                f"text: not among the {self.size} characters of the vocabulary: "
                f"{' '.join(map(repr, unknown[:8]))}{' ...' if len(unknown) > 8 else ''}"
            )
        return np.fromiter((index[symbol] for symbol in text), np.int32, len(text))

    def decode(self, tokens: ArrayLike) -> str:
        """The text of indices (N,)."""
        return "".join(self.symbols[token] for token in np.asarray(tokens))


class Split(NamedTuple):
    """The two parts of a text. `held_out` is preceded by the last token of `train`."""

    train: np.ndarray  # (N,)
    held_out: np.ndarray  # (1 + M,): the first token is context, the other M are predicted


def split(tokens: np.ndarray) -> Split:
    """Holds out the last tenth of a text, rounded up: the split of nanoGPT.

    Args:
        tokens: (N + M,).

    Returns:
        Split: the first nine tenths, and the last tenth with one token of context.

    Raises:
        InputError: if there are fewer than 20 tokens.

    Example:
        >>> train, held_out = split(np.arange(20))
        >>> train.size, held_out
        (18, array([17, 18, 19]))
    """
    if tokens.size < 20:
        raise InputError(f"data: {tokens.size} characters cannot be split; give at least 20")
    cut = tokens.size * 9 // 10
    return Split(tokens[:cut], tokens[cut - 1 :])


@dataclass(frozen=True)
class Corpus:
    """A text ready to train on.

    Example:
        >>> corpus = load_corpus(None)
        >>> corpus.floors["5-gram"] < corpus.floors["3-gram"] < 2
        True
    """

    vocabulary: Vocabulary  # of the whole text
    train: np.ndarray  # (N,): the first nine tenths
    held_out: np.ndarray  # (1 + M,): the last tenth, after one token of context
    digest: str  # equal for equal texts

    def __str__(self) -> str:
        sizes = f"{self.train.size:,} characters to train on, {self.held_out.size - 1:,} held out"
        return f"{sizes}, {self.vocabulary.size} symbols"

    @cached_property
    def floors(self) -> dict[str, float]:
        """What n-grams reach on the held-out tenth, in nats per character, by name."""
        return ngram.floors(self.train, self.held_out[1:], self.vocabulary.size)


def load_corpus(path: str | Path | None, digest: str | None = None) -> Corpus:
    """Reads a text, or takes the built-in one, and splits it.

    Args:
        path: a text file in UTF-8, or None for `builtin_text()`.
        digest: that of the text that is expected, if one is.

    Returns:
        Corpus.

    Raises:
        InputError: if the file cannot be used, as `read_text` and `split` say, or if it is
            another text than expected.

    Example:
        >>> corpus = load_corpus(None)
        >>> corpus.vocabulary.decode(corpus.train[:22])
        'The "assert" statement'
    """
    text = builtin_text() if path is None else read_text(path)
    found = f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    if digest not in (None, found):
        raise InputError(f"data: {path or 'the built-in text'} is not the text of this run")
    vocabulary = Vocabulary.of(text)
    return Corpus(vocabulary, *split(vocabulary.encode(text)), found)

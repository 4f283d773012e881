"""Plain text as character indices: sources, vocabulary, split and streams for truncated BPTT."""

import hashlib
from collections.abc import Iterator
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
                f"text: {len(unknown)} characters are not in the vocabulary of {self.size}: "
                f"{' '.join(map(repr, unknown[:8]))}"
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
    """A text ready to train on."""

    vocabulary: Vocabulary  # of the whole text
    train: np.ndarray  # (N,): the first nine tenths
    held_out: np.ndarray  # (1 + M,): the last tenth, after one token of context
    digest: str  # equal for equal texts

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
    found = hashlib.sha256(text.encode()).hexdigest()[:16]
    if digest not in (None, found):
        raise InputError(f"data: {path or 'the built-in text'} is not the text of this run")
    vocabulary = Vocabulary.of(text)
    return Corpus(vocabulary, *split(vocabulary.encode(text)), found)


class Chunk(NamedTuple):
    """One step's worth of a batch of streams."""

    inputs: np.ndarray  # (T, B)
    targets: np.ndarray  # (T, B): the token after each input
    first: bool  # the streams start here: the carried state starts anew


@dataclass(frozen=True)
class Streams:
    """One text read at several places at once, for truncated backpropagation through time.

    The text is cut into `batch_size` streams of equal length and each stream into chunks. Chunk s
    + 1 continues chunk s in every row, so the recurrent state is carried over; when the streams
    end they start anew. `chunk(s)` is a pure function of s: the step number alone is the position
    in the data. What does not fill a chunk is spread over the epochs: each starts at an offset
    drawn from its number.

    Raises:
        InputError: if the text does not fill one chunk of the batch.

    Example:
        >>> streams = Streams(np.arange(13), batch_size=2, chunk_size=3)
        >>> streams.chunks_per_epoch
        2
        >>> streams.chunk(0).inputs.T, streams.chunk(1).inputs.T
        (array([[0, 1, 2],
               [6, 7, 8]]), array([[ 3,  4,  5],
               [ 9, 10, 11]]))
        >>> streams.chunk(1).targets[-1], streams.chunk(1).first, streams.chunk(2).first
        (array([ 6, 12]), False, True)
    """

    tokens: np.ndarray  # (N,)
    batch_size: int  # B
    chunk_size: int  # T

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.chunk_size < 1:
            raise InputError(
                f"batch_size {self.batch_size} and chunk_size {self.chunk_size} must be positive"
            )
        needed = self.tokens_per_chunk + 1
        if self.tokens.size < needed:
            raise InputError(
                f"data: {self.tokens.size} characters to train on do not fill one batch of "
                f"{self.batch_size} streams x {self.chunk_size} characters ({needed} with the last "
                "target); give a longer text or a smaller batch_size or chunk_size"
            )

    @property
    def chunks_per_epoch(self) -> int:
        return (self.tokens.size - 1) // self.tokens_per_chunk

    @property
    def tokens_per_chunk(self) -> int:
        return self.batch_size * self.chunk_size

    def chunk(self, step: int) -> Chunk:
        """The chunk of step 0, 1, ..., without end."""
        epoch, index = divmod(step, self.chunks_per_epoch)
        length = self.chunks_per_epoch * self.chunk_size
        slack = self.tokens.size - 1 - self.batch_size * length
        start = int(np.random.default_rng(epoch).integers(slack + 1)) + index * self.chunk_size
        places = start + length * np.arange(self.batch_size) + np.arange(self.chunk_size)[:, None]
        return Chunk(self.tokens[places], self.tokens[places + 1], first=index == 0)


class Masked(NamedTuple):
    """One chunk of a pass in which every token is predicted exactly once."""

    inputs: np.ndarray  # (T, B)
    targets: np.ndarray  # (T, B)
    mask: np.ndarray  # (T, B) bool: False is padding at the end of a stream


def full_pass(tokens: np.ndarray, batch_size: int, chunk_size: int) -> Iterator[Masked]:
    """Chunks of one deterministic pass that predicts each token but the first exactly once.

    The text is cut into `batch_size` contiguous streams; the state is to be carried from chunk to
    chunk. Only the first characters of a stream are predicted with little context, which makes the
    result slightly worse, never better, than a pass over one stream (`batch_size=1`).

    Args:
        tokens: (1 + M,), M >= 1; the first token is context only.
        batch_size: number of streams B.
        chunk_size: tokens T of a stream per chunk.

    Yields:
        Masked: arrays (T, B), all of the same shape.

    Example:
        >>> [c.targets[c.mask].tolist() for c in full_pass(np.arange(8), 2, 2)]
        [[1, 5, 2, 6], [3, 7, 4]]
    """
    count = tokens.size - 1
    length = -(-count // batch_size)
    starts = length * np.arange(batch_size)
    ends = np.minimum(starts + length, count)
    for begin in range(0, length, chunk_size):
        within = begin + np.arange(chunk_size)[:, None]
        places = starts + within
        mask = (within < length) & (places < ends)
        places = np.where(mask, places, 0)
        yield Masked(tokens[places], tokens[places + 1], mask)

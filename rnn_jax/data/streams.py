"""Long sequences of tokens in chunks: for truncated BPTT, and for one pass of evaluation."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rnn_jax.data.errors import InputError


class Chunk(NamedTuple):
    """One step's worth of a batch of streams."""

    inputs: np.ndarray  # (B, T)
    targets: np.ndarray  # (B, T): the token after each input
    first: np.ndarray  # () bool: the streams start here: the carried state starts anew


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
        >>> streams.chunk(0).inputs, streams.chunk(1).inputs
        (array([[0, 1, 2],
               [6, 7, 8]]), array([[ 3,  4,  5],
               [ 9, 10, 11]]))
        >>> streams.chunk(1).targets[:, -1]
        array([ 6, 12])
        >>> [bool(streams.chunk(step).first) for step in range(4)]
        [True, False, True, False]
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
                f"data: {self.tokens.size} tokens to train on do not fill one batch of "
                f"{self.batch_size} streams x {self.chunk_size} tokens ({needed} with the last "
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
        places = start + length * np.arange(self.batch_size)[:, None] + np.arange(self.chunk_size)
        return Chunk(self.tokens[places], self.tokens[places + 1], np.asarray(index == 0))


class Piece(NamedTuple):
    """One chunk of a pass in which every token is predicted exactly once."""

    inputs: np.ndarray  # (B, T)
    targets: np.ndarray  # (B, T)
    lengths: np.ndarray  # (B,) real tokens of each row; the rest is padding after the stream's end


def full_pass(tokens: np.ndarray, batch_size: int, chunk_size: int) -> Iterator[Piece]:
    """Chunks of one deterministic pass that predicts each token but the first exactly once.

    The text is cut into `batch_size` contiguous streams; the state is to be carried from chunk to
    chunk. Only the first characters of a stream are predicted with little context, which makes the
    result slightly worse, never better, than a pass over one stream (`batch_size=1`).

    Args:
        tokens: (1 + M,), M >= 1; the first token is context only.
        batch_size: number of streams B.
        chunk_size: tokens T of a stream per chunk.

    Yields:
        Piece: all of the same shape.

    Example:
        >>> [piece.targets.tolist() for piece in full_pass(np.arange(8), 2, 2)]
        [[[1, 2], [5, 6]], [[3, 4], [7, 1]]]
        >>> [piece.lengths.tolist() for piece in full_pass(np.arange(8), 2, 2)]
        [[2, 2], [2, 1]]
    """
    count = tokens.size - 1
    length = -(-count // batch_size)
    starts = length * np.arange(batch_size)[:, None]
    ends = np.minimum(starts + length, count)
    for begin in range(0, length, chunk_size):
        places = starts + begin + np.arange(chunk_size)
        real = places < ends
        places = np.where(real, places, 0)
        yield Piece(tokens[places], tokens[places + 1], real.sum(axis=1, dtype=np.int32))

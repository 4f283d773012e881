"""Rows of different lengths side by side: padding, and one host's part of a batch."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class PairBatch(NamedTuple):
    """Some pairs side by side, batch-major; the rows that fill up a batch have length 0."""

    source: np.ndarray  # (B, S) or (B, S, D)
    source_lengths: np.ndarray  # (B,) int32
    target: np.ndarray  # (B, T) or (B, T, D)
    target_lengths: np.ndarray  # (B,) int32
    indices: np.ndarray  # (B,) int32: the pair's place in the data; -1 fills up the batch


def padded(
    rows: Sequence[ArrayLike], batch_size: int, length: int, pad: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (length_i, ...) as one array (batch_size, length, ...), and their lengths (batch_size,).

    Example:
        >>> padded([[7, 8], [9]], batch_size=3, length=2)
        (array([[7, 8],
               [9, 0],
               [0, 0]]), array([2, 1, 0], dtype=int32))
    """
    arrays = [np.asarray(row) for row in rows]
    filled = np.full((batch_size, length, *arrays[0].shape[1:]), pad, arrays[0].dtype)
    lengths = np.zeros(batch_size, np.int32)
    for place, array in enumerate(arrays):
        filled[place, : len(array)] = array
        lengths[place] = len(array)
    return filled, lengths


def share(batch: PairBatch, process: int, num_processes: int) -> PairBatch:
    """The rows of a global batch that one of several hosts reads.

    Example:
        >>> tokens, lengths = padded([[7, 8], [9], [6], []], batch_size=4, length=2)
        >>> batch = PairBatch(tokens, lengths, tokens, lengths, np.arange(4))
        >>> share(batch, process=1, num_processes=2).source_lengths
        array([1, 0], dtype=int32)
    """
    if len(batch.indices) % num_processes:
        raise ValueError(
            f"{len(batch.indices)} rows cannot be shared by {num_processes} processes: give "
            "multiple_of"
        )
    size = len(batch.indices) // num_processes
    return PairBatch(*(side[process * size : (process + 1) * size] for side in batch))

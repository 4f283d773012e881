"""Streams against their definition: contiguous, complete, a function of the step alone."""

import numpy as np
import pytest

from rnn_jax.data import InputError
from rnn_jax.data.streams import Streams, full_pass


@pytest.mark.parametrize("size", [25, 31, 60])
def test_streams_are_contiguous_and_cover_the_text_once_per_epoch(size):
    batch_size, chunk_size = 3, 4
    streams = Streams(np.arange(size), batch_size, chunk_size)
    count = streams.chunks_per_epoch
    assert count == (size - 1) // 12
    for epoch in range(3):
        chunks = [streams.chunk(epoch * count + i) for i in range(count)]
        assert [chunk.first for chunk in chunks] == [True] + [False] * (count - 1)
        rows = np.concatenate([chunk.inputs for chunk in chunks], axis=1)  # (B, T * count)
        read = rows.ravel()  # the streams follow one another without gap or overlap
        np.testing.assert_array_equal(read, np.arange(read[0], read[0] + batch_size * count * 4))
        targets = np.concatenate([chunk.targets for chunk in chunks], axis=1)
        np.testing.assert_array_equal(targets, rows + 1)
        assert targets.max() < size


def test_streams_shift_from_epoch_to_epoch():
    streams = Streams(np.arange(1000), 2, 60)
    starts = {
        int(streams.chunk(epoch * streams.chunks_per_epoch).inputs[0, 0]) for epoch in range(8)
    }
    assert len(starts) > 3


def test_a_chunk_depends_on_the_step_alone():
    tokens = np.random.default_rng(0).integers(0, 9, 500)
    forward = [Streams(tokens, 2, 7).chunk(step) for step in range(100)]
    again = Streams(tokens, 2, 7)
    for step in reversed(range(100)):
        np.testing.assert_array_equal(again.chunk(step).inputs, forward[step].inputs)


def test_streams_refuse_a_text_shorter_than_one_batch():
    Streams(np.arange(13), 3, 4)
    with pytest.raises(InputError, match=r"12 tokens .* 3 streams x 4 tokens \(13 "):
        Streams(np.arange(12), 3, 4)
    with pytest.raises(InputError, match="batch_size 0"):
        Streams(np.arange(12), 0, 4)


@pytest.mark.parametrize("size", [2, 5, 7, 24, 25])
@pytest.mark.parametrize("batch_size", [1, 3, 8])
@pytest.mark.parametrize("chunk_size", [1, 4])
def test_full_pass_predicts_each_token_once_from_the_one_before(size, batch_size, chunk_size):
    seen = []
    for piece in full_pass(np.arange(size), batch_size, chunk_size):
        assert piece.inputs.shape == piece.targets.shape == (batch_size, chunk_size)
        for inputs, targets, length in zip(*piece, strict=True):
            np.testing.assert_array_equal(inputs[:length] + 1, targets[:length])
            seen.extend(targets[:length])
    assert sorted(seen) == list(range(1, size))


def test_full_pass_streams_are_contiguous():
    pieces = list(full_pass(np.arange(100), 4, 7))
    for b in range(4):
        row = np.concatenate([piece.inputs[b, : piece.lengths[b]] for piece in pieces])
        np.testing.assert_array_equal(row, np.arange(row[0], row[0] + row.size))

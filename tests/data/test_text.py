"""Sources, vocabulary, split and streams, against their definitions."""

import numpy as np
import pytest

from rnn_jax.data import InputError
from rnn_jax.data.text import Streams, Vocabulary, builtin_text, full_pass, read_text, split


def test_builtin_text_is_long_and_repeats_no_paragraph():
    text = builtin_text()
    assert len(text) > 200_000
    long_paragraphs = [part for part in text.split("\n\n") if len(part) > 200]
    assert len(long_paragraphs) == len(set(long_paragraphs)) > 100


def test_read_text_normalises_line_ends_and_drops_the_byte_order_mark(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffzwölf\r\ndrei\n".encode())
    assert read_text(path) == "zwölf\ndrei\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"abc\xe9def", "is not UTF-8: byte 0xe9 at offset 3"),
    ],
)
def test_read_text_says_what_is_wrong_with_a_file(tmp_path, content, message):
    path = tmp_path / "bad.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_text(path)
    assert str(path) in str(error.value)


def test_read_text_refuses_a_directory(tmp_path):
    with pytest.raises(InputError, match="Is a directory"):
        read_text(tmp_path)


def test_vocabulary_round_trip_and_unknown_characters():
    vocabulary = Vocabulary.of("naïve\n")
    assert vocabulary.symbols == "\naenvï"
    np.testing.assert_array_equal(vocabulary.encode("ïa\n"), [5, 1, 0])
    assert vocabulary.decode(vocabulary.encode("venïa")) == "venïa"
    with pytest.raises(InputError, match="2 characters are not in .* of 6: '!' 'z'"):
        vocabulary.encode("vanz!")


def test_split_is_the_last_tenth_rounded_up():
    train, held_out = split(np.arange(1115394))  # the split of nanoGPT for tiny Shakespeare
    assert train.size == 1003854
    assert held_out.size - 1 == 111540
    assert held_out[0] == train[-1] and held_out[1] == train[-1] + 1
    with pytest.raises(InputError, match="19 characters"):
        split(np.arange(19))


@pytest.mark.parametrize("size", [25, 31, 60])
def test_streams_are_contiguous_and_cover_the_text_once_per_epoch(size):
    batch_size, chunk_size = 3, 4
    streams = Streams(np.arange(size), batch_size, chunk_size)
    count = streams.chunks_per_epoch
    assert count == (size - 1) // 12
    for epoch in range(3):
        chunks = [streams.chunk(epoch * count + i) for i in range(count)]
        assert [chunk.first for chunk in chunks] == [True] + [False] * (count - 1)
        rows = np.concatenate([chunk.inputs for chunk in chunks]).T  # (B, T * count)
        read = rows.ravel()  # the streams follow one another without gap or overlap
        np.testing.assert_array_equal(read, np.arange(read[0], read[0] + batch_size * count * 4))
        targets = np.concatenate([chunk.targets for chunk in chunks]).T
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
    with pytest.raises(InputError, match=r"12 characters .* 3 streams x 4 characters \(13 "):
        Streams(np.arange(12), 3, 4)
    with pytest.raises(InputError, match="batch_size 0"):
        Streams(np.arange(12), 0, 4)


@pytest.mark.parametrize("size", [2, 5, 7, 24, 25])
@pytest.mark.parametrize("batch_size", [1, 3, 8])
@pytest.mark.parametrize("chunk_size", [1, 4])
def test_full_pass_predicts_each_token_once_from_the_one_before(size, batch_size, chunk_size):
    seen = []
    for chunk in full_pass(np.arange(size), batch_size, chunk_size):
        assert chunk.inputs.shape == chunk.targets.shape == chunk.mask.shape
        np.testing.assert_array_equal(chunk.inputs[chunk.mask] + 1, chunk.targets[chunk.mask])
        seen.extend(chunk.targets[chunk.mask])
    assert sorted(seen) == list(range(1, size))


def test_full_pass_streams_are_contiguous():
    chunks = list(full_pass(np.arange(100), 4, 7))
    rows = np.concatenate([np.where(c.mask, c.inputs, -1) for c in chunks]).T
    for row in rows:
        row = row[row >= 0]
        np.testing.assert_array_equal(row, np.arange(row[0], row[0] + row.size))

"""Sources, vocabulary and split, against their definitions."""

import numpy as np
import pytest

from rnn_jax.data import InputError
from rnn_jax.data.text import Vocabulary, builtin_text, load_corpus, read_text, split


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
    with pytest.raises(InputError, match="not among the 6 characters .*: '!' 'z'$"):
        vocabulary.encode("vanz!")


def test_split_is_the_last_tenth_rounded_up():
    train, held_out = split(np.arange(1115394))  # the split of nanoGPT for tiny Shakespeare
    assert train.size == 1003854
    assert held_out.size - 1 == 111540
    assert held_out[0] == train[-1] and held_out[1] == train[-1] + 1
    with pytest.raises(InputError, match="19 characters"):
        split(np.arange(19))


def test_a_corpus_knows_its_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("abcde" * 20)
    corpus = load_corpus(path)
    assert (corpus.vocabulary.symbols, corpus.train.size, corpus.held_out.size) == ("abcde", 90, 11)
    assert str(corpus) == "90 characters to train on, 10 held out, 5 symbols"
    assert list(corpus.floors) == ["3-gram", "5-gram"] and corpus.floors["5-gram"] < 0.2
    assert load_corpus(path, corpus.digest).digest == corpus.digest
    path.write_text("abcdf" * 20)
    with pytest.raises(InputError, match="is not the text of this run"):
        load_corpus(path, corpus.digest)

"""Sources of text against their definitions."""

import pytest

from rnn_jax.data import InputError
from rnn_jax.data.text import builtin_text, read_text


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

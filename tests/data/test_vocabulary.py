"""Vocabularies: what is encoded comes back, what is unknown is said, what is saved is the same."""

import numpy as np
import pytest

from rnn_jax.data import InputError
from rnn_jax.data.subwords import Subwords, load
from rnn_jax.data.vocabulary import Bytes, Characters, Words, row, sentence

TEXT = ["der Mann sieht das Haus", "die Männer sehen 12 Häuser .", "ein Haus , ein Mann"]


def subwords(size=50, **kwargs):
    pytest.importorskip("sentencepiece")
    return Subwords.of(TEXT, size, **kwargs)


KINDS = {
    "characters": lambda: Characters.of(TEXT),
    "bytes": Bytes,
    "words": lambda: Words.of(TEXT),
    "bpe": subwords,
    "unigram": lambda: subwords(30, model_type="unigram"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_keeps_its_word(kind, tmp_path):
    vocabulary = KINDS[kind]()
    assert (vocabulary.pad, vocabulary.start, vocabulary.end) == (0, 1, 2)
    for text in (*TEXT, ""):
        tokens = vocabulary.encode(text)
        assert tokens.dtype == np.int32 and tokens.shape == (tokens.size,)
        assert np.all((tokens > 2) & (tokens < vocabulary.size))
        assert vocabulary.decode(tokens) == text and vocabulary.unknown(text) == ()
        framed = row(vocabulary, text)
        np.testing.assert_array_equal(framed, [*tokens, 2])
        assert sentence(vocabulary, [1, *framed, 0, *tokens, 2]) == text
        assert sentence(vocabulary, tokens) == text  # a row that was never ended
    vocabulary.save(tmp_path / "run", "source")
    again = load(tmp_path / "run", "source")
    assert again == vocabulary and again.size == vocabulary.size
    np.testing.assert_array_equal(again.encode(TEXT[1]), vocabulary.encode(TEXT[1]))
    with pytest.raises(InputError, match=r"no such file.*vocabulary\.json; is .* a run directory"):
        load(tmp_path / "run")
    with pytest.raises(InputError, match="one line: 'a.nb'"):
        row(vocabulary, "a\nb")


@pytest.mark.parametrize("kind", ["words", "bpe"])
def test_line_ends_are_the_end_symbol(kind):
    vocabulary, text = KINDS[kind](), "\n".join([*TEXT, "", ""])
    tokens = vocabulary.encode(text)
    assert np.sum(tokens == 2) == len(TEXT) + 1 and vocabulary.decode(tokens) == text


@pytest.mark.parametrize(
    ("kind", "text", "unknown", "back"),
    [
        ("characters", "das Xylophon", ("X", "y", "l", "o", "p"), "das \ufffd\ufffd\ufffd\ufffd"),
        ("words", "das alte Haus alte", ("alte",), "das <unk> Haus <unk>"),
        ("bpe", "das 漢字", ("漢", "字"), "das  \u2047 "),
        ("bytes", "das 漢字", (), "das 漢字"),
    ],
)
def test_what_is_unknown_is_said(kind, text, unknown, back):
    vocabulary = KINDS[kind]()
    assert vocabulary.unknown(text) == unknown
    assert vocabulary.decode(vocabulary.encode(text)).startswith(back)
    assert np.sum(vocabulary.encode(text) == 3) >= (kind != "bytes")


def test_bytes_that_are_no_text_are_marked():
    assert Bytes().decode([0, 1, 3 + 0xC3, 3 + ord("a")]) == "\ufffda"


def test_words_are_ranked_and_cut():
    texts = ["b a a c", "c a <unk>", "d"]
    assert Words.of(texts).words == ("a", "c", "b", "d") and not Words.of(texts).unknown("<unk>")
    assert Words.of(texts, min_count=2).words == Words.of(texts, max_size=6).words == ("a", "c")
    assert Characters.of(["aab", "b", "c"], min_count=2).symbols == "ab"
    with pytest.raises(InputError, match="no word occurs 9 times"):
        Words.of(texts, min_count=9)
    with pytest.raises(ValueError, match="max_size 4 must be at least 5"):
        Words.of(texts, max_size=4)


def test_subwords_are_the_same_for_the_same_text():
    vocabulary = subwords()
    assert vocabulary == subwords() and vocabulary.size == 50
    assert len(vocabulary.encode("Mann")) < 4
    long = ["wort " * 2000 + "ß"]  # longer than sentencepiece takes unless told to
    assert Subwords.of(long, size=12).unknown("ß") == ()


def test_subwords_say_what_cannot_be_learned():
    pytest.importorskip("sentencepiece")
    with pytest.raises(InputError, match="999 subwords cannot be learned: Vocabulary size too hig"):
        Subwords.of(["ab"], size=999)
    with pytest.raises(InputError, match="no text"):
        Subwords.of(["\n"], size=9)


def test_damaged_files_are_refused(tmp_path):
    subwords().save(tmp_path)
    model = tmp_path / "vocabulary.model"
    model.write_bytes(model.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"vocabulary\.model is damaged"):
        load(tmp_path)
    for content in ("{", "[]", '{"kind": "runes"}', '{"kind": "words"}', "{}"):
        (tmp_path / "vocabulary.json").write_text(content)
        with pytest.raises(InputError, match=r"vocabulary\.json is damaged or not a vocabulary"):
            load(tmp_path)
    with pytest.raises(InputError, match="not a model of sentencepiece"):
        _ = Subwords(b"nonsense").size

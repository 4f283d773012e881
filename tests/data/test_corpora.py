"""One name per source: what is loaded for each, and what goes together."""

import re

import numpy as np
import pytest

from rnn_jax.data import InputError, text, translation
from rnn_jax.data.corpora import load_pairs, load_tokens
from rnn_jax.data.pairs import Pairs
from rnn_jax.data.streams import full_pass
from rnn_jax.data.vocabulary import Words


@pytest.fixture
def files(tmp_path):
    names = {}
    for part, numbers in (("train", range(100)), ("val", range(100, 104)), ("test", [7])):
        for language, word in (("de", "Zahl"), ("en", "number")):
            path = tmp_path / f"{part}.{language}"
            path.write_text("".join(f"{word} {i}\n" for i in numbers))
            names[part, language] = str(path)
    return names


def test_pairs_from_files(files):
    names = [f"{files[part, 'de']},{files[part, 'en']}" for part in ("train", "val", "test")]
    corpus = load_pairs(*names)
    assert corpus.test == Pairs(["Zahl 7"], ["number 7"])
    assert str(corpus) == (
        "100 pairs to train on, 4 to validate, 1 to test; "
        "test: 1 sources stand in the training text too"
    )
    held_out = load_pairs(names[0])
    parts = (held_out.train, held_out.validation, held_out.test)
    assert sum(part.size for part in parts) == 100 and min(part.size for part in parts) > 0


def test_pairs_that_are_built_in():
    pytest.importorskip("babel")
    corpus = load_pairs("builtin:fr-en", count=30, seed=2)
    assert corpus == translation.builtin_corpus("fr", "en", 30, seed=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a,b", "c,d"), "give both validation and test, or neither"),
        (("builtin", "c,d", "e,f"), "builtin brings its own validation and test"),
        (("train.de",), "'train.de' is one file: give two with a comma"),
        (("no.tsv",), "no such file: no.tsv"),
        (("builtin:de-xx",), "target 'xx' is not one of"),
    ],
)
def test_pairs_that_do_not_go_together(arguments, message):
    with pytest.raises(InputError, match=message):
        load_pairs(*arguments)


def test_tokens_of_three_files(files):
    corpus = load_tokens(
        "words", *(files[part, "de"] for part in ("train", "val", "test")), size=20
    )
    assert isinstance(corpus.vocabulary, Words) and corpus.vocabulary.size == 20
    assert (corpus.train.size, corpus.validation.size, corpus.test.size) == (300, 13, 4)
    assert corpus.train[-1] == corpus.validation[0] == corpus.test[0] == 2
    assert corpus.characters == (790, 36, 7)
    assert str(corpus) == (
        "300 tokens to train on, 12 to validate, 3 to test, 20 symbols, "
        "33.33% of those to validate unknown"
    )
    chunks = full_pass(corpus.validation, batch_size=2, chunk_size=4)
    read = sum(int(chunk.lengths.sum()) for chunk in chunks)
    assert read == 12


def test_the_built_in_text_is_split_as_nanogpt_splits():
    corpus, whole = load_tokens("characters"), text.builtin_text()
    cut = len(whole) * 9 // 10
    assert corpus.test is None and corpus.characters == (cut, len(whole) - cut)
    decode = corpus.vocabulary.decode
    assert decode(corpus.train) == whole[:cut]
    assert decode(corpus.validation[:1]) == whole[cut - 1]  # context
    known = set(whole[:cut])
    tail = "".join(c if c in known else "\ufffd" for c in whole[cut:])
    assert decode(corpus.validation[1:]) == tail
    with pytest.raises(InputError, match="test: this corpus has no such part"):
        corpus.part("test")


def test_losses_are_said_in_the_units_of_the_tokens(files):
    paths = [files[part, "de"] for part in ("train", "val", "test")]
    words = load_tokens("words", *paths, size=20)
    order_1, *_ = re.findall(r"1-gram ([\d.]+)", words.described(2.0, "test"))
    assert "2.0000 nats per word, perplexity 7.39 (" in words.described(2.0, "test")
    # a unigram by Witten and Bell: counts and, with the weight of the types, 1 / V
    tokens, held_out = words.train.tolist(), words.test[1:].tolist()
    types, total = len(set(tokens)), len(tokens)
    p = [(tokens.count(t) + types / words.vocabulary.size) / (total + types) for t in held_out]
    assert float(order_1) == pytest.approx(np.exp(-np.mean(np.log(p))), abs=0.005)
    characters = load_tokens("bytes", *paths)
    assert characters.described(np.log(2)).startswith("0.6931 nats = 1.0000 bits per byte (3-gram")
    subwords = load_tokens("subwords", *paths, size=40)
    count = subwords.validation.size - 1
    bits = 3.0 / np.log(2) * count / len(text.read_text(paths[1]))
    assert subwords.described(3.0).endswith(f", {bits:.4f} bits per character")


def test_texts_that_do_not_go_together(files):
    for arguments in (("a", None, "c"), (None, "b"), ("tfds:lm1b", "b", "c")):
        with pytest.raises(InputError, match="validation and test go with a file"):
            load_tokens("words", *arguments)
    with pytest.raises(InputError, match="no built-in text 'novels'"):
        load_tokens("bytes", "builtin:novels")
    with pytest.raises(InputError, match="no word occurs 999 times"):
        load_tokens("words", files["train", "en"], min_count=999)
    assert np.all(load_tokens("bytes", files["train", "en"]).train >= 3)

"""What is seen of words at a glance: every form is met, a sentence's own words do not count."""

import numpy as np
import pytest

from rnn_jax.data import InputError
from rnn_jax.data.word_traits import FORMS, WordTraits, form


def test_a_sentence_learnt_from_is_read_as_if_the_others_were_all():
    rng = np.random.default_rng(0)
    words = ["the", "The", "rose", "Rose", "ROSE", "Ann", "iPod", "42", "!"]
    chances = np.array([20, 3, 4, 2, 1, 1, 1, 2, 8]) / 42
    text = [list(rng.choice(words, rng.integers(1, 7), p=chances)) for _ in range(40)]
    every, known = WordTraits.of(text), set()
    for place, sentence in enumerate(text):
        others = WordTraits.of(text[:place] + text[place + 1 :])
        found = every.encode(sentence, learnt=True)
        np.testing.assert_array_equal(found, others.encode(sentence))
        assert (found >= 0).all() and (found < WordTraits.sizes).all()
        known |= set(found[:, 1])
    assert len(known) > 3
    # by hand: of 5, one in small letters; of 4, all; of one, none; never
    traits = WordTraits.of([["Aa", "AA", "Aa", "aa", "AA"], ["b"] * 4, ["C"]])
    assert traits.encode(["aa", "B", "c", "d"]).tolist() == [
        [7, 1 + 8, 1], [8, 1 + 4 + 3, 1], [7, 1, 1], [7, 0, 1]
    ]  # fmt: skip


def test_every_form_is_told_and_what_is_saved_comes_back(tmp_path):
    for word, name in {
        "https://x.y": "address", "www.x.y": "address", "@x": "user", "@": "mark", "#x": "hashtag",
        "#": "mark", "\u2026": "picture", "10:30": "number", "4th": "mixed", "it's": "lower",
        "I": "initial", "U.S.": "UPPER", "Rome": "Title", "McRae": "CamelCase", "eBay": "otherWise",
    }.items():  # fmt: skip
        assert FORMS[form(word)] == name, word
    assert WordTraits.sizes[0] == len(set(FORMS)) == 13
    traits = WordTraits.of([["Straße", "straße", "Rome"]])
    traits.save(tmp_path)
    again = WordTraits.load(tmp_path)
    sentence = ["STRAßE", "rome", "x"]
    np.testing.assert_array_equal(again.encode(sentence), traits.encode(sentence))
    (tmp_path / "traits.json").write_text("[1]")
    with pytest.raises(InputError, match="traits.json cannot be read"):
        WordTraits.load(tmp_path)

"""The built-in translation corpus: exact, disjoint, the same for a seed, and said by hand once."""

import datetime
from random import Random

import pytest

from rnn_jax.data import InputError, phrases
from rnn_jax.data.translation import KINDS, PARTS, builtin_corpus, builtin_pairs, part_of

pytest.importorskip("babel")
pytest.importorskip("num2words")

SAID = {
    ("day", (2021, 3, 3)): ("am 3. März 2021", "on March 3, 2021", "le 3 mars 2021"),
    ("day.full", (2021, 3, 3)): (
        *("Mittwoch, 3. März 2021", "Wednesday, March 3, 2021", "mercredi 3 mars 2021"),
    ),
    ("day.medium", (2021, 3, 3)): ("03.03.2021", "Mar 3, 2021", "3 mars 2021"),
    ("month", (1984, 5)): ("Mai 1984", "May 1984", "mai 1984"),
    ("birthday", (2, 29)): ("29. Februar", "February 29", "29 février"),
    ("moment", (2021, 3, 3, 14, 5)): (
        *("3. März 2021, 14:05", "March 3, 2021, 2:05 PM", "3 mars 2021, 14:05"),
    ),
    ("period", (2021, 3, 3, 4)): ("3.–7. März 2021", "Mar 3 – 7, 2021", "3–7 mars 2021"),
    ("lapse", ("week", -2)): ("vor 2 Wochen", "2 weeks ago", "il y a 2 semaines"),
    ("number", (203,)): ("zweihundertdrei", "two hundred and three", "deux cent trois"),
    ("number.ordinal", (21,)): ("einundzwanzigste", "twenty-first", "vingt et unième"),
    ("amount", (123450, "EUR")): ("1.234,50 Euro", "1,234.50 euros", "1 234,50 euros"),
    ("quantity", (12345, "length-kilometer")): (
        *("1.234,5 Kilometer", "1,234.5 kilometers", "1 234,5 kilomètres"),
    ),
    ("territories", ("territories", "DE", "CH", "US")): (
        "Deutschland, Schweiz und Vereinigte Staaten",
        "Germany, Switzerland, and United States",
        "Allemagne, Suisse et États-Unis",
    ),
    ("languages", ("languages", "ja")): ("Japanisch", "Japanese", "japonais"),
    ("calendar", ("days", "0", "6")): (
        *("Montag und Sonntag", "Monday and Sunday", "lundi et dimanche"),
    ),
    ("report", ("IT", (2021, 3, 3), "quantity", (30, "mass-gram"))): (
        *("Italien, 3. März 2021: 3 Gramm", "Italy, March 3, 2021: 3 grams"),
        "Italie, 3 mars 2021: 3 grammes",
    ),
}  # fmt: skip


def test_every_kind_is_said_as_by_hand():
    assert {kind for kind, _ in SAID} == set(KINDS)
    for (kind, value), by_hand in SAID.items():
        said = [
            " ".join(KINDS[kind].say(language, value).split()) for language in ("de", "en", "fr")
        ]
        assert said == list(by_hand)


@pytest.mark.parametrize(
    ("source", "target"), [("de", "en"), ("en", "fr"), ("it", "es"), ("nl", "pt")]
)
def test_parts_share_nothing_and_a_source_has_one_translation(source, target):
    corpus = builtin_corpus(source, target, count=400, held_out=60, seed=3)
    parts = (corpus.train, corpus.validation, corpus.test)
    assert [part.size for part in parts] == [400, 60, 60]
    for side in (0, 1):
        train, validation, test = (set(part[side]) for part in parts)
        assert not (train & validation or train & test or validation & test)
    assert len(set(corpus.train.sources)) == len(set(zip(*corpus.train[:2])))
    assert all(part.sources[0] and part.targets[0] for part in parts)
    text = "".join(part for pairs in parts for side in pairs[:2] for part in side)
    assert len(set(text)) < 110 and not set(text) & set("\u00a0\u202f\u2009\n")


def test_draws_are_the_same_for_a_seed_and_held_out_parts_for_all():
    few, many = builtin_corpus(count=20, held_out=9), builtin_corpus(count=40, held_out=9)
    assert many.train.sources[:20] == few.train.sources
    other = builtin_corpus(count=20, held_out=9, seed=1)
    assert other.train != few.train and other.test == few.test == many.test
    assert few.digest == builtin_corpus(count=20, held_out=9).digest != many.digest
    # The same values in another language.
    assert builtin_pairs("test", 9, "fr", "en").targets == few.test.targets


def test_values_are_in_one_part_in_all_their_forms():
    rng = Random(0)
    for _ in range(50):
        day = phrases.draw_day(rng)
        assert 1900 <= datetime.date(*day).year < 2101
        assert part_of("day", day) == part_of("day.full", day) == part_of("day.medium", day)
    parts = [part_of("number", (i,)) for i in range(2000)]
    assert {part: parts.count(part) > 30 for part in PARTS} == dict.fromkeys(PARTS, True)


def test_what_is_not_there_is_named(monkeypatch):
    with pytest.raises(InputError, match="builtin:de-de translates nothing; give two languages"):
        builtin_corpus("de", "de")
    with pytest.raises(InputError, match="target 'tlh' is not one of de, en, es, fr, it, nl, pt"):
        builtin_pairs("train", 1, "de", "tlh")
    with pytest.raises(ValueError, match="part 'dev' is not one of"):
        builtin_pairs("dev", 1)
    for package in ("num2words", "babel.dates"):
        with monkeypatch.context() as without, pytest.raises(InputError) as error:
            without.setitem(__import__("sys").modules, package, None)
            builtin_pairs("train", 60)
        assert f"needs the package {package.split('.')[0]}" in str(error.value)
        assert "pip install -e '.[experiments]'" in str(error.value)

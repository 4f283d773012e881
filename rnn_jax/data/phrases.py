"""Kinds of phrases with exact translations: values drawn at random, said in any language.

Dates, times, amounts, units and names are those of the Unicode CLDR, through the package babel;
numbers in words come from num2words.
"""

import datetime
from collections import Counter
from collections.abc import Callable
from functools import cache
from random import Random
from typing import Any, NamedTuple

from rnn_jax.data.errors import extra

Value = tuple[Any, ...]

LANGUAGES = ("de", "en", "es", "fr", "it", "nl", "pt")
UNITS = (
    *("length-kilometer", "length-meter", "length-centimeter", "length-mile", "length-foot"),
    *("mass-kilogram", "mass-gram", "mass-tonne", "mass-pound", "volume-liter"),
    *("volume-cubic-meter", "area-hectare", "area-square-meter", "area-square-kilometer"),
    *("speed-kilometer-per-hour", "speed-meter-per-second", "temperature-celsius"),
    *("energy-kilowatt-hour", "energy-joule", "power-watt", "power-horsepower", "electric-volt"),
    *("frequency-hertz", "digital-megabyte", "duration-hour", "duration-minute", "duration-day"),
    *("duration-week", "duration-month", "duration-year"),
)
CURRENCIES = (
    *("AUD", "BRL", "CAD", "CHF", "CNY", "CZK", "DKK", "EGP", "EUR", "GBP", "HUF", "IDR", "ILS"),
    *("INR", "KES", "MXN", "NOK", "NZD", "PLN", "RUB", "SEK", "THB", "TRY", "USD", "ZAR"),
)
LAPSES = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800,
          "month": 2592000, "year": 31536000}  # fmt: skip
# What stands before a day, where it is the same before all of them.
ON = {"de": "am {}", "en": "on {}", "es": "el {}", "fr": "le {}", "nl": "op {}", "pt": "em {}"}


class Kind(NamedTuple):
    """One kind of phrase: what there is to say, and how a language says it."""

    draw: Callable[[Random], Value]
    say: Callable[[str, Value], str]  # language and value


def integer(rng: Random, low: int, high: int) -> int:
    """An integer low .. high, the same for a seed in every version of Python.

    Example:
        >>> 3 <= integer(Random(0), 3, 5) <= 5
        True
    """
    return low + int(rng.random() * (high - low + 1))


def choice(rng: Random, items: tuple[Any, ...]) -> Any:
    """One of the items.

    Example:
        >>> choice(Random(0), ("a",))
        'a'
    """
    return items[integer(rng, 0, len(items) - 1)]


def log_uniform(rng: Random, high: int) -> int:
    """An integer 0 .. high, small ones more often: every number of digits equally often.

    Example:
        >>> log_uniform(Random(0), 9) < 10
        True
    """
    return integer(rng, 0, min(high, 10 ** integer(rng, 1, len(str(high))) - 1))


def babel(module: str) -> Any:
    """A module of babel, or word of the extra that brings it.

    Example:
        >>> babel("dates").format_date(datetime.date(2021, 3, 3), "long", "de")
        '3. März 2021'
    """
    with extra("the built-in translation corpus", "babel"):
        import importlib

        return importlib.import_module(f"babel.{module}")


def words(number: int, language: str, to: str = "cardinal") -> str:
    """A number in words.

    Example:
        >>> words(203, "de"), words(21, "en", "ordinal"), words(1990, "fr", "year")
        ('zweihundertdrei', 'twenty-first', 'mille neuf cent quatre-vingt-dix')
    """
    with extra("the built-in translation corpus", "num2words"):
        from num2words import num2words
    return num2words(number, lang=language, to=to)


@cache
def names(what: str, language: str) -> dict[str, str]:
    """Names of territories, languages, months or days of the week, by code.

    Example:
        >>> names("territories", "de")["FR"], names("languages", "fr")["en"]
        ('Frankreich', 'anglais')
    """
    locale = babel("core").Locale.parse(language)
    if what in ("months", "days"):
        return {str(k): v for k, v in getattr(locale, what)["stand-alone"]["wide"].items()}
    every = dict(getattr(locale, what))
    if what == "territories":
        return {
            k: v
            for k, v in every.items()
            if len(k) == 2 and k not in ("EZ", "QO", "XA", "XB", "ZZ")
        }
    return {k: v for k, v in every.items() if len(k) == 2 and "(" not in v}


@cache
def codes(what: str) -> tuple[str, ...]:
    """The codes of ``names`` whose name is in every language that of one thing alone.

    Example:
        >>> codes("days"), "fj" in names("languages", "de"), "fj" in codes("languages")
        (('0', '1', '2', '3', '4', '5', '6'), True, False)
    """
    kept = set(names(what, LANGUAGES[0]))
    for language in LANGUAGES:
        said = names(what, language)
        other = names("territories", language).values() if what == "languages" else ()
        count = Counter((*said.values(), *other))
        kept &= {code for code, name in said.items() if count[name] == 1}
    return tuple(sorted(kept))


def draw_day(rng: Random) -> Value:
    day = datetime.date(1900, 1, 1) + datetime.timedelta(integer(rng, 0, 73048))
    return day.year, day.month, day.day


def say_day(language: str, value: Value, form: str = "long") -> str:
    return babel("dates").format_date(datetime.date(*value), form, language)


def on_day(language: str, value: Value) -> str:
    """With its preposition; Italian has none, for the article elides before some numbers."""
    return ON.get(language, "{}").format(say_day(language, value))


def say_skeleton(skeleton: str) -> Callable[[str, Value], str]:
    def say(language: str, value: Value) -> str:
        year, month, day = (*value, 1) if skeleton == "yMMMM" else (2000, *value)
        date = datetime.date(year, month, day)
        return babel("dates").format_skeleton(skeleton, date, locale=language)

    return say


def draw_moment(rng: Random) -> Value:
    return *draw_day(rng), integer(rng, 0, 23), integer(rng, 0, 59)


def say_moment(language: str, value: Value) -> str:
    dates, locale = babel("dates"), babel("core").Locale.parse(language)
    time = dates.format_time(datetime.time(*value[3:]), "short", locale=language)
    return str(locale.datetime_formats["long"]).format(time, say_day(language, value[:3]))


def draw_period(rng: Random) -> Value:
    day = draw_day(rng)
    return *day, integer(rng, 1, choice(rng, (9, 99, 999)))


def say_period(language: str, value: Value) -> str:
    start = datetime.date(*value[:3])
    end = start + datetime.timedelta(value[3])
    return babel("dates").format_interval(start, end, "yMMMd", locale=language)


def draw_lapse(rng: Random) -> Value:
    return choice(rng, tuple(LAPSES)), choice(rng, (-1, 1)) * integer(rng, 1, 99)


def say_lapse(language: str, value: Value) -> str:
    unit, count = value
    lapse = datetime.timedelta(seconds=count * LAPSES[unit])
    return babel("dates").format_timedelta(
        lapse, granularity=unit, threshold=1e9, add_direction=True, locale=language
    )


def draw_amount(rng: Random) -> Value:
    whole, cents = log_uniform(rng, 999_999), choice(rng, (0, integer(rng, 1, 99)))
    return whole * 100 + cents, choice(rng, CURRENCIES)


def say_amount(language: str, value: Value) -> str:
    cents, currency = value
    return babel("numbers").format_currency(
        cents / 100, currency, locale=language, format_type="name"
    )


def draw_quantity(rng: Random) -> Value:
    return log_uniform(rng, 99_999) * 10 + choice(rng, (0, 0, integer(rng, 1, 9))), choice(
        rng, UNITS
    )


def say_quantity(language: str, value: Value) -> str:
    tenths, unit = value
    number = tenths // 10 if tenths % 10 == 0 else tenths / 10
    return babel("units").format_unit(number, unit, "long", locale=language)

"""What is spoken in the built-in speech: digits, dates and words, spelled as they are said."""

import calendar
from typing import Literal, get_args

import numpy as np

Kind = Literal["digits", "dates", "words", "digit"]

SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
).split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
ORDINALS = {
    **{"one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth"},
    **{"nine": "ninth", "twelve": "twelfth"},
}
WORDS = (
    "yes no up down left right on off stop go open close start begin end next last first play "
    "pause again back forward fast slow loud quiet warm cold light dark day night morning evening "
    "house door window table chair kitchen garden street city river mountain forest ocean island "
    "water fire earth wind rain snow summer winter spring autumn red green blue yellow black white "
    "apple bread butter coffee sugar orange potato dinner paper letter number question answer "
    "picture music story language teacher doctor farmer soldier brother sister mother father "
    "children animal horse sheep chicken rabbit elephant happy sorry simple careful different "
    "important remember understand believe follow travel carry listen whisper discover"
).split()


def say_number(number: int) -> str:
    """A number below a hundred in words.

    Example:
        >>> say_number(7), say_number(42)
        ('seven', 'forty two')
    """
    if not 0 <= number < 100:
        raise ValueError(f"number {number} must lie in 0..99")
    if number < 20:
        return SMALL[number]
    tens, ones = divmod(number, 10)
    return f"{TENS[tens - 2]} {SMALL[ones]}" if ones else TENS[tens - 2]


def say_ordinal(number: int) -> str:
    """A place in an order in words.

    Example:
        >>> say_ordinal(3), say_ordinal(20), say_ordinal(26)
        ('third', 'twentieth', 'twenty sixth')
    """
    *before, last = say_number(number).split()
    regular = f"{last[:-1]}ie" if last.endswith("y") else last
    return " ".join([*before, ORDINALS.get(last, f"{regular}th")])


def say_year(year: int) -> str:
    """A year as it is said, from 1100 to 2099.

    Example:
        >>> say_year(1994), say_year(1905), say_year(1800), say_year(2000), say_year(2007)
        ('nineteen ninety four', 'nineteen oh five', 'eighteen hundred', 'two thousand',
         'two thousand seven')
    """
    if not 1100 <= year < 2100:
        raise ValueError(f"year {year} must lie in 1100..2099")
    century, rest = divmod(year, 100)
    if 2000 <= year < 2010:
        return f"two thousand {SMALL[rest]}" if rest else "two thousand"
    if not rest:
        return f"{say_number(century)} hundred"
    return f"{say_number(century)} {'oh ' if rest < 10 else ''}{say_number(rest)}"


def draw(kind: Kind, rng: np.random.Generator) -> str:
    """One text of a kind: digits, a date in one of three forms, words, or a digit by itself.

    Args:
        kind: "digits" (one to five), "dates", "words" (one to four) or "digit".
        rng: draws it.

    Returns:
        Words in small letters with single blanks.

    Raises:
        ValueError: if there is no such kind.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> for kind in ("digits", "dates", "words"):
        ...     print(draw(kind, rng))
        six five two three zero
        the sixth of january eighteen eighteen
        winter butter carry language
    """
    if kind == "digits":
        return " ".join(SMALL[d] for d in rng.integers(10, size=rng.integers(1, 6)))
    if kind == "digit":
        return SMALL[rng.integers(10)]
    if kind == "words":
        return " ".join(WORDS[i] for i in rng.integers(len(WORDS), size=rng.integers(1, 5)))
    if kind != "dates":
        raise ValueError(f"kind must be one of {get_args(Kind)}, got {kind!r}")
    year, month = int(rng.integers(1800, 2040)), int(rng.integers(1, 13))
    day = say_ordinal(int(rng.integers(1, calendar.monthrange(year, month)[1] + 1)))
    name = MONTHS[month - 1]
    forms = (
        f"{name} {day} {say_year(year)}",
        f"the {day} of {name} {say_year(year)}",
        f"{WEEKDAYS[rng.integers(7)]} the {day} of {name}",
    )
    return forms[rng.integers(3)]


MONTHS = (
    "january february march april may june july august september october november december"
).split()
WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()

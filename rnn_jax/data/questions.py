"""Questions about dates, numbers and countries, with true answers."""

import datetime
from collections.abc import Callable, Sequence
from functools import cache
from random import Random
from typing import Any, NamedTuple

from rnn_jax.data import phrases
from rnn_jax.data.pairs import normalise, share_of
from rnn_jax.data.phrases import Value, choice, integer, log_uniform

HELD_OUT = 0.05  # share that is kept for each of validation and test
STEPS = {1: "after", -1: "before", 2: "two {}s after", -2: "two {}s before",
         3: "three {}s after", -3: "three {}s before"}  # fmt: skip


class Topic(NamedTuple):
    """What can be asked in one way and another.

    A topic of facts has so few that a held-out one could not be known: there the wording is held
    out, and the fact is trained on in another. Elsewhere it is the value, in all its wordings.
    """

    draw: Callable[[Random], Value]
    tell: Callable[..., tuple[str, ...]]  # from a value to the answer and what fills the wordings
    wordings: tuple[str, ...]
    facts: bool = False


class Asked(NamedTuple):
    """A question, as ``plain`` has it, and its answer."""

    topic: str
    question: str
    answer: str


def plain(question: str) -> str:
    """A question in small letters, without the mark at its end: as it is typed does not matter.

    Example:
        >>> plain(" Which month comes after  March?")
        'which month comes after march'
    """
    return normalise(question).rstrip("?!. ").lower()


def _turn(what: str, count: int) -> tuple[Any, Any]:
    """What comes before and after the months of a year or the days of a week."""

    def draw(rng: Random) -> Value:
        return integer(rng, 0, count - 1), choice(rng, tuple(STEPS))

    def tell(place: int, step: int) -> tuple[str, ...]:
        names = sorted(phrases.names(f"{what}s", "en").items(), key=lambda item: int(item[0]))
        (_, name), (_, other) = names[place], names[(place + step) % count]
        return other, name, STEPS[step].format(what)

    return draw, tell


def _tell_length(year: int, month: int) -> tuple[str, ...]:
    first = datetime.date(year, month, 1)
    days = ((first + datetime.timedelta(31)).replace(day=1) - first).days
    return str(days), phrases.names("months", "en")[str(month)], str(year)


def _tell_next(year: int, month: int, day: int) -> tuple[str, ...]:
    date = datetime.date(year, month, day)
    after = date + datetime.timedelta(1)
    said = (phrases.say_day("en", (d.year, d.month, d.day)) for d in (after, date))
    return tuple(said)


def _draw_weekday(rng: Random) -> Value:
    """A day of 2024, of which all are known in one wording or another."""
    day = datetime.date(2024, 1, 1) + datetime.timedelta(integer(rng, 0, 365))
    return day.year, day.month, day.day


def _tell_weekday(*day: int) -> tuple[str, ...]:
    name = phrases.names("days", "en")[str(datetime.date(*day).weekday())]
    return name, phrases.say_day("en", day)


def _number(low: int, high: int) -> Callable[[Random], Value]:
    return lambda rng: (max(low, log_uniform(rng, high)),)


def _tell_count(number: int, step: int) -> tuple[str, ...]:
    return str(number + step), str(number), STEPS[step]


@cache
def countries(what: str) -> dict[str, str]:
    """What CLDR knows of each country that has one such answer, by code.

    Args:
        what: "currency", "languages" (official ones, at most three) or "code".

    Example:
        >>> countries("currency")["JP"], countries("languages")["CA"], countries("code")["DE"]
        ('Japanese Yen', 'English and French', 'DE')
    """
    names = {code: phrases.names("territories", "en")[code] for code in
             phrases.codes("territories")}  # fmt: skip
    if what == "code":
        return {code: code for code in names}
    found = {}
    if what == "currency":
        numbers = phrases.babel("numbers")
        for code in names:
            if len(used := numbers.get_territory_currencies(code)) == 1:
                found[code] = numbers.get_currency_name(used[0], locale="en")
        return found
    known = phrases.babel("core").Locale.parse("en").languages
    for code in names:
        spoken = phrases.babel("languages").get_official_languages(code, de_facto=True)
        if 1 <= len(spoken) <= 3 and all(language in known for language in spoken):
            said = [known[language] for language in spoken]
            found[code] = phrases.babel("lists").format_list(said, locale="en")
    return found


def _country(what: str, wordings: tuple[str, ...]) -> Topic:
    def tell(code: str) -> tuple[str, ...]:
        return countries(what)[code], phrases.names("territories", "en")[code]

    return Topic(lambda rng: (choice(rng, tuple(countries(what))),), tell, wordings, facts=True)


TOPICS = {
    "month": Topic(*_turn("month", 12), ("which month comes {1} {0}", "what month is {1} {0}",
                   "{1} {0} comes which month", "name the month {1} {0}"), facts=True),
    "day": Topic(*_turn("day", 7), ("which day comes {1} {0}", "what day is {1} {0}",
                 "{1} {0} comes which day", "name the day {1} {0}"), facts=True),
    "weekday": Topic(_draw_weekday, _tell_weekday, (
        "what day of the week is {0}", "on which day of the week is {0}",
        "which weekday is {0}", "{0} is on what day"), facts=True),
    "length": Topic(lambda rng: phrases.draw_day(rng)[:2], _tell_length, (
        "how many days does {0} {1} have", "how many days are there in {0} {1}",
        "what is the last day of {0} {1}", "how long is {0} {1}")),
    "date": Topic(phrases.draw_day, _tell_next, (
        "which day comes after {0}", "what is the day after {0}",
        "if today is {0}, what is tomorrow", "what follows {0}")),
    "number": Topic(_number(0, 9999), lambda n: (str(n), phrases.words(n, "en")), (
        "what is {0} in digits", "how do i write {0} in digits", "write {0} as a number",
        "which number is {0}")),
    "number.words": Topic(_number(0, 9999), lambda n: (phrases.words(n, "en"), str(n)), (
        "what is {0} in words", "how do i say {0}", "spell {0}", "read {0} to me")),
    "ordinal": Topic(_number(1, 999), lambda n: (phrases.words(n, "en", "ordinal"), str(n)), (
        "what is the ordinal of {0}", "which place is number {0}",
        "what do i call number {0} in a row", "say {0} as an ordinal")),
    "count": Topic(lambda rng: (max(1, log_uniform(rng, 9999)), choice(rng, (-1, 1))), _tell_count,
                   ("which number comes {1} {0}", "what number is {1} {0}",
                    "count: what is {1} {0}", "what comes {1} {0}")),
    "currency": _country("currency", (
        "what is the currency of {0}", "what do people pay with in {0}",
        "which money is used in {0}", "which currency does {0} have")),
    "languages": _country("languages", (
        "what is the language of {0}", "what do people speak in {0}",
        "which language is spoken in {0}", "what is the official language of {0}")),
    "code": _country("code", (
        "what is the code of {0}", "which two letters stand for {0}",
        "what is {0} in two letters", "which country code has {0}")),
}  # fmt: skip


def _part_of(name: str, value: Value, wording: int) -> str:
    if not TOPICS[name].facts:
        number = share_of(repr((name.partition(".")[0], value)))
    elif wording == 0:  # every fact is trained on in this one
        return "train"
    else:
        number = share_of(repr((name, value, wording)))
    return "test" if number < HELD_OUT else "validation" if number < 2 * HELD_OUT else "train"


def ask(part: str, count: int, seed: int = 0) -> list[Asked]:
    """Draws questions; each topic is as frequent as any other.

    A held-out question was never trained on: neither was its number or date in any wording, or,
    about facts (which there are only so many of), not in this wording. Those to train on may occur
    again, held-out ones do not.

    Args:
        part: "train", "validation" or "test".
        count: how many.
        seed: of the draw; the first questions of a larger count are those of a smaller one.

    Raises:
        InputError: if the packages babel and num2words are not there.

    Example:
        >>> for asked in ask("train", 3):
        ...     print(asked)
        Asked(topic='length', question='how many days does may 2089 have', answer='31')
        Asked(topic='number.words', question='what is 994 in words', answer='nine hundred and
        ninety-four')
        Asked(topic='month', question='name the month three months after november',
        answer='February')
    """
    if part not in ("train", "validation", "test"):
        raise ValueError(f"part {part!r} is not train, validation or test")
    rng, names = Random(f"{part} {seed}"), tuple(TOPICS)
    found: list[Asked] = []
    seen: set[str] = set()
    while len(found) < count:
        topic = TOPICS[name := choice(rng, names)]
        value, wording = topic.draw(rng), integer(rng, 0, len(topic.wordings) - 1)
        if _part_of(name, value, wording) != part:
            continue
        answer, *filled = topic.tell(*value)
        question = plain(topic.wordings[wording].format(*filled))
        if part == "train" or question not in seen:
            seen.add(question)
            found.append(Asked(name, question, normalise(answer)))
    return found


def right_by_topic(said: Sequence[str]) -> str:
    """How many of the first questions of the test are answered rightly.

    Args:
        said: Answers to them, in order.

    Example:
        >>> right_by_topic(["March", "30"])
        'count 0/1, month 1/1'
    """
    right: dict[str, list[bool]] = {}
    for one, line in zip(ask("test", len(said)), said, strict=True):
        right.setdefault(one.topic, []).append(line == one.answer)
    return ", ".join(f"{name} {sum(of)}/{len(of)}" for name, of in sorted(right.items()))

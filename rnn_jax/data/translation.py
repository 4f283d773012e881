"""The built-in translation corpus: dates, numbers, amounts and names, exact and without end."""

from random import Random

from rnn_jax.data import phrases
from rnn_jax.data.errors import InputError
from rnn_jax.data.pairs import PairCorpus, Pairs, normalise, share_of
from rnn_jax.data.phrases import LANGUAGES, Kind, Value, choice, integer, log_uniform

PARTS = ("train", "validation", "test")
HELD_OUT = 0.03  # share of the values that are kept for each of validation and test


def _draw_report(rng: Random) -> Value:
    """A place, a day and something measured there, which two other kinds say."""
    what = choice(rng, ("amount", "quantity"))
    place = choice(rng, phrases.codes("territories"))
    return place, phrases.draw_day(rng), what, KINDS[what].draw(rng)


def _say_report(language: str, value: Value) -> str:
    place, day, what, measured = value
    name = phrases.names("territories", language)[place]
    return f"{name}, {phrases.say_day(language, day)}: {KINDS[what].say(language, measured)}"


def _listed(*whats: str) -> Kind:
    """One to three different names of one sort, joined as the language joins them."""

    def draw(rng: Random) -> Value:
        what = choice(rng, whats)
        size = min(3, integer(rng, 1, 4))
        codes = dict.fromkeys(choice(rng, phrases.codes(what)) for _ in range(size))
        return what, *codes

    def say(language: str, value: Value) -> str:
        name = phrases.names(value[0], language)
        listed = [name[code] for code in value[1:]]
        return phrases.babel("lists").format_list(listed, locale=language)

    return Kind(draw, say)


def _in_words(to: str, low: int, high: int) -> Kind:
    def say(language: str, value: Value) -> str:
        return phrases.words(value[0], language, to)

    return Kind(lambda rng: (max(low, log_uniform(rng, high)),), say)


KINDS = {
    "day": Kind(phrases.draw_day, phrases.on_day),
    "day.full": Kind(phrases.draw_day, lambda lang, day: phrases.say_day(lang, day, "full")),
    "day.medium": Kind(phrases.draw_day, lambda lang, day: phrases.say_day(lang, day, "medium")),
    "month": Kind(lambda rng: phrases.draw_day(rng)[:2], phrases.say_skeleton("yMMMM")),
    "birthday": Kind(lambda rng: phrases.draw_day(rng)[1:], phrases.say_skeleton("MMMMd")),
    "moment": Kind(phrases.draw_moment, phrases.say_moment),
    "period": Kind(phrases.draw_period, phrases.say_period),
    "lapse": Kind(phrases.draw_lapse, phrases.say_lapse),
    "number": _in_words("cardinal", 0, 999_999),
    "number.ordinal": _in_words("ordinal", 1, 9_999),
    "amount": Kind(phrases.draw_amount, phrases.say_amount),
    "quantity": Kind(phrases.draw_quantity, phrases.say_quantity),
    "territories": _listed("territories"),
    "languages": _listed("languages"),
    "calendar": _listed("months", "days"),
    "report": Kind(_draw_report, _say_report),
}


def part_of(kind: str, value: Value) -> str:
    """The part of the corpus that a value belongs to, whatever form and language it is said in.

    Example:
        >>> part_of("day", (2021, 3, 3)) == part_of("day.full", (2021, 3, 3))
        True
    """
    number = share_of(repr((kind.partition(".")[0], value)))
    return "test" if number < HELD_OUT else "validation" if number < 2 * HELD_OUT else "train"


def builtin_pairs(
    part: str, count: int, source: str = "de", target: str = "en", seed: int = 0
) -> Pairs:
    """Draws pairs of phrases; each kind is as frequent as any other, none occurs twice.

    A date, number or amount belongs to one part in all its forms, so what is tested was never
    trained on, whatever the seeds; names of countries and languages do occur in other lists.

    Args:
        part: "train", "validation" or "test".
        count: number of pairs.
        source: language of what is read, one of ``LANGUAGES``.
        target: language of what is written.
        seed: of the draw; the first pairs of a larger count are those of a smaller one.

    Returns:
        Pairs, at random order.

    Raises:
        InputError: if a language is not there, or the packages babel and num2words are not.

    Example:
        >>> pairs = builtin_pairs("train", 4)
        >>> for source, target in zip(pairs.sources, pairs.targets):
        ...     print(source, "|", target)
        4. Mai 2089, 01:31 | May 4, 2089, 1:31 AM
        vierundsechzigtausenddreihundertsiebenundzwanzig | sixty-four thousand, three hundred and
        twenty-seven
        am 14. Mai 2079 | on May 14, 2079
        18.519,6 Pferdestärken | 18,519.6 horsepower
    """
    for name, language in (("source", source), ("target", target)):
        if language not in LANGUAGES:
            raise InputError(f"data: {name} {language!r} is not one of {', '.join(LANGUAGES)}")
    if part not in PARTS:
        raise ValueError(f"part {part!r} is not one of {PARTS}")
    rng, kinds = Random(f"{part} {seed}"), tuple(KINDS)
    drawn: dict[tuple[str, Value], None] = {}
    while len(drawn) < count:
        kind = choice(rng, kinds)
        value = KINDS[kind].draw(rng)
        if part_of(kind, value) == part:
            drawn[kind, value] = None
    sources, targets = ([normalise(KINDS[kind].say(language, value)) for kind, value in drawn]
                        for language in (source, target))  # fmt: skip
    return Pairs(sources, targets)


def builtin_corpus(
    source: str = "de", target: str = "en", count: int = 20_000, held_out: int = 500, seed: int = 0
) -> PairCorpus:
    """The built-in corpus: `count` pairs to train on, `held_out` each to validate and to test.

    The held-out pairs are the same whatever the seed and the count.

    Example:
        >>> print(builtin_corpus("fr", "en", count=30, held_out=5))
        30 pairs to train on, 5 to validate, 5 to test
    """
    if source == target:
        raise InputError(f"data: builtin:{source}-{target} translates nothing; give two languages")
    return PairCorpus(
        builtin_pairs("train", count, source, target, seed),
        builtin_pairs("validation", held_out, source, target),
        builtin_pairs("test", held_out, source, target),
    )

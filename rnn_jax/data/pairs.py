"""Parallel text: pairs of sentences from files, cleaned, and split without leaks."""

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from rnn_jax.data.errors import InputError
from rnn_jax.data.text import read_text

Form = Literal["NFC", "NFKC", "NFD", "NFKD", "none"]


class Pairs(NamedTuple):
    """Sentences and their translations; entry i of one belongs to entry i of the other."""

    sources: Sequence[str]
    targets: Sequence[str]
    dropped: int = 0  # pairs left out because a side was empty

    @property
    def size(self) -> int:
        """Number of pairs."""
        return len(self.sources)


@dataclass(frozen=True)
class PairCorpus:
    """Parallel text ready to train on.

    Example:
        >>> corpus = split_pairs(Pairs([f"s{i}" for i in range(99)], [f"t{i}" for i in range(99)]))
        >>> print(corpus)
        89 pairs to train on, 7 to validate, 3 to test
    """

    train: Pairs
    validation: Pairs
    test: Pairs

    def __str__(self) -> str:
        sizes = (f"{self.train.size:,} pairs to train on, {self.validation.size:,} to validate, "
                 f"{self.test.size:,} to test")  # fmt: skip
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        for name, pairs in parts.items():
            if pairs.dropped:
                sizes += f"; {name}: {pairs.dropped:,} left out, a side was empty"
            if name != "train" and (seen := len(set(pairs.sources) & set(self.train.sources))):
                sizes += f"; {name}: {seen:,} sources stand in the training text too"
        return sizes

    @property
    def digest(self) -> str:
        """Equal for equal pairs in equal parts."""
        hashed = hashlib.sha256()
        for part in (self.train, self.validation, self.test):
            for line in (*part.sources, "", *part.targets, ""):
                hashed.update(line.encode() + b"\n")
        return f"sha256:{hashed.hexdigest()[:16]}"


def normalise(line: str, form: Form = "NFC") -> str:
    """A line in a Unicode normal form, its white space as single spaces.

    Example:
        >>> normalise(" na\\u0308mlich\\u00a0 so ") == "n\\u00e4mlich so"
        True
        >>> normalise("\\ufb01x\\u00b2", "NFKC"), normalise("\\ufb01x", "none")
        ('fix2', '\ufb01x')
    """
    return " ".join((line if form == "none" else unicodedata.normalize(form, line)).split())


def clean(sources: Sequence[str], targets: Sequence[str], form: Form = "NFC") -> Pairs:
    """Normalises both sides and leaves out pairs with an empty one, counted.

    Example:
        >>> clean(["a  b", "", "c"], ["x", "y", " "])
        Pairs(sources=['a b'], targets=['x'], dropped=2)
    """
    both = [(normalise(s, form), normalise(t, form)) for s, t in zip(sources, targets, strict=True)]
    kept = [pair for pair in both if all(pair)]
    return Pairs([s for s, _ in kept], [t for _, t in kept], len(both) - len(kept))


def read_pairs(source: str | Path, target: str | Path | None = None, form: Form = "NFC") -> Pairs:
    """Reads parallel text: two files, line for line, or one of tab-separated columns.

    Args:
        source: a text file in UTF-8.
        target: the file with the translations; None if the second column of `source` has them
            (further columns are not read).
        form: Unicode normal form of both sides, or "none".

    Returns:
        Pairs, without those of which a side is empty.

    Raises:
        InputError: if a file cannot be read, the numbers of lines differ, a line has no second
            column, or nothing is left.

    Example:
        >>> read_pairs("train.de", "train.en")
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: data: no such file: train.de
    """
    lines = _lines(source)
    if target is None:
        columns = [line.split("\t") for line in lines if line.strip()]
        found = clean(*_two(columns, lines, source), form)
        found = found._replace(dropped=found.dropped + len(lines) - len(columns))
    else:
        others = _lines(target)
        if len(lines) != len(others):
            longer, path = (lines, source) if len(lines) > len(others) else (others, target)
            first = min(len(lines), len(others))
            raise InputError(
                f"data: {source} has {len(lines)} lines and {target} has {len(others)}; line "
                f"{first + 1} of {path} is the first without a fellow: {longer[first][:60]!r}"
            )
        found = clean(lines, others, form)
    if not found.size:
        raise InputError(f"data: {source} has no pair of sentences")
    return found


def _lines(path: str | Path) -> list[str]:
    # Not splitlines: a rare separator within a line would put the two files out of step.
    return read_text(path).removesuffix("\n").split("\n")


def _two(
    columns: list[list[str]], lines: list[str], path: str | Path
) -> tuple[list[str], list[str]]:
    if short := next((row for row in columns if len(row) < 2), None):
        raise InputError(
            f"data: line {lines.index(short[0]) + 1} of {path} has no tab between source and "
            f"target: {short[0][:60]!r}; give a second file, or mend the line"
        )
    return [row[0] for row in columns], [row[1] for row in columns]


def split_pairs(
    pairs: Pairs, validation_share: float = 0.05, test_share: float = 0.05
) -> PairCorpus:
    """Holds out about these shares of the pairs, chosen by a hash of the source sentence.

    The same sentence falls into the same part in every run and however the corpus grows, so no
    source is both trained on and tested; held-out parts have each pair once.

    Args:
        pairs: all there are.
        validation_share: of the sentences, between 0 and 1.
        test_share: of the sentences, between 0 and 1.

    Raises:
        ValueError: if the shares leave nothing to train on.
        InputError: if a part would be empty.

    Example:
        >>> corpus = split_pairs(Pairs(list("abcdefghij"), list("ABCDEFGHIJ")), 0.3, 0.3)
        >>> corpus.validation.targets, corpus.test.targets
        (['A', 'C', 'E', 'F', 'H', 'J'], ['B', 'G'])
    """
    if not (0 < validation_share < 1 and 0 < test_share < 1 - validation_share):
        raise ValueError(
            f"validation_share {validation_share} and test_share {test_share} must be positive "
            "and less than 1 together"
        )
    parts: list[list[tuple[str, str]]] = [[], [], []]
    for source, target in zip(pairs.sources, pairs.targets, strict=True):
        number = share_of(source)
        part = (
            1 if number < validation_share else 2 if number < validation_share + test_share else 0
        )
        parts[part].append((source, target))
    if not all(parts):
        raise InputError(
            f"data: {pairs.size} pairs do not fill three parts; give files for validation and test"
        )
    train, *held_out = (Pairs([s for s, _ in p], [t for _, t in p]) for p in
                        (parts[0], *(list(dict.fromkeys(part)) for part in parts[1:])))  # fmt: skip
    return PairCorpus(train._replace(dropped=pairs.dropped), *held_out)


def share_of(text: str) -> float:
    """A number in [0, 1) that depends on the text alone and is spread evenly over texts.

    Example:
        >>> round(share_of("a"), 3), round(share_of("b"), 3)
        (0.254, 0.517)
    """
    hashed = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(hashed) / 2**64

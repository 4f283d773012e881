"""Texts with a class each: built-in, tables, a file for each class, TFDS."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnn_jax.data import tfds_source, tfds_text
from rnn_jax.data.classes import most_frequent, naive_bayes
from rnn_jax.data.docstrings import docstrings
from rnn_jax.data.errors import InputError
from rnn_jax.data.pairs import share_of
from rnn_jax.data.text import read_text


class Texts(NamedTuple):
    """Some texts and their classes."""

    texts: list[str]  # N, words between single spaces
    labels: np.ndarray  # (N,) int32


@dataclass(frozen=True, eq=False)
class LabelledCorpus:
    """Texts in three parts.

    Example:
        >>> part = Texts(["good fun", "dull"], np.array([1, 0]))
        >>> print(LabelledCorpus(("neg", "pos"), part, part, part))
        2 texts to train on, 2 to validate, 2 to test, 2 classes: neg, pos
    """

    classes: tuple[str, ...]
    train: Texts
    validation: Texts
    test: Texts

    @property
    def digest(self) -> str:
        """Equal for equal texts and classes."""
        hashed = hashlib.sha256("\0".join(self.classes).encode())
        for part in (self.train, self.validation, self.test):
            hashed.update("\n".join(part.texts).encode() + part.labels.tobytes())
        return f"sha256:{hashed.hexdigest()[:16]}"

    def floors(self, part: Texts) -> str:
        """What is right of a part without a network: naive Bayes, and always the same class."""
        bayes = np.mean(naive_bayes(*self.train, part.texts) == part.labels)
        return f"naive Bayes {bayes:.2%}, always the same {most_frequent(part.labels):.2%}"

    def __str__(self) -> str:
        sizes = [f"{len(part.texts):,}" for part in (self.train, self.validation, self.test)]
        return (
            f"{sizes[0]} texts to train on, {sizes[1]} to validate, {sizes[2]} to test, "
            f"{len(self.classes)} classes: {', '.join(self.classes)}"
        )


def as_words(text: str) -> str:
    """Words and marks in small letters with a space between; HTML's line breaks are left out.

    Example:
        >>> as_words("It's great!<br />Don't-miss")
        "it's great ! don't - miss"
    """
    found = re.findall(r"[\w']+|[^\w\s]", text.replace("<br />", " ").lower())
    return " ".join(found)


def load_labelled(
    data: str | None = None, validation: str | None = None, test: str | None = None
) -> LabelledCorpus:
    """Labelled text from wherever it is.

    Args:
        data: None or "builtin" for docstrings of the standard library, of a module, a class or a
            function; "FILE.tsv", a class and a text a line with a tab between; "NEGATIVE,POSITIVE"
            or more, a file for each class with a text a line; "tfds:NAME".
        validation: a source like `data` to choose by. Without it a tenth of the data is held out,
            by a hash of the text.
        test: likewise for the end; both or neither.

    Raises:
        InputError: if there are no such texts, a line has no class, a class of `validation` or
            `test` does not occur in `data`, or nothing is left for a part.

    Example:
        >>> load_labelled("reviews.csv")
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: data: 'reviews.csv' is one file: give one that is called
        .tsv, with a class and a text a line, or one file for each class, NEGATIVE,POSITIVE
    """
    if (validation is None) != (test is None):
        raise InputError("data: give both validation and test, or neither")
    kind, _, name = (data or "builtin").partition(":")
    if kind in ("builtin", "tfds") and validation:
        raise InputError(f"data: {data or 'what is built in'} brings its own parts; leave them out")
    if kind == "tfds":
        return _tfds(name)
    rows = docstrings() if kind == "builtin" else _rows(str(data))
    if validation is None or test is None:
        parts: list[list[tuple[str, str]]] = [[], [], []]
        for row in rows:
            share = share_of(row[1])
            parts[1 if share < 0.1 else 2 if share < 0.2 else 0].append(row)
    else:
        parts = [rows, _rows(validation), _rows(test)]
    classes = sorted({label for label, _ in parts[0]})
    if len(classes) < 2 or not all(parts):
        raise InputError(
            f"data: {len(rows)} texts of {len(classes)} classes do not fill three parts; give "
            "more, of two classes or more"
        )
    return LabelledCorpus(tuple(classes), *(_texts(part, classes) for part in parts))


def _texts(rows: Iterable[tuple[str, str]], classes: Sequence[str]) -> Texts:
    rows = [(label, words) for label, text in rows if (words := as_words(text))]
    if unknown := {label for label, _ in rows} - set(classes):
        raise InputError(f"data: {sorted(unknown)[:4]} are held out, but not in the training data")
    labels = [classes.index(label) for label, _ in rows]
    return Texts([words for _, words in rows], np.array(labels, np.int32))


def _rows(paths: str) -> list[tuple[str, str]]:
    """(class, text) of a table, or of a file for each class: its ending, or else its name."""
    files = paths.split(",")
    if len(files) == 1:
        if Path(paths).suffix != ".tsv":
            raise InputError(
                f"data: {paths!r} is one file: give one that is called .tsv, with a class and a "
                "text a line, or one file for each class, NEGATIVE,POSITIVE"
            )
        lines = [line.partition("\t") for line in read_text(paths).split("\n")]
        for number, (label, tab, _) in enumerate(lines, 1):
            if label.strip() and not tab:
                raise InputError(
                    f"data: line {number} of {paths} has no tab between class and text: "
                    f"{label[:60]!r}"
                )
        return [(label.strip(), text) for label, _, text in lines if text.strip()]
    same_name = len({Path(file).stem for file in files}) < len(files)
    names = [Path(file).suffix[1:] if same_name else Path(file).stem for file in files]
    if len(set(names)) < len(files):
        raise InputError(f"data: the files of {paths!r} name the classes {names}: rename one")
    lists = [read_text(file).split("\n") for file in files]
    return [(name, text) for name, texts in zip(names, lists) for text in texts if text.strip()]


def _tfds(name: str) -> LabelledCorpus:
    found = tfds_source.builder(name)
    features = found.info.features
    kinds = {feature: type(value).__name__ for feature, value in features.items()}
    labels = [feature for feature, kind in kinds.items() if kind == "ClassLabel"]
    texts = tfds_text.text_features(found)
    if len(labels) != 1 or len(texts) != 1:
        raise InputError(f"data: tfds:{name} has {kinds}: one Text and one ClassLabel are needed")
    classes = tuple(features[labels[0]].names)

    def part(split: str) -> Texts:
        rows = [(row[labels[0]], row[texts[0]]) for row in tfds_source.rows(found, split)]
        said = [text.decode() if isinstance(text, bytes) else str(text) for _, text in rows]
        return Texts([as_words(text) for text in said], np.array([k for k, _ in rows], np.int32))

    return LabelledCorpus(classes, *map(part, tfds_source.splits(found)))

"""Text and pairs of sentences from TFDS."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnn_jax.data.errors import InputError
from rnn_jax.data.pairs import Form, Pairs, clean, normalise
from rnn_jax.data.tfds_source import Rows, builder, rows


@dataclass(frozen=True, eq=False)
class Texts(Sequence[str]):
    """One text feature of every example, read when it is indexed.

    Example:
        >>> texts = Texts([{"text": b"gr\\xc3\\xbcn  und"}, {"text": "rot"}], "text")
        >>> texts[0], texts[-1], len(texts), list(texts[1:])
        ('grün und', 'rot', 2, ['rot'])
    """

    rows: Rows
    feature: str
    normal: Callable[[str], str] = normalise

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        return self.normal(_text(self.rows[range(len(self))[index]][self.feature]))

    def __iter__(self) -> Iterator[str]:
        return (self[place] for place in range(len(self)))


def texts(
    name: str, split: str, feature: str | None = None, data_dir: str | Path | None = None
) -> Texts:
    """The text of a split, for a language model.

    Args:
        name: as for ``builder``; it has to be prepared.
        split: "train", "test[:1%]", ...
        feature: which of its features; None for "text" or the only text there is.
        data_dir: as for ``builder``.

    Raises:
        InputError: as ``builder``, or if the feature is not there or not clear.

    Example:
        >>> # needs the data set on this machine
        >>> texts("lm1b", "train[:1%]")[0]  # doctest: +SKIP
        'The U.S. Centers for Disease Control and Prevention initially advised ...'
    """
    found = builder(name, data_dir)
    if feature is None:
        there = text_features(found)
        if "text" not in there and len(there) != 1:
            raise InputError(f"data: tfds:{name} has the texts {there}: say which feature")
        feature = "text" if "text" in there else there[0]
    _known(found, name, feature)
    # A book or a play is one example: its lines stay.
    return Texts(rows(found, split), feature, normal=str)


def pairs(
    name: str,
    split: str,
    features: tuple[str, str] | None = None,
    form: Form = "NFC",
    data_dir: str | Path | None = None,
    limit: int | None = None,
) -> Pairs:
    """The sentence pairs of a split, read and cleaned at once: limit what is too large.

    Args:
        name: as for ``builder``; it has to be prepared.
        split: "train", "train[:100000]", ...
        features: what is read and what is written: ("en", "de"), ("commands", "actions"); None
            for the data set's own order, or its two texts.
        form: Unicode normal form.
        data_dir: as for ``builder``.
        limit: the most examples to read, the first ones; None for all.

    Raises:
        InputError: as ``builder``, or if the features are not there or not clear.

    Example:
        >>> pairs("wmt14_translate/de-en", "train[:3]", ("en", "de"))  # doctest: +SKIP
    """
    found = builder(name, data_dir)
    if features is None:
        there = found.info.supervised_keys or text_features(found)
        if len(there) != 2:
            raise InputError(f"data: tfds:{name} has the texts {there}: say which two features")
        features = (there[0], there[1])
    for feature in features:
        _known(found, name, feature)
    source = rows(found, split)
    both = [source[place] for place in range(len(source))[:limit]]
    sources, targets = ([_text(row[feature]) for row in both] for feature in features)
    return clean(sources, targets, form)


def text_features(found: Any) -> list[str]:
    """Names of the features of a data set that are texts.

    Example:
        >>> # needs the data set on this machine
        >>> text_features(builder("lm1b"))  # doctest: +SKIP
        ['text']
    """
    return [name for name, value in found.info.features.items() if type(value).__name__ == "Text"]


def _known(found: Any, name: str, feature: str) -> None:
    if feature not in (there := text_features(found)):
        raise InputError(f"data: tfds:{name} has no text {feature!r} but {there}")


def _text(value: Any) -> str:
    # Real data give bytes, the mocks of tfds.testing str.
    return value.decode() if isinstance(value, bytes) else str(value)

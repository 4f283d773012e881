"""One name for every source of text or of pairs: built-in, local files, TFDS."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from rnn_jax.data import ngram, text, tfds_source, tfds_text, translation
from rnn_jax.data.errors import InputError
from rnn_jax.data.pairs import Form, PairCorpus, Pairs, read_pairs, split_pairs
from rnn_jax.data.subwords import Subwords
from rnn_jax.data.vocabulary import UNKNOWN, Bytes, Characters, Vocabulary, Words

Unit = Literal["characters", "bytes", "words", "subwords"]


def build_vocabulary(
    unit: Unit, texts: Iterable[str], *, size: int = 8000, min_count: int = 1
) -> Vocabulary:
    """The vocabulary of a training text.

    Args:
        unit: what a token is.
        texts: the text to train on, and nothing else.
        size: most tokens, of words and subwords.
        min_count: how often a character or word occurs at least.

    Example:
        >>> build_vocabulary("words", ["to be or not to be"], min_count=2)
        Words(words=('be', 'to'))
    """
    if unit == "characters":
        return Characters.of(texts, min_count)
    if unit == "words":
        return Words.of(texts, min_count, size)
    return Bytes() if unit == "bytes" else Subwords.of(texts, size)


def load_pairs(
    data: str | None = None,
    validation: str | None = None,
    test: str | None = None,
    *,
    form: Form = "NFC",
    count: int | None = None,
    seed: int = 0,
    data_dir: str | Path | None = None,
) -> PairCorpus:
    """Parallel text from wherever it is.

    Args:
        data: None or "builtin:de-en", for ``translation.builtin_corpus``; "SOURCE,TARGET", two
            files line for line; "FILE" of tab-separated columns; "tfds:NAME", or
            "tfds:NAME:en-de" to choose the direction.
        validation: files like those of `data`; None to hold a share of `data` out by a hash.
        test: the same; both or neither.
        form: Unicode normal form of files and TFDS.
        count: pairs to train on: of the built-in ones (20,000 unless given), or the first of TFDS.
        seed: of the built-in ones.
        data_dir: where TFDS lies.

    Raises:
        InputError: as the source says, or if only one of `validation` and `test` is given.

    Example:
        >>> print(load_pairs("builtin:fr-en", count=1000))
        1,000 pairs to train on, 500 to validate, 500 to test
    """
    kind, _, name = (data or "builtin:de-en").partition(":")
    if kind == "tfds" or kind == "builtin":
        if validation or test:
            raise InputError(f"data: {data} brings its own validation and test; leave them out")
    elif (validation is None) != (test is None):
        raise InputError("data: give both validation and test, or neither")
    if kind == "builtin":
        source, _, target = (name or "de-en").partition("-")
        asked = 20_000 if count is None else count
        return translation.builtin_corpus(source, target, asked, seed=seed)
    if kind == "tfds":
        return _tfds_pairs(name, form, count, data_dir)
    if validation is None or test is None:
        return split_pairs(_files(str(data), form))
    return PairCorpus(*(_files(part, form) for part in (str(data), validation, test)))


def _files(paths: str, form: Form) -> Pairs:
    source, _, target = paths.partition(",")
    if not target and Path(source).suffix not in (".tsv", ".txt"):
        raise InputError(
            f"data: {paths!r} is one file: give two with a comma between, SOURCE,TARGET, or one "
            "of tab-separated columns that is called .tsv or .txt"
        )
    return read_pairs(source, target or None, form)


def _tfds_pairs(
    name: str, form: Form, count: int | None, data_dir: str | Path | None
) -> PairCorpus:
    name, _, direction = name.partition(":")
    source, _, target = direction.partition("-")
    features = (source, target) if direction else None
    train, *held_out = tfds_source.splits(tfds_source.builder(name, data_dir))
    return PairCorpus(
        tfds_text.pairs(name, train, features, form, data_dir, limit=count),
        *(tfds_text.pairs(name, split, features, form, data_dir) for split in held_out),
    )


@dataclass(frozen=True, eq=False)
class TokenCorpus:
    """A text as tokens, ready for a language model.

    Example:
        >>> corpus = load_tokens("words", size=1000)
        >>> corpus.vocabulary.size, corpus.test is None
        (1000, True)
        >>> corpus.described(4.0)
        '4.0000 nats per word, perplexity 54.60 (1-gram ..., 2-gram ..., 3-gram ...)'
    """

    unit: Unit
    vocabulary: Vocabulary  # of the training text alone
    train: np.ndarray  # (N,)
    validation: np.ndarray  # (1 + M,): after one token of context
    test: np.ndarray | None  # (1 + M,), too
    characters: tuple[int, ...]  # of each part: nats per token become nats per character
    digest: str  # equal for equal texts

    @property
    def unit_name(self) -> str:
        """What one token is."""
        return "token" if self.unit == "subwords" else self.unit[:-1]

    def part(self, name: Literal["validation", "test"]) -> np.ndarray:
        """The tokens of a part, (1 + M,); InputError if there is none."""
        tokens = getattr(self, name)
        if tokens is None:
            raise InputError(f"{name}: this corpus has no such part; give a file for it")
        return tokens

    @cached_property
    def _counted(self) -> dict[str, dict[str, float]]:
        return {}

    def floors(self, part: Literal["validation", "test"] = "validation") -> dict[str, float]:
        """What n-grams reach on a part, in nats per token, by name."""
        if part not in self._counted:
            orders = (3, 5) if self.unit in ("characters", "bytes") else (1, 2, 3)
            held_out, size = self.part(part)[1:], self.vocabulary.size
            self._counted[part] = ngram.floors(self.train, held_out, size, orders)
        return self._counted[part]

    def described(self, loss: float, part: Literal["validation", "test"] = "validation") -> str:
        """Nats per token of a part in the units that are usual, beside what n-grams reach."""
        said = ngram.compared(loss, self.floors(part), self.unit_name)
        if self.unit in ("characters", "bytes", "words"):
            return said
        characters = self.characters[1 if part == "validation" else 2]
        total = ngram.bits(loss) * (self.part(part).size - 1)
        return f"{said}, {total / characters:.4f} bits per character"

    def __str__(self) -> str:
        sizes = f"{self.train.size:,} tokens to train on, {self.validation.size - 1:,} to validate"
        if self.test is not None:
            sizes += f", {self.test.size - 1:,} to test"
        unknown = float(np.mean(self.validation[1:] == UNKNOWN)) if self._has_unknown else 0.0
        return f"{sizes}, {self.vocabulary.size:,} symbols" + (
            f", {unknown:.2%} of those to validate unknown" if unknown else ""
        )

    @property
    def _has_unknown(self) -> bool:
        return not isinstance(self.vocabulary, Bytes)  # whose token 3 is a byte


def load_tokens(
    unit: Unit,
    data: str | None = None,
    validation: str | None = None,
    test: str | None = None,
    *,
    size: int = 8000,
    min_count: int = 1,
    count: int | None = None,
    data_dir: str | Path | None = None,
) -> TokenCorpus:
    """A text from wherever it is, as tokens.

    The vocabulary is that of the training text; what it lacks is unknown in the others. Without
    files to validate and test, the last tenth of the text is for validation, as in nanoGPT's split.

    Args:
        unit: what a token is.
        data: None or "builtin" for Python's documentation, a file, or "tfds:NAME", of which every
            example is a line, or lines.
        validation: a file, with a file for `data`.
        test: a file; only with `validation`.
        size: most tokens, of words and subwords.
        min_count: how often a character or word occurs at least.
        count: the most examples of TFDS to train on, the first ones.
        data_dir: where TFDS lies.

    Raises:
        InputError: if there is no such text, or no text at all in a part.

    Example:
        >>> corpus = load_tokens("bytes")
        >>> corpus.vocabulary.decode(corpus.train[:22])
        'The "assert" statement'
    """
    parts = _text_parts(data, validation, test, count, data_dir)
    vocabulary = build_vocabulary(unit, parts[:1], size=size, min_count=min_count)
    train, *held_out = (vocabulary.encode(part) for part in parts)
    if not all(tokens.size for tokens in (train, *held_out)):
        raise InputError("data: a part of the text has no tokens; give more text")
    # Both follow the training text, so that a first token is predicted from a context, too.
    after = [np.concatenate([train[-1:], tokens]) for tokens in held_out]
    hashed = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return TokenCorpus(
        unit, vocabulary, train, after[0], after[1] if len(after) > 1 else None,
        tuple(map(len, parts)), f"sha256:{hashed[:16]}",
    )  # fmt: skip


def _text_parts(
    data: str | None, validation: str | None, test: str | None, count: int | None,
    data_dir: str | Path | None,
) -> list[str]:  # fmt: skip
    kind, _, name = (data or "builtin").partition(":")
    if test and not validation or validation and kind in ("builtin", "tfds"):
        raise InputError("data: validation and test go with a file for data, test with validation")
    if kind == "builtin" and name:
        raise InputError(f'data: no built-in text {name!r}: give "builtin", a file or tfds:NAME')
    if kind == "tfds":
        splits = tfds_source.splits(tfds_source.builder(name, data_dir))
        read = (tfds_text.texts(name, split, None, data_dir) for split in splits)
        limits = (count, None, None)
        return ["\n".join(rows[:limit]) for rows, limit in zip(read, limits, strict=True)]
    if validation:
        return [text.read_text(path) for path in (str(data), validation, test) if path]
    whole = text.builtin_text() if kind == "builtin" else text.read_text(str(data))
    cut = len(whole) * 9 // 10
    return [whole[:cut], whole[cut:]]

"""Sentences with a tag for each word: built-in, CoNLL's files, TFDS."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rnn_jax.data import tfds_source
from rnn_jax.data.errors import InputError
from rnn_jax.data.pairs import share_of
from rnn_jax.data.python_tokens import Line, library_lines
from rnn_jax.data.spans import FrequentTags, kind_of, span_scores
from rnn_jax.data.text import read_text


class Tagged(NamedTuple):
    """Some sentences."""

    words: list[list[str]]
    tags: list[list[str]]  # as many for each sentence


@dataclass(frozen=True, eq=False)
class TaggedCorpus:
    """Tagged sentences in three parts.

    Example:
        >>> part = Tagged([["in", "Rome"]], [["O", "B-city"]])
        >>> corpus = TaggedCorpus(part, part, part)
        >>> corpus.tags, corpus.kinds, corpus.floor(part)
        (('B-city', 'O'), ('O', 'city'), 'most frequent tag of each word 100.00')
        >>> print(corpus)
        1 sentences to train on, 1 to validate, 1 to test; tags: O, city
    """

    train: Tagged
    validation: Tagged
    test: Tagged

    @property
    def tags(self) -> tuple[str, ...]:
        """All tags, those that only held-out parts have among them."""
        parts = (self.train, self.validation, self.test)
        return tuple(sorted({tag for part in parts for row in part.tags for tag in row}))

    @property
    def kinds(self) -> tuple[str, ...]:
        """Tags without where in a span they stand; O, if there is one, first."""
        return tuple(sorted(set(map(kind_of, self.tags)), key=lambda kind: (kind != "O", kind)))

    @property
    def digest(self) -> str:
        """Equal for equal sentences and tags."""
        hashed = hashlib.sha256()
        for part in (self.train, self.validation, self.test):
            for words, tags in zip(*part):
                hashed.update("\0".join((*words, *tags, "\n")).encode())
        return f"sha256:{hashed.hexdigest()[:16]}"

    def floor(self, part: Tagged) -> str:
        """Span F1 of a part where each word has its most frequent tag."""
        scores = span_scores(part.tags, FrequentTags(*self.train)(part.words))
        return f"most frequent tag of each word {100 * scores.f1:.2f}"

    def __str__(self) -> str:
        sizes = [f"{len(part.words):,}" for part in (self.train, self.validation, self.test)]
        return (
            f"{sizes[0]} sentences to train on, {sizes[1]} to validate, {sizes[2]} to test; tags: "
            f"{', '.join(self.kinds)}"
        )


def load_tagged(
    data: str | None = None,
    validation: str | None = None,
    test: str | None = None,
    *,
    count: int = 6000,
) -> TaggedCorpus:
    """Tagged sentences from wherever they are.

    Args:
        data: None or "builtin" for lines of the standard library, their pieces tagged by the kind
            of token; a file in CoNLL's columns, or several with commas between; "tfds:conll2003".
        validation: a file like `data` to choose by. Without it a tenth of the sentences is held
            out, by a hash.
        test: likewise for the end. Without it another tenth is held out, and there may be no
            `validation`.
        count: lines to train on, of the built-in ones.

    Raises:
        InputError: if there are no such sentences, or nothing is left for a part.

    Example:
        >>> print(load_tagged(count=40))
        40 sentences to train on, 4 to validate, 4 to test; tags: ...
    """
    if validation and not test:
        raise InputError("data: give both validation and test, test alone, or neither")
    kind, _, name = (data or "builtin").partition(":")
    if kind in ("builtin", "tfds") and test:
        raise InputError(f"data: {data or 'what is built in'} brings its own parts; leave them out")
    if kind == "tfds":
        return _tfds(name)
    if kind == "builtin":
        parts = library_lines(count)
    else:
        given = [row for path in str(data).split(",") for row in read_conll(path)]
        parts = [[], read_conll(validation) if validation else [], read_conll(test) if test else []]
        for row in given:
            share = share_of(" ".join(row[0]))
            held_out = 1 if share < 0.1 and not validation else 2 if share < 0.2 and not test else 0
            parts[held_out].append(row)
    if not all(parts):
        raise InputError(
            f"data: {sum(map(len, parts))} sentences do not fill three parts; give more, or files "
            "for validation and test"
        )
    return TaggedCorpus(*map(_sides, parts))


def read_conll(path: str | Path) -> list[Line]:
    """Sentences of a file with a word a line, its tag in the last column, blank lines between.

    Columns stand between tabs, or between spaces where there is no tab.

    Raises:
        InputError: if the file cannot be read, a line has one column, or there is no sentence.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile("w", suffix=".conll") as file:
        ...     _ = file.write("in IN O\\nRome NNP B-city\\n\\nYes UH O\\n")
        ...     file.flush()
        ...     read_conll(file.name)
        [(['in', 'Rome'], ['O', 'B-city']), (['Yes'], ['O'])]
    """
    rows: list[Line] = [([], [])]
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip("\ufeff \t\r") or line.startswith("-DOCSTART-"):
            rows.append(([], []))
            continue
        columns = line.split("\t") if "\t" in line else line.split()
        if len(columns) < 2 or not columns[-1].strip():
            raise InputError(f"data: line {number} of {path} has no tag: {line[:60]!r}")
        rows[-1][0].append(columns[0].strip())
        rows[-1][1].append(columns[-1].strip())
    found = [row for row in rows if row[0]]
    if not found:
        raise InputError(f"data: {path} has no sentence")
    return found


def _sides(rows: Iterable[Line]) -> Tagged:
    rows = list(rows)
    return Tagged([words for words, _ in rows], [tags for _, tags in rows])


def _tfds(name: str) -> TaggedCorpus:
    found = tfds_source.builder(name)
    features = found.info.features
    if not {"tokens", "ner"} <= set(features):
        raise InputError(f"data: tfds:{name} has {sorted(features)}: tokens and ner are needed")
    names = features["ner"].feature.names

    def part(split: str) -> Tagged:
        rows = tfds_source.rows(found, split)
        both = [(row["tokens"], row["ner"]) for row in rows]
        words = [[w.decode() if isinstance(w, bytes) else str(w) for w in ws] for ws, _ in both]
        return Tagged(words, [[names[tag] for tag in tags] for _, tags in both])

    return TaggedCorpus(*map(part, tfds_source.splits(found)))

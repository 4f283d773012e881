"""Speech with transcripts: what every source of it gives."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from rnn_jax.data.errors import InputError


@dataclass(frozen=True, eq=False)
class Utterances:
    """Recordings and what is said in them; entry i of one belongs to entry i of the others.

    The samples may be read when they are asked for; the lengths are known at once. So they go into
    batches of like length, ``PairBatches(part.samples, tokens, source_lengths=part.lengths)``.

    Raises:
        ValueError: if the numbers of entries differ.

    Example:
        >>> part = Utterances([np.zeros(800, np.float32)], ["7"], [800], ["7_theo_0"], ["theo"])
        >>> part.size, part.select([]).size
        (1, 0)
    """

    samples: Sequence[np.ndarray] = field(repr=False)  # (N,) float32 each, between -1 and 1
    texts: Sequence[str]
    lengths: Sequence[int] | np.ndarray  # (U,) samples of each
    names: Sequence[str]  # unique within a corpus: a file, or the place in it
    speakers: Sequence[str]  # "" where not known

    def __post_init__(self) -> None:
        object.__setattr__(self, "lengths", np.asarray(self.lengths, np.int64))
        counts = [len(column) for column in self._columns]
        if len(set(counts)) > 1:
            raise ValueError(
                f"{counts[0]} recordings, {counts[1]} texts, {counts[2]} lengths, {counts[3]} "
                f"names and {counts[4]} speakers: give as many of each"
            )

    @property
    def _columns(self) -> tuple[Any, ...]:
        return (self.samples, self.texts, self.lengths, self.names, self.speakers)

    @property
    def size(self) -> int:
        """Number of utterances."""
        return len(self.texts)

    def select(self, places: Sequence[int]) -> "Utterances":
        """The utterances at these places; samples that are read when asked for stay so."""
        return Utterances(
            Picked(self.samples, tuple(places)),
            [self.texts[i] for i in places],
            [int(self.lengths[i]) for i in places],
            [self.names[i] for i in places],
            [self.speakers[i] for i in places],
        )


class Picked(Sequence[Any]):
    """Some rows of another sequence, taken when they are asked for.

    Example:
        >>> list(Picked("abc", (2, 0)))
        ['c', 'a']
    """

    def __init__(self, rows: Sequence[Any], places: Sequence[int]) -> None:
        self.rows, self.places = rows, places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self.rows[place] for place in self.places[index]]
        return self.rows[self.places[index]]


@dataclass(frozen=True, eq=False)
class SpeechCorpus:
    """Speech ready to train on; no recording is in two parts.

    Example:
        >>> def part(name):
        ...     return Utterances([np.zeros(16000)], ["seven"], [16000], [name], ["theo"])
        >>> corpus = SpeechCorpus(part("a"), part("b"), part("c"), 8000, ("channels averaged",))
        >>> print(corpus)
        train 1 utterance, 0.0 h; validation 1 utterance, 0.0 h; test 1 utterance, 0.0 h; 8000 Hz
    """

    train: Utterances
    validation: Utterances
    test: Utterances
    sample_rate: int  # Hz
    notes: tuple[str, ...] = ()  # what a user should know: what was left out, resampled, averaged

    def part(self, name: str) -> Utterances:
        """The part "train", "validation" or "test".

        Raises:
            InputError: if there is nothing in it.
        """
        found: Utterances = getattr(self, name)
        if not found.size:
            raise InputError(
                f"data: there are no recordings in the part {name}; where the source names parts, "
                "name one train, dev and test"
            )
        return found

    def __str__(self) -> str:
        sizes = []
        for name in ("train", "validation", "test"):
            part: Utterances = getattr(self, name)
            hours = np.sum(part.lengths) / self.sample_rate / 3600
            plural = "" if part.size == 1 else "s"
            sizes.append(f"{name} {part.size:,} utterance{plural}, {hours:.1f} h")
        return "; ".join([*sizes, f"{self.sample_rate} Hz"])

    @cached_property
    def digest(self) -> str:
        """Equal for equal names, texts, lengths and splits: a run is not resumed on other data."""
        sha = hashlib.sha256(str(self.sample_rate).encode())
        for part in (self.train, self.validation, self.test):
            rows = zip(part.names, part.texts, np.asarray(part.lengths).tolist(), strict=True)
            sha.update(repr(list(rows)).encode())
        return sha.hexdigest()[:16]


def split(utterances: Utterances, seed: int = 0) -> tuple[Utterances, Utterances, Utterances]:
    """Train, validation and test: of every ten one, at least one, for each of the last two.

    By speakers if there are at least ten, so that what is tested is unseen voices; else by
    recordings. Names are sorted before they are drawn: the order of the files does not matter.

    Args:
        utterances: at least 3.
        seed: of the draw.

    Returns:
        (train, validation, test), each in the order of the names.

    Raises:
        ValueError: if there are fewer than 3.

    Example:
        >>> names = [f"{i}.wav" for i in range(20)]
        >>> whole = Utterances([np.zeros(1)] * 20, ["a"] * 20, [1] * 20, names, [""] * 20)
        >>> [part.size for part in split(whole)]
        [16, 2, 2]
    """
    if utterances.size < 3:
        raise ValueError(f"{utterances.size} utterances cannot be split; give at least 3")
    by_speaker = len(set(utterances.speakers)) >= 10
    groups = utterances.speakers if by_speaker else utterances.names
    drawn = sorted(set(groups))
    np.random.default_rng(seed).shuffle(drawn)
    tenth = max(1, len(drawn) // 10)
    order = sorted(range(utterances.size), key=lambda i: utterances.names[i])
    cuts = (drawn[2 * tenth :], drawn[:tenth], drawn[tenth : 2 * tenth])
    train, validation, test = (
        utterances.select([i for i in order if groups[i] in chosen]) for chosen in map(set, cuts)
    )
    return train, validation, test

"""Spoken digits of the Free Spoken Digit Dataset (FSDD): alone, and in strings."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnn_jax.data.audio import AudioFiles, named
from rnn_jax.data.errors import InputError
from rnn_jax.data.speech import SpeechCorpus, Utterances

SAMPLE_RATE = 8000
NUM_TEST = 5  # recordings 0..4 of each digit and speaker: the official test part
FILE = re.compile(r"(\d)_([^_]+)_(\d+)\.(?:wav|flac)")
STRINGS_OF_TEST = 1  # what tells the draws of the parts apart
STRINGS_OF_VALIDATION = 2
STRINGS_OF_TRAIN = 3


def read_digits(
    folder: str | Path, sample_rate: int = SAMPLE_RATE
) -> tuple[Utterances, tuple[str, ...]]:
    """Reads a folder of recordings DIGIT_SPEAKER_INDEX.wav into memory.

    Args:
        folder: FSDD's ``recordings``, or the folder around it. All of FSDD are 42 MB.
        sample_rate: in Hz, what the samples shall have.

    Returns:
        The utterances in order of digit, speaker and index, whose texts are one digit each and
        whose names are DIGIT_SPEAKER_INDEX; and the notes on what was changed or left out.

    Raises:
        InputError: if there are no such files or one of them cannot be used.

    Example:
        >>> read_digits("no/such/folder")
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: data: no/such/folder is no folder
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"data: {folder} is no folder")
    if (folder / "recordings").is_dir():
        folder = folder / "recordings"
    found, other = [], []
    for path in sorted(folder.iterdir()):
        if match := FILE.fullmatch(path.name):
            found.append((match[1], match[2], int(match[3]), path))
        elif path.suffix in (".wav", ".flac"):
            other.append(path.name)
    if not found:
        raise InputError(f"data: {folder} holds no recordings named like 7_theo_12.wav")
    digits, speakers, indices, paths = zip(*sorted(found))
    files = AudioFiles(paths, sample_rate)
    names = [f"{d}_{s}_{i}" for d, s, i in zip(digits, speakers, indices)]
    notes = list(files.notes)
    if other:
        notes.append(f"left out, not named like 7_theo_12.wav: {named(other)}")
    return Utterances(list(files), digits, files.lengths, names, speakers), tuple(notes)


def parts(
    digits: Utterances, *, unseen_speaker: str | None = None, num_validation: int = 0
) -> tuple[Utterances, Utterances, Utterances]:
    """Train, validation and test of isolated digits.

    The official split tests recordings 0..4 of each digit and speaker. With `unseen_speaker`, all
    recordings of that speaker are the test, and none of the others.

    Args:
        digits: of `read_digits`.
        unseen_speaker: who is left out of training; None for the official split.
        num_validation: of the recordings 5, 6, ... of each digit and speaker, how many are held out
            of training to choose settings by; the published results choose none and have 0.

    Returns:
        (train, validation, test).

    Raises:
        InputError: if there is no such speaker, or nothing is left to train or to test on.

    Example:
        >>> names = [f"7_{speaker}_{i}" for speaker in ("lucas", "theo") for i in range(9)]
        >>> digits = Utterances(
        ...     [np.zeros(9)] * 18, ["7"] * 18, [9] * 18, names, ["lucas"] * 9 + ["theo"] * 9
        ... )
        >>> [part.size for part in parts(digits, num_validation=1)]
        [6, 2, 10]
        >>> [part.size for part in parts(digits, unseen_speaker="theo", num_validation=1)]
        [8, 1, 9]
    """
    speakers = sorted(set(digits.speakers))
    if unseen_speaker is not None and unseen_speaker not in speakers:
        raise InputError(
            f"unseen_speaker: no recordings of {unseen_speaker!r}; there are {', '.join(speakers)}"
        )
    train: list[int] = []
    validation: list[int] = []
    test: list[int] = []
    for place, (name, speaker) in enumerate(zip(digits.names, digits.speakers)):
        index = int(name.rsplit("_", 1)[1])
        tested = index < NUM_TEST if unseen_speaker is None else speaker == unseen_speaker
        if tested:
            test.append(place)
        elif NUM_TEST <= index < NUM_TEST + num_validation:
            validation.append(place)
        else:
            train.append(place)
    if not train or not test:
        raise InputError(
            f"data: of {digits.size} recordings {len(train)} are to train and {len(test)} to test "
            f"on: give recordings 0..{NUM_TEST - 1} of each digit and speaker, which are the test, "
            "and more"
        )
    return digits.select(train), digits.select(validation), digits.select(test)


class _Joined(Sequence[np.ndarray]):
    """Recordings one after another, put together when they are asked for."""

    def __init__(self, rows: Sequence[np.ndarray], places: list[list[int]]) -> None:
        self.rows, self.places = rows, places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        return np.concatenate([self.rows[place] for place in self.places[index]])


def strings(
    digits: Utterances, count: int, *, seed: int | Sequence[int], max_digits: int = 5
) -> Utterances:
    """Connected digits: recordings of one speaker, one after another.

    Each string draws its length from 1..max_digits, its speaker, and each digit's recording
    uniformly. String i depends on the seed and i alone, so a longer draw begins with a shorter one.

    Args:
        digits: of `read_digits`, or a part of them.
        count: strings.
        seed: of the draws.
        max_digits: the longest string.

    Returns:
        Utterances: texts like "7302"; the samples are joined when they are asked for.

    Raises:
        ValueError: if `count` or `max_digits` is below 1, or there are no digits.

    Example:
        >>> digits = Utterances(
        ...     [np.full(n + 1, n) for n in range(3)], "012", [1, 2, 3], list("abc"), ["theo"] * 3
        ... )
        >>> two = strings(digits, 2, seed=0, max_digits=3)
        >>> two.texts, two.samples[0].tolist(), two.lengths
        (['110', '22'], [1, 1, 1, 1, 0], array([5, 6]))
    """
    if count < 1 or max_digits < 1 or not digits.size:
        raise ValueError(
            f"count {count}, max_digits {max_digits} and the {digits.size} digits must be positive"
        )
    of_speaker: dict[str, list[int]] = {}
    for place, speaker in enumerate(digits.speakers):
        of_speaker.setdefault(speaker, []).append(place)
    speakers = sorted(of_speaker)
    seeds = [seed] if isinstance(seed, int) else list(seed)
    places, spoken = [], []
    for i in range(count):
        rng = np.random.default_rng([*seeds, i])
        spoken.append(speakers[rng.integers(len(speakers))])
        own = of_speaker[spoken[-1]]
        drawn = rng.integers(len(own), size=rng.integers(1, max_digits + 1))
        places.append([own[place] for place in drawn])
    lengths = np.asarray(digits.lengths)
    return Utterances(
        _Joined(digits.samples, places),
        ["".join(digits.texts[p] for p in row) for row in places],
        [int(lengths[row].sum()) for row in places],
        ["+".join(digits.names[p] for p in row) for row in places],
        spoken,
    )


def load_digits(
    folder: str | Path,
    *,
    num_strings: int = 0,
    seed: int = 0,
    unseen_speaker: str | None = None,
    num_validation: int = 0,
    sample_rate: int = SAMPLE_RATE,
) -> SpeechCorpus:
    """FSDD as a corpus: isolated digits, or connected strings of 1 to 5 of them.

    Args:
        folder: as for `read_digits`.
        num_strings: strings to train on, drawn by `seed`; 0 for isolated digits. The 500 strings
            of the test, and the 200 of the validation if there is one, are the same for all seeds.
        seed: of the strings to train on; take another one each epoch for ever new strings.
        unseen_speaker, num_validation: as for `parts`.
        sample_rate: as for `read_digits`.

    Returns:
        SpeechCorpus.

    Raises:
        InputError: as `read_digits` and `parts` say.

    Example:
        >>> load_digits("no/such/folder", num_strings=8)
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: data: no/such/folder is no folder
    """
    digits, notes = read_digits(folder, sample_rate)
    train, validation, test = parts(
        digits, unseen_speaker=unseen_speaker, num_validation=num_validation
    )
    if num_strings:
        train = strings(train, num_strings, seed=[STRINGS_OF_TRAIN, seed])
        test = strings(test, 500, seed=[STRINGS_OF_TEST])
        if validation.size:
            validation = strings(validation, 200, seed=[STRINGS_OF_VALIDATION])
    return SpeechCorpus(train, validation, test, sample_rate, notes)

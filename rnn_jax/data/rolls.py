"""Piano rolls in three parts: from a .mat file, MIDI files, or made."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from rnn_jax.data import chorales, midi
from rnn_jax.data.errors import InputError

MADE = (400, 50, 100)  # pieces to train on, to choose by, to test with
PARTS = ("traindata", "validdata", "testdata")  # in .mat files


class Floors(dict[str, float]):
    """Losses by name that read well.

    Example:
        >>> print(Floors({"chance": 0.5}))
        chance 0.500
    """

    def __str__(self) -> str:
        return ", ".join(f"{name} {loss:.3f}" for name, loss in self.items())


@dataclass(frozen=True, eq=False)
class RollCorpus:
    """Pieces (T, 88) of music, uint8: 1 where a key of the piano is down.

    Example:
        >>> piece = np.eye(88, dtype=np.uint8)[[39, 39, 43]]
        >>> corpus = RollCorpus([piece], [piece], [piece])
        >>> print(corpus)
        1 pieces to train on, 1 to choose by, 1 to test, 3 steps to learn from, 1.0 keys down
    """

    train: list[np.ndarray]
    validation: list[np.ndarray]
    test: list[np.ndarray]
    made: bool = False  # by the rules of ``chorales``

    @property
    def digest(self) -> str:
        """Equal for equal pieces."""
        hashed = hashlib.sha256()
        for part in (self.train, self.validation, self.test):
            hashed.update(repr([len(piece) for piece in part]).encode())
            hashed.update(b"".join(np.packbits(piece).tobytes() for piece in part))
        return f"sha256:{hashed.hexdigest()[:16]}"

    def floors(self, part: Literal["validation", "test"]) -> Floors:
        """Nats per step of a part without a network, by name.

        The per-note Markov chain of what is trained on; and of made pieces the rules themselves.
        """
        pieces = self.test if part == "test" else self.validation
        found = Floors({"per-note Markov": markov_nats(markov_chain(self.train), pieces)})
        if self.made:
            found["the rules"] = rules_nats(pieces)
        return found

    def __str__(self) -> str:
        steps = np.concatenate(self.train)
        return (
            f"{len(self.train)} pieces to train on, {len(self.validation)} to choose by, "
            f"{len(self.test)} to test, {len(steps):,} steps to learn from, "
            f"{steps.sum(axis=1).mean():.1f} keys down"
        )


def load_rolls(data: str | None = None, *, steps_per_beat: int = 2) -> RollCorpus:
    """Music from wherever it is.

    Args:
        data: None or "chorales" for harmony in four parts, made by rules; FILE.mat with
            ``traindata``, ``validdata`` and ``testdata`` (JSB Chorales, Nottingham, ... by
            Boulanger-Lewandowski); or a folder of MIDI files, .mid or .midi, of which a tenth is
            to choose by and a tenth to test with, by a hash of what is in them.
        steps_per_beat: Steps of a quarter note, of MIDI files.

    Raises:
        InputError: if there is no such music, or too little.

    Example:
        >>> load_rolls("song.wav")
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: data: song.wav is neither a .mat file nor a folder of .mid
        files
    """
    if data in (None, "chorales"):
        return made_chorales()
    path = Path(str(data))
    if path.suffix == ".mat":
        return _read_mat(path)
    if not path.is_dir():
        raise InputError(f"data: {data} is neither a .mat file nor a folder of .mid files")
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in (".mid", ".midi"))
    parts: tuple[list[np.ndarray], ...] = ([], [], [])
    for file in files:
        share = int(hashlib.sha256(file.read_bytes()).hexdigest()[:8], 16) / 2**32
        roll = midi.read_midi(file, steps_per_beat=steps_per_beat)
        parts[1 if share < 0.1 else 2 if share < 0.2 else 0].append(roll)
    if not all(parts):
        raise InputError(
            f"data: {data} has {len(files)} .mid files, which do not fill three parts: give more"
        )
    return RollCorpus(parts[0], parts[1], parts[2])


def made_chorales(sizes: Sequence[int] = MADE, seed: int = 0) -> RollCorpus:
    """Harmony in four parts by ``chorales.chorale``; no two parts share the seed of a piece.

    Example:
        >>> corpus = made_chorales((2, 1, 1))
        >>> corpus.train[1].shape, corpus.train[1].sum(axis=1).tolist() == [4] * 32
        ((32, 88), True)
    """
    train, validation, test = (
        [as_roll(chorales.chorale(np.random.default_rng([seed, part, k]))) for k in range(size)]
        for part, size in enumerate(sizes)
    )
    return RollCorpus(train, validation, test, made=True)


def as_roll(pitches: np.ndarray) -> np.ndarray:
    """Voices (T, V) in MIDI's numbers as a roll (T, 88).

    Example:
        >>> as_roll(np.array([[60, 64]]))[0].nonzero()[0].tolist()
        [39, 43]
    """
    roll = np.zeros((len(pitches), midi.NUM_KEYS), np.uint8)
    np.put_along_axis(roll, pitches - midi.LOWEST, 1, axis=1)
    return roll


def rules_nats(pieces: Sequence[np.ndarray]) -> float:
    """Nats per step of pieces of ``made_chorales`` by the rules themselves: the least there can be.

    Example:
        >>> bool(2 < rules_nats(made_chorales((0, 0, 2)).test) < 3)
        True
    """
    voices = [roll.nonzero()[1].reshape(len(roll), 4) + midi.LOWEST for roll in pieces]
    return -sum(map(chorales.log_probability, voices)) / sum(map(len, pieces))


def share_of_chords(pieces: Sequence[np.ndarray]) -> float:
    """The share of steps (T, 88) at which four keys are down that make a chord of some key.

    Example:
        >>> steps = as_roll(np.array([[48, 55, 60, 64], [48, 55, 60, 65]]))  # C E G, and C F G
        >>> share_of_chords([steps]), share_of_chords(made_chorales((1, 0, 0)).train)
        (0.5, 1.0)
    """
    known = {
        frozenset((tonic + tone) % 12 for tone in tones)
        for tonic in range(12)
        for mode in chorales.CHORDS.values()
        for chord in mode.values()
        for tones in (chord, chord[:2] if chord == mode["I"] else chord)
    }
    downs = [np.flatnonzero(step) + midi.LOWEST for piece in pieces for step in piece]
    return float(np.mean([len(down) == 4 and frozenset(down % 12) in known for down in downs]))


def spelled(roll: np.ndarray) -> str:
    """The keys of each step by name, the lowest first.

    Example:
        >>> spelled(as_roll(np.array([[48, 55, 60, 64], [48, 56, 60, 65]])))
        'C3 G3 C4 E4 | C3 G#3 C4 F4'
    """
    names = "C C# D D# E F F# G G# A A# B".split()
    keys = [np.flatnonzero(step) + midi.LOWEST for step in roll]
    return " | ".join(" ".join(f"{names[k % 12]}{k // 12 - 1}" for k in step) for step in keys)


def markov_chain(pieces: Sequence[np.ndarray]) -> np.ndarray:
    """How probable a key is to be down (2, D), after it was up and after it was down.

    Each key by itself; before the first step all are up. A count of 1 is added to each.

    Example:
        >>> markov_chain([np.array([[1], [1], [1], [0]])]).T.round(2).tolist()
        [[0.67, 0.6]]
    """
    down, all_steps = np.ones((2, 2, pieces[0].shape[1]))
    all_steps += 1
    for piece in pieces:
        before = _before(piece)
        for state in (0, 1):
            down[state] += ((before == state) & (piece == 1)).sum(axis=0)
            all_steps[state] += (before == state).sum(axis=0)
    return down / all_steps


def markov_nats(chain: np.ndarray, pieces: Sequence[np.ndarray]) -> float:
    """Nats per step, over all keys, of a per-note Markov chain (2, D).

    Example:
        >>> round(markov_nats(np.array([[0.5], [0.25]]), [np.array([[1], [0]])]), 4)  # 1/2, 3/4
        0.4904
    """
    total = 0.0
    for piece in pieces:
        p = np.where(_before(piece) == 1, chain[1], chain[0])
        total -= np.log(np.where(piece == 1, p, 1 - p)).sum()
    return float(total) / sum(map(len, pieces))


def _before(piece: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros_like(piece[:1]), piece[:-1]])


def _read_mat(path: Path) -> RollCorpus:
    from scipy.io import loadmat, matlab  # comes with JAX

    try:
        found = loadmat(path)
    except (OSError, ValueError, NotImplementedError, matlab.MatReadError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"data: cannot read {path}: {reason}") from None
    if missing := [part for part in PARTS if part not in found]:
        raise InputError(f"data: {path} has no {', '.join(missing)}")
    parts = [[np.asarray(piece) for piece in found[part].ravel()] for part in PARTS]
    for name, part in zip(PARTS, parts):
        if not part:
            raise InputError(f"data: {path}, {name}: there is no piece in it")
        for piece in part:
            if piece.ndim != 2 or piece.shape[1] != midi.NUM_KEYS or not len(piece):
                raise InputError(f"data: {path}, {name}: {piece.shape} is no roll (T, 88)")
            if not np.isin(piece, (0, 1)).all():
                raise InputError(f"data: {path}, {name}: a roll holds more than 0 and 1")
    train, validation, test = ([piece.astype(np.uint8) for piece in part] for part in parts)
    return RollCorpus(train, validation, test)

"""Harmony in four parts, made by the rules that a first course teaches, with its probabilities.

A piece has 4 phrases in one of 24 keys; the first and the third end on the dominant, the others on
the tonic, held for a step more. Chords follow each other as they do in a cadence, and the voices
move little, in their ranges, never in parallel fifths or octaves; the leading tone rises and the
seventh falls. Nothing but the choice among what the rules allow is left to chance, so how probable
a piece is can be computed: no model can do better on average.
"""

from functools import cache
from itertools import product
from typing import NamedTuple

import numpy as np

# The voices from the lowest to the highest, in MIDI's numbers of keys (60 is the middle C).
RANGES = ((40, 60), (48, 67), (55, 74), (60, 79))
# Chords by what they are built of: half tones above the tonic, the root first.
CHORDS = {
    "major": {"I": (0, 4, 7), "ii": (2, 5, 9), "IV": (5, 9, 0), "V": (7, 11, 2),
              "V7": (7, 11, 2, 5), "vi": (9, 0, 4)},
    "minor": {"I": (0, 3, 7), "ii": (2, 5, 8), "IV": (5, 8, 0), "V": (7, 11, 2),
              "V7": (7, 11, 2, 5), "vi": (8, 0, 3)},
}  # fmt: skip
FOLLOWERS = {
    "I": ("ii", "IV", "V", "vi"), "ii": ("V", "V7"), "IV": ("I", "ii", "V", "V7"),
    "V": ("I", "vi"), "V7": ("I", "vi"), "vi": ("ii", "IV"),
}  # fmt: skip
PHRASE, PHRASES = 7, 4  # chords of a phrase, of which the last is held for two steps
LENGTH = (PHRASE + 1) * PHRASES  # steps of a piece
KEYS = tuple((tonic, mode) for mode in CHORDS for tonic in range(12))
PAIRS = (np.array([0, 0, 0, 1, 1, 2]), np.array([1, 2, 3, 2, 3, 3]))  # of voices
LEAPS = np.array([12, 7, 7, 7])  # half tones, the largest of each voice
EASE = 5.0  # half tones: how far the four voices like to move together


class Choices(NamedTuple):
    """What may come next."""

    chords: tuple[str, ...]
    pitches: np.ndarray  # (N, 4), of each the voices from the lowest to the highest
    probabilities: np.ndarray  # (N,)


def chorale(rng: np.random.Generator) -> np.ndarray:
    """A piece (32, 4): the keys of the four voices, in MIDI's numbers, at every step.

    Example:
        >>> piece = chorale(np.random.default_rng(0))
        >>> piece.shape, bool((np.diff(piece, axis=1) > 0).all())  # voices do not cross
        ((32, 4), True)
    """
    key, steps, last = KEYS[rng.integers(len(KEYS))], [], None
    for k in range(PHRASE * PHRASES):
        choices = next_chords(key, k, last)
        at = rng.choice(len(choices.pitches), p=choices.probabilities)
        last = choices.chords[at], tuple(choices.pitches[at].tolist())
        steps += [last[1]] * (2 if (k + 1) % PHRASE == 0 else 1)
    return np.array(steps)


def log_probability(piece: np.ndarray) -> float:
    """The logarithm of the probability with which ``chorale`` makes a piece, over all keys.

    Example:
        >>> piece = chorale(np.random.default_rng(0))
        >>> round(log_probability(piece) / 32, 1), log_probability(piece[::-1])
        (-2.2, -inf)
    """
    found = [_log_probability(key, piece) for key in KEYS]
    return float(np.logaddexp.reduce(found)) - float(np.log(len(KEYS)))


def _log_probability(key: tuple[int, str], piece: np.ndarray) -> float:
    if len(piece) != LENGTH:
        return -np.inf
    held = piece.reshape(PHRASES, PHRASE + 1, 4)
    if (held[:, -1] != held[:, -2]).any():
        return -np.inf
    total, last = 0.0, None
    for k, pitches in enumerate(held[:, :-1].reshape(-1, 4)):
        choices = next_chords(key, k, last)
        (found,) = np.nonzero((choices.pitches == pitches).all(axis=1))
        if not len(found):
            return -np.inf
        (at,) = found  # the notes tell the chord
        total += float(np.log(choices.probabilities[at]))
        last = choices.chords[at], tuple(pitches.tolist())
    return total


def next_chords(key: tuple[int, str], k: int, last: tuple[str, tuple[int, ...]] | None) -> Choices:
    """What may be the chord k of a piece in some key, after a chord and its voices.

    Each chord that the rules allow is equally probable; of its voices those are that move little.
    In a corner, which is rare, single voices may leap; in a worse one all may move as they like.

    Example:
        >>> found = next_chords((0, "major"), 13, ("V7", (43, 59, 65, 74)))  # the phrase's end
        >>> found.chords[found.probabilities.argmax()], found.pitches.tolist()
        ('I', [[48, 60, 64, 72], [48, 60, 64, 76]])
    """
    for rules in (2, 1, 0):
        chords, pitches, weights = [], [], []
        for chord in _allowed(k, last[0] if last else None):
            voices = _voicings(*key, chord, k == 0 or (k + 1) % PHRASE == 0)
            weight = np.ones(len(voices))
            if last is not None:
                weight = _ease(last, chord, voices, key[0], rules)
            if weight.any():
                voices, weight = voices[weight > 0], weight[weight > 0]
                chords += [chord] * len(voices)
                pitches.append(voices)
                weights.append(weight / weight.sum())
        if pitches:
            break
    return Choices(tuple(chords), np.concatenate(pitches), np.concatenate(weights) / len(weights))


@cache
def _allowed(k: int, last: str | None) -> tuple[str, ...]:
    """The chords that may be at place k and from which the end of the phrase can be reached."""
    phrase, place = divmod(k, PHRASE)
    if place == 0:
        return ("I",)
    candidates = FOLLOWERS[last or "I"]
    if place == PHRASE - 1:
        return tuple(c for c in candidates if c == ("I" if phrase % 2 else "V"))
    if place == PHRASE - 2 and phrase % 2:
        candidates = tuple(c for c in candidates if c in ("V", "V7"))
    return tuple(c for c in candidates if _allowed(k + 1, c))


@cache
def _voicings(tonic: int, mode: str, chord: str, root_below: bool) -> np.ndarray:
    """All ways (N, 4) to spread a chord over the voices."""
    tones = [(tonic + tone) % 12 for tone in CHORDS[mode][chord]]
    leading, bass = (tonic + 11) % 12, tones[: 1 if root_below else 2]
    whole = set(tones[:2] if chord == "I" else tones)  # the tonic may do without its fifth
    places = [[p for p in range(low, high + 1) if p % 12 in tones] for low, high in RANGES]
    places[0] = [p for p in places[0] if p % 12 in bass]
    found = [
        v
        for v in product(*places)
        if v[0] < v[1] < v[2] < v[3]
        and v[1] - v[0] <= 19 and v[2] - v[1] <= 12 and v[3] - v[2] <= 12
        and {p % 12 for p in v} in (set(tones), whole)
        and sum(p % 12 == leading for p in v) <= 1
    ]  # fmt: skip
    return np.array(found)


def _ease(
    last: tuple[str, tuple[int, ...]], chord: str, voices: np.ndarray, tonic: int, rules: int
) -> np.ndarray:
    """How readily each of voices (N, 4) follows; 0 where a rule forbids it."""
    before = np.array(last[1])
    moves, degrees = voices - before, (before - tonic) % 12
    good = np.ones(len(voices), bool)
    if rules > 0:
        low, high = PAIRS
        interval = (before[high] - before[low]) % 12  # (6,)
        same = (voices[:, high] - voices[:, low]) % 12 == interval
        perfect = (interval == 0) | (interval == 7)
        good &= ~(same & perfect & (moves[:, low] != 0)).any(axis=1)
    if rules > 1:
        good &= (np.abs(moves) <= LEAPS).all(axis=1)
        if last[0] in ("V", "V7") and chord == "I":
            good &= (moves[:, degrees == 11] == 1).all(axis=1)
        if last[0] == "V7":
            good &= np.isin(moves[:, degrees == 5], (-1, -2)).all(axis=1)
    return np.where(good, np.exp(-np.abs(moves).sum(axis=1) / EASE), 0.0)

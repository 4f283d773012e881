"""Piano rolls from MIDI files and into them, by mido."""

from pathlib import Path

import numpy as np

from rnn_jax.data.errors import InputError, extra

LOWEST, NUM_KEYS = 21, 88  # of a piano: MIDI's numbers 21 to 108
DRUMS = 9  # the channel whose numbers are no pitches
TICKS = 480  # of a beat, in what is written
SLOWEST, FASTEST = 4, 1000  # quarter notes a minute: MIDI counts no slower beats


def write_midi(
    path: str | Path, roll: np.ndarray, *, steps_per_beat: int = 2, tempo: float = 100.0
) -> None:
    """Writes a piano roll; a key that stays down is one note.

    Args:
        path: The file.
        roll: (T, 88), 1 where a key is down; the first is the piano's lowest, A0.
        steps_per_beat: Steps of a quarter note, 1 to 480.
        tempo: Quarter notes a minute, 4 to 1000.

    Raises:
        ValueError: If the roll has another number of keys, or a number is out of range.
        InputError: If mido is not installed.

    Example:
        >>> import tempfile
        >>> roll = np.zeros((4, 88), bool)
        >>> roll[1:3, 39] = roll[2:, 43] = True  # C4 and E4
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     write_midi(Path(directory) / "a.mid", roll)
        ...     bool((read_midi(Path(directory) / "a.mid") == roll).all())
        True
    """
    roll = np.asarray(roll).astype(np.int8)
    if roll.ndim != 2 or roll.shape[1] != NUM_KEYS:
        raise ValueError(f"roll has shape {roll.shape}: give steps and keys (T, {NUM_KEYS}).")
    if not (1 <= steps_per_beat <= TICKS and SLOWEST <= tempo <= FASTEST):
        raise ValueError(
            f"steps_per_beat {steps_per_beat} must be in 1..{TICKS} and tempo {tempo} in "
            f"{SLOWEST}..{FASTEST}."
        )
    with extra("MIDI", "mido"):
        import mido
    song = mido.MidiFile(ticks_per_beat=TICKS)
    track = song.add_track()
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(tempo)))
    edge, step = np.zeros((1, NUM_KEYS), np.int8), TICKS // steps_per_beat
    changes = np.diff(np.concatenate([edge, roll, edge]), axis=0)  # (T + 1, 88)
    now = 0
    for t, change in enumerate(changes):
        for kind, sign in (("note_off", -1), ("note_on", 1)):
            for key in np.flatnonzero(change == sign):
                wait, now = t * step - now, t * step
                track.append(mido.Message(kind, note=int(key) + LOWEST, velocity=80, time=wait))
    track.append(mido.MetaMessage("end_of_track", time=len(roll) * step - now))
    song.save(path)


def read_midi(path: str | Path, *, steps_per_beat: int = 2) -> np.ndarray:
    """The piano roll (T, 88) of a MIDI file, uint8, all instruments but drums together.

    Notes begin and end at the nearest step, and last for one at least.

    Args:
        path: The file.
        steps_per_beat: Steps of a quarter note.

    Raises:
        InputError: If it is no such file, has no beat or no note, or mido is not installed.

    Example:
        >>> read_midi("no/such.mid")
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: data: cannot read no/such.mid: No such file or directory
    """
    with extra("MIDI", "mido"):
        import mido
    try:
        song = mido.MidiFile(path)
    except FileNotFoundError as error:
        raise InputError(f"data: cannot read {path}: {error.strerror}") from None
    except (OSError, EOFError, ValueError, IndexError, KeyError) as error:
        raise InputError(f"data: {path} is no MIDI file: {str(error) or 'it breaks off'}") from None
    if not 0 < song.ticks_per_beat < 2**15:
        raise InputError(f"data: {path} counts seconds, not beats: there is no step in it")
    notes, ticks = [], 0
    down: dict[tuple[int, int], float] = {}  # since when, by channel and key
    for message in mido.merge_tracks(song.tracks):
        ticks += message.time
        now = ticks * steps_per_beat / song.ticks_per_beat
        if message.type not in ("note_on", "note_off") or message.channel == DRUMS:
            continue
        place = message.channel, message.note - LOWEST
        if place in down:  # it ends, or is struck again
            notes.append((down.pop(place), now, place[1]))
        if message.type == "note_on" and message.velocity and 0 <= place[1] < NUM_KEYS:
            down[place] = now
    if not notes:
        raise InputError(f"data: {path} has no notes on the piano's keys")
    steps = [(begin, max(round(end), begin + 1), key)
             for begin, end, key in ((round(b), e, k) for b, e, k in notes)]  # fmt: skip
    length = max(round(ticks * steps_per_beat / song.ticks_per_beat), *(end for _, end, _ in steps))
    roll = np.zeros((length, NUM_KEYS), np.uint8)
    for begin, end, key in steps:
        roll[begin:end, key] = 1
    return roll

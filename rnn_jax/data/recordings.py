"""Recordings that nobody has transcribed yet."""

from collections.abc import Sequence

from rnn_jax.data.audio import read_audio
from rnn_jax.data.errors import InputError
from rnn_jax.data.speech import Utterances


def read_recordings(paths: Sequence[str], sample_rate: int) -> tuple[Utterances, list[str]]:
    """Recordings without transcripts, read at once.

    Args:
        paths: the files; a file may be named twice.
        sample_rate: in Hz, what the samples shall have.

    Returns:
        The utterances, whose names are the paths; and what was resampled or averaged.

    Raises:
        InputError: if none is named, or a file cannot be read.

    Example:
        >>> read_recordings(["no/such/file.wav"], 8000)
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: audio: no such file: no/such/file.wav
    """
    if not paths:
        raise InputError("audio: no recording is named: give files, or their names line by line")
    read = [read_audio(path, sample_rate) for path in paths]
    none, samples = [""] * len(read), [audio.samples for audio in read]
    notes = [f"{path}: {note}" for path, audio in zip(paths, read) for note in audio.notes]
    return Utterances(samples, none, list(map(len, samples)), paths, none), notes

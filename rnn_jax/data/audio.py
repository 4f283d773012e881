"""Recordings: wav, FLAC and what else libsndfile reads, at one sample rate and in one channel."""

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from rnn_jax.data.errors import InputError, extra

NAMED = 3  # files that a note names


class AudioInfo(NamedTuple):
    """What the header of a file says."""

    sample_rate: int  # Hz
    num_channels: int
    num_samples: int  # of each channel


class Audio(NamedTuple):
    """A recording."""

    samples: np.ndarray  # (N,) float32, between -1 and 1
    notes: tuple[str, ...]  # what was changed while reading; empty if nothing was


def _soundfile() -> ModuleType:
    with extra("audio: reading recordings", "soundfile"):
        try:
            import soundfile
        except OSError as error:  # its library libsndfile
            raise ImportError(str(error)) from None
    return soundfile


def audio_info(path: str | Path) -> AudioInfo:
    """Reads the header of a recording.

    Args:
        path: the file.

    Returns:
        AudioInfo.

    Raises:
        InputError: if soundfile is not installed, or the file is missing, cannot be read or holds
            no samples.

    Example:
        >>> audio_info("no/such/file.wav")
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: audio: no such file: no/such/file.wav
    """
    soundfile = _soundfile()
    try:
        if not Path(path).exists():
            raise InputError(f"audio: no such file: {path}")
        info = soundfile.info(str(path))
    except (soundfile.SoundFileError, OSError) as error:
        raise _unreadable(path, error) from None
    if info.frames < 1:
        raise _empty(path)
    return AudioInfo(info.samplerate, info.channels, info.frames)


def _unreadable(path: str | Path, error: Exception) -> InputError:
    reason = " ".join(str(getattr(error, "error_string", error)).split()).rstrip(".")
    return InputError(
        f"audio: cannot read {path}: {reason}; take it out or convert it, for instance with "
        "`ffmpeg -i FILE FILE.wav`"
    )


def _empty(path: str | Path) -> InputError:
    return InputError(f"audio: {path} holds no samples; take it out or record it again")


def read_audio(path: str | Path, sample_rate: int | None = None) -> Audio:
    """Reads a recording: channels averaged, resampled if it has another rate.

    Args:
        path: wav, FLAC, Ogg or another format of libsndfile.
        sample_rate: in Hz, what the samples shall have; None for what the file has.

    Returns:
        Audio: the samples, and in words what was done to them.

    Raises:
        InputError: as `audio_info` says, or if the file is cut off or a sample is no finite number.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import soundfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.wav"
        ...     soundfile.write(path, np.full((80, 2), [0.25, 0.75]), 8000)
        ...     samples, notes = read_audio(path, 16000)
        >>> samples.shape, samples.dtype, notes
        ((160,), dtype('float32'), ('2 channels averaged', 'resampled from 8000 to 16000 Hz'))
    """
    soundfile, info = _soundfile(), audio_info(path)
    try:
        samples, _ = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise _unreadable(path, error) from None
    if len(samples) != info.num_samples:
        raise InputError(
            f"audio: {path} is cut off: it holds {len(samples)} samples of the {info.num_samples} "
            "that its header names; copy it anew or take it out"
        )
    if not np.isfinite(samples).all():
        raise InputError(f"audio: {path} holds samples that are NaN or infinite; convert it anew")
    notes = []
    if info.num_channels > 1:
        notes.append(f"{info.num_channels} channels averaged")
    samples = samples.mean(axis=1)
    if sample_rate is not None and sample_rate != info.sample_rate:
        notes.append(f"resampled from {info.sample_rate} to {sample_rate} Hz")
        samples = resample(samples, info.sample_rate, sample_rate)
    return Audio(samples, tuple(notes))


def resample(samples: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Samples at another rate, by a polyphase filter that keeps what both rates can hold.

    Args:
        samples: (N,).
        from_rate, to_rate: in Hz.

    Returns:
        (ceil(N * to_rate / from_rate),), in the dtype of `samples`.

    Raises:
        ValueError: if a rate is below 1.

    Example:
        >>> resample(np.ones(441, np.float32), 44100, 16000).shape
        (160,)
    """
    if min(from_rate, to_rate) < 1:
        raise ValueError(f"rates {from_rate} and {to_rate} Hz must be positive")
    if from_rate == to_rate:
        return samples
    from scipy.signal import resample_poly  # slow to import, and most recordings do not need it

    common = math.gcd(from_rate, to_rate)
    return resample_poly(samples, to_rate // common, from_rate // common).astype(samples.dtype)


class AudioFiles(Sequence[np.ndarray]):
    """Many recordings, each read when it is asked for; their headers are read at once.

    So a file that is missing, unreadable or empty is found at the start, and the lengths are known
    without decoding anything.

    Args:
        paths: the files.
        sample_rate: in Hz, what the samples shall have.

    Raises:
        InputError: as `audio_info` says.

    Example:
        >>> files = AudioFiles([], 16000)
        >>> len(files), files.lengths, files.notes
        (0, array([], dtype=int64), ())
    """

    def __init__(self, paths: Sequence[str | Path], sample_rate: int) -> None:
        self.paths = tuple(Path(path) for path in paths)
        self.sample_rate = sample_rate
        self.infos = tuple(map(audio_info, self.paths))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        return read_audio(self.paths[index], self.sample_rate).samples

    @cached_property
    def lengths(self) -> np.ndarray:
        """(U,) samples of each recording, once resampled."""
        return np.array(
            [-(-info.num_samples * self.sample_rate // info.sample_rate) for info in self.infos],
            np.int64,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What is changed while reading, in words, with the names of some files."""
        other = [i for i, info in enumerate(self.infos) if info.sample_rate != self.sample_rate]
        several = [i for i, info in enumerate(self.infos) if info.num_channels > 1]
        notes = []
        if other:
            rates = ", ".join(map(str, sorted({self.infos[i].sample_rate for i in other})))
            notes.append(f"resampled from {rates} to {self.sample_rate} Hz: {self._named(other)}")
        if several:
            notes.append(f"channels averaged: {self._named(several)}")
        return tuple(notes)

    def _named(self, places: list[int]) -> str:
        return f"{len(places)} of {len(self)} recordings, {named([self.paths[i] for i in places])}"


def named(things: Sequence[object]) -> str:
    """The first few of many, in words.

    Example:
        >>> named(["a", "b", "c", "d"])
        'a, b, c and 1 more'
    """
    shown = ", ".join(map(str, things[:NAMED]))
    return f"{shown} and {len(things) - NAMED} more" if len(things) > NAMED else shown

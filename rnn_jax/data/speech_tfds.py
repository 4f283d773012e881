"""Speech of TensorFlow Datasets (TFDS): librispeech, and others with a recording and a text."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnn_jax.data.audio import resample
from rnn_jax.data.errors import InputError
from rnn_jax.data.speech import SpeechCorpus, Utterances
from rnn_jax.data.tfds_source import Rows, builder, rows

RECORDING = ("speech", "audio", "samples")
TEXT = ("text", "transcript", "sentence", "label")
SPEAKER = ("speaker_id", "speaker", "client_id")
PARTS = {"train": ("train",), "validation": ("validation", "valid", "dev"), "test": ("test",)}


class _Recordings(Sequence[np.ndarray]):
    """The recordings of a split, read when they are asked for."""

    def __init__(self, source: Rows, column: str, from_rate: int, to_rate: int) -> None:
        self.source, self.column, self.rates = source, column, (from_rate, to_rate)

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        samples = np.asarray(self.source[index][self.column])
        if np.issubdtype(samples.dtype, np.integer):
            samples = samples / 32768
        return resample(samples.astype(np.float32), *self.rates)


def load_tfds(
    name: str,
    sample_rate: int,
    *,
    data_dir: str | Path | None = None,
    stored_rate: int = 16000,
    download: bool = False,
) -> SpeechCorpus:
    """Speech of a TFDS data set as a corpus, its recordings read when they are asked for.

    The parts are the splits whose names begin with train, with validation or dev, and with test:
    librispeech's train_clean100, train_clean360 and train_other500 together. Every row is read once
    at the start, for its length and text.

    Args:
        name: as TFDS knows it, "librispeech", or the folder of a prepared data set. Data sets with
            audio features, librispeech too, need ``pip install tensorflow-cpu``.
        sample_rate: in Hz, what the samples shall have.
        data_dir, download: as for ``tfds_source.builder``; nothing is downloaded unasked.
        stored_rate: in Hz, what a data set has that does not say.

    Returns:
        SpeechCorpus.

    Raises:
        InputError: as ``tfds_source.builder`` says, or if there is no recording, text or split to
            train on.

    Example:
        >>> # needs the data set on this machine
        >>> load_tfds("tfds_folder", 16000)  # doctest: +SKIP
    """
    found = builder(name, data_dir, download=download)
    features = found.info.features
    columns = [_column(features, names) for names in (RECORDING, TEXT)]
    if None in columns:
        raise InputError(
            f"data: tfds:{name} has {', '.join(features)}, but speech needs one of {RECORDING} and "
            f"one of {TEXT}"
        )
    recording, text = columns
    rate = getattr(features[recording], "sample_rate", None) or stored_rate
    parts = {}
    for part, begins in PARTS.items():
        names = [split for split in found.info.splits if split.startswith(begins)]
        if part == "train" and not names:
            raise InputError(
                f"data: tfds:{name} has no split to train on, but {', '.join(found.info.splits)}"
            )
        parts[part] = _part(found, "+".join(names), recording, text, rate, sample_rate)
    notes = (f"resampled from {rate} to {sample_rate} Hz",) if rate != sample_rate else ()
    return SpeechCorpus(**parts, sample_rate=sample_rate, notes=notes)


def _column(features: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((name for name in names if name in features), None)


def _part(
    found: Any, split: str, recording: str, text: str, rate: int, sample_rate: int
) -> Utterances:
    if not split:
        return Utterances([], [], [], [], [])
    source = rows(found, split)
    speaker = _column(found.info.features, SPEAKER)
    label = found.info.features[text]
    texts, lengths, speakers = [], [], []
    for i in range(len(source)):
        row = source[i]
        texts.append(_said(row[text], label))
        lengths.append(-(-len(row[recording]) * sample_rate // rate))
        speakers.append("" if speaker is None else _said(row[speaker], None))
    names = [f"{split}-{i}" for i in range(len(source))]
    return Utterances(
        _Recordings(source, recording, rate, sample_rate), texts, lengths, names, speakers
    )


def _said(value: Any, feature: Any) -> str:
    """A text, which TFDS gives as bytes; a class by its name."""
    if hasattr(feature, "int2str"):
        return feature.int2str(int(value))
    return value.decode() if isinstance(value, bytes) else str(value)

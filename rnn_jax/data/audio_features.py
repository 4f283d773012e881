"""Features of many recordings, each as if it were alone, in a few compiled shapes."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax.data.batch import padded
from rnn_jax.data.bounds import bucket_bounds
from rnn_jax.data.errors import InputError
from rnn_jax.data.speech import Utterances
from rnn_jax.ops.frames import stack_frames, standardize
from rnn_jax.ops.spectrogram import LogMel


def features(
    samples: Sequence[np.ndarray],
    log_mel: LogMel,
    *,
    lengths: Sequence[int] | np.ndarray | None = None,
    normalize: bool = True,
    stack: int = 1,
    stride: int = 1,
    batch_size: int = 32,
    num_shapes: int = 4,
) -> list[np.ndarray]:
    """Log-mel features of each recording, normalised over itself, neighbouring frames stacked.

    Recordings of like length are padded to one of at most `num_shapes` shapes and computed side by
    side; the padding changes nothing. For corpora whose features do not fit into memory batch the
    samples and call ``log_mel`` in the training step.

    Args:
        samples: (N,) floating-point numbers between -1 and 1 each, at ``log_mel.sample_rate``.
        log_mel: which features.
        lengths: samples of each, where they are read when asked for; None to ask all.
        normalize: whether each feature has mean 0 and variance 1 in each recording.
        stack: frames side by side.
        stride: frames from one stack to the next.
        batch_size: recordings computed at once.
        num_shapes: the most compilations.

    Returns:
        A list of (T, stack * F), in the order and dtype of `samples`; T may be 0.

    Example:
        >>> log_mel = LogMel(sample_rate=1000, num_bands=4, low_hz=50)
        >>> tone = np.sin(np.arange(100, dtype=np.float32))
        >>> [row.shape for row in features([tone, tone[:30], tone[:9]], log_mel, stack=2, stride=2)]
        [(4, 8), (1, 8), (0, 8)]
    """
    if not len(samples):
        return []
    counted = np.asarray([len(row) for row in samples] if lengths is None else lengths, np.int64)
    bounds = bucket_bounds(np.stack([counted, counted], axis=1), num_shapes)[:, 0]
    bucket = np.searchsorted(bounds, counted)
    rows: list[np.ndarray] = [np.empty(0)] * len(counted)
    for k, bound in enumerate(bounds):
        members = np.flatnonzero(bucket == k)
        for begin in range(0, len(members), batch_size):
            places = members[begin : begin + batch_size]
            batch = padded([samples[place] for place in places], batch_size, int(bound))
            ys, frames = _computed(log_mel, normalize, stack, stride, *batch)
            for place, y, num_frames in zip(places, np.asarray(ys), np.asarray(frames)):
                rows[place] = y[:num_frames].copy()  # the copy lets go of the padded batch
    return rows


Normalize = Literal["bands", "level", "peak"]
QUIET, SILENT = np.array([25, 38]) * np.log(10) / 10  # decibel below the peak, in nats


def spoken_features(
    part: Utterances, log_mel: LogMel, normalize: Normalize = "bands"
) -> list[np.ndarray]:
    """Features (T, F) of each utterance, normalised over itself, T at least 1.

    Args:
        part: the utterances.
        log_mel: which features.
        normalize: "bands": each band has mean 0 and variance 1, which takes away what microphone
            and room do; "level": all bands together have, which keeps the spectrum of a recording
            so short that it is one vowel; "peak": levels count from the loudest, those more than
            38 dB below it are alike, and the ends that stay 25 dB below it are cut off but for
            three frames, so that it does not matter how silent the room was, nor for how long.

    Raises:
        InputError: if one is too short for a frame; it names the recording.

    Example:
        >>> spoken_features(Utterances([np.zeros(9)], [""], [9], ["a.wav"], [""]), LogMel())
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: data: a.wav has 9 samples, but a frame has 400: ...
    """
    for name, length in zip(part.names, np.asarray(part.lengths).tolist()):
        if length < log_mel.window_size:
            raise InputError(
                f"data: {name} has {length} samples, but a frame has {log_mel.window_size}: take "
                "it out"
            )
    rows = features(part.samples, log_mel, lengths=part.lengths, normalize=normalize == "bands")
    if normalize == "bands":
        return rows
    if normalize == "peak":
        return [_below_peak(row) for row in rows]
    return [(row - row.mean()) / np.sqrt(row.var() + 1e-5) for row in rows]


def _below_peak(row: np.ndarray) -> np.ndarray:
    levels = row - np.percentile(row, 99.5).astype(row.dtype)  # one click is no peak
    loud = np.flatnonzero(levels.max(axis=1) > -QUIET)
    levels = levels[max(0, loud[0] - 3) : loud[-1] + 4]
    return 1.5 + np.maximum(levels, -SILENT.astype(row.dtype)) / np.asarray(2.5, row.dtype)


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _computed(
    log_mel: LogMel,
    normalize: bool,
    stack: int,
    stride: int,
    samples: jax.Array,
    lengths: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Features (B, T, F) of samples (B, N), and the number of frames of each (B,)."""
    ys, frames = log_mel(samples.T, lengths=lengths)
    if normalize:
        ys = standardize(ys, lengths=frames)
    if (stack, stride) != (1, 1):
        ys, frames = stack_frames(ys, stack, stride, lengths=frames)
    assert frames is not None
    return jnp.moveaxis(ys, 0, 1), frames

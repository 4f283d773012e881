"""Synthetic speech: every label is a fixed pattern of a few noisy frames."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax.models import Transcript

INPUT_SIZE = 5


class Spoken(NamedTuple):
    """A batch of utterances; the padding holds NaN frames and labels that are none."""

    features: jax.Array  # (B, T, 5)
    labels: jax.Array  # (B, U)
    lengths: jax.Array  # (B,)
    label_lengths: jax.Array  # (B,)

    @property
    def options(self) -> dict[str, jax.Array]:
        return {"lengths": self.lengths, "label_lengths": self.label_lengths}

    def row(self, b: int) -> "Spoken":
        """One utterance without any padding."""
        frames, labels = int(self.lengths[b]), int(self.label_lengths[b])
        return Spoken(
            self.features[b : b + 1, :frames],
            self.labels[b : b + 1, :labels],
            self.lengths[b : b + 1],
            self.label_lengths[b : b + 1],
        )


def speak(*rows: list[int]) -> Spoken:
    """Label k takes 2 + k % 3 frames."""
    rng = np.random.default_rng(0)
    patterns = [rng.normal(size=(2 + k % 3, INPUT_SIZE)) for k in range(1 + max(map(max, rows)))]
    said = [np.concatenate([patterns[k] for k in row]) for row in rows]
    lengths, sizes = [len(frames) for frames in said], [len(row) for row in rows]
    features = np.full((len(rows), max(lengths), INPUT_SIZE), np.nan, np.float32)
    labels = np.full((len(rows), max(sizes)), -1)
    for b, (frames, row) in enumerate(zip(said, rows)):
        features[b, : len(frames)] = frames + 0.05 * rng.normal(size=frames.shape)
        labels[b, : len(row)] = row
    return Spoken(*map(jnp.asarray, (features, labels, lengths, sizes)))


def is_said(transcript: Transcript, spoken: Spoken) -> bool:
    """Whether every row's tokens are its labels, and there is nothing behind them."""
    rows = zip(transcript.tokens, transcript.lengths, spoken.labels, spoken.label_lengths)
    return all(
        int(n) == int(size) and (found[:n] == labels[:size]).all() and (found[n:] == 0).all()
        for found, n, labels, size in rows
    )

"""What is done to the features of a batch at each update of a recogniser."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from rnn_jax.ops.band_warp import BandWarp
from rnn_jax.ops.random_channel import RandomChannel
from rnn_jax.ops.spec_augment import SpecAugment
from rnn_jax.ops.spectrogram import LogMel


@dataclass(frozen=True, kw_only=True)
class SpeechAugment:
    """Formants moved, a filter applied, bands and stretches of time hidden, for each row anew.

    Args:
        log_mel: What the features are.
        band_warp: Most by which frequencies change, 0..0.5; see ``BandWarp``.
        channel: Strength of a random filter, in the unit of the features; see ``RandomChannel``.
        band_masks: How many masks, and how many bands one hides at most; see ``SpecAugment``.
        time_masks: How many masks, and how many frames one hides at most.
        time_mask_fraction: Most of a row that one may hide.

    Raises:
        ValueError: If a number lies out of range.

    Example:
        >>> augment = SpeechAugment(log_mel=LogMel(num_bands=4), band_masks=(1, 2))
        >>> lengths = jnp.array([5, 2, 0])
        >>> augment(jax.random.key(0), jnp.ones((3, 5, 4)), lengths).sum((1, 2)) <= 4 * lengths
        Array([ True,  True,  True], dtype=bool)
    """

    log_mel: LogMel
    band_warp: float = 0.0
    channel: float = 0.0
    band_masks: tuple[int, int] = (0, 0)
    time_masks: tuple[int, int] = (0, 0)
    time_mask_fraction: float = 0.2

    def __post_init__(self) -> None:
        _ = self.warp, self.filter, self.hide  # whose own checks speak

    @property
    def warp(self) -> BandWarp:
        mel = self.log_mel
        high = mel.sample_rate / 2 if mel.high_hz is None else mel.high_hz
        bands = mel.num_bands
        return BandWarp(num_bands=bands, low_hz=mel.low_hz, high_hz=high, most=self.band_warp)

    @property
    def filter(self) -> RandomChannel:
        return RandomChannel(strength=self.channel)

    @property
    def hide(self) -> SpecAugment:
        return SpecAugment(
            num_band_masks=self.band_masks[0],
            band_mask_size=self.band_masks[1],
            num_time_masks=self.time_masks[0],
            time_mask_size=self.time_masks[1],
            time_mask_fraction=self.time_mask_fraction,
        )

    def __call__(self, key: jax.Array, features: jax.Array, lengths: jax.Array) -> jax.Array:
        """Features (B, T, F), batch first, of which ``lengths`` (B,) frames are real."""
        key_warp, key_hide = jax.random.split(key)
        frames = jnp.swapaxes(features, 0, 1)
        if self.band_warp:
            frames = self.warp(key_warp, frames)
        if self.channel:
            frames = self.filter(jax.random.fold_in(key, 2), frames)
        return jnp.swapaxes(self.hide(key_hide, frames, lengths=lengths), 0, 1)

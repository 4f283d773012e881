"""Warping of mel bands: the same words from a longer or shorter vocal tract."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from rnn_jax.ops.linear import wider
from rnn_jax.ops.mel import hz_to_mel, mel_to_hz


@dataclass(frozen=True, kw_only=True)
class BandWarp:
    """Move all formants of a row up or down by one random factor, as another speaker has them.

        y_tf = x_t(mel(a * hz_f)),   a uniform in 1 - most .. 1 + most

    hz_f is the centre of band f and x_t is linear between the centres of neighbouring bands; beyond
    the outermost stand the outermost. Energies of frequencies are read off the bands, so features
    that are there already can be warped anew at each update.

    Args:
        num_bands: F, bands of the features, equally spaced on the HTK mel scale.
        low_hz: Where their first band begins, as in ``LogMel``.
        high_hz: Where the last one ends.
        most: Largest change of frequency, 0..0.5; grown speakers differ by some 0.2.

    Raises:
        ValueError: If a number lies out of range; when called, if the bands are not so many.

    Example:
        >>> warp = BandWarp(num_bands=4, high_hz=4000.0, most=0.2)
        >>> warp(jax.random.key(0), jnp.ones((5, 3, 4))).shape
        (5, 3, 4)
        >>> [round(place, 2) for place in warp.places(jnp.array(1.2)).tolist()]
        [0.17, 1.27, 2.34, 3.39]

    References:
        Jaitly and Hinton, Vocal tract length perturbation (VTLP) improves speech recognition, 2013,
        ICML workshop on deep learning for audio, speech and language processing.
    """

    num_bands: int
    low_hz: float = 20.0
    high_hz: float
    most: float = 0.1

    def __post_init__(self) -> None:
        if self.num_bands < 1 or not 0 <= self.low_hz < self.high_hz or not 0 <= self.most <= 0.5:
            raise ValueError(
                f"BandWarp: num_bands={self.num_bands} must be >= 1, low_hz={self.low_hz} and "
                f"high_hz={self.high_hz} must rise from 0, and most={self.most} must lie in 0..0.5."
            )

    def places(self, factor: jax.Array) -> jax.Array:
        """Between which bands (F,) the bands are read when frequencies grow by ``factor`` ()."""
        low, high = hz_to_mel(self.low_hz), hz_to_mel(self.high_hz)
        step = (high - low) / (self.num_bands + 1)
        centres = [mel_to_hz(low + step * (band + 1)) for band in range(self.num_bands)]
        hz = jnp.array(centres, factor.dtype) * factor
        mel = jnp.log1p(hz / 700) * (hz_to_mel(700.0) / jnp.log(2.0).astype(hz.dtype))
        return (mel - low) / step - 1

    def __call__(self, key: jax.Array, xs: jax.Array) -> jax.Array:
        """xs (T, *B, F), every row of the batch warped by a factor of its own."""
        if xs.shape[-1] != self.num_bands:
            raise ValueError(
                f"BandWarp: xs has {xs.shape[-1]} bands, but num_bands={self.num_bands}."
            )
        return _warped(self, key, xs)


@partial(jax.jit, static_argnums=0)
def _warped(warp: BandWarp, key: jax.Array, xs: jax.Array) -> jax.Array:
    wide, batch = wider(xs.dtype, jnp.float32), xs.shape[1:-1]
    factor = jax.random.uniform(key, batch, wide, 1 - warp.most, 1 + warp.most)
    places = jnp.vectorize(warp.places, signature="()->(f)")(factor)  # (*B, F)
    places = jnp.clip(places, 0, warp.num_bands - 1)
    shape = (*batch, warp.num_bands, warp.num_bands)
    read = jnp.broadcast_to(places[..., None, :], shape)
    bands = jax.lax.broadcasted_iota(wide, shape, len(batch))
    weights = jax.nn.relu(1 - jnp.abs(read - bands))  # of band f in the new band g
    return jnp.einsum("t...f,...fg->t...g", xs, weights.astype(xs.dtype))

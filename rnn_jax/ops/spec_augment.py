"""SpecAugment: what a recogniser must do without is hidden from it in training."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from rnn_jax.ops.checks import check_lengths
from rnn_jax.ops.masks import length_mask, select


@dataclass(frozen=True, kw_only=True)
class SpecAugment:
    """Hide bands of frequencies and stretches of time, and warp time, by a random key.

    Each mask of bands hides f0..f0+f-1, f uniform in 0..band_mask_size, f0 in 0..F-f. Each mask of
    time hides t0..t0+t-1, t uniform in 0..min(time_mask_size, time_mask_fraction * n), t0 in
    0..n-t, for a row of n real frames: its masks do not fall into the padding, and do not depend on
    how long the padding is. Every row draws its own.

    ``time_warp`` = W > 0 moves a frame c, uniform in W..n-1-W, by w, uniform in -W..W; time is
    linear between the first frame, c and the last. (The paper's spline through the same points is
    in one dimension nearly this line.) Rows of fewer than 2W + 2 frames stay as they are.

    The paper's policies: LD is the default with ``time_warp=80``, LB has one mask of each kind,
    SM ``band_mask_size=15, time_mask_size=70, time_mask_fraction=0.2, time_warp=40``, and SS is SM
    with ``band_mask_size=27``.

    Args:
        num_band_masks: Masks of bands.
        band_mask_size: Most bands in one.
        num_time_masks: Masks of time.
        time_mask_size: Most frames in one.
        time_mask_fraction: Most of a row that one may hide; less than 1 for short utterances.
        time_warp: W, most frames by which a place is moved; 0 for none.
        value: What stands in the masks; 0 is the mean after ``standardize``.

    Raises:
        ValueError: If a count or size is negative, or the fraction lies outside 0..1.

    Example:
        >>> hide = SpecAugment(num_time_masks=1, time_mask_size=2, band_mask_size=1)
        >>> ys = hide(jax.random.key(3), jnp.ones((4, 5)), lengths=jnp.array(3))
        >>> ys.astype(int).tolist()
        [[0, 1, 1, 1, 1], [0, 1, 1, 1, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]

    References:
        Park, Chan, Zhang, Chiu, Zoph, Cubuk and Le, SpecAugment: a simple data augmentation method
        for automatic speech recognition, 2019, arXiv:1904.08779.
    """

    num_band_masks: int = 2
    band_mask_size: int = 27
    num_time_masks: int = 2
    time_mask_size: int = 100
    time_mask_fraction: float = 1.0
    time_warp: int = 0
    value: float = 0.0

    def __post_init__(self) -> None:
        for name, value in self.__dict__.items():
            if name not in ("time_mask_fraction", "value") and (value < 0 or value != int(value)):
                raise ValueError(f"SpecAugment: {name} must be a whole number >= 0, got {value!r}.")
        if not 0 <= self.time_mask_fraction <= 1:
            raise ValueError(
                f"SpecAugment: time_mask_fraction={self.time_mask_fraction} must lie in 0..1."
            )

    def __call__(
        self, key: jax.Array, xs: jax.Array, *, lengths: jax.Array | None = None
    ) -> jax.Array:
        """xs (T, *B, F) with parts of its ``lengths`` (*B,) real frames hidden; 0 on padding."""
        num_frames, *batch_shape, _ = xs.shape
        if lengths is None:
            lengths = jnp.full(batch_shape, num_frames, jnp.int32)
        check_lengths(lengths, xs.shape[:-1])
        return _augmented(self, key, xs, jnp.asarray(lengths).astype(jnp.int32))


@partial(jax.jit, static_argnums=0)  # one program, also where nothing around it is compiled
def _augmented(hide: SpecAugment, key: jax.Array, xs: jax.Array, lengths: jax.Array) -> jax.Array:
    num_frames, *batch_shape, num_bands = xs.shape
    real = length_mask(lengths, num_frames)
    xs = select(real, xs, jnp.zeros((), xs.dtype))
    key_bands, key_time, key_warp = jax.random.split(key, 3)
    if hide.time_warp and num_frames:
        warped = _warp(key_warp, xs, lengths, hide.time_warp)
        xs = select(real, warped, jnp.zeros((), xs.dtype))
    widest = jnp.full(batch_shape, min(hide.band_mask_size, num_bands), jnp.int32)
    bands = jnp.full(batch_shape, num_bands, jnp.int32)
    hidden = _hidden(key_bands, hide.num_band_masks, widest, bands, num_bands)
    hide_bands = jnp.broadcast_to(jnp.moveaxis(hidden, 0, -1)[None], xs.shape)
    part = jnp.floor(lengths.astype(jnp.float32) * hide.time_mask_fraction).astype(jnp.int32)
    longest = jnp.minimum(part, hide.time_mask_size)
    hidden = _hidden(key_time, hide.num_time_masks, longest, lengths, num_frames)
    masked = hide_bands | jnp.broadcast_to(hidden[..., None], xs.shape)
    return jnp.where(masked & jnp.broadcast_to(real[..., None], xs.shape), hide.value, xs)


def _hidden(
    key: jax.Array, num_masks: int, widest: jax.Array, within: jax.Array, size: int
) -> jax.Array:
    """Which places lie in one of the masks: (size, *B) bool; widest and within are (*B,)."""
    key_width, key_begin = jax.random.split(key)
    shape = (num_masks, *within.shape)
    limits = jnp.broadcast_to(widest + 1, shape)
    width = jax.random.randint(key_width, shape, 0, limits, jnp.int32)
    begin = jax.random.randint(key_begin, shape, 0, within[None] - width + 1, jnp.int32)
    place = jax.lax.broadcasted_iota(jnp.int32, (size, *shape), 0)
    return jnp.any((place >= begin[None]) & (place < (begin + width)[None]), axis=1)


def _warp(key: jax.Array, xs: jax.Array, lengths: jax.Array, most: int) -> jax.Array:
    """Time stretched before a frame and shrunk behind it, or the reverse; linear between frames."""
    key_centre, key_shift = jax.random.split(key)
    last = jnp.maximum(lengths - 1, 1)
    room = last - 2 * most >= 1
    highest = jnp.maximum(last - most, most) + 1
    centre = jax.random.randint(key_centre, lengths.shape, most, highest, jnp.int32)
    shift = jax.random.randint(key_shift, lengths.shape, -most, most + 1, jnp.int32)
    # No row is stretched from nothing or to nothing: the moved place stays between the ends.
    moved = jnp.clip(centre + shift, 1, jnp.maximum(last - 1, 1))
    step = jax.lax.broadcasted_iota(jnp.int32, xs.shape[:-1], 0).astype(jnp.float32)
    c, m, end = (value.astype(jnp.float32)[None] for value in (centre, moved, last))
    before = step * (c / m)
    behind = c + (step - m) * ((end - c) / jnp.maximum(end - m, 1))
    source = jnp.where(step < m, before, behind)
    source = jnp.where(room[None], jnp.clip(source, 0, end), step)
    floor = jnp.floor(source)
    part = (source - floor)[..., None].astype(xs.dtype)
    places = floor.astype(jnp.int32)

    def at(places: jax.Array) -> jax.Array:
        places = jnp.clip(places, 0, xs.shape[0] - 1)[..., None]
        return jnp.take_along_axis(xs, jnp.broadcast_to(places, xs.shape), axis=0)

    low, part = at(places), jnp.broadcast_to(part, xs.shape)
    return low + part * (at(places + 1) - low)

"""Sound to features: frames of samples, their power spectrum, log energies in mel bands."""

from dataclasses import dataclass
from functools import partial
from math import pi
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.ops.checks import check_lengths, check_sizes
from rnn_jax.ops.linear import wider
from rnn_jax.ops.masks import length_mask, select
from rnn_jax.ops.mel import Scale, mel_filters


class Features(NamedTuple):
    """Frames in time order."""

    ys: jax.Array  # (T, *B, F), zero on padding
    lengths: jax.Array | None  # (*B,) real frames; None where no lengths were given


def power_spectrum(
    samples: jax.Array, *, window_size: int, hop_size: int, fft_size: int
) -> jax.Array:
    """Power of every frequency in overlapping windows.

        p_tk = |sum_n hann_n x_{t * hop + n} exp(-2 pi i k n / fft_size)|^2
        hann_n = (1 - cos(2 pi n / window_size)) / 2

    A window begins every ``hop_size`` samples from the first on and lies wholly within the
    samples: nothing is invented at the ends, and what does not fill a window at the end is left
    out. (PyTorch and librosa put half a window of reflected samples at both ends unless told
    ``center=False``.)

    Args:
        samples: (N, *B).
        window_size: Samples in a window.
        hop_size: Samples from one window to the next.
        fft_size: Samples in a transform, >= window_size; zeros fill it up.

    Returns:
        (T, *B, fft_size // 2 + 1), T = max(0, 1 + (N - window_size) // hop_size).

    Raises:
        ValueError: If a size is below 1 or the transform is shorter than the window.

    Example:
        >>> p = power_spectrum(jnp.ones(8), window_size=4, hop_size=2, fft_size=4)
        >>> p.shape, [round(v, 4) for v in p[0].tolist()]
        ((3, 3), [4.0, 1.0, 0.0])
    """
    if min(window_size, hop_size) < 1 or fft_size < window_size:
        raise ValueError(
            f"power_spectrum: window_size={window_size} and hop_size={hop_size} must be >= 1 and "
            f"fft_size={fft_size} at least window_size."
        )
    num_frames = max(0, 1 + (samples.shape[0] - window_size) // hop_size)
    starts = hop_size * jax.lax.broadcasted_iota(jnp.int32, (num_frames, window_size), 0)
    places = starts + jax.lax.broadcasted_iota(jnp.int32, (num_frames, window_size), 1)
    frames = jnp.moveaxis(samples, 0, -1)[..., places]  # (*B, T, window_size)
    phase = jnp.arange(window_size, dtype=frames.dtype) * (2 * pi / window_size)
    hann = (1 - jnp.cos(phase)) / 2
    spectrum = jnp.fft.rfft(frames * jnp.broadcast_to(hann, frames.shape), fft_size)
    power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
    return jnp.moveaxis(power, -2, 0)


@dataclass(frozen=True, kw_only=True)
class LogMel:
    """Log energies in mel bands, the usual input of a recogniser of speech.

        s_n = x_n + dither * noise_n
        e_n = s_n - pre_emphasis * s_{n-1},   s_{-1} = s_0
        y_tf = ln max(floor, sum_k w_kf p_tk)

    p is the ``power_spectrum`` of e and w are the ``mel_filters``. A frame is real if all of its
    samples are: n samples give ``new_lengths(n)`` frames, exactly, and what stands behind the end
    of a row, NaN included, changes nothing, neither values nor gradients.

    Args:
        sample_rate: Samples in a second.
        num_bands: F.
        window_ms: Length of a window; rounded to whole samples.
        hop_ms: From one window to the next; rounded to whole samples.
        fft_size: Samples in a transform; None for the first power of two not below the window.
        low_hz: Lowest frequency of a band.
        high_hz: Highest; None for half the sample rate.
        scale: "htk" or "slaney": the formula of the mel scale.
        unit_area: Whether bands are scaled to area 1, not height 1; a constant in each band.
        pre_emphasis: 0 for none; 0.97 lifts the high frequencies.
        dither: Standard deviation of noise that is added where a key is given: samples between -1
            and 1 of 16 bits have steps of 3e-5.
        floor: Lowest energy: silence gives ln floor, not -inf.

    Raises:
        ValueError: If a number lies out of range, or a band would be empty; when called, if
            samples are no floating-point numbers or lengths do not fit them.

    Example:
        >>> log_mel = LogMel(sample_rate=8000, num_bands=23)
        >>> log_mel.window_size, log_mel.hop_size, log_mel.transform_size, log_mel.new_lengths(360)
        (200, 80, 256, 3)
        >>> tone = jnp.sin(0.05 * jnp.pi * jnp.arange(400.0))  # 200 Hz
        >>> ys, lengths = log_mel(jnp.stack([tone, tone], axis=1), lengths=jnp.array([400, 279]))
        >>> ys.shape, lengths.tolist(), ys[0, 0].argmax().item()
        ((3, 2, 23), [3, 1], 2)

    References:
        Davis and Mermelstein, Comparison of parametric representations for monosyllabic word
        recognition in continuously spoken sentences, 1980, doi:10.1109/TASSP.1980.1163420.
    """

    sample_rate: int = 16000
    num_bands: int = 80
    window_ms: float = 25.0
    hop_ms: float = 10.0
    fft_size: int | None = None
    low_hz: float = 20.0
    high_hz: float | None = None
    scale: Scale = "htk"
    unit_area: bool = False
    pre_emphasis: float = 0.0
    dither: float = 0.0
    floor: float = 1e-10

    def __post_init__(self) -> None:
        for name in ("sample_rate", "num_bands"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"LogMel: {name} must be a whole number >= 1, got {value!r}.")
        if min(self.window_size, self.hop_size) < 1:
            raise ValueError(
                f"LogMel: window_ms={self.window_ms} and hop_ms={self.hop_ms} must be at least one "
                f"sample of {1000 / self.sample_rate:g} ms."
            )
        if not (0 <= self.pre_emphasis <= 1 and self.dither >= 0 and self.floor > 0):
            raise ValueError(
                f"LogMel: pre_emphasis={self.pre_emphasis} must lie in 0..1, dither={self.dither} "
                f"must be >= 0 and floor={self.floor} > 0."
            )
        check_sizes(self)
        if self.transform_size < self.window_size:
            raise ValueError(
                f"LogMel: fft_size={self.fft_size} must be at least the window's "
                f"{self.window_size} samples."
            )
        self.filters  # noqa: B018  # so that what does not fit is said here

    @property
    def window_size(self) -> int:
        """Samples in a window."""
        return round(self.window_ms * self.sample_rate / 1000)

    @property
    def hop_size(self) -> int:
        """Samples from one window to the next."""
        return round(self.hop_ms * self.sample_rate / 1000)

    @property
    def transform_size(self) -> int:
        """Samples in a transform: ``fft_size``, or the power of two that holds a window."""
        return self.fft_size or 1 << (self.window_size - 1).bit_length()

    @property
    def filters(self) -> tuple[tuple[float, ...], ...]:
        """The weight of each frequency in each band, (transform_size // 2 + 1, F)."""
        return mel_filters(
            sample_rate=self.sample_rate,
            fft_size=self.transform_size,
            num_bands=self.num_bands,
            low_hz=self.low_hz,
            high_hz=self.high_hz,
            scale=self.scale,
            unit_area=self.unit_area,
        )

    def new_lengths(self, lengths: Any) -> Any:
        """Frames in so many samples: max(0, 1 + (lengths - window_size) // hop_size)."""
        frames = 1 + (lengths - self.window_size) // self.hop_size
        return max(0, frames) if isinstance(lengths, int) else frames.clip(min=0)

    def __call__(
        self,
        samples: jax.Array,
        *,
        lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> Features:
        """Features (T, *B, F) of samples (N, *B) of which ``lengths`` (*B,) are real."""
        samples = jnp.asarray(samples)
        _check_samples(samples, lengths)
        if lengths is not None:
            lengths = jnp.asarray(lengths).astype(jnp.int32)
        return _features(self, samples, lengths, key)


@partial(jax.jit, static_argnums=0)  # one program, also where nothing around it is compiled
def _features(
    log_mel: LogMel, samples: jax.Array, lengths: jax.Array | None, key: jax.Array | None
) -> Features:
    dtype = samples.dtype
    xs = samples.astype(wider(dtype, jnp.float32))
    if lengths is not None:
        xs = select(length_mask(lengths, xs.shape[0]), xs, jnp.zeros((), xs.dtype))
    if key is not None and log_mel.dither > 0:
        xs = xs + log_mel.dither * jax.random.normal(key, xs.shape, xs.dtype)
    if log_mel.pre_emphasis > 0:
        xs = xs - log_mel.pre_emphasis * jnp.concatenate([xs[:1], xs[:-1]])
    sizes = {"window_size": log_mel.window_size, "hop_size": log_mel.hop_size}
    power = power_spectrum(xs, **sizes, fft_size=log_mel.transform_size)
    filters = jnp.array(log_mel.filters, power.dtype)
    energy = jnp.matmul(power, filters, precision="highest")  # also where products are rounded
    ys = jnp.log(jnp.maximum(energy, log_mel.floor)).astype(dtype)
    if lengths is None:
        return Features(ys, None)
    new = log_mel.new_lengths(lengths)
    return Features(select(length_mask(new, ys.shape[0]), ys, jnp.zeros((), dtype)), new)


def _check_samples(samples: jax.Array, lengths: jax.Array | None) -> None:
    if not jnp.issubdtype(samples.dtype, jnp.floating) or samples.ndim < 1:
        raise ValueError(
            f"LogMel: samples (N, *B) must be floating-point numbers between -1 and 1, got "
            f"{samples.dtype} of shape {samples.shape}: divide 16-bit samples by 32768."
        )
    if lengths is not None:
        check_lengths(lengths, samples.shape, "samples")

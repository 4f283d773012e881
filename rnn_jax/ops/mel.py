"""Filters on the mel scale: how much each frequency of a spectrum counts for each band."""

import math
from functools import lru_cache
from typing import Literal

Scale = Literal["htk", "slaney"]

SLANEY_STEP = 200 / 3  # Hz in one mel below the knee
SLANEY_KNEE = 1000.0  # Hz
SLANEY_LOG_STEP = math.log(6.4) / 27  # ln Hz in one mel above it


def hz_to_mel(hz: float, scale: Scale = "htk") -> float:
    """A frequency on the mel scale.

        mel = 2595 log10(1 + hz / 700)                                    "htk"
        mel = hz / (200 / 3),  15 + 27 ln(hz / 1000) / ln 6.4 from 1 kHz  "slaney"

    Both put equal steps where the ear hears equal steps. The first is that of HTK and most papers
    on speech; the second, linear below 1 kHz, is Slaney's and librosa's default.

    Args:
        hz: Frequency, >= 0.
        scale: Which formula.

    Example:
        >>> round(hz_to_mel(1000.0)), round(hz_to_mel(1000.0, "slaney"), 9)
        (1000, 15.0)

    References:
        Stevens, Volkmann and Newman, A scale for the measurement of the psychological magnitude
        pitch, 1937, doi:10.1121/1.1915893. Slaney, Auditory toolbox, version 2, Interval Research
        Corporation, technical report 1998-010.
    """
    if scale == "htk":
        return 2595 * math.log10(1 + hz / 700)
    if hz < SLANEY_KNEE:
        return hz / SLANEY_STEP
    return SLANEY_KNEE / SLANEY_STEP + math.log(hz / SLANEY_KNEE) / SLANEY_LOG_STEP


def mel_to_hz(mel: float, scale: Scale = "htk") -> float:
    """The frequency of a place on the mel scale: the inverse of ``hz_to_mel``.

    Example:
        >>> round(mel_to_hz(hz_to_mel(440.0)), 9), round(mel_to_hz(30.0, "slaney"), 1)
        (440.0, 2804.6)
    """
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    knee = SLANEY_KNEE / SLANEY_STEP
    if mel < knee:
        return mel * SLANEY_STEP
    return SLANEY_KNEE * math.exp((mel - knee) * SLANEY_LOG_STEP)


@lru_cache(maxsize=32)
def mel_filters(
    *,
    sample_rate: int,
    fft_size: int,
    num_bands: int,
    low_hz: float = 0.0,
    high_hz: float | None = None,
    scale: Scale = "htk",
    unit_area: bool = False,
) -> tuple[tuple[float, ...], ...]:
    """Triangles over the frequencies of a spectrum, equally spaced on the mel scale.

        w_kf = max(0, min((hz_k - l_f) / (c_f - l_f), (r_f - hz_k) / (r_f - c_f)))
        hz_k = k * sample_rate / fft_size

    Band f rises from l_f, the centre of band f - 1, to its own centre c_f and falls to r_f, the
    centre of band f + 1. Worked out in Python's float64, once for each set of arguments.

    Args:
        sample_rate: Samples in a second.
        fft_size: Samples in one transform: ``fft_size // 2 + 1`` frequencies.
        num_bands: F.
        low_hz: Where the first triangle begins.
        high_hz: Where the last one ends; None for half the sample rate.
        scale: "htk" or "slaney", as in ``hz_to_mel``.
        unit_area: Whether each triangle is divided by half its width in Hz, so that all have area
            1 (librosa's default); else all have height 1 (torchaudio's).

    Returns:
        (fft_size // 2 + 1, F) nested tuples, ready for ``jnp.array``.

    Raises:
        ValueError: If the frequencies do not rise from 0 to half the sample rate, there is no such
            scale, or a band is so narrow that no frequency falls into it.

    Example:
        >>> for row in mel_filters(sample_rate=4000, fft_size=8, num_bands=2):
        ...     print([round(weight, 3) for weight in row])
        [0.0, 0.0]
        [0.836, 0.164]
        [0.035, 0.965]
        [0.0, 0.511]
        [0.0, 0.0]
    """
    if scale not in ("htk", "slaney"):
        raise ValueError(f"mel_filters: scale must be 'htk' or 'slaney', got {scale!r}.")
    high_hz = sample_rate / 2 if high_hz is None else high_hz
    if not 0 <= low_hz < high_hz <= sample_rate / 2:
        raise ValueError(
            f"mel_filters: low_hz={low_hz} and high_hz={high_hz} must rise within "
            f"0..{sample_rate / 2:g}, half of sample_rate={sample_rate}."
        )
    low, high = hz_to_mel(low_hz, scale), hz_to_mel(high_hz, scale)
    steps = num_bands + 1
    edges = [mel_to_hz(low + (high - low) * i / steps, scale) for i in range(num_bands + 2)]
    columns = [
        _triangle(edges[band : band + 3], sample_rate, fft_size, unit_area)
        for band in range(num_bands)
    ]
    if empty := [band for band, column in enumerate(columns) if not any(column)]:
        raise ValueError(
            f"mel_filters: bands {empty} of {num_bands} are narrower than the "
            f"{sample_rate / fft_size:g} Hz between two frequencies and would be empty: take a "
            f"larger fft_size than {fft_size} (zeros fill it up), fewer bands, or a higher low_hz."
        )
    return tuple(zip(*columns))


def _triangle(edges: list[float], sample_rate: int, fft_size: int, unit_area: bool) -> list[float]:
    left, centre, right = edges
    height = 2 / (right - left) if unit_area else 1.0
    column = []
    for k in range(fft_size // 2 + 1):
        hz = k * sample_rate / fft_size
        rise, fall = (hz - left) / (centre - left), (right - hz) / (right - centre)
        column.append(height * max(0.0, min(rise, fall)))
    return column

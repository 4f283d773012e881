"""A series in parts to train on, to choose by and to test with: standardised, window by window."""

from dataclasses import dataclass

import numpy as np

from rnn_jax.data.errors import InputError
from rnn_jax.data.series import Series


@dataclass(frozen=True, eq=False)
class SeriesParts:
    """Targets and what is read beside them, by the mean and deviation of the part to train on.

    Args:
        names: Of the targets.
        targets: (T, D) standardised.
        beside: (T, C) the other columns, standardised, and the calendar.
        bounds: Where the parts begin, and the end of the last: 4 steps.
        horizon: K, steps that are forecast.
        season: Steps of a season, at least K.

    Example:
        >>> waves = np.sin(np.arange(20.0))[:, None]
        >>> parts = SeriesParts(("a",), waves, waves[:, :0], (0, 12, 16, 20), horizon=2, season=3)
        >>> parts.origins(2).tolist(), parts.after(parts.origins(2)).shape
        ([16, 17, 18], (3, 2, 1))
    """

    names: tuple[str, ...]
    targets: np.ndarray
    beside: np.ndarray
    bounds: tuple[int, ...]
    horizon: int
    season: int

    def windows(self, starts: np.ndarray, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Targets (B, length, D) and what is beside them (B, length, C)."""
        at = starts[:, None] + np.arange(length)
        return self.targets[at], self.beside[at]

    def origins(self, part: int, every: int = 1) -> np.ndarray:
        """The first steps to be forecast, such that all K of them lie in the part."""
        first, end = self.bounds[part], self.bounds[part + 1]
        return np.arange(first, end - self.horizon + 1, every)

    def after(self, origins: np.ndarray) -> np.ndarray:
        """What is to be forecast (B, K, D)."""
        return self.windows(origins, self.horizon)[0]

    def naive(self, origins: np.ndarray) -> np.ndarray:
        """The seasonal-naive forecast (B, K, D): what was one season before."""
        return self.windows(origins - self.season, self.horizon)[0]


def split_series(
    series: Series,
    targets: tuple[str, ...],
    split: tuple[float, float, float],
    *,
    horizon: int,
    season: int,
    context: int,
) -> SeriesParts:
    """Cuts a series into parts, one after the other.

    Args:
        series: The series.
        targets: Columns to forecast; () for all.
        split: How much goes to training, validation and test: shares, or numbers of steps.
        horizon: K, steps that are forecast, at most a season.
        season: Steps of a season.
        context: Steps that are read for a forecast, some seasons; they may lie in the part before.

    Raises:
        InputError: If the numbers do not fit each other or the series, or a column is not there.

    Example:
        >>> from rnn_jax.data.series import made_load
        >>> sizes = {"horizon": 24, "season": 24, "context": 48}
        >>> parts = split_series(made_load(1000), ("load",), (0.6, 0.2, 0.2), **sizes)
        >>> parts.bounds, parts.beside.shape, parts.naive(parts.origins(2)).shape
        ((0, 600, 800, 1000), (1000, 7), (177, 24, 1))
    """
    if horizon > season:
        raise InputError(f"horizon: {horizon} steps are more than a season of {season}")
    if context % season:
        raise InputError(f"context: {context} steps are no multiple of a season of {season}")
    steps = np.array(split) * (len(series.values) if sum(split) <= 1 + 1e-6 else 1)
    bounds = tuple(int(bound) for bound in np.round(np.cumsum([0, *steps])))
    longest = max(context, season)
    if min(np.diff(bounds)) < horizon or bounds[1] < longest + horizon:
        raise InputError(
            f"split: parts of {np.diff(bounds).tolist()} steps are too short for a context of "
            f"{longest} and a horizon of {horizon}"
        )
    if bounds[-1] > len(series.values):
        raise InputError(f"split: {bounds[-1]} steps in all, but there are {len(series.values)}")
    known = series.values[: bounds[1]]
    scale = np.maximum(known.std(axis=0), 1e-9)
    values = (series.values - known.mean(axis=0)) / scale
    at = series.columns(targets or series.names)
    others = [k for k in range(len(series.names)) if k not in at]
    beside = np.concatenate([values[:, others], series.calendar()], axis=1)
    return SeriesParts(
        tuple(series.names[k] for k in at),
        values[:, at].astype(np.float32),
        beside.astype(np.float32),
        bounds,
        horizon,
        season,
    )

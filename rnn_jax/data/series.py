"""Series of numbers from a CSV file, or made: columns over time, gaps filled, a calendar beside."""

import csv
import hashlib
import importlib.util
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from rnn_jax.data.errors import InputError

BUILT_IN = ("load", "co2", "sunspots")
_TIMES = ("date", "time", "datetime", "timestamp", "year", "month", "week", "day", "hour")


@dataclass(frozen=True, eq=False)
class Series:
    """Columns of numbers over time.

    Example:
        >>> series = made_load(48)
        >>> series.names, series.values.shape, series.times[25].isoformat()
        (('load', 'temperature'), (48, 2), '2024-01-02T01:00:00')
    """

    names: tuple[str, ...]
    values: np.ndarray  # (T, C) float64, without gaps
    times: tuple[datetime, ...] | None = None
    filled: int = 0  # values that were missing and have been interpolated

    @property
    def digest(self) -> str:
        """Equal for equal numbers and names."""
        content = "\t".join(self.names).encode() + np.ascontiguousarray(self.values).tobytes()
        return "sha256:" + hashlib.sha256(content).hexdigest()[:16]

    def columns(self, names: tuple[str, ...]) -> list[int]:
        """The places of columns by name.

        Raises:
            InputError: if one is not there.
        """
        if unknown := [name for name in names if name not in self.names]:
            raise InputError(f"{', '.join(unknown)}: no such column; there are {self.names}")
        return [self.names.index(name) for name in names]

    def calendar(self) -> np.ndarray:
        """What the clock and the calendar say of each step (T, 0..6), as sine and cosine.

        Hour of the day, day of the week and day of the year, each where it is finer than a step.

        Example:
            >>> made_load(48).calendar()[12, :2].round(6).tolist()  # at noon
            [0.0, -1.0]
        """
        if self.times is None or len(self.times) < 2:
            return np.zeros((len(self.values), 0))
        step = self.times[1] - self.times[0]
        phases = []
        if step < timedelta(days=1):
            phases.append([(t.hour + t.minute / 60) / 24 for t in self.times])
        if step < timedelta(days=7):
            phases.append([t.weekday() / 7 for t in self.times])
        if step < timedelta(days=360):
            phases.append([t.timetuple().tm_yday / 365.25 for t in self.times])
        angles = 2 * np.pi * np.array(phases)
        waves = [wave(angle) for angle in angles for wave in (np.sin, np.cos)]
        return np.stack(waves, axis=1) if waves else np.zeros((len(self.values), 0))


def load_series(data: str) -> Series:
    """A series by name: "load" (made), "co2" and "sunspots" (of statsmodels), or a CSV file.

    statsmodels is no dependency: it brings pandas, for two files of numbers.

    Raises:
        InputError: if it cannot be had.

    Example:
        >>> load_series("load").names
        ('load', 'temperature')
    """
    if data == "load":
        return made_load()
    if data not in BUILT_IN:
        return read_series(data)
    found = importlib.util.find_spec("statsmodels")  # not imported: only its files are read
    if found is None or not found.submodule_search_locations:
        raise InputError(f"data: {data} is a part of statsmodels: pip install statsmodels")
    return read_series(f"{found.submodule_search_locations[0]}/datasets/{data}/{data}.csv")


def read_series(path: str | Path) -> Series:
    """Reads a CSV file with a header; what is missing is interpolated, and at the ends repeated.

    A first column of dates, or named date, time, year and the like, is the time.

    Raises:
        InputError: if it is no such file, naming the line.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = Path(directory) / "a.csv"
        ...     _ = path.write_text("date,a\\n2024-01-01,1\\n2024-01-02,\\n2024-01-03,2\\n")
        ...     read_series(path).values[:, 0].tolist()
        [1.0, 1.5, 2.0]
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            header, *rows = [row for row in csv.reader(file) if row] or [[]]
    except OSError as error:
        raise InputError(f"data: cannot read {path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"data: {path} is no CSV file: {error}") from None
    if not header or not rows:
        raise InputError(f"data: {path} is empty: a header and rows of numbers are needed")
    for line, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise InputError(f"data: {path}, line {line}: {len(row)} fields, not {len(header)}")
    first = 1 if header[0].strip().lower() in _TIMES or not _is_number(rows[0][0]) else 0
    values = np.array([_numbers(row[first:], path, line) for line, row in enumerate(rows, 2)])
    if values.shape[1] == 0:
        raise InputError(f"data: {path} has no column of numbers")
    missing = ~np.isfinite(values)
    if missing.all(axis=0).any():
        raise InputError(f"data: {path} has a column without any number")
    steps = np.arange(len(values))
    for gaps, column in zip(missing.T, values.T):
        column[gaps] = np.interp(steps[gaps], steps[~gaps], column[~gaps])
    times = _times([row[0] for row in rows]) if first else None
    names = tuple(name.strip() for name in header[first:])
    return Series(names, values, times, int(missing.sum()))


def made_load(num_steps: int = 24 * 7 * 60, seed: int = 0) -> Series:
    """A made series like the hourly load of a power grid, and the temperature that drives it.

    Load has a profile of the day, less at weekends, and rises with the distance of the temperature
    from 18 degrees; temperature has a season, a day and weather, and both have noise that stays for
    some hours.

    Example:
        >>> load = made_load().values[:, 0]
        >>> bool(np.corrcoef(load[24:], load[:-24])[0, 1] > 0.8)
        True
    """
    rng, hours = np.random.default_rng(seed), np.arange(num_steps)

    def lasting(share: float) -> np.ndarray:
        """Noise of unit variance that keeps a share from hour to hour."""
        noise = rng.standard_normal(num_steps)
        for t in range(1, num_steps):
            noise[t] = share * noise[t - 1] + (1 - share**2) ** 0.5 * noise[t]
        return noise

    day, year = 2 * np.pi * hours / 24, 2 * np.pi * hours / (24 * 365.25)
    temperature = 11 - 10 * np.cos(year) - 4 * np.cos(day - 1) + 3 * lasting(0.98)
    profile = 1 - 0.5 * np.cos(day - 0.5) - 0.25 * np.cos(2 * day - 0.8)
    weekend = (hours // 24 % 7) >= 5
    load = 60 + 20 * profile * np.where(weekend, 0.6, 1) + 1.2 * np.abs(temperature - 18)
    load += 2 * lasting(0.9)
    times = tuple(datetime(2024, 1, 1) + timedelta(hours=int(h)) for h in hours)
    return Series(("load", "temperature"), np.stack([load, temperature], axis=1), times)


def _is_number(text: str) -> bool:
    try:
        float(text or "nan")
    except ValueError:
        return False
    return True


def _numbers(row: list[str], path: str | Path, line: int) -> list[float]:
    if wrong := [field for field in row if field.strip() and not _is_number(field)]:
        raise InputError(f"data: {path}, line {line}: {wrong[0]!r} is no number")
    return [float(field) if field.strip() else float("nan") for field in row]


def _times(texts: list[str]) -> tuple[datetime, ...] | None:
    try:
        return tuple(datetime.fromisoformat(text.strip()) for text in texts)
    except ValueError:
        return None

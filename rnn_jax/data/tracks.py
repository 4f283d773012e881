"""Tracks of several objects that move together: made, or from a CSV file."""

import csv
import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnn_jax.data import motion
from rnn_jax.data.errors import InputError

BUILT_IN = ("balls", "pendulum")
COLUMNS = ("step", "object", "x", "y")  # and scene, where there is more than one


@dataclass(frozen=True, eq=False)
class Tracks:
    """Positions (N, T, O, 2) in three parts: windows of N scenes with O objects.

    Example:
        >>> tracks = load_tracks("balls", length=12, sizes=(6, 2, 2))
        >>> print(tracks)
        6 scenes to train on, 2 to choose by, 2 to test, each of 12 steps of 3 objects
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    @property
    def digest(self) -> str:
        """Equal for equal positions."""
        parts = (self.train, self.validation, self.test)
        hashed = hashlib.sha256(repr([part.shape for part in parts]).encode())
        hashed.update(b"".join(np.ascontiguousarray(part).tobytes() for part in parts))
        return f"sha256:{hashed.hexdigest()[:16]}"

    def __str__(self) -> str:
        scenes, steps, objects, _ = self.train.shape
        return (
            f"{scenes:,} scenes to train on, {len(self.validation):,} to choose by, "
            f"{len(self.test):,} to test, each of {steps} steps of {objects} objects"
        )


def load_tracks(
    data: str,
    *,
    length: int,
    sizes: tuple[int, int, int] = (4000, 200, 200),
    num_objects: int = 3,
    noise: float = 0.0,
    seed: int = 0,
) -> Tracks:
    """Tracks from wherever they are.

    Args:
        data: "balls", which bounce in a box; "pendulum", the two bobs of a double one; or a CSV
            file with the columns step, object, x and y, and scene if there are several, which is
            cut into windows: the last tenth of them is to test with, the tenth before to choose by.
        length: Steps of a window.
        sizes: Scenes of the parts, of what is made.
        num_objects: Balls.
        noise: Deviation of the error with which a made position is seen.
        seed: Of what is made.

    Raises:
        InputError: if there are no such tracks, or too few.

    Example:
        >>> load_tracks("cars.csv", length=20)
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: data: cannot read cars.csv: No such file or directory
    """
    if data not in BUILT_IN:
        windows = cut(read_tracks(data), length)
        if len(windows) < 10:
            raise InputError(
                f"data: {data} has {len(windows)} windows of {length} steps: at least 10 are needed"
            )
        if length > 2 and not np.diff(windows, 2, axis=1).any():
            raise InputError(f"data: {data}: nothing ever turns; there is nothing to learn")
        tenth = max(1, len(windows) // 10)
        bounds = [len(windows) - 2 * tenth, len(windows) - tenth]
        return Tracks(*np.split(windows, bounds))
    rngs = [np.random.default_rng([seed, part]) for part in range(3)]
    if data == "balls":
        try:
            parts = [motion.bouncing_balls(rng, size, length, num_balls=num_objects)
                     for rng, size in zip(rngs, sizes)]  # fmt: skip
        except ValueError as error:
            raise InputError(f"data: {error}") from None
    else:
        parts = [motion.double_pendulums(rng, size, length) for rng, size in zip(rngs, sizes)]
    seen = [part + noise * rng.standard_normal(part.shape) for part, rng in zip(parts, rngs)]
    return Tracks(*(part.astype(np.float32) for part in seen))


def read_tracks(path: str) -> list[np.ndarray]:
    """The scenes of a CSV file, each (T, O, 2), in the order of the file.

    Steps and objects may be any numbers and names; they are put in order. Every scene has the same
    number of objects, each of them at every step of its scene.

    Raises:
        InputError: naming the line or the scene that does not fit.

    Example:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = pathlib.Path(directory) / "a.csv"
        ...     _ = path.write_text("step,object,x,y\\n1,a,0,1\\n2,a,3,4\\n")
        ...     read_tracks(str(path))[0].tolist()
        [[[0.0, 1.0]], [[3.0, 4.0]]]
    """
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise InputError(f"data: cannot read {path}: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"data: {path} is no CSV file: {error}") from None
    if not rows or (missing := [name for name in COLUMNS if name not in rows[0]]):
        raise InputError(
            f"data: {path} has no {', '.join(missing) if rows else 'rows'}: its columns must be "
            "step, object, x and y, and scene if there are several"
        )
    scenes: dict[str, dict[float, dict[str, tuple[float, float]]]] = {}
    for line, row in enumerate(rows, 2):
        step, x, y = (_number(row[name], path, line) for name in ("step", "x", "y"))
        places = scenes.setdefault(row.get("scene") or "", {}).setdefault(step, {})
        if row["object"] in places:
            raise InputError(f"data: {path}, line {line}: {row['object']} is there twice at once")
        places[row["object"]] = x, y
    found, most = [], 0
    for name, steps in scenes.items():
        objects = sorted(next(iter(steps.values())))
        most = most or len(objects)
        for step, places in steps.items():
            if sorted(places) != objects or len(objects) != most:
                raise InputError(
                    f"data: {path}, scene {name or 1}, step {step:g}: {len(places)} objects, "
                    f"{', '.join(sorted(places))[:40]}, not the same {most} as before"
                )
        found.append(np.array([[steps[step][k] for k in objects] for step in sorted(steps)]))
    return found


def cut(scenes: list[np.ndarray], length: int) -> np.ndarray:
    """Windows (N, length, O, 2) of scenes (T, O, 2), one after the other; what is left over is not.

    Example:
        >>> cut([np.zeros((7, 1, 2)), np.ones((3, 1, 2))], length=3)[:, 0, 0, 0].tolist()
        [0.0, 0.0, 1.0]
    """
    windows = [scene[start : start + length] for scene in scenes
               for start in range(0, len(scene) - length + 1, length)]  # fmt: skip
    shape = (0, length, *scenes[0].shape[1:])
    return np.array(windows, np.float32) if windows else np.zeros(shape, np.float32)


def _number(text: Any, path: str, line: int) -> float:
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = np.nan
    if not np.isfinite(value):
        raise InputError(f"data: {path}, line {line}: {text!r} is no number")
    return value

"""How good predicted positions are: floors without a network, distances over the horizon, bands."""

from typing import NamedTuple

import numpy as np


def constant_velocity(past: np.ndarray, num_steps: int) -> np.ndarray:
    """Where objects (N, T, O, 2) will be (N, num_steps, O, 2) if they move as in the last step.

    Example:
        >>> constant_velocity(np.array([0.0, 1.0]).reshape(1, 2, 1, 1), 3).ravel().tolist()
        [2.0, 3.0, 4.0]
    """
    last, move = past[:, -1:], past[:, -1:] - past[:, -2:-1]
    return last + move * np.arange(1, num_steps + 1).reshape(1, -1, 1, 1)


def normal_nats(errors: np.ndarray, known: np.ndarray) -> float:
    """Nats per step of errors (N, T, O, 2) that are normal, with the deviation of the known ones.

    Example:
        >>> ones = np.ones((1, 4, 1, 2))
        >>> round(normal_nats(ones, 2 * ones), 4)  # 2 (ln 2 + 1/8) + ln 2 pi
        3.4742
    """
    variance = float(np.square(known, dtype=float).mean())
    each = 0.5 * np.square(errors, dtype=float) / variance + 0.5 * np.log(2 * np.pi * variance)
    return float(each.sum(axis=(2, 3)).mean())


def track_floors(train: np.ndarray, part: np.ndarray) -> dict[str, float]:
    """Nats per step of a part (N, T, O, 2) without a network, from the third step on.

    A normal distribution about where constant velocity leads, and about the last position, with
    the deviation that it has on what is trained on.

    Example:
        >>> line = np.arange(8.0).reshape(1, 8, 1, 1) * np.array([1.0, 0.5])
        >>> noise = 0.01 * np.random.default_rng(0).standard_normal((9, 8, 1, 2))
        >>> floors = track_floors(line + noise, line + noise)
        >>> {name: round(nats) for name, nats in floors.items()}
        {'constant velocity': -5, 'last position': 2}
    """
    turns, moves = ([np.diff(x, n, axis=1)[:, 2 - n :] for x in (part, train)] for n in (2, 1))
    return {"constant velocity": normal_nats(*turns), "last position": normal_nats(*moves)}


class FutureScores(NamedTuple):
    """How drawn futures compare with what came, by steps ahead."""

    distances: dict[str, np.ndarray]  # (K,) mean distance from what came, of each prediction
    inside: np.ndarray  # (K,) share of coordinates between the futures' 10 % and 90 %

    def __str__(self) -> str:
        rows = [f"steps ahead: mean distance of {', '.join(self.distances)}; inside 80 %"]
        last = len(self.inside)
        for k in sorted({k for k in (1, 2, 5, 10, 20, 50) if k < last} | {last}):
            far = ", ".join(f"{distance[k - 1]:.4f}" for distance in self.distances.values())
            rows.append(f"{k:4}: {far}; {self.inside[k - 1]:.1%}")
        return "\n".join(rows)


def score_futures(past: np.ndarray, futures: np.ndarray, came: np.ndarray) -> FutureScores:
    """Compares drawn futures, constant velocity and the last position with what came.

    Args:
        past: What was read (N, P, O, 2).
        futures: Drawn (N, S, K, O, 2); their mean is the prediction.
        came: (N, K, O, 2).

    Example:
        >>> past = np.zeros((5, 2, 1, 2))
        >>> futures = np.random.default_rng(0).standard_normal((5, 400, 3, 1, 2))
        >>> scores = score_futures(past, futures, futures[:, 0] * 0 + 1)
        >>> scores.inside.tolist(), scores.distances["last position"].round(3).tolist()
        ([1.0, 1.0, 1.0], [1.414, 1.414, 1.414])
    """
    steps = came.shape[1]
    found = {
        "mean future": futures.mean(axis=1),
        "constant velocity": constant_velocity(past, steps),
        "last position": np.repeat(past[:, -1:], steps, axis=1),
    }
    distances = {
        name: np.linalg.norm(path - came, axis=-1).mean(axis=(0, 2)) for name, path in found.items()
    }
    low, high = np.quantile(futures, (0.1, 0.9), axis=1)
    return FutureScores(distances, ((low < came) & (came < high)).mean(axis=(0, 2, 3)))

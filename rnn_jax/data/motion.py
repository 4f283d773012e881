"""Bodies that move by the laws of mechanics: balls that bounce, double pendulums."""

import numpy as np

GRAVITY = 9.81  # m / s^2


def bouncing_balls(
    rng: np.random.Generator,
    num_scenes: int,
    num_steps: int,
    *,
    num_balls: int = 3,
    radius: float = 0.08,
    speed: float = 0.04,
    substeps: int = 20,
) -> np.ndarray:
    """Equal balls in a box of side 1, which bounce off its walls and off each other, elastically.

    Args:
        rng: Draws where they begin, and how fast.
        num_scenes: N.
        num_steps: T.
        num_balls: O.
        radius: Of a ball.
        speed: Deviation of each velocity at the beginning, in sides of the box per step.
        substeps: Of a step: when a ball touches is known as finely.

    Returns:
        Their middles (N, T, O, 2), in radius..1 - radius.

    Raises:
        ValueError: If so many balls do not fit with room to move.

    Example:
        >>> tracks = bouncing_balls(np.random.default_rng(0), 4, 30)
        >>> tracks.shape, bool(0.08 <= tracks.min() and tracks.max() <= 0.92)
        ((4, 30, 3, 2), True)
    """
    if num_balls * (2 * radius) ** 2 > 0.25 or num_balls < 1:
        raise ValueError(
            f"num_balls={num_balls} of radius={radius} must be at least 1 and cover, as squares, "
            "at most a quarter of the box."
        )
    low, high = radius, 1 - radius
    x = rng.uniform(low, high, (num_scenes, num_balls, 2))
    while (crowded := _closest(x) < 2 * radius).any():
        x[crowded] = rng.uniform(low, high, (crowded.sum(), num_balls, 2))
    v = speed * rng.standard_normal(x.shape)
    tracks = np.empty((num_scenes, num_steps, num_balls, 2))
    pairs = list(zip(*np.triu_indices(num_balls, 1)))
    for t in range(num_steps):
        tracks[:, t] = x
        for _ in range(substeps):
            x = x + v / substeps
            outside = ((x < low) & (v < 0)) | ((x > high) & (v > 0))
            x = np.where(x < low, 2 * low - x, np.where(x > high, 2 * high - x, x))
            v = np.where(outside, -v, v)
            for i, j in pairs:
                _collide(x[:, i], x[:, j], v[:, i], v[:, j], radius)
    return tracks


def _closest(x: np.ndarray) -> np.ndarray:
    """Of each scene (N, O, 2) the distance of the two balls that are closest."""
    first, second = np.triu_indices(x.shape[1], 1)
    apart = np.linalg.norm(x[:, first] - x[:, second], axis=-1)
    return apart.min(axis=1, initial=np.inf)


def _collide(x: np.ndarray, y: np.ndarray, v: np.ndarray, w: np.ndarray, radius: float) -> None:
    """Balls (N, 2) that touch and approach exchange their velocities along the line between."""
    line = x - y
    distance = np.linalg.norm(line, axis=-1, keepdims=True)
    normal = line / np.maximum(distance, 1e-12)
    approach = ((v - w) * normal).sum(axis=-1, keepdims=True)
    push = np.where((distance < 2 * radius) & (approach < 0), approach * normal, 0.0)
    v -= push
    w += push


def double_pendulums(
    rng: np.random.Generator,
    num_scenes: int,
    num_steps: int,
    *,
    step: float = 0.05,
    substeps: int = 10,
) -> np.ndarray:
    """Double pendulums, rods of 1 m and bobs of 1 kg, let go from any angles: chaotic.

        (m + m) a'' + m b'' cos(a - b) + m b'^2 sin(a - b) + (m + m) g sin a = 0
        b'' + a'' cos(a - b) - a'^2 sin(a - b) + g sin b = 0

    by Runge and Kutta's fourth order.

    Args:
        rng: Draws the angles at the beginning, within 2 of hanging down.
        num_scenes: N.
        num_steps: T.
        step: Seconds.
        substeps: Of a step.

    Returns:
        Positions of both bobs (N, T, 2, 2) in metres; y points upwards from where they hang.

    Example:
        >>> tracks = double_pendulums(np.random.default_rng(0), 4, 30)
        >>> np.linalg.norm(tracks[:, :, 0], axis=-1).round(12).min().item()  # the rod
        1.0
    """
    state = np.zeros((4, num_scenes))  # both angles, both angular velocities
    state[:2] = rng.uniform(-2, 2, (2, num_scenes))
    tracks, h = np.empty((num_scenes, num_steps, 2, 2)), step / substeps
    for t in range(num_steps):
        tracks[:, t] = pendulum_positions(state)
        for _ in range(substeps):
            k1 = _pendulum_slope(state)
            k2 = _pendulum_slope(state + h / 2 * k1)
            k3 = _pendulum_slope(state + h / 2 * k2)
            k4 = _pendulum_slope(state + h * k3)
            state = state + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return tracks


def pendulum_positions(state: np.ndarray) -> np.ndarray:
    """Where the bobs are (N, 2, 2), from two angles (and their velocities) (4, N).

    Example:
        >>> pendulum_positions(np.zeros((4, 1)))[0].tolist()
        [[0.0, -1.0], [0.0, -2.0]]
    """
    first = np.stack([np.sin(state[0]), -np.cos(state[0])], axis=-1)
    second = first + np.stack([np.sin(state[1]), -np.cos(state[1])], axis=-1)
    return np.stack([first, second], axis=1)


def _pendulum_slope(state: np.ndarray) -> np.ndarray:
    a, b, da, db = state
    cos, sin = np.cos(a - b), np.sin(a - b)
    p = -(db**2) * sin - 2 * GRAVITY * np.sin(a)  # 2 a'' + b'' cos = p
    q = da**2 * sin - GRAVITY * np.sin(b)  # a'' cos + b'' = q
    determinant = 2 - cos**2
    return np.stack([da, db, (p - q * cos) / determinant, (2 * q - p * cos) / determinant])

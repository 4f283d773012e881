"""Short films of moving digits: what they are doing, or what comes next.

A film is made of a still digit and a path, in closed form, so any frame can be had without those
before it. Digits lie between pixels: a digit D at row y and column x is

    frame = R(y) D R(x)^T,   R(y)_ia = max(0, 1 - |i - y - a|)          (bilinear)
"""

from typing import NamedTuple

import numpy as np

from rnn_jax.data.errors import InputError
from rnn_jax.data.images import Images

# Swinging is to and fro, bobbing up and down.
MOTIONS = ("left", "right", "up", "down", "clockwise", "anticlockwise", "swinging", "bobbing")


class Clips(NamedTuple):
    """Some films, and what goes on in each."""

    frames: np.ndarray  # (N, T, side, side) float32 in [0, 1]
    labels: np.ndarray  # (N,) int32, of MOTIONS


def motion_clips(
    rng: np.random.Generator, images: Images, count: int, steps: int = 12, side: int = 24
) -> Clips:
    """One digit each, that moves in one of eight ways, with a speed of its own.

    What leaves at an edge comes in at the other, and it begins anywhere: no single frame says
    anything about the motion.

    Args:
        rng: What draws digits, motions, beginnings and speeds.
        images: Digits to draw from.
        count: N.
        steps: T.
        side: Pixels a side of the frames.

    Raises:
        InputError: If the digits do not fit into the frames.

    Example:
        >>> still = Images(np.ones((1, 2, 2), np.float32), np.zeros(1, np.int32))
        >>> clips = motion_clips(np.random.default_rng(0), still, 3, steps=4, side=8)
        >>> clips.frames.shape, [MOTIONS[k] for k in clips.labels]
        ((3, 4, 8, 8), ['swinging', 'anticlockwise', 'clockwise'])
    """
    _check(images, side)
    digits = images.images[rng.integers(len(images.labels), size=count)]
    labels = rng.integers(len(MOTIONS), size=count).astype(np.int32)
    begin = rng.uniform(0, side, (count, 1, 2))
    speed = rng.uniform(0.04, 0.08, (count, 1)) * side  # pixels a frame
    period, phase = rng.uniform(6, 9, (count, 1)), rng.uniform(0, 2 * np.pi, (count, 1))
    t = np.arange(steps)
    way, angle = speed * t, 2 * np.pi * t / period
    radius = speed * period / (2 * np.pi)  # so that the speed is the same on a circle
    still, swing = np.zeros_like(way), 2 * radius * np.sin(angle + phase)
    y, x = radius * np.sin(angle + phase), radius * np.cos(angle + phase)  # rows go down
    back = radius * np.sin(phase - angle), radius * np.cos(phase - angle)
    paths = np.array([(still, -way), (still, way), (-way, still), (way, still),
                      (y, x), back, (still, swing), (swing, still)])  # fmt: skip
    chosen = np.moveaxis(paths[labels, :, np.arange(count)], 1, -1)  # (N, T, 2)
    return Clips(draw_moving(digits, begin + chosen, side, wrap=True), labels)


def bouncing_clips(
    rng: np.random.Generator,
    images: Images,
    count: int,
    steps: int = 20,
    side: int = 24,
    num_digits: int = 2,
) -> np.ndarray:
    """Digits that fly straight on, through each other, and bounce off the edges.

    Args:
        rng: What draws digits, beginnings and speeds.
        images: Digits to draw from.
        count: N.
        steps: T.
        side: Pixels a side of the frames.
        num_digits: In each film.

    Returns:
        (N, T, side, side) float32 in [0, 1], the brighter where two digits meet.

    Raises:
        InputError: If the digits do not fit into the frames.

    Example:
        >>> still = Images(np.ones((1, 2, 2), np.float32), np.zeros(1, np.int32))
        >>> bouncing_clips(np.random.default_rng(0), still, 3, steps=4, side=8).sum((2, 3)).max()
        np.float32(8.0)

    References:
        Srivastava, Mansimov and Salakhutdinov, Unsupervised learning of video representations using
        LSTMs, 2015, arXiv:1502.04681.
    """
    _check(images, side)
    shape = (num_digits, count)
    digits = images.images[rng.integers(len(images.labels), size=shape)]
    room = np.array([side - n for n in digits.shape[-2:]], float)
    begin = rng.uniform(0, 1, (*shape, 1, 2)) * room
    angle, speed = rng.uniform(0, 2 * np.pi, shape), rng.uniform(0.04, 0.08, shape) * side
    velocity = np.stack([speed * np.sin(angle), speed * np.cos(angle)], -1)[..., None, :]
    places = bounced(begin + velocity * np.arange(steps)[:, None], room)
    drawn = [draw_moving(*each, side) for each in zip(digits, places)]
    return np.maximum.reduce(drawn)


def bounced(places: np.ndarray, room: np.ndarray | float) -> np.ndarray:
    """Places of a straight flight, folded back between 0 and the room there is.

    Example:
        >>> bounced(np.array([-1.0, 0.5, 2.0, 3.5, 5.0]), 3).tolist()
        [1.0, 0.5, 2.0, 2.5, 1.0]
    """
    return room - np.abs(np.mod(places, 2 * room) - room)


def draw_moving(
    digits: np.ndarray, places: np.ndarray, side: int, wrap: bool = False
) -> np.ndarray:
    """Frames of digits, each along a path.

    Args:
        digits: (N, height, width).
        places: Row and column of each digit's corner in each frame, (N, T, 2), between pixels too.
        side: Pixels a side of the frames.
        wrap: Whether what leaves at an edge comes in at the other.

    Returns:
        (N, T, side, side) float32.

    Example:
        >>> dot = np.ones((1, 1, 1))
        >>> draw_moving(dot, np.array([[[0.0, 0.75], [1.0, -0.25]]]), side=2, wrap=True).tolist()
        [[[[0.25, 0.75], [0.0, 0.0]], [[0.0, 0.0], [0.75, 0.25]]]]
    """
    sides = []
    for axis, size in enumerate(digits.shape[1:]):
        far = np.arange(side)[:, None] - places[..., axis, None, None] - np.arange(size)
        if wrap:
            far = np.mod(far + side / 2, side) - side / 2
        sides.append(np.maximum(0, 1 - np.abs(far)).astype(np.float32))
    rows, columns = sides
    return rows @ digits[:, None].astype(np.float32) @ columns.swapaxes(-1, -2)


def _check(images: Images, side: int) -> None:
    height, width = images.images.shape[1:]
    if side <= max(height, width):
        raise InputError(
            f"side: digits of {height} x {width} pixels have no room to move in frames of {side}; "
            "give more"
        )

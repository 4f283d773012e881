"""Scenes of coloured shapes and handwritten digits, with captions that are exact.

    one object      a red circle
    two             a red circle left of a blue seven, or above it: whichever is farther
    three           a red circle , a blue seven and a white cross, from left to right

What stands where is known, so it can be asked whether a model looks at what it names.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnn_jax.data.errors import InputError

COLOURS = {
    "red": (230, 40, 40), "green": (40, 190, 60), "blue": (60, 90, 250),
    "yellow": (235, 220, 50), "purple": (190, 60, 220), "white": (240, 240, 240),
}  # fmt: skip
SHAPES = ("circle", "square", "triangle", "cross")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_DIGIT_SHARE = 0.4  # of the objects


class Scene(NamedTuple):
    """An image and what is to be said of it."""

    image: np.ndarray  # (size, size, 3) uint8
    caption: str  # words between single spaces
    objects: np.ndarray  # for each word of the caption the object that it names, or -1
    boxes: np.ndarray  # (objects, 4): top, left, bottom, right, in pixels; the end is outside


def make_scenes(
    count: int, digits: Sequence[np.ndarray], labels: Sequence[int], size: int = 32, seed: int = 0
) -> list[Scene]:
    """So many scenes; each is a pure function of seed and place.

    Args:
        count: How many.
        digits: Handwritten ones to draw from, (8, 8) or larger, in [0, 1].
        labels: Which digit each is.
        size: Pixels a side, at least 32; an object has a quarter to a third of it.
        seed: Another seed, other scenes.

    Raises:
        InputError: If the size is too small for three objects.

    Example:
        >>> one = np.ones((8, 8))
        >>> [scene.caption for scene in make_scenes(2, [one], [1], seed=3)]
        ['a red one , a red cross and a blue one', 'a white circle']
    """
    if size < 32:
        raise InputError(f"size: {size} pixels a side do not hold three objects; give 32 or more")
    return [_scene(np.random.default_rng([seed, k]), digits, labels, size) for k in range(count)]


def shape_mask(kind: str, side: int) -> np.ndarray:
    """Where a shape is, (side, side) of 0 and 1; it touches all four edges.

    Example:
        >>> shape_mask("triangle", 5).astype(int)
        array([[0, 0, 1, 0, 0],
               [0, 0, 1, 0, 0],
               [0, 1, 1, 1, 0],
               [0, 1, 1, 1, 0],
               [1, 1, 1, 1, 1]])
    """
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    half = (side - 1) / 2
    if kind == "circle":
        found = x**2 + y**2 <= (side / 2) ** 2
    elif kind == "triangle":
        found = 2 * np.abs(x) <= y + half
    elif kind == "cross":
        found = np.minimum(np.abs(x), np.abs(y)) <= side / 8
    else:
        found = np.ones((side, side), bool)
    return found.astype(np.float32)


def enlarged(image: np.ndarray, side: int) -> np.ndarray:
    """A small grey image drawn larger, every pixel a square or so.

    Example:
        >>> enlarged(np.array([[0.0, 1.0]] * 2), 3).tolist()
        [[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]
    """
    rows, columns = ((np.arange(side) * n) // side for n in image.shape)
    return image[np.ix_(rows, columns)]


def caption_of(names: Sequence[str], boxes: np.ndarray) -> tuple[str, np.ndarray]:
    """What is said of objects, and for each word the object that it names, or -1.

    Args:
        names: Colour and kind of one to three objects, such as "red circle".
        boxes: Where they are, (objects, 4).

    Example:
        >>> boxes = np.array([[0, 20, 9, 29], [20, 18, 29, 27]])
        >>> caption, objects = caption_of(["red circle", "blue two"], boxes)
        >>> caption, objects.tolist()
        ('a red circle above a blue two', [-1, 0, 0, -1, -1, 1, 1])
    """
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    axis, between = 1, [","] * (len(names) - 2) + ["and"]
    if len(names) == 2:
        across, down = np.abs(centres[1] - centres[0])[::-1]
        axis, between = (1, ["left of"]) if across > down else (0, ["above"])
    words: list[str] = []
    objects: list[int] = []
    for place, k in enumerate(np.argsort(centres[:, axis]).tolist()):
        said = between[place - 1].split() if place else []
        words += [*said, "a", *names[k].split()]
        objects += [-1] * (len(said) + 1) + [k, k]
    return " ".join(words), np.array(objects)


def _scene(
    rng: np.random.Generator, digits: Sequence[np.ndarray], labels: Sequence[int], size: int
) -> Scene:
    image = rng.uniform(0, 30, (size, size, 3))
    boxes = _layout(rng, int(rng.integers(1, 4)), size)
    names = []
    for top, left, bottom, right in boxes.tolist():
        colour = str(rng.choice([*COLOURS]))
        if rng.random() < _DIGIT_SHARE:
            chosen = int(rng.integers(len(digits)))
            kind, mask = DIGITS[labels[chosen]], enlarged(digits[chosen], bottom - top)
        else:
            kind = str(rng.choice(SHAPES))
            mask = shape_mask(kind, bottom - top)
        paint = np.array(COLOURS[colour]) * rng.uniform(0.8, 1.0)
        mask = mask[..., None]
        region = image[top:bottom, left:right]
        image[top:bottom, left:right] = (1 - mask) * region + mask * paint
        names.append(f"{colour} {kind}")
    return Scene(image.astype(np.uint8), *caption_of(names, boxes), boxes)


def _layout(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    """Boxes that do not touch, and whose order and relation are clear."""
    while True:
        sides = rng.integers(size // 4, size // 3 + 1, count)
        corners = (rng.random((count, 2)) * (size + 1 - sides[:, None])).astype(int)
        boxes = np.concatenate([corners, corners + sides[:, None]], 1)
        if count == 1:
            return boxes
        first, second = np.triu_indices(count, 1)
        apart = np.maximum(
            boxes[first, :2] - boxes[second, 2:], boxes[second, :2] - boxes[first, 2:]
        )
        centres = (boxes[:, :2] + boxes[:, 2:]) / 2
        down, across = np.abs(centres[first] - centres[second]).T
        clear = size // 8 <= (across if count == 3 else np.abs(across - down))
        if apart.max(1).min() >= 1 and clear.all():
            return boxes

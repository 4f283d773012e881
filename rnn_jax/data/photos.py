"""Many images that are read one by one, when they are asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnn_jax.data.errors import InputError, extra


@dataclass(frozen=True, eq=False)
class Chosen(Sequence[np.ndarray]):
    """Some of a sequence, in any order, taken when they are asked for.

    Example:
        >>> Chosen([np.zeros(1), np.ones(1)], [1, 1, 0])[1], len(Chosen([], []))
        (array([1.]), 0)
    """

    rows: Sequence[np.ndarray]
    places: Sequence[int]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Chosen(self.rows, self.places[index])
        return self.rows[self.places[index]]


@dataclass(frozen=True, eq=False)
class Photos(Sequence[np.ndarray]):
    """Image files, cut to a square around the middle and made small when they are indexed.

    Raises:
        InputError: If a file is no image, when it is read.

    Example:
        >>> Photos(["no/such/file.jpg"], size=8)[0]
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: data: no/such/file.jpg cannot be read as an image: ...
    """

    paths: Sequence[str | Path]
    size: int

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Photos(self.paths[index], self.size)
        with extra("data: images in files", "pillow"):
            from PIL import Image
        path = self.paths[index]
        try:
            with Image.open(path) as image:
                image.draft("RGB", (self.size, self.size))  # of a JPEG no more than is needed
                return squared(np.asarray(image.convert("RGB")), self.size)
        except OSError as error:
            raise InputError(f"data: {path} cannot be read as an image: {error}") from None


@dataclass(frozen=True, eq=False)
class TfdsImages(Sequence[np.ndarray]):
    """Images of TFDS's examples, cut and made small when they are indexed.

    Example:
        >>> rows = [{"image": np.zeros((4, 6, 1), np.uint8)}]
        >>> TfdsImages(rows, "image", size=2)[0].shape
        (2, 2, 3)
    """

    rows: Sequence[Any]
    feature: str
    size: int

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        image = np.asarray(self.rows[index][self.feature])
        return squared(np.broadcast_to(image, (*image.shape[:2], 3)), self.size)


def squared(image: np.ndarray, size: int) -> np.ndarray:
    """The middle square of an image (height, width, 3), at another size.

    Example:
        >>> squared(np.full((4, 6, 3), 7, np.uint8), 2).tolist()
        [[[7, 7, 7], [7, 7, 7]], [[7, 7, 7], [7, 7, 7]]]
    """
    with extra("data: images", "pillow"):
        from PIL import Image
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = Image.fromarray(np.ascontiguousarray(image[top : top + side, left : left + side]))
    return np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))

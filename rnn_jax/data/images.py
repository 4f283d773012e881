"""Images with labels: scikit-learn's digits, and MNIST's idx files."""

import gzip
import hashlib
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnn_jax.data.errors import InputError, extra

_IMAGES, _LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"


class Images(NamedTuple):
    """Some images and what is on them."""

    images: np.ndarray  # (N, height, width) float32 in [0, 1]
    labels: np.ndarray  # (N,) int32


@dataclass(frozen=True, eq=False)
class ImageCorpus:
    """Images in three parts.

    Example:
        >>> corpus = ImageCorpus(*[Images(np.zeros((2, 8, 8)), np.array([0, 4]))] * 3)
        >>> corpus.num_classes
        5
        >>> print(corpus)
        2 images of 8 x 8 pixels to train on, 2 to validate, 2 to test
    """

    train: Images
    validation: Images
    test: Images

    @property
    def num_classes(self) -> int:
        return 1 + max(int(part.labels.max()) for part in (self.train, self.validation, self.test))

    @property
    def digest(self) -> str:
        """Equal for equal images and labels."""
        hashed = hashlib.sha256()
        for part in (self.train, self.validation, self.test):
            hashed.update(np.ascontiguousarray(part.images).tobytes() + part.labels.tobytes())
        return f"sha256:{hashed.hexdigest()[:16]}"

    def __str__(self) -> str:
        count, height, width = self.train.images.shape
        sizes = f"{len(self.validation.labels):,} to validate, {len(self.test.labels):,} to test"
        return f"{count:,} images of {height} x {width} pixels to train on, {sizes}"


def load_images(data: str | Path | None = None) -> ImageCorpus:
    """Images from wherever they are.

    Args:
        data: None or "builtin" for scikit-learn's 1,797 digits of 8 x 8 pixels, which need no
            network; or a folder of idx files, compressed or not, as MNIST and its relatives have
            them: those called train-* to train on and t10k-* to test. Where only one of both is
            there, its last fifth is the test; in any case the last twentieth of what is left is
            for validation. Nothing is shuffled: neighbours are often of one hand.

    Raises:
        InputError: if there are no such files, or they are damaged or do not fit each other.

    Example:
        >>> load_images("no/such/folder")
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: data: no such folder: no/such/folder; give one with MNIST's
        idx files, or nothing for scikit-learn's digits
    """
    if data is None or str(data) == "builtin":
        return _split(_digits())
    folder = Path(data)
    if not folder.is_dir():
        raise InputError(
            f"data: no such folder: {folder}; give one with MNIST's idx files, or nothing for "
            "scikit-learn's digits"
        )
    train, test = (_read_part(folder, name) for name in ("train", "t10k"))
    whole = train or test
    if whole is None:
        raise InputError(
            f"data: {folder} holds neither train-{_IMAGES} nor t10k-{_IMAGES}, compressed (.gz) or "
            "not"
        )
    return _split(whole, test if train else None)


def arranged(images: np.ndarray, order: str, patch: int = 1) -> np.ndarray:
    """Images as a recurrent network reads them.

    Args:
        images: (N, height, width).
        order: "rows" for (N, height, width), a row a step; "pixels" for (N, height * width, 1);
            "permuted" for the same in an order that is drawn once and for all; anything else for
            planes (N, height / patch, width / patch, patch * patch).
        patch: pixels a side of a plane's squares, which are filled up with zeros at the edges.

    Example:
        >>> images = np.arange(12).reshape(1, 3, 4)
        >>> arranged(images, "pixels").shape, arranged(images, "planes", 2)[0, 0, 1].tolist()
        ((1, 12, 1), [2, 3, 6, 7])
    """
    count, height, width = images.shape
    if order == "rows":
        return images
    if order in ("pixels", "permuted"):
        pixels = images.reshape(count, height * width, 1)
        drawn = np.random.default_rng(0).permutation(height * width)
        return pixels[:, drawn] if order == "permuted" else pixels
    filled = np.pad(images, ((0, 0), (0, -height % patch), (0, -width % patch)))
    rows, columns = filled.shape[1] // patch, filled.shape[2] // patch
    squares = filled.reshape(count, rows, patch, columns, patch).swapaxes(2, 3)
    return squares.reshape(count, rows, columns, patch * patch)


def read_idx(path: str | Path) -> np.ndarray:
    """The numbers of an idx file of bytes, compressed if its name ends in .gz.

    Raises:
        InputError: if the file is missing or is none of that kind.

    Example:
        >>> read_idx("no/such/file")
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: data: cannot read no/such/file: ...
    """
    try:
        content = Path(path).read_bytes()
        content = gzip.decompress(content) if str(path).endswith(".gz") else content
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"data: cannot read {path}: {error}") from None
    if len(content) < 4 or content[:3] != b"\0\0\x08":  # 8: unsigned bytes
        raise InputError(f"data: {path} is no idx file of bytes: it begins with {content[:4]!r}")
    start = 4 + 4 * content[3]
    shape = np.frombuffer(content[4:start].ljust(start - 4, b"\0"), ">i4").tolist()
    values = np.frombuffer(content[start:], np.uint8)
    if len(content) < start or values.size != math.prod(shape):
        raise InputError(f"data: {path} is cut off: {values.size} numbers for a shape of {shape}")
    return values.reshape(shape)


def _read_part(folder: Path, name: str) -> Images | None:
    image_file, label_file = (_existing(folder / f"{name}-{k}") for k in (_IMAGES, _LABELS))
    if image_file is None:
        return None
    if label_file is None:
        raise InputError(f"data: {folder} has {image_file.name}, but no {name}-{_LABELS} beside it")
    images, labels = read_idx(image_file), read_idx(label_file)
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise InputError(
            f"data: {image_file} has shape {images.shape} and {label_file.name} {labels.shape}; "
            "they must be (N, height, width) and (N,)"
        )
    return Images(images.astype(np.float32) / 255, labels.astype(np.int32))


def _existing(path: Path) -> Path | None:
    both = (path, path.with_name(path.name + ".gz"))
    return next((found for found in both if found.is_file()), None)


def _digits() -> Images:
    with extra("data: the built-in digits", "scikit-learn"):
        from sklearn.datasets import load_digits
    found = load_digits()
    return Images(found.images.astype(np.float32) / 16, found.target.astype(np.int32))


def _split(whole: Images, test: Images | None = None) -> ImageCorpus:
    if test is None:
        whole, test = _cut(whole, 5)
    train, validation = _cut(whole, 20)
    if not len(validation.labels):
        raise InputError(f"data: {len(whole.labels)} images do not fill three parts; give more")
    return ImageCorpus(train, validation, test)


def _cut(part: Images, share: int) -> tuple[Images, Images]:
    """All but the last of so many equal parts, and that."""
    images, labels = part
    cut = len(labels) - len(labels) // share
    return Images(images[:cut], labels[:cut]), Images(images[cut:], labels[cut:])

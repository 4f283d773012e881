"""Idx files: what is in them, how they are split, and what is said of damaged ones."""

import gzip

import numpy as np
import pytest

from rnn_jax.data import InputError
from rnn_jax.data.images import arranged, load_images, read_idx


def idx(values):
    return (
        bytes([0, 0, 8, values.ndim])
        + b"".join(size.to_bytes(4) for size in values.shape)
        + values.astype(np.uint8).tobytes()
    )


def put(folder, part, images, labels, packed):
    for kind, values in (("images-idx3", images), ("labels-idx1", labels)):
        content = idx(values)
        path = folder / f"{part}-{kind}-ubyte{'.gz' * packed}"
        path.write_bytes(gzip.compress(content) if packed else content)


@pytest.mark.parametrize("packed", [False, True])
def test_files_are_read_and_split(packed, tmp_path):
    images, labels = np.arange(600).reshape(50, 3, 4) % 256, np.arange(50) % 7
    put(tmp_path, "t10k", images, labels, packed)
    alone = load_images(tmp_path)
    np.testing.assert_allclose(alone.train.images, images[:38] / 255, rtol=1e-6)
    np.testing.assert_array_equal(alone.validation.labels, labels[38:40])
    np.testing.assert_array_equal(alone.test.labels, labels[40:])
    assert alone.num_classes == 7 and alone.train.images.dtype == np.float32

    put(tmp_path, "train", images[:40], labels[:40], packed)
    both = load_images(tmp_path)
    np.testing.assert_array_equal(both.test.labels, labels)
    np.testing.assert_array_equal(both.validation.labels, labels[38:40])
    assert load_images(tmp_path).digest == both.digest != alone.digest


def test_damaged_files_are_named(tmp_path):
    images, labels = np.zeros((30, 2, 2)), np.zeros(30)
    for content, message in (
        (b"", "no idx file of bytes"),
        (b"\0\0\x0d\x01", "no idx file of bytes"),
        (idx(images)[:-1], "is cut off: 119 numbers for a shape of \\[30, 2, 2\\]"),
        (idx(images)[:6], "is cut off"),
    ):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_idx(tmp_path / "x")
    (tmp_path / "x.gz").write_bytes(gzip.compress(idx(images))[:-9])
    with pytest.raises(InputError, match="cannot read"):
        read_idx(tmp_path / "x.gz")
    put(tmp_path, "train", images, labels[:29], False)
    with pytest.raises(InputError, match=r"must be \(N, height, width\) and \(N,\)"):
        load_images(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match="no train-labels-idx1-ubyte beside it"):
        load_images(tmp_path)
    put(tmp_path, "train", images[:20], labels[:20], False)
    with pytest.raises(InputError, match="16 images do not fill three parts"):
        load_images(tmp_path)


def test_orders_hold_the_same_pixels():
    images = np.random.default_rng(0).random((2, 3, 5))
    rows, pixels, permuted = (arranged(images, order) for order in ("rows", "pixels", "permuted"))
    np.testing.assert_array_equal(rows, images)
    np.testing.assert_array_equal(pixels[..., 0], images.reshape(2, 15))
    assert not np.array_equal(permuted, pixels)
    np.testing.assert_array_equal(np.sort(permuted, 1), np.sort(pixels, 1))
    squares = arranged(images, "grid", 2)
    assert squares.shape == (2, 2, 3, 4)
    np.testing.assert_array_equal(squares[1, 0, 1], images[1, :2, 2:4].ravel())
    np.testing.assert_array_equal(squares[1, 1, 2], [images[1, 2, 4], 0, 0, 0])

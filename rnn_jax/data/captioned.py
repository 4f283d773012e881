"""Images with captions: built-in scenes, a folder with a list of captions, TFDS."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rnn_jax.data import tfds_source
from rnn_jax.data.buckets import PairBatches
from rnn_jax.data.caption_scores import caption_scores
from rnn_jax.data.errors import InputError
from rnn_jax.data.images import load_images
from rnn_jax.data.labelled import as_words
from rnn_jax.data.pairs import share_of
from rnn_jax.data.photos import Chosen, Photos, TfdsImages
from rnn_jax.data.scenes import Scene, make_scenes
from rnn_jax.data.text import read_text
from rnn_jax.data.vocabulary import Vocabulary, row


class Captioned(NamedTuple):
    """Some images and what is said of each of them."""

    images: Sequence[np.ndarray]  # N of (size, size, 3) uint8, read when they are indexed
    captions: list[list[str]]  # of each image one or more, words between single spaces
    scenes: Sequence[Scene] = ()  # of built-in images: what stands where

    def pairs(self) -> tuple[Sequence[np.ndarray], list[str]]:
        """Every caption with its image."""
        places = [k for k, said in enumerate(self.captions) for _ in said]
        return Chosen(self.images, places), [text for said in self.captions for text in said]

    def batches(
        self, words: Vocabulary, batch_size: int, max_length: int, seed: int = 0
    ) -> PairBatches:
        """Batches of every caption with its image, in one shape; longer captions are left out."""
        images, texts = self.pairs()
        lengths = np.full(len(texts), len(self.images[0]))  # known: no image is read to be counted
        rows = [row(words, text) for text in texts]
        options: Any = {"num_buckets": 1, "round_to": 1, "too_long": "drop"}
        return PairBatches(images, rows, batch_size, source_lengths=lengths, seed=seed,
                           max_target_length=max_length + 1, **options)  # fmt: skip

    def first(self, count: int) -> "Captioned":
        """The first so many images."""
        places = range(min(count, len(self.images)))
        return Captioned(Chosen(self.images, places), self.captions[:count], self.scenes[:count])

    def blind(self) -> "Captioned":
        """The same captions of black images."""
        black = np.zeros_like(self.images[0])
        return self._replace(images=Chosen([black], [0] * len(self.images)))


@dataclass(frozen=True, eq=False)
class CaptionCorpus:
    """Images with captions in three parts.

    Example:
        >>> part = Captioned([np.zeros((4, 4, 3), np.uint8)], [["a dog", "one dog"]])
        >>> print(CaptionCorpus(part, part, part, "sha256:0"))
        1 images with 2 captions to train on, 1 to validate, 1 to test
    """

    train: Captioned
    validation: Captioned
    test: Captioned
    digest: str  # equal for equal captions of equal images

    def floor(self, part: Captioned) -> str:
        """What the most frequent caption of training would reach, without a look."""
        said, _ = Counter(self.train.pairs()[1]).most_common(1)[0]
        scores = caption_scores([said] * len(part.captions), part.captions)
        return f"always {said!r}: {scores}"

    def __str__(self) -> str:
        first, *others = (len(part.images) for part in (self.train, self.validation, self.test))
        captions = sum(map(len, self.train.captions))
        return (
            f"{first:,} images with {captions:,} captions to train on, {others[0]:,} to validate, "
            f"{others[1]:,} to test"
        )


def load_captioned(
    data: str | None = None,
    captions: str | None = None,
    *,
    size: int = 32,
    count: int = 6000,
    blind: bool = False,
) -> CaptionCorpus:
    """Images with captions from wherever they are.

    Args:
        data: None or "builtin" for scenes of shapes and digits (``make_scenes``), with digits of
            hands of their own in each part; a folder of image files; "tfds:coco_captions".
        captions: Of a folder: a file with NAME, a tab and a caption on each line, where NAME may
            end in #0, #1, ... as in Flickr's lists; default captions.txt in the folder. A tenth of
            the images, by a hash of the name, is for validation, another to test.
        size: Pixels a side.
        count: Built-in scenes to train on; a tenth as many are for each of the other parts.
        blind: Make all images black, to see what the language alone gives.

    Raises:
        InputError: If there are no such images or captions, or nothing is left for a part.

    Example:
        >>> load_captioned("no/such/folder")
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: data: no such folder: no/such/folder; give one of images,
        tfds:coco_captions, or nothing for built-in scenes
    """
    kind, _, name = (data or "builtin").partition(":")
    if captions is not None and kind in ("builtin", "tfds"):
        raise InputError(f"captions: {data or 'what is built in'} brings its own; leave them out")
    if kind == "builtin":
        *parts, digest = _built_in(size, count)
    elif kind == "tfds":
        *parts, digest = _tfds(name, size)
    else:
        *parts, digest = _folder(Path(str(data)), captions, size)
    train, validation, test = (part.blind() if blind else part for part in parts)
    return CaptionCorpus(train, validation, test, digest)


_Parts = tuple[Any, ...]  # three of Captioned, and a digest


def _built_in(size: int, count: int) -> _Parts:
    digits, parts = load_images(), []
    for seed, source in enumerate((digits.train, digits.validation, digits.test)):
        wanted = count if seed == 0 else -(-count // 10)
        made = make_scenes(wanted, [*source.images], source.labels.tolist(), size, seed)
        images, captions = [scene.image for scene in made], [[scene.caption] for scene in made]
        parts.append(Captioned(images, captions, made))
    hashed = hashlib.sha256()
    for part in parts:
        for image, (said,) in zip(part.images, part.captions):
            hashed.update(image.tobytes() + said.encode())
    return (*parts, f"sha256:{hashed.hexdigest()[:16]}")


def _folder(folder: Path, captions: str | None, size: int) -> _Parts:
    if not folder.is_dir():
        raise InputError(
            f"data: no such folder: {folder}; give one of images, tfds:coco_captions, or nothing "
            "for built-in scenes"
        )
    path = Path(captions or folder / "captions.txt")
    said: dict[str, list[str]] = {}
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        name, tab, caption = line.partition("\t")
        name = name.partition("#")[0].strip()
        if not tab or not as_words(caption):
            raise InputError(f"captions: line {number} of {path} is no NAME, tab and caption: "
                             f"{line[:60]!r}")  # fmt: skip
        if name not in said and not (folder / name).is_file():
            raise InputError(f"captions: line {number} of {path}: {folder} has no file {name!r}")
        said.setdefault(name, []).append(as_words(caption))
    parts: list[list[str]] = [[], [], []]
    for name in said:
        share = share_of(name)
        parts[1 if share < 0.1 else 2 if share < 0.2 else 0].append(name)
    if not all(parts):
        raise InputError(f"data: {len(said)} images with captions do not fill three parts")
    hashed = hashlib.sha256(
        repr([(n, (folder / n).stat().st_size, said[n]) for n in said]).encode()
    )
    made = (Captioned(Photos([folder / n for n in part], size), [said[n] for n in part])
            for part in parts)  # fmt: skip
    return (*made, f"sha256:{hashed.hexdigest()[:16]}")


def _tfds(name: str, size: int) -> _Parts:
    found = tfds_source.builder(name)
    kinds = {feature: type(value).__name__ for feature, value in found.info.features.items()}
    images = [feature for feature, kind in kinds.items() if kind == "Image"]
    if len(images) != 1 or "captions" not in kinds:
        raise InputError(f"data: tfds:{name} has {kinds}: one Image and captions are needed")

    def part(split: str) -> Captioned:
        rows = tfds_source.rows(found, split)
        said = [[as_words(_text(text)) for text in row["captions"]["text"]] for row in rows]
        return Captioned(TfdsImages(rows, images[0], size), said)

    parts = [*map(part, tfds_source.splits(found))]
    hashed = hashlib.sha256(repr([part.captions for part in parts]).encode())
    return (*parts, f"sha256:{hashed.hexdigest()[:16]}")


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)

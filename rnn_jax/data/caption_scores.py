"""How good captions are, and whether a model looks at what it names."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from rnn_jax.data.errors import extra
from rnn_jax.data.scenes import Scene


class CaptionScores(NamedTuple):
    """BLEU from 0 to 100, and the share that is one of the references in every word."""

    bleu: float
    exact: float

    def __str__(self) -> str:
        return f"{self.exact:.1%} exactly right, BLEU {self.bleu:.1f}"


def caption_scores(said: Sequence[str], references: Sequence[Sequence[str]]) -> CaptionScores:
    """BLEU of all captions together by sacrebleu, against one or more references each.

    Args:
        said: Captions, words between single spaces.
        references: What else people say of each image.

    Raises:
        ValueError: If their numbers differ, or there are none.
        InputError: If sacrebleu is not installed.

    Example:
        >>> from importlib.util import find_spec
        >>> if find_spec("sacrebleu"):
        ...     said = ["a dog runs on grass", "a cat"]
        ...     found = caption_scores(said, [["a dog", "a dog runs on grass"], ["two cats"]])
        ...     assert found.exact == 0.5 and 80 < found.bleu < 100
    """
    if len(said) != len(references) or not said or not all(references):
        raise ValueError(f"{len(said)} captions and {len(references)} lists of references")
    with extra("scores of captions", "sacrebleu"):
        import sacrebleu
    most = max(map(len, references))  # sacrebleu passes over what is empty
    columns = [[row[k] if k < len(row) else "" for row in references] for k in range(most)]
    bleu = sacrebleu.BLEU(tokenize="none", force=True).corpus_score([*said], columns).score
    return CaptionScores(bleu, float(np.mean([a in row for a, row in zip(said, references)])))


class Looked(NamedTuple):
    """Shares over all words that name an object."""

    peak: float  # the place with most attention lies on the object
    centre: float  # the mean place does
    mass: float  # of attention on the object
    chance: float  # of all places, those that lie on the object
    other: float  # the place with most attention lies on another object

    def __str__(self) -> str:
        return (
            f"looks at what it names for {self.peak:.1%} of the words (centre of attention "
            f"{self.centre:.1%}, its mass {self.mass:.1%}; chance {self.chance:.1%}), at another "
            f"object for {self.other:.1%}"
        )


def looked_at(weights: Sequence[np.ndarray], scenes: Sequence[Scene]) -> Looked:
    """Where attention is while a caption names an object, against where the object is.

    A place of the grid stands for the middle of its square of pixels.

    Args:
        weights: For each scene (words, height, width) over the words of its caption.
        scenes: The scenes.

    Raises:
        ValueError: If there are not as many maps as words.

    Example:
        >>> scene = Scene(np.zeros((4, 4, 3)), "a dot", np.array([-1, 0]), np.array([[0, 0, 2, 2]]))
        >>> looked_at([np.array([[[0, 0], [0, 1]], [[0.9, 0.1], [0, 0]]])], [scene]).peak
        1.0
    """
    rows = []
    for maps, scene in zip(weights, scenes, strict=True):
        if len(maps) != len(scene.objects):
            raise ValueError(f"{len(maps)} maps for the words of {scene.caption!r}")
        shape = np.array(maps.shape[1:])
        places = (np.indices(maps.shape[1:]).reshape(2, -1).T + 0.5) * (
            np.array(scene.image.shape[:2]) / shape
        )
        inside = _inside(places, scene.boxes)  # (places, objects)
        for looked, named in zip(maps.reshape(len(maps), -1), scene.objects.tolist()):
            if named < 0:
                continue
            peak, centre = inside[looked.argmax()], _inside(looked[None] @ places, scene.boxes)[0]
            here = inside[:, named]
            others = peak.any() and not peak[named]
            rows.append((peak[named], centre[named], looked[here].sum(), here.mean(), others))
    return Looked(*np.mean(rows, axis=0, dtype=float).tolist())


def _inside(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Which points (N, 2) lie in which boxes (K, 4): (N, K)."""
    low, high = boxes[None, :, :2], boxes[None, :, 2:]
    inside = (low <= points[:, None]) & (points[:, None] < high)
    return inside[..., 0] & inside[..., 1]

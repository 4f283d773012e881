"""Scenes say what is on them: held to the pixels, and to captions made from boxes by hand."""

import numpy as np
import pytest

from rnn_jax.data import InputError
from rnn_jax.data.caption_scores import caption_scores, looked_at
from rnn_jax.data.scenes import (
    COLOURS,
    DIGITS,
    SHAPES,
    Scene,
    caption_of,
    enlarged,
    make_scenes,
    shape_mask,
)

RNG = np.random.default_rng(0)
HANDS, LABELS = [*RNG.uniform(0.6, 1, (10, 8, 8))], list(range(10))


def nearest_colour(pixel):
    return min(COLOURS, key=lambda name: np.square(pixel - np.array(COLOURS[name])).sum())


def test_what_is_said_is_what_is_there():
    scenes = make_scenes(60, HANDS, LABELS)
    for scene in scenes:
        words, boxes = scene.caption.split(), scene.boxes
        lit = scene.image.max(-1) > 60
        covered = np.zeros_like(lit)
        for k, (top, left, bottom, right) in enumerate(boxes.tolist()):
            colour, kind = (words[i] for i in np.flatnonzero(scene.objects == k))
            inside = lit[top:bottom, left:right]
            seen = scene.image[top:bottom, left:right][inside].astype(float).mean(0)
            assert nearest_colour(seen / seen.max() * max(COLOURS[colour])) == colour
            share = {"square": 1, "triangle": 0.5, "circle": np.pi / 4, "cross": 7 / 16}
            expected = share.get(kind, 1.0)  # the hands are bright everywhere
            assert kind in SHAPES or kind in DIGITS
            assert abs(inside.mean() - expected) < 0.12, (kind, inside.mean())
            assert not covered[top:bottom, left:right].any()  # no two objects meet
            covered[top:bottom, left:right] = True
        assert not (lit & ~covered).any()
        y, x = (boxes[:, :2] + boxes[:, 2:]).T / 2
        order = list(dict.fromkeys(k for k in scene.objects.tolist() if k >= 0))
        if "above" in words:
            assert y[order[0]] + 4 <= y[order[1]] and abs(np.diff(y)) > abs(np.diff(x))
        else:
            assert list(x[order]) == sorted(x)
        assert ("left" in words) + ("above" in words) == (len(boxes) == 2)
    assert {len(scene.boxes) for scene in scenes} == {1, 2, 3}
    said = " ".join(scene.caption for scene in scenes).split()
    assert {*COLOURS, *SHAPES, *DIGITS, "left", "above"} <= {*said}


def test_scenes_are_functions_of_seed_and_place():
    first, again, other = (
        make_scenes(n, HANDS, LABELS, seed=s) for n, s in ((5, 1), (2, 1), (2, 2))
    )
    for a, b in zip(first, again):
        np.testing.assert_array_equal(a.image, b.image)
        assert a.caption == b.caption
    assert not np.array_equal(first[0].image, other[0].image)
    with pytest.raises(InputError, match="size: 31 pixels a side do not hold three objects"):
        make_scenes(1, HANDS, LABELS, size=31)


def test_shapes_and_captions_by_hand():
    np.testing.assert_array_equal(shape_mask("cross", 3), [[0, 1, 0], [1, 1, 1], [0, 1, 0]])
    circle = shape_mask("circle", 4)
    assert circle[0].tolist() == [0, 1, 1, 0] and circle[1].tolist() == [1, 1, 1, 1]
    np.testing.assert_array_equal(circle, circle.T)
    image = RNG.random((2, 3))
    np.testing.assert_array_equal(enlarged(image, 6), np.kron(image, np.ones((3, 2))))
    boxes = np.array([[0, 30, 9, 39], [9, 0, 20, 9], [3, 15, 12, 24]])
    caption, objects = caption_of(["red one", "blue two", "white cross"], boxes)
    assert caption == "a blue two , a white cross and a red one"
    assert objects.tolist() == [-1, 1, 1, -1, -1, 2, 2, -1, -1, 0, 0]
    assert caption_of(["red one", "blue two"], boxes[:2])[0] == "a blue two left of a red one"


def test_attention_is_held_to_the_boxes():
    boxes = np.array([[0, 0, 4, 4], [4, 4, 8, 8]])
    scene = Scene(np.zeros((8, 8, 3)), "a red and blue", np.array([-1, 0, -1, 1]), boxes)
    maps = np.zeros((4, 4, 4))  # a place is 2 x 2 pixels, a box 2 x 2 places
    maps[1, 0, 1], maps[1, 3, 3] = 0.75, 0.25  # centre: row 2.5, column 4
    maps[3, 1, 1], maps[3, 2, 2] = 0.6, 0.4
    found = looked_at([maps], [scene])
    assert found == pytest.approx((0.5, 0.0, (0.75 + 0.4) / 2, 0.25, 0.5))
    with pytest.raises(ValueError, match="3 maps for the words of 'a red and blue'"):
        looked_at([maps[:3]], [scene])


def test_scores_take_the_best_of_several_references():
    sacrebleu = pytest.importorskip("sacrebleu")
    said = ["a dog runs on the grass", "two cats sit", "a b c d"]
    references = [["one dog", "a dog runs on the grass"], ["two cats sit"], ["a b c e", "x y", "z"]]
    found = caption_scores(said, references)
    filled = [[row[min(k, len(row) - 1)] for row in references] for k in range(3)]
    expected = sacrebleu.corpus_bleu(said, filled, tokenize="none", force=True).score
    assert found.bleu == pytest.approx(expected) and found.exact == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="2 captions and 3 lists"):
        caption_scores(said[:2], references)

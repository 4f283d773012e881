"""Films of digits, held to SciPy's shifted images and to flights that are stepped one by one."""

import numpy as np
import pytest

from rnn_jax.data import InputError
from rnn_jax.data.images import Images
from rnn_jax.data.moving_digits import MOTIONS, bounced, bouncing_clips, draw_moving, motion_clips

RNG = np.random.default_rng(0)
DIGITS = Images(RNG.random((6, 5, 4)).astype(np.float32), np.arange(6, dtype=np.int32))


@pytest.mark.parametrize("wrap", [False, True])
def test_frames_are_shifted_digits(wrap):
    ndimage = pytest.importorskip("scipy.ndimage")
    places = RNG.uniform(-20, 30, (2, 3, 2)) if wrap else RNG.uniform(0, 6, (2, 3, 2))
    found = draw_moving(DIGITS.images[:2], places, 11, wrap)
    for digit, path, film in zip(DIGITS.images, places, found):
        still = np.pad(digit, ((0, 6), (0, 7)))
        for place, frame in zip(path, film):
            mode = "grid-wrap" if wrap else "grid-constant"
            expected = ndimage.shift(still.astype(float), place, order=1, mode=mode)
            np.testing.assert_allclose(frame, expected, atol=1e-5)


def test_a_flight_is_folded_as_if_it_was_stepped():
    room, place, speed = 7.0, 3.2, 1.7
    line, stepped = place + speed * np.arange(40), []
    for _ in range(40):
        stepped.append(place)
        place += speed
        if not 0 <= place <= room:
            place, speed = (2 * room - place if place > room else -place), -speed
    np.testing.assert_allclose(bounced(line, room), stepped, atol=1e-9)


def test_bouncing_digits_keep_their_light_and_stay_inside():
    still = Images(np.ones((1, 3, 3), np.float32), np.zeros(1, np.int32))
    one = bouncing_clips(np.random.default_rng(1), still, 20, steps=30, side=9, num_digits=1)
    np.testing.assert_allclose(one.sum((2, 3)), 9, rtol=1e-5)
    y, x = ((one.sum(axis) * np.arange(9)).sum(-1) / 9 for axis in (3, 2))
    jumps = np.hypot(np.diff(y), np.diff(x))
    assert jumps.max() <= 0.08 * 9 + 1e-5 and 1 <= min(y.min(), x.min()) < 1.5 < 6 < y.max() <= 7
    two = bouncing_clips(np.random.default_rng(1), still, 20, steps=30, side=9)
    assert two.shape == (20, 30, 9, 9) and two.max() <= 1
    assert 9 <= two.sum((2, 3)).min() + 1e-4 and two.sum((2, 3)).max() <= 18 + 1e-4


def test_motions_are_what_they_are_called_and_no_frame_tells():
    dot = Images(np.ones((1, 1, 1), np.float32), np.zeros(1, np.int32))
    clips = motion_clips(np.random.default_rng(2), dot, 400, steps=10, side=16)
    assert set(clips.labels) == set(range(8)) and clips.labels.dtype == np.int32
    angles = np.exp(2j * np.pi * np.arange(16) / 16)  # a circular mean finds a dot on a torus
    y, x = (np.angle((clips.frames.sum(axis) * angles).sum(-1)) for axis in (3, 2))
    down, right = (np.angle(np.exp(1j * np.diff(place))) * 16 / (2 * np.pi) for place in (y, x))
    for name, dy, dx in zip((MOTIONS[k] for k in clips.labels), down, right):
        turn = dy[1:] * dx[:-1] - dx[1:] * dy[:-1]  # above 0: clockwise, where rows go down
        straight = {"left": -dx, "right": dx, "up": -dy, "down": dy}
        if name in straight:
            assert (straight[name] > 0.5).all() and (straight[name] < 1.4).all()
            assert abs(turn).max() < 0.1
        elif name.endswith("clockwise"):
            sign = 1 if name == "clockwise" else -1
            assert (sign * turn > 0).all() and abs(dy.sum()) < 5 and abs(dx.sum()) < 5
        else:
            along, across = (dx, dy) if name == "swinging" else (dy, dx)
            assert along.max() > 0.3 and along.min() < -0.3 and abs(across).max() < 0.1
    rows = clips.frames[:, [0, 5]].sum((0, 3))  # where dots are in two of the frames
    assert rows.min() > 25 * 0.5 and rows.max() < 25 * 1.7  # 25 of 400 in each row
    for k in range(4):
        first = y[clips.labels == k, 0]
        assert abs(np.exp(1j * first).mean()) < 0.35  # anywhere, whatever the motion


def test_films_are_functions_of_the_seed_and_too_small_frames_are_refused():
    first, again = (bouncing_clips(np.random.default_rng([3, 4]), DIGITS, 2, 3, 9) for _ in "ab")
    np.testing.assert_array_equal(first, again)
    with pytest.raises(InputError, match="side: digits of 5 x 4 pixels have no room"):
        motion_clips(RNG, DIGITS, 1, side=5)
    with pytest.raises(InputError, match="side: digits of 5 x 4 pixels have no room"):
        bouncing_clips(RNG, DIGITS, 1, side=4)

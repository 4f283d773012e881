"""Objects that move: laws of mechanics, files, floors."""

import numpy as np
import pytest

from rnn_jax.data import InputError, futures, motion, tracks


def test_balls_keep_their_energy_and_do_not_overlap():
    found = motion.bouncing_balls(np.random.default_rng(0), 20, 60)
    moves = np.diff(found, axis=1)
    energy = np.square(moves).sum(axis=(2, 3))  # less in a step with a bounce
    most = energy.max(axis=1, keepdims=True)
    free = np.isclose(energy, most, rtol=1e-9)
    assert free.mean() > 0.5 and free[:, -1].mean() > 0.4  # at the end as at the beginning
    (i, j), speed = np.triu_indices(3, 1), np.sqrt(most.max())
    apart = np.linalg.norm(found[:, :, i] - found[:, :, j], axis=-1)
    assert apart.min() > 0.16 - 2 * speed / 20  # two balls approach by so much in a substep
    turned = np.abs(np.diff(moves, axis=1)).max(axis=-1) > 1e-9  # (N, T - 2, O)
    met = turned.sum(axis=2) == 2
    assert met.sum() > 10  # balls that meet turn together


def test_a_ball_alone_moves_on_a_folded_line():
    found = motion.bouncing_balls(np.random.default_rng(1), 30, 40, num_balls=1, speed=0.1)
    x, move = found[:, 0], np.full((30, 1, 2), np.nan)
    for step in np.diff(found, axis=1)[:, :3].swapaxes(0, 1):  # one of the first is free
        move = np.where(np.abs(step) > np.nan_to_num(np.abs(move)), step, move)
    steps = np.arange(40).reshape(1, 40, 1, 1)
    for sign in (1, -1):  # the first step may have been a bounce
        line = (x[:, None] - 0.08 + sign * move[:, None] * steps) % (2 * 0.84)
        folded = 0.08 + np.minimum(line, 2 * 0.84 - line)
        good = np.isclose(folded, found, atol=1e-9).all(axis=1)
        if sign == 1:
            straight = good
    assert (straight | good).mean() > 0.8 and straight.mean() > 0.7


def test_pendulums_keep_their_energy():
    state = np.zeros((4, 8))
    state[:2] = np.random.default_rng(0).uniform(-2, 2, (2, 8))
    found = motion.double_pendulums(np.random.default_rng(0), 8, 200, step=0.004, substeps=4)
    np.testing.assert_allclose(found[:, 0], motion.pendulum_positions(state))
    np.testing.assert_allclose(np.linalg.norm(found[:, :, 1] - found[:, :, 0], axis=-1), 1)
    velocity = (found[:, 2:] - found[:, :-2]) / 0.008  # of second order in the step
    energy = 0.5 * np.square(velocity).sum(axis=(2, 3))
    energy += motion.GRAVITY * found[:, 1:-1, :, 1].sum(axis=2)
    np.testing.assert_allclose(energy, energy[:, :1] * np.ones_like(energy), atol=0.1)
    assert np.abs(velocity).max() > 3


def test_a_file_of_tracks(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "a.csv"
    scenes = rng.random((3, 9, 2, 2))
    places = [(n, t, o) for n in range(3) for t in rng.permutation(9) for o in range(2)]
    rows = []
    for n, t, o in places:
        x, y = scenes[n, t, o].tolist()
        rows.append(f"{n},{t / 2},{'ba'[o]},{x!r},{y!r},car")
    path.write_text("\n".join(["scene,step,object,x,y,kind", *rows]) + "\n")
    np.testing.assert_array_equal(tracks.read_tracks(str(path)), scenes[:, :, ::-1])
    found = tracks.load_tracks(str(path), length=2)  # 4 windows of each scene
    assert (len(found.train), len(found.validation), len(found.test)) == (10, 1, 1)
    np.testing.assert_allclose(found.test[0], scenes[2, 6:8, ::-1], rtol=1e-6)
    with pytest.raises(InputError, match="nothing ever turns"):
        still = tmp_path / "still.csv"
        still.write_text("step,object,x,y\n" + "".join(f"{t},a,1,2\n" for t in range(40)))
        tracks.load_tracks(str(still), length=4)
    with pytest.raises(InputError, match="3 windows of 9 steps"):
        tracks.load_tracks(str(path), length=9)
    for change, message in (
        (("object", "who"), "has no object"),
        ((rows[3], "x"), "line 5"),
        ((rows[3] + "\n", ""), "1 objects, [ab], not the same 2"),
        ((rows[2], rows[3]), "line 5: a is there twice at once"),
    ):
        (tmp_path / "b.csv").write_text(path.read_text().replace(*change))
        with pytest.raises(InputError, match=message):
            tracks.read_tracks(str(tmp_path / "b.csv"))


def test_scores_of_futures():
    rng = np.random.default_rng(0)
    past = np.cumsum(np.full((300, 4, 2, 2), [1.0, 2.0]), axis=1)
    drift = past[:, -1:] + np.arange(1, 6).reshape(1, 5, 1, 1) * np.array([1.0, 2.0])
    came = drift + rng.standard_normal(drift.shape)
    drawn = drift[:, None] + rng.standard_normal((300, 100, 5, 2, 2))
    scores = futures.score_futures(past, drawn, came)
    np.testing.assert_allclose(scores.inside, 0.8, atol=0.05)
    distance = scores.distances["constant velocity"]
    np.testing.assert_allclose(distance, np.sqrt(np.pi / 2), atol=0.12)  # of Rayleigh
    np.testing.assert_allclose(scores.distances["mean future"], distance, atol=0.02)
    assert (np.diff(scores.distances["last position"]) > 1.5).all()
    assert "   5: " in str(scores) and "  10: " not in str(scores)


def test_floors_are_densities():
    rng = np.random.default_rng(0)
    train, test = 0.1 * rng.standard_normal((2, 50, 9, 2, 2))
    turns = np.diff(train, 2, axis=1)
    for name, order in (("constant velocity", 2), ("last position", 1)):
        known = np.diff(train, order, axis=1)[:, 2 - order :]
        errors = np.diff(test, order, axis=1)[:, 2 - order :]
        assert errors.shape == turns.shape
        scale = np.sqrt((known**2).mean())
        density = np.exp(-((errors / scale) ** 2) / 2) / (scale * np.sqrt(2 * np.pi))
        expected = -np.log(density).sum(axis=(2, 3)).mean()
        np.testing.assert_allclose(futures.track_floors(train, test)[name], expected, rtol=1e-12)

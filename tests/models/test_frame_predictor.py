"""Next frames: held to the cells run by hand, step by step, and to copying worked out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnn_jax.models import Foreseen, FramePredictor, FramePredictorConfig, foresee, take_apart
from tests.models.modes import check_types_in_every_mode

CONFIG = FramePredictorConfig(frame_shape=(4, 6), patch=2, hidden_size=3)
FILMS = jax.random.uniform(jax.random.key(1), (3, 5, 4, 6), jnp.float32)


def test_it_is_its_equations_and_goes_on_from_its_own_means():
    pure, params = take_apart(FramePredictor(CONFIG, rngs=nnx.Rngs(0)))

    @jax.jit
    def run(params, films):
        model = pure(params)
        logits, state = model(films)
        alone = model.go_on(films[:, :3], 2)
        fed = jax.nn.sigmoid(model(films[:, :3])[0][:, -1:])
        again = model(jnp.concatenate([films[:, :3], fed], 1))[0]
        by_hand, steps = None, []
        for t in range(films.shape[1]):
            before = by_hand or [
                layer.cell.initial_state(layer.get_params(), (films.shape[0],))
                for layer in model.layers
            ]
            by_hand, found = model.step(tuple(before), films[:, t])
            steps.append(found)
        losses = model.loss(films), model.loss(films, seen=3)
        return logits, state, alone, again, jnp.stack(steps, 1), by_hand, losses

    logits, state, alone, again, steps, by_hand, losses = run(params, FILMS)
    np.testing.assert_allclose(steps, logits, atol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), by_hand, state)
    np.testing.assert_allclose(alone, again[:, 2:], atol=1e-5)

    def nats(logits, targets):
        p = 1 / (1 + np.exp(-np.asarray(logits, float)))
        return -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).sum()

    films = np.asarray(FILMS, float)
    for loss, guess, targets in (
        (losses[0], logits[:, :-1], films[:, 1:]),
        (losses[1], alone, films[:, 3:]),
    ):
        np.testing.assert_allclose(loss.total, nats(guess, targets), rtol=1e-5)
        assert loss.count == targets.size


def test_a_place_is_a_square_of_pixels():
    model = FramePredictor(CONFIG, rngs=nnx.Rngs(0))
    squares = model._squares(FILMS)
    assert squares.shape == (3, 5, 2, 3, 4)
    np.testing.assert_array_equal(squares[1, 2, 1, 2], FILMS[1, 2, 2:4, 4:6].ravel())
    np.testing.assert_array_equal(model._pixels(squares), FILMS)


def test_types_agree_in_every_mode():
    pure, params = take_apart(FramePredictor(CONFIG, rngs=nnx.Rngs(0)))
    for seen in (None, 2):
        check_types_in_every_mode(
            lambda params, films, seen=seen: pure(params).loss(films, seen),
            params,
            jnp.concatenate([FILMS, FILMS[:1]]),
        )


@pytest.mark.slow
def test_films_are_foreseen_in_parts_and_copies_are_counted():
    pure, params = take_apart(FramePredictor(CONFIG, rngs=nnx.Rngs(0)))
    films = np.asarray(FILMS)
    one, parts = (foresee(pure, params, films, 2, batch_size=size) for size in (3, 2))
    np.testing.assert_allclose(one.after, parts.after, atol=1e-6)
    assert one.nats == pytest.approx(parts.nats, rel=1e-5)
    assert one.nats_alone == pytest.approx(parts.nats_alone, rel=1e-5)
    p, true = one.alone[:, 2:].astype(float), films[:, 2:]
    found = -(true * np.log(p) + (1 - true) * np.log(1 - p)).sum() / p[:, :, 0, 0].size
    assert one.nats_alone == pytest.approx(found, rel=1e-5)
    assert np.isnan(one.after[:, 0]).all() and np.isfinite(one.after[:, 1:]).all()
    assert np.isnan(one.alone[:, :2]).all() and np.isfinite(one.alone[:, 2:]).all()

    grey = np.arange(4, dtype=np.float32)[None, :, None, None] * np.ones((2, 1, 2, 3), np.float32)
    errors = Foreseen(grey, 0 * grey, 1.5, 2.5).errors(grey, 2)
    np.testing.assert_allclose(errors["next"], 0)
    np.testing.assert_allclose(errors["copied"], [np.nan, 6, 6, 6])
    np.testing.assert_allclose(errors["held"], [np.nan, np.nan, 6, 24])
    np.testing.assert_allclose(errors["alone"], [0, 6, 24, 54])
    np.testing.assert_allclose(errors["dark"], [np.nan, np.nan, 24, 54])
    said = Foreseen(grey, 0 * grey, 1.5, 2.5).said(grey, 2)
    assert said == (
        "1.50 nats and a squared error of 0.00 a frame (copied 6.00); alone, 1 ahead 24.00 "
        "(held 6.00, dark 24.00); alone, 2 ahead 54.00 (held 24.00, dark 54.00)"
    )


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"patch=4 pixels do not tile frames of \(4, 6\)"):
        FramePredictorConfig(frame_shape=(4, 6))
    with pytest.raises(ValueError, match="num_layers"):
        FramePredictorConfig(frame_shape=(4, 6), patch=2, num_layers=0)
    with pytest.raises(ValueError, match=r"frames has shape \(1, 2, 6, 4\), but the model reads"):
        FramePredictor(CONFIG, rngs=nnx.Rngs(0))(jnp.ones((1, 2, 6, 4)))

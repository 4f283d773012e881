"""Trajectories: the mixture in NumPy, roll-outs that their own model finds calibrated."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnn_jax import models
from tests.models.modes import check_types_in_every_mode
from tests.models.training import fit, outline

SIZES = {"num_objects": 2, "num_components": 3, "hidden_size": 4}
RANDOM = np.random.default_rng(0)


def make(scale=1.0):
    config = models.TrajectoryModelConfig(**SIZES, centre=0.5, spread=2.0, move=0.5, turn=0.1)
    pure, params = models.take_apart(models.TrajectoryModel(config, rngs=nnx.Rngs(0)))
    leaves, treedef = jax.tree.flatten(params)
    drawn = [jnp.asarray(scale * RANDOM.standard_normal(leaf.shape)) for leaf in leaves]
    return pure, jax.tree.unflatten(treedef, drawn)


def test_loss_is_the_mixtures_density():
    pure, params = make()
    tracks = np.cumsum(RANDOM.standard_normal((3, 6, 2, 2)), axis=1)
    mixture, loss = jax.jit(lambda p: (pure(p)(tracks[:, :-1]), pure(p).loss(tracks)))(params)
    logits, means, log_scales = (np.asarray(leaf) for leaf in mixture)
    weights = np.log(np.exp(logits) / np.exp(logits).sum(-1, keepdims=True))
    scales, x = np.exp(log_scales), tracks[:, 2:, :, None]
    each = -(((x - means) / scales) ** 2) / 2 - np.log(scales * np.sqrt(2 * np.pi))
    expected = -np.logaddexp.reduce(weights + each.sum(-1), axis=-1)  # (B, T - 2, O)
    np.testing.assert_allclose(loss.total, expected.sum(), rtol=1e-6)
    assert loss.count == 3 * 4 and scales.min() >= 0.001
    later = tracks.copy()
    later[:, 4:] += 1  # what comes later changes nothing before
    other = jax.jit(lambda p: pure(p)(later[:, :-1]))(params)
    np.testing.assert_array_equal(other.means[:, :3], mixture.means[:, :3])
    assert (np.asarray(other.means[:, 3:]) != means[:, 3:]).all()


def test_positions_stay_exact_in_bfloat16():
    """The network's products are rough, but a position is not rounded to 3 digits."""
    pure, params = make(0.0)
    tracks = 1000 + np.arange(6.0)[None, :, None, None] * np.full((1, 6, 2, 2), 0.1)
    halved = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params)
    found = jax.jit(lambda p: pure(p)(tracks.astype(np.float32)).means)(halved)
    expected = np.broadcast_to(tracks[:, 1:, :, None] + 0.1, found.shape)
    np.testing.assert_allclose(found, expected, atol=1e-3)


def test_units_do_not_matter():
    """Tracks in millimetres and in metres have one density, and the same futures."""
    pure, params = make()
    other = models.TrajectoryModelConfig(**SIZES, centre=500.0, spread=2e3, move=500.0, turn=100.0)
    small, _ = models.take_apart(models.TrajectoryModel(other, rngs=nnx.Rngs(0)))
    tracks, key = RANDOM.standard_normal((3, 6, 2, 2)), jax.random.key(0)

    def run(pure, scale):
        model = pure(params)
        return model.loss(scale * tracks).mean, model.roll_out(key, scale * tracks, 3, 2) / scale

    found = jax.jit(lambda: (run(pure, 1.0), run(small, 1e3)))()
    (nats, futures), (nats_mm, futures_mm) = found
    np.testing.assert_allclose(nats_mm, nats + 4 * np.log(1e3), rtol=1e-5)
    np.testing.assert_allclose(futures_mm, futures, rtol=1e-4, atol=1e-4)


def test_futures_are_calibrated_for_the_model_that_drew_them():
    """Read again from the beginning they lie inside the region of 80 % as often as they should."""
    pure, params = make(0.5)
    past = RANDOM.standard_normal((200, 3, 2, 2))
    drawn = models.roll_out(pure, params, jax.random.key(0), past, 5, 2)
    drawn = np.asarray(drawn).reshape(400, 5, 2, 2)
    whole = np.concatenate([np.repeat(past, 2, axis=0), drawn], axis=1)
    mass = np.asarray(models.mass_above(pure, params, jax.random.key(1), whole, 60))[:, -5:]
    for share in (0.2, 0.5, 0.8):
        inside = (mass <= share).mean(axis=(0, 2))  # at each of the 5 steps, of 800
        np.testing.assert_allclose(inside, share, atol=0.065)


@pytest.mark.slow
def test_it_learns_what_stands_in_the_way(optimized):
    """A ball between two walls, seen exactly: far better than constant velocity."""
    x = np.abs((RANDOM.uniform(0, 2, (64, 1)) + 0.07 * np.arange(40)) % 2 - 1)
    tracks = np.stack([x, 1 - x], axis=-1)[:, :, None].astype(np.float32)
    config = models.TrajectoryModelConfig(num_objects=1, num_components=2, hidden_size=16,
                                          centre=0.5, spread=0.3, move=0.07, turn=0.03)  # fmt: skip
    model = models.TrajectoryModel(config, rngs=nnx.Rngs(0))
    _, nats = fit(model, lambda model, key: model.loss(tracks, key=key), 400)
    assert nats < -11  # of 2 numbers: deviations of 0.001


def test_types_agree_over_shards():
    config = models.TrajectoryModelConfig(**SIZES, num_layers=2, dropout=0.1)
    pure, params = outline(lambda: models.TrajectoryModel(config, rngs=nnx.Rngs(0)))
    key = jax.random.key(0)
    check_types_in_every_mode(
        lambda params, tracks: pure(params).loss(tracks, key=key),
        params, jnp.ones((4, 5, 2, 2)),
        rows=lambda params, tracks: pure(params).roll_out(key, tracks, 2, 2),
    )  # fmt: skip


def test_bad_input():
    pure, params = make()
    with pytest.raises(ValueError, match=r"tracks has shape \(1, 5, 3, 2\): give \(B, T, 2, 2\)"):
        pure(params).loss(jnp.ones((1, 6, 3, 2)))
    with pytest.raises(ValueError, match="tracks has 1 steps"):
        pure(params)(jnp.ones((1, 1, 2, 2)))
    with pytest.raises(ValueError, match="turn is a deviation, above 0, got 0.0"):
        models.TrajectoryModelConfig(num_objects=1, turn=0.0)

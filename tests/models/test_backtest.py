"""Forecasts of windows: levels, rows and readouts against what they should be."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnn_jax import cells
from rnn_jax.data import series, windows
from rnn_jax.models import Forecaster, backtest, ridge_forecasts, take_apart

SIZES = {"horizon": 2, "season": 3, "context": 6}


def waves(num_steps=600):
    steps = np.arange(float(num_steps))
    source = series.Series(("a",), (np.sin(steps / 3) + np.sin(steps / 5 + 1))[:, None])
    return windows.split_series(source, (), (4 / 6, 1 / 6, 1 / 6), **SIZES)


def make(num_targets, together):
    names = ("a", "b", "c")
    source = series.Series(names, np.random.default_rng(0).normal(size=(60, 3)))
    parts = windows.split_series(source, names[:num_targets], (30, 15, 15), **SIZES)
    config = backtest.season_forecaster(parts, hidden_size=4, together=together)
    return take_apart(Forecaster(config, rngs=nnx.Rngs(0)))


def test_levels_pass_through_and_series_do_not_meet():
    pure, params = make(2, together=False)
    targets = jax.random.normal(jax.random.key(0), (3, 9, 2))
    beside = jax.random.normal(jax.random.key(1), (3, 9, 1))
    forecast = lambda xs: backtest.window_forecast(pure, params, xs, beside, 3)

    @jax.jit
    def both(targets):
        alone = [forecast(targets[..., d : d + 1]) for d in (0, 1)]
        return (
            forecast(targets),
            alone,
            backtest.window_loss(pure(params), targets, beside, season=3),
        )

    found, alone, loss = both(targets)
    assert found.mean.shape == found.scale.shape == (3, 3, 2) and loss.count == 3 * 6 * 2
    for d in (0, 1):
        np.testing.assert_allclose(found.mean[..., d], alone[d].mean[..., 0], rtol=1e-5)
        np.testing.assert_allclose(found.scale[..., d], alone[d].scale[..., 0], rtol=1e-5)
    level = jnp.array([[[5.0, -3.0]]]) * jnp.ones_like(targets)
    moved, _, loss_there = both(targets + level)
    np.testing.assert_allclose(moved.mean, found.mean + level[:, :3], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(moved.scale, found.scale, rtol=1e-4)
    np.testing.assert_allclose(loss_there.total, loss.total, rtol=1e-4)
    # By hand: seasons as vectors, less the mean of the first; and the covariate at their ends.
    for b, d in ((0, 1), (2, 0)):
        own = targets[b, :, d] - targets[b, :3, d].mean()
        expected = pure(params).forecast(own.reshape(1, 3, 3), beside[b : b + 1, 2::3])
        mean = expected.mean[0, 0] + targets[b, :3, d].mean()
        np.testing.assert_allclose(found.mean[b, :, d], mean, rtol=1e-4, atol=1e-5)


def test_a_model_of_all_series_and_bad_input():
    pure, params = make(2, together=True)
    targets, beside = jax.random.normal(jax.random.key(0), (2, 9, 2)), jnp.ones((2, 9, 1))
    found = backtest.window_forecast(pure, params, targets, beside, 3)
    level = targets[:, :3].mean(axis=1, keepdims=True)
    own = (targets - jnp.broadcast_to(level, targets.shape)).reshape(2, 3, 6)
    expected = pure(params).forecast(own, beside[:, 2::3]).mean.reshape(2, 3, 2)
    np.testing.assert_allclose(found.mean, expected + level, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="windows of 9 steps of 3 series, by a season of 3"):
        backtest.window_loss(pure(params), jnp.ones((1, 9, 3)), jnp.ones((1, 9, 1)), season=3)
    with pytest.raises(ValueError, match="windows of 8 steps of 2 series, by a season of 3"):
        backtest.window_loss(pure(params), jnp.ones((1, 8, 2)), jnp.ones((1, 8, 1)), season=3)


def test_forecasts_by_parts_are_those_at_once():
    parts = waves(2000)
    config = backtest.season_forecaster(parts, hidden_size=4)
    pure, params = take_apart(Forecaster(config, rngs=nnx.Rngs(0)))
    origins = parts.origins(2)  # more than 256, in parts
    assert len(origins) > 256
    found = backtest.forecasts(pure, params, parts, origins, 6)
    once = backtest.window_forecast(pure, params, *parts.windows(origins - 6, 6), 3)
    np.testing.assert_allclose(found.mean, once.mean[:, :2], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.scale, once.scale[:, :2], rtol=1e-5)


@pytest.mark.slow
def test_linear_maps_go_on_with_waves():
    """Two waves are a linear function of the four steps before, whichever come after."""
    parts = waves()
    origins = parts.origins(2)
    came = parts.after(origins)
    assert np.abs(parts.naive(origins) - came).max() > 0.2
    found = ridge_forecasts.linear_forecasts(parts, origins, context=6)
    np.testing.assert_allclose(found, came, atol=5e-3)
    cell = cells.EchoState(input_size=1, hidden_size=40, output_size=1, input_scaling=0.3)
    found = ridge_forecasts.reservoir_forecasts(cell, parts, origins, jax.random.key(0))
    np.testing.assert_allclose(found, came, atol=0.1)

"""The forecaster: a distribution for every step to come, and nothing known too early."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy.stats import norm

from rnn_jax.models import Forecaster, ForecasterConfig
from tests.models.training import fit


def make(**options) -> Forecaster:
    config = ForecasterConfig(**({"horizon": 3, "hidden_size": 8} | options))
    return Forecaster(config, rngs=nnx.Rngs(0))


def test_it_learns_a_wave_and_knows_how_sure_it_is():
    """A sine with noise of 0.1 at odd steps alone; the covariate says which are odd."""
    steps = np.arange(60)
    noise = np.random.default_rng(0).normal(size=(4, 60)) * 0.1 * (steps % 2)
    waves = np.stack([np.sin(2 * np.pi * (steps + s) / 12) for s in (0, 3, 5, 8)]) + noise
    series = jnp.asarray(waves[..., None], jnp.float32)
    odd = jnp.broadcast_to((steps % 2).astype(np.float32)[None, :, None], series.shape)
    model, _ = fit(
        make(covariate_size=1, hidden_size=16), lambda m, _: m.loss(series, odd), 300, rate=0.01
    )
    found = model(series[:, 20:], odd[:, 20:])
    quiet, loud = found.scale[:, 10:-3:2, 1].mean(), found.scale[:, 10:-3:2, 0].mean()
    assert quiet < 0.6 * loud, "from an even step the next is odd, the one after even"
    last = model.forecast(series[:, :57], odd[:, :57]).mean[..., 0]
    np.testing.assert_allclose(last, waves[:, 57:] - noise[:, 57:], atol=0.25)


@pytest.mark.parametrize("season", [pytest.param(None, marks=pytest.mark.slow), 4])
def test_the_loss_is_that_of_every_known_pair_of_steps(season):
    model = make(season=season, series_size=2)
    series = jax.random.normal(jax.random.key(0), (2, 8, 2))
    lengths = jnp.array([8, 6])
    poisoned = series.at[1, 6:].set(jnp.nan)

    @jax.jit
    def run():
        loss = lambda x: tuple(model.loss(x, lengths=lengths))
        value, gradient = jax.value_and_grad(loss, has_aux=True)(poisoned)
        return model(series), value, gradient, model.forecast(poisoned, lengths=lengths)

    whole, (total, count), gradient, last = run()
    assert jnp.isfinite(gradient).all() and (gradient[1, 6:] == 0).all()
    expected, pairs = 0.0, 0
    for row, length in enumerate((8, 6)):
        for t in range(length):
            for k in range(3):
                if t + 1 + k >= length or (season and t + 1 + k < season):
                    continue
                mean, scale = (np.asarray(leaf[row, t, k], np.float64) for leaf in whole)
                expected -= norm.logpdf(np.asarray(series[row, t + 1 + k]), mean, scale).sum()
                pairs += 1
    np.testing.assert_allclose(total, expected, rtol=1e-5)
    assert count == pairs
    for row, length in enumerate((8, 6)):
        np.testing.assert_allclose(last.mean[row], whole.mean[row, length - 1], atol=1e-6)
    np.testing.assert_allclose(
        last.quantile(0.9), norm.ppf(0.9, last.mean, last.scale), rtol=1e-5, atol=1e-6
    )


def test_with_a_season_it_begins_as_the_seasonal_naive_forecast():
    model = make(season=4)
    model.output.kernel.set_value(jnp.zeros_like(model.output.kernel[...]))
    series = jax.random.normal(jax.random.key(0), (1, 10, 1))
    assert (jax.jit(model.forecast)(series).mean[0] == series[0, 6:9]).all()


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="season=2 is shorter than horizon=3"):
        make(season=2)
    with pytest.raises(ValueError, match="horizon must be a whole number >= 1, got 0"):
        make(horizon=0)
    with pytest.raises(ValueError, match="season must be a whole number >= 1, got 4.5"):
        make(season=4.5)
    with pytest.raises(ValueError, match=r"covariates has shape \(1, 4, 2\), but series has"):
        make(covariate_size=2)(jnp.ones((1, 5, 1)), jnp.ones((1, 4, 2)))
    with pytest.raises(ValueError, match="covariates is None, but the model .* covariate_size=2"):
        make(covariate_size=2)(jnp.ones((1, 5, 1)))
    with pytest.raises(ValueError, match=r"series has shape \(5, 1\)"):
        make()(jnp.ones((5, 1)))

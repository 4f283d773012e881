"""Series: at every step a distribution over what the next steps bring."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax import cells
from rnn_jax.cells.base import check_sizes
from rnn_jax.losses import Sum, gaussian_nll, tally
from rnn_jax.models.checks import check_features, check_places, check_rates
from rnn_jax.models.reader import Reader, ReaderConfig
from rnn_jax.ops import length_mask, select
from rnn_jax.ops.checks import check_count


@dataclass(frozen=True, kw_only=True)
class ForecasterConfig:
    """Sizes and choices of ``Forecaster``.

    Args:
        series_size: D, how many series are forecast together.
        covariate_size: C, columns that are known (calendar) or only observed (weather), read at
            each step beside the series; None for none.
        horizon: K, steps to forecast.
        season: Steps of a season, >= horizon or None. With one, the network predicts the difference
            from the value one season before.
        hidden_size: H.
        num_layers: Recurrent layers.
        cell: Makes a cell of ``input_size`` and ``hidden_size``.
        dropout: Rate of dropping the inputs of layers and the last outputs.
        min_scale: Smallest standard deviation, so that a constant series cannot be certain.

    Example:
        >>> ForecasterConfig(horizon=24, season=24).series_size
        1
    """

    horizon: int
    series_size: int = 1
    covariate_size: int | None = None
    season: int | None = None
    hidden_size: int = 64
    num_layers: int = 1
    cell: Callable[..., Any] = cells.LSTM
    dropout: float = 0.0
    min_scale: float = 1e-3

    def __post_init__(self) -> None:
        check_sizes(self)
        check_rates(self)
        check_count(self, "horizon", self.horizon)
        if self.season is not None:
            check_count(self, "season", self.season)
        if self.season is not None and self.season < self.horizon:
            raise ValueError(
                f"ForecasterConfig: season={self.season} is shorter than horizon={self.horizon}, "
                "so the value one season before is not known yet: give a multiple of the season."
            )
        if not self.min_scale > 0:
            raise ValueError(f"ForecasterConfig: min_scale must be > 0, got {self.min_scale!r}.")


class Forecast(NamedTuple):
    """A normal distribution for each step to come, independent of each other."""

    mean: jax.Array  # (..., K, D)
    scale: jax.Array  # (..., K, D) standard deviation

    def quantile(self, q: float) -> jax.Array:
        """The value that is not exceeded with probability q."""
        return self.mean + self.scale * jax.scipy.stats.norm.ppf(q)


class Forecaster(nnx.Module):
    """Forecasts the next K steps, from every step of what it reads, with their uncertainty.

        h_t = RNN(x_1 .. x_t),   x_{t+k} ~ Normal(m_k(h_t) [+ x_{t+k-season}], s_k(h_t)),  k = 1..K

    Every step of a series is a training example, read in one pass; the forecast is that of the
    last real step. Give series of about unit scale: standardise them first.

    Args:
        config: Sizes and choices.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> model = Forecaster(ForecasterConfig(horizon=2, hidden_size=4), rngs=nnx.Rngs(0))
        >>> series = jnp.sin(jnp.arange(20.0))[None, :, None]  # (B, T, D)
        >>> jax.jit(model.loss)(series).count.item()  # 18 steps know the next 2, one the next 1
        37
        >>> jax.jit(model.forecast)(series).mean.shape
        (1, 2, 1)

    References:
        Wen et al., A multi-horizon quantile recurrent forecaster, 2017, arXiv:1711.11053 (a
        forecast from every step).
        Salinas et al., DeepAR: probabilistic forecasting with autoregressive recurrent networks,
        2017, arXiv:1704.04110.
    """

    def __init__(self, config: ForecasterConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        reader = ReaderConfig(
            input_size=config.series_size + (config.covariate_size or 0),
            hidden_size=config.hidden_size,
            num_layers=config.num_layers,
            cell=config.cell,
            bidirectional=False,
            dropout=config.dropout,
        )
        self.reader = Reader(reader, rngs=rngs)
        width = 2 * config.horizon * config.series_size
        self.output = nnx.Linear(reader.output_size, width, rngs=rngs)

    def __call__(
        self,
        series: jax.Array,
        covariates: jax.Array | None = None,
        *,
        lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> Forecast:
        """Forecasts (B, T, K, D) from every step of series (B, T, D), covariates (B, T, C)."""
        config = self.config
        check_features(series, config.series_size, "series")
        inputs = [series]
        if (covariates is None) != (config.covariate_size is None):
            raise ValueError(
                f"covariates is {'None' if covariates is None else 'given'}, but the model was "
                f"made with covariate_size={config.covariate_size}."
            )
        if covariates is not None:
            check_features(covariates, config.covariate_size or 0, "covariates")
            check_places(covariates, series, "covariates", "series")
            inputs.append(covariates)
        ys = self.reader(jnp.concatenate(inputs, axis=-1), lengths=lengths, key=key)
        shape = (*series.shape[:2], config.horizon, config.series_size)
        mean, scale = jnp.split(self.output(ys), 2, axis=-1)
        mean, scale = mean.reshape(shape), jax.nn.softplus(scale.reshape(shape))
        if config.season is not None:
            mean = mean + self._season_before(series, lengths)
        return Forecast(mean, scale + config.min_scale)

    def loss(
        self,
        series: jax.Array,
        covariates: jax.Array | None = None,
        *,
        lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> Sum:
        """Negative log-likelihood of what is known to come, counted by vectors of D values."""
        found = self(series, covariates, lengths=lengths, key=key)
        num_steps, horizon = series.shape[1], self.config.horizon
        ahead = jnp.arange(num_steps)[:, None] + jnp.arange(1, horizon + 1)  # (T, K)
        if lengths is None:
            lengths = jnp.full(series.shape[0], num_steps)
        known = ahead[None] < jnp.asarray(lengths)[:, None, None]  # (B, T, K)
        if self.config.season is not None:
            known = jnp.logical_and(known, (ahead >= self.config.season)[None])
        targets = series[:, jnp.minimum(ahead, num_steps - 1)]
        losses = gaussian_nll(found.mean, jnp.log(found.scale), targets, mask=known)
        return tally(losses, mask=known)

    def forecast(
        self,
        series: jax.Array,
        covariates: jax.Array | None = None,
        *,
        lengths: jax.Array | None = None,
    ) -> Forecast:
        """The forecast (B, K, D) from the last real step of each row."""
        found = self(series, covariates, lengths=lengths)
        last = jnp.full(series.shape[0], series.shape[1]) if lengths is None else lengths
        at = jnp.maximum(jnp.asarray(last) - 1, 0)[:, None, None, None]
        mean, scale = (jnp.take_along_axis(leaf, at, axis=1)[:, 0] for leaf in found)
        return Forecast(mean, scale)

    def _season_before(self, series: jax.Array, lengths: jax.Array | None) -> jax.Array:
        """x_{t+k-season} (B, T, K, D); 0 where that lies before the series."""
        season, horizon, num_steps = self.config.season or 0, self.config.horizon, series.shape[1]
        if lengths is not None:
            valid = length_mask(jnp.asarray(lengths), num_steps).T
            series = select(valid, series, jnp.zeros((), series.dtype))
        at = jnp.arange(num_steps)[:, None] + jnp.arange(1, horizon + 1) - season
        before = series[:, jnp.maximum(at, 0)]
        return jnp.where((at >= 0)[None, :, :, None], before, 0)

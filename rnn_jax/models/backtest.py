"""Forecasts of a series by a network, from windows of it.

The network reads a season at a step (the 24 hours of a day, say) and forecasts the next one, as a
difference from the last: of few steps, each a whole profile, it sees what has lasted for days.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax import cells
from rnn_jax.data.windows import SeriesParts
from rnn_jax.losses import Sum
from rnn_jax.models.forecaster import Forecast, Forecaster, ForecasterConfig
from rnn_jax.models.pure import Pure
from rnn_jax.typing import Params


def season_forecaster(
    parts: SeriesParts,
    *,
    hidden_size: int,
    num_layers: int = 1,
    cell: Callable[..., Any] = cells.LSTM,
    dropout: float = 0.0,
    together: bool = False,
) -> ForecasterConfig:
    """A forecaster that reads a season of targets at a step, and what stands beside its last step.

    Args:
        parts: The series.
        hidden_size: H.
        num_layers: Recurrent layers.
        cell: Makes a cell of ``input_size`` and ``hidden_size``.
        dropout: Rate of dropping inputs and last outputs.
        together: Whether a row has all D targets; else each has rows of its own.

    Example:
        >>> from rnn_jax.data import series, windows
        >>> sizes = {"horizon": 12, "season": 24, "context": 48}
        >>> parts = windows.split_series(series.made_load(600), (), (0.6, 0.2, 0.2), **sizes)
        >>> config = season_forecaster(parts, hidden_size=4)
        >>> config.series_size, config.covariate_size, config.horizon, config.season
        (24, 6, 1, 1)
    """
    return ForecasterConfig(
        series_size=parts.season * (len(parts.names) if together else 1),
        covariate_size=parts.beside.shape[1] or None,
        horizon=1,
        season=1,
        hidden_size=hidden_size,
        num_layers=num_layers,
        cell=cell,
        dropout=dropout,
    )


def window_loss(
    model: Forecaster,
    targets: jax.Array,
    beside: jax.Array,
    *,
    season: int,
    key: jax.Array | None = None,
) -> Sum:
    """The negative log-likelihood of the next season, from every season of windows.

    From each window the mean of its first season is taken away: levels drift, and a network cannot
    follow to where it has never been.

    Args:
        model: Made by ``season_forecaster``.
        targets: Windows of the series (B, W, D), W a multiple of the season.
        beside: Windows of what is known beside it (B, W, C).
        season: Steps of a season.
        key: Draws dropout; None for evaluation.

    Returns:
        The sum, and the count of values that were forecast.

    Raises:
        ValueError: If W is no multiple of the season, or the model is of another size.

    Example:
        >>> from flax import nnx
        >>> config = ForecasterConfig(series_size=4, horizon=1, season=1, hidden_size=3)
        >>> model, targets = Forecaster(config, rngs=nnx.Rngs(0)), jnp.ones((3, 12, 5))
        >>> window_loss(model, targets, jnp.zeros((3, 12, 0)), season=4).count.item()
        120
    """
    rows, beside, _ = _rows(model, targets, beside, season)
    found = model.loss(rows, beside, key=key)
    return found._replace(count=found.count * model.config.series_size)


@partial(jax.jit, static_argnames=("pure", "season"))
def window_forecast(
    pure: Pure[Forecaster], params: Params, targets: jax.Array, beside: jax.Array, season: int
) -> Forecast:
    """Mean and standard deviation (B, season, D) of what follows each window (B, W, D).

    Example:
        >>> from flax import nnx
        >>> from rnn_jax.models import take_apart
        >>> config = ForecasterConfig(series_size=4, horizon=1, season=1, hidden_size=3)
        >>> model = take_apart(Forecaster(config, rngs=nnx.Rngs(0)))
        >>> window_forecast(*model, jnp.ones((3, 8, 5)), jnp.zeros((3, 8, 0)), season=4).mean.shape
        (3, 4, 5)
    """
    model, (size, _, num_targets) = pure(params), targets.shape
    rows, beside, level = _rows(model, targets, beside, season)
    found = model.forecast(rows, beside)  # (B D, 1, season), or (B, 1, season D)
    if rows.shape[0] == size:
        found = Forecast(*(leaf.reshape(size, season, num_targets) for leaf in found))
    else:
        found = Forecast(*(jnp.swapaxes(leaf.reshape(size, -1, season), 1, 2) for leaf in found))
    return found._replace(mean=found.mean + jnp.broadcast_to(level, found.mean.shape))


def forecasts(
    pure: Pure[Forecaster], params: Params, parts: SeriesParts, origins: np.ndarray, context: int
) -> Forecast:
    """Forecasts (N, K, D) from many origins, 256 at a time, as NumPy arrays.

    Args:
        pure: The model, taken apart.
        params: Its parameters.
        parts: The series.
        origins: The first step of each forecast.
        context: Steps that are read before it.

    Example:
        >>> from flax import nnx
        >>> from rnn_jax.data import series, windows
        >>> from rnn_jax.models import take_apart
        >>> sizes = {"horizon": 12, "season": 24, "context": 48}
        >>> parts = windows.split_series(series.made_load(600), (), (0.6, 0.2, 0.2), **sizes)
        >>> config = season_forecaster(parts, hidden_size=4)
        >>> model = take_apart(Forecaster(config, rngs=nnx.Rngs(0)))
        >>> forecasts(*model, parts, parts.origins(2), context=48).mean.shape
        (109, 12, 2)
    """
    found = []
    for start in range(0, len(origins), 256):
        chunk = origins[start : start + 256]
        filled = np.resize(chunk, min(256, len(origins)))  # one shape, compiled once
        targets, beside = parts.windows(filled - context, context)
        made = window_forecast(pure, params, targets, beside, parts.season)
        found.append([np.asarray(leaf)[: len(chunk), : parts.horizon] for leaf in made])
    mean, scale = (np.concatenate(leaves) for leaves in zip(*found))
    return Forecast(mean, scale)  # type: ignore[arg-type]  # many, so they leave the device


def _rows(
    model: Forecaster, targets: Any, beside: Any, season: int
) -> tuple[jax.Array, Any, jax.Array]:
    """The model's rows and covariates, season by season, and the level taken away (B, 1, D)."""
    targets, beside = jnp.asarray(targets), jnp.asarray(beside)
    size, steps, num_targets = targets.shape
    if steps % season or model.config.series_size not in (season, season * num_targets):
        raise ValueError(
            f"windows of {steps} steps of {num_targets} series, by a season of {season}: that must "
            f"divide the steps, and the model be of {season} or {season * num_targets} series, got "
            f"series_size={model.config.series_size}."
        )
    level = targets[:, :season].mean(axis=1, keepdims=True)
    rows = targets - jnp.broadcast_to(level, targets.shape)
    beside = beside[:, season - 1 :: season]
    if model.config.series_size == season:
        rows = jnp.swapaxes(rows, 1, 2)
        beside = jnp.repeat(beside, num_targets, axis=0)
    rows = rows.reshape(-1, steps // season, model.config.series_size)
    return rows, beside if beside.shape[2] else None, level

"""Forecasts of a series by ridge regression: on a reservoir, and on the window itself."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax import cells, drivers, ops
from rnn_jax.data.windows import SeriesParts


def reservoir_forecasts(
    cell: cells.EchoState, parts: SeriesParts, origins: np.ndarray, key: jax.Array
) -> np.ndarray:
    """Forecasts (N, K, D) by ridge regression on the states of a network that is left as drawn.

        x_{t+k} - x_{t+k-season} = [h_t x_t] @ w_k + b_k

    fitted on the part to train on, with the penalty that is best on the second part.

    Args:
        cell: The reservoir; it reads targets and covariates together.
        parts: The series.
        origins: The first step of each forecast.
        key: Draws the reservoir.

    Example:
        >>> from rnn_jax.data import series, windows
        >>> sizes = {"horizon": 24, "season": 24, "context": 48}
        >>> load = series.made_load(900)
        >>> parts = windows.split_series(load, ("load",), (0.6, 0.2, 0.2), **sizes)
        >>> cell = cells.EchoState(input_size=8, hidden_size=20, output_size=1)
        >>> reservoir_forecasts(cell, parts, parts.origins(2), jax.random.key(0)).shape
        (157, 24, 1)
    """
    xs = jnp.asarray(np.concatenate([parts.targets, parts.beside], axis=1))
    _, hs = drivers.scan(cells.Features(cell=cell), cell.init(key), xs)
    features = np.concatenate([np.asarray(hs), np.asarray(xs)], axis=1)

    def pairs(origins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        change = parts.after(origins) - parts.naive(origins)
        return features[origins - 1], change.reshape(len(origins), -1)

    change = _ridge(pairs, parts, origins, parts.season)
    return change.reshape(len(origins), parts.horizon, -1) + parts.naive(origins)


def linear_forecasts(parts: SeriesParts, origins: np.ndarray, context: int) -> np.ndarray:
    """Forecasts (N, K, D) by a linear map of each target's own window: what a network has to beat.

    Example:
        >>> from rnn_jax.data import series, windows
        >>> sizes = {"horizon": 24, "season": 24, "context": 48}
        >>> parts = windows.split_series(series.made_load(900), (), (0.6, 0.2, 0.2), **sizes)
        >>> linear_forecasts(parts, parts.origins(2), context=48).shape
        (157, 24, 2)

    References:
        Zeng et al., Are transformers effective for time series forecasting?, 2023,
        arXiv:2205.13504.
    """

    def pairs(origins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        window, _ = parts.windows(origins - context, context)
        last = window[:, -1:]
        own, after = (np.swapaxes(x - last, 1, 2) for x in (window, parts.after(origins)))
        return own.reshape(-1, context), after.reshape(-1, parts.horizon)

    after = _ridge(pairs, parts, origins, context).reshape(len(origins), -1, parts.horizon)
    return np.swapaxes(after, 1, 2) + parts.windows(origins - 1, 1)[0]


def _ridge(
    pairs: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    parts: SeriesParts,
    origins: np.ndarray,
    first: int,
) -> np.ndarray:
    """Readings fitted from origin ``first`` on; of some penalties the best on the second part."""
    x, y = pairs(parts.origins(0)[first:])
    stats = ops.ridge_init(x.shape[1], y.shape[1])
    for start in range(0, len(x), 4096):  # in chunks: the decomposition is of all of them at once
        rows = slice(start, start + 4096)
        stats = ops.ridge_update(stats, jnp.asarray(x[rows]), jnp.asarray(y[rows]))
    solved = (ops.ridge_solve(stats, alpha=10.0**k) for k in range(-6, 7))
    readouts = [(np.asarray(w), np.asarray(b)) for w, b in solved]
    x, y = pairs(parts.origins(1))
    w, b = min(readouts, key=lambda wb: float(np.square(x @ wb[0] + wb[1] - y).mean()))
    return pairs(origins)[0] @ w + b

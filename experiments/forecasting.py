"""Forecasts of a series, with their uncertainty.

    python -m experiments.forecasting                  # a made power load; resumes; also evaluate
    python -m experiments.forecasting --data FILE.csv --target price --horizon 24 --season 24
    python -m experiments.forecasting --preset etth1 --data ETTh1.csv

Columns that are no target are read too. Scores are of standardised values; beside the network are
the last season, a linear map and an echo state network. Takes a minute of one CPU core.
"""

import sys
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import jax
import numpy as np
from flax import nnx

from rnn_jax import cells, models, plots
from rnn_jax import train as training
from rnn_jax.data import InputError, files, series, windows
from rnn_jax.data.errors import refusing
from rnn_jax.models import backtest
from rnn_jax.models.ridge_forecasts import linear_forecasts, reservoir_forecasts
from rnn_jax.train import cli

CELLS = {"lstm": cells.LSTM, "gru": cells.GRU, "elman": cells.Elman}


@dataclass(frozen=True)
class Config(training.Settings):
    data: str = "load"  # FILE.csv, or load; co2, sunspots: with pip install statsmodels
    target: tuple[str, ...] = ()  # columns to forecast; default: load, or all of them
    horizon: cli.Count = 24  # steps to forecast, at most a season
    season: cli.Count = 24  # steps; the network reads one at once, and forecasts the next
    context: cli.Count = 336  # steps that are read for a forecast: some seasons
    split: tuple[float, float, float] = (0.7, 0.1, 0.2)  # to train, choose, test: or in steps
    together: bool = False  # one network sees all targets; else each by itself, equal weights
    cell: Literal["lstm", "gru", "elman"] = "lstm"  # of every layer
    hidden_size: cli.Count = 64
    num_layers: cli.Count = 1
    dropout: cli.Probability = 0.1
    reservoir_size: cli.Count = 300  # of the echo state network, and the next two
    spectral_radius: cli.Rate = 0.9
    leak: cli.Rate = 0.5
    steps: cli.Count = 600
    eval_every: cli.Count = 100


PRESETS = {
    "default": Config(),
    "tiny": Config(horizon=6, context=48, hidden_size=8, batch_size=8, steps=20, eval_every=10,
                   reservoir_size=20, split=(1500, 200, 200)),
    "etth1": Config(data="ETTh1.csv", split=(8640, 2880, 2880)),
    "sunspots": Config(data="sunspots", horizon=11, season=11, context=44, hidden_size=16),
    "co2": Config(data="co2", horizon=52, season=52, context=156, hidden_size=32),
}  # fmt: skip


def load(config: Config) -> tuple[series.Series, windows.SeriesParts]:
    source = series.load_series(config.data)
    target = config.target or (("load",) if config.data == "load" else ())
    return source, windows.split_series(source, target, config.split, horizon=config.horizon,
                                        season=config.season, context=config.context)  # fmt: skip


def build(config: Config, parts: windows.SeriesParts) -> tuple[Any, Any]:
    with refusing():
        sizes = backtest.season_forecaster(
            parts, hidden_size=config.hidden_size, num_layers=config.num_layers,
            cell=CELLS[config.cell], dropout=config.dropout, together=config.together,
        )  # fmt: skip
        return models.take_apart(models.Forecaster(sizes, rngs=nnx.Rngs(config.seed)))


def loss(season: int, pure: Any, params: Any, carry: Any, batch: Any, key: Any) -> Any:
    return backtest.window_loss(pure(params), *batch, season=season, key=key), carry


def train(config: Config) -> int:
    """Trains the forecaster and compares it on the test; the same command again resumes."""
    config.check()
    source, parts = load(config)
    pure, params = build(config, parts)
    origins = parts.origins(1, every=7)
    naive = np.square(parts.naive(origins) - parts.after(origins)).mean()

    def batch(step: int) -> tuple[np.ndarray, np.ndarray]:
        rng, last = np.random.default_rng([config.seed, step]), parts.bounds[1] - config.context
        return parts.windows(rng.integers(0, last + 1, config.batch_size), config.context)

    def report(params: Any, done: int) -> training.Report:
        mean, scale = backtest.forecasts(pure, params, parts, origins, config.context)
        errors = mean - parts.after(origins)
        nats = np.mean(0.5 * (errors / scale) ** 2 + np.log(scale) + 0.5 * np.log(2 * np.pi))
        said = f"squared error {np.square(errors).mean():.4f} (last season {naive:.4f})"
        return training.Report(f"step {done}, validation: {nats:.3f} nats, {said}", float(nats))

    with training.Run(config, source.digest) as run:
        print(f"{parts.names} of {len(source.values)} steps, {source.filled} values filled in")
        status = training.fit(
            config, run, partial(loss, config.season, pure), params, batch, report,
            tokens_per_step=config.batch_size * config.context, unit="step",
        )  # fmt: skip
    if status == cli.DONE:
        evaluate(cli.Saved(config.run_dir))
    return status


def evaluate(options: cli.Saved) -> None:
    """Forecasts from every step of the test, with all three; draws one of them."""
    run = training.read_run(options.run_dir)
    config = run.config(Config)
    source, parts = load(replace(config, data=str(options.data or config.data)))
    if source.digest != run.settings["data"]:
        raise InputError(f"data: {config.data} is not the series of this run")
    pure, params = build(config, parts)
    params = training.restore_params(run, config, params)
    origins, came = parts.origins(2), parts.after(parts.origins(2))
    found = backtest.forecasts(pure, params, parts, origins, config.context)
    sizes: Any = {"input_size": parts.targets.shape[1] + parts.beside.shape[1],
                  "hidden_size": config.reservoir_size, "output_size": 1}  # fmt: skip
    with refusing():
        reservoir = cells.EchoState(**sizes, spectral_radius=config.spectral_radius,
                                    leak=config.leak, input_scaling=0.3)  # fmt: skip
    key, scores = jax.random.key(config.seed), {}
    lines = {config.cell: np.asarray(found.mean), "last season": parts.naive(origins),
             "linear": linear_forecasts(parts, origins, config.context),
             "echo": reservoir_forecasts(reservoir, parts, origins, key)}  # fmt: skip
    for name, line in lines.items():
        squared, absolute = np.square(line - came).mean(), np.abs(line - came).mean()
        scores[name] = {"squared": float(squared), "absolute": float(absolute)}
        print(f"test, {name}: squared error {squared:.4f}, absolute {absolute:.4f}")
    low, lower, upper, high = (np.asarray(found.quantile(q)) for q in (0.1, 0.25, 0.75, 0.9))
    inside = float(np.mean((low < came) & (came < high)))
    print(f"{inside:.1%} lie between the quantiles 0.1 and 0.9 of the {config.cell}")
    files.write_json(run.directory, "results", {"test": scores, "inside 80 %": inside})
    at = len(origins) // 2
    figure = plots.plot_forecast(
        parts.targets[origins[at] - config.context : origins[at]][-4 * config.season :], came[at],
        {0.8: (low[at], high[at]), 0.5: (lower[at], upper[at])},
        {name: line[at] for name, line in lines.items()}, names=parts.names,
        title=f"{config.data.split('/')[-1]}, from step {origins[at]}",
    )  # fmt: skip
    figure.savefig(run.directory / "forecast.png")


if __name__ == "__main__":
    sys.exit(cli.main("python -m experiments.forecasting", [train, evaluate], PRESETS))

"""Forecasts as a user runs them, on a file of her own."""

import json

import numpy as np
import pytest

from rnn_jax.train import cli, read_metrics

for library in ("tyro", "tqdm", "matplotlib"):
    pytest.importorskip(library)

from experiments import forecasting as script  # noqa: E402


def main(*argv):
    commands = [script.train, script.evaluate]
    return cli.main("forecasting", commands, script.PRESETS, [str(a) for a in argv])


@pytest.fixture(scope="module")
def prices(tmp_path_factory):
    """A wave with noise, and a column that says a day before how high the next wave will be."""
    rng, steps = np.random.default_rng(0), np.arange(700)
    height = np.repeat(rng.uniform(0.5, 2, 101), 7)
    price = height[:700] * np.sin(2 * np.pi * steps / 7) + 0.05 * rng.standard_normal(700)
    path = tmp_path_factory.mktemp("data") / "prices.csv"
    days = np.datetime64("2020-01-01") + steps
    rows = [f"{day},{p:.4f},{h:.4f}" for day, p, h in zip(days, price, height[7:])]
    path.write_text("\n".join(["date,price,outlook", *rows]) + "\n")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("flags", [[], ["--together", "--cell", "gru", "--precision", "bfloat16"]])
def test_it_beats_the_last_season(prices, tmp_path, capsys, flags):
    run = tmp_path / "run"
    flags = ["--preset", "tiny", "--run-dir", run, "--data", prices, "--target", "price", *flags]
    flags += ["--horizon", 7, "--season", 7, "--context", 21, "--hidden-size", 24, "--dropout", 0]
    flags += ["--split", 0.7, 0.1, 0.2, "--steps", 300, "--eval-every", 150, "--parallel", "none"]
    flags += ["--learning-rate", 0.01, "--reservoir-size", 50]
    assert main(*flags) == 0
    scores = json.loads((run / "results.json").read_text())
    test = {name: score["squared"] for name, score in scores["test"].items()}
    model = "gru" if "gru" in flags else "lstm"
    assert test[model] < 0.5 * test["last season"] and test["echo"] < test["last season"]
    assert 0.5 < scores["inside 80 %"] < 0.97
    assert (run / "forecast.png").stat().st_size > 10_000
    first = read_metrics(run)
    assert main(*flags) == 0 and read_metrics(run) == first
    capsys.readouterr()
    assert main("evaluate", "--run-dir", run) == 0
    assert f"test, {model}: squared error {test[model]:.4f}" in capsys.readouterr().out
    prices_elsewhere = tmp_path / "others.csv"
    prices_elsewhere.write_text(prices.read_text().replace("0.1", "0.2"))
    assert main("evaluate", "--run-dir", run, "--data", prices_elsewhere) == 2
    assert "is not the series of this run" in capsys.readouterr().err


def test_bad_input_is_one_line_and_leaves_nothing(prices, tmp_path, capsys):
    run = tmp_path / "run"
    flags = ["--preset", "tiny", "--run-dir", run, "--data", prices, "--split", 0.7, 0.1, 0.2]
    for more, message in (
        (["--target", "prize"], "prize: no such column"),
        (["--horizon", 30], "horizon: 30 steps are more than a season of 24"),
        (["--context", 792], "are too short for a context of 792"),
        (["--data", tmp_path / "gone.csv"], "cannot read"),
        (["--cell", "lstn"], "invalid choice"),
    ):
        assert main(*flags, *more) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
    assert main("evaluate", "--run-dir", run) == 2
    assert "no run in" in capsys.readouterr().err
    assert not run.exists()

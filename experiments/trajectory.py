"""Where several objects go next, by a mixture density network, and how they may go on from there.

    python -m experiments.trajectory                     # balls that bounce; resumes
    python -m experiments.trajectory evaluate            # futures.png, horizon.png
    python -m experiments.trajectory --preset pendulum   # a double pendulum
    python -m experiments.trajectory --data TRACKS.csv   # columns scene, step, object, x, y

Losses are nats per step, summed over the objects, in the units of the data. The first takes about
110 CPU seconds: -21.7 nats (constant velocity -14.3).
"""

import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
from flax import nnx

from rnn_jax import cells, models, plots
from rnn_jax import train as training
from rnn_jax.data import InputError, files, futures, tracks
from rnn_jax.data.errors import refusing
from rnn_jax.train import cli

CELLS = {"elman": cells.Elman, "gru": cells.GRU, "lstm": cells.LSTM}


@dataclass(frozen=True)
class Config(training.Settings):
    data: str = "balls"  # or pendulum, or FILE.csv
    num_balls: cli.Count = 3
    noise: cli.Weight = 0.002  # deviation with which made positions are seen
    length: cli.Count = 60  # steps of a scene
    scenes: tuple[cli.Count, cli.Count, cli.Count] = (4000, 200, 200)  # to train, choose, test
    past: cli.Count = 20  # steps that are read before a future is drawn
    horizon: cli.Count = 30  # steps of a future
    futures: cli.Count = 50  # drawn from each past
    components: cli.Count = 5  # of the mixture of each object
    cell: Literal["lstm", "gru", "elman"] = "lstm"
    hidden_size: cli.Count = 128
    num_layers: cli.Count = 1
    dropout: cli.Probability = 0.0
    steps: cli.Count = 1500
    eval_every: cli.Count = 250

    def load(self) -> tracks.Tracks:
        if self.past < 2 or self.past + self.horizon > self.length:
            raise InputError(
                f"past: {self.past} steps and a horizon of {self.horizon} do not fit scenes of "
                f"{self.length}; and past must be at least 2"
            )
        return tracks.load_tracks(self.data, length=self.length, sizes=self.scenes,
                                  num_objects=self.num_balls, noise=self.noise,
                                  seed=self.seed)  # fmt: skip

    def model(self, train: np.ndarray) -> Any:
        """The model taken apart; how far objects move is measured on what is trained on."""
        moves = np.diff(train, axis=1)
        config = models.TrajectoryModelConfig(
            num_objects=train.shape[2], num_components=self.components, cell=CELLS[self.cell],
            hidden_size=self.hidden_size, num_layers=self.num_layers, dropout=self.dropout,
            centre=float(train.mean()), spread=float(train.std()), move=float(moves.std()),
            turn=float(np.diff(moves, axis=1).std()),
        )  # fmt: skip
        return models.take_apart(models.TrajectoryModel(config, rngs=nnx.Rngs(self.seed)))


PRESETS = {
    "default": Config(),
    "tiny": Config(num_balls=2, length=20, scenes=(200, 40, 40), past=8, horizon=8, futures=10,
                   hidden_size=32, components=2, steps=60, eval_every=30, warmup_steps=5),
    "pendulum": Config(data="pendulum", noise=0.005),
}  # fmt: skip


def loss(pure: Any, params: Any, carry: Any, batch: Any, key: Any = None) -> Any:
    """-ln p of the positions, and how many steps there are; nothing is carried over batches."""
    return pure(params).loss(batch, key=key), carry


def train(config: Config) -> int:
    """Trains the model and evaluates it; the same command again resumes."""
    config.check()
    scenes = config.load()
    with refusing():
        pure, params = config.model(scenes.train)
    floor = futures.track_floors(scenes.train, scenes.validation)

    def batch(step: int) -> np.ndarray:
        rng = np.random.default_rng([config.seed, step])
        return scenes.train[rng.integers(0, len(scenes.train), config.batch_size)]

    def report(params: Any, done: int) -> training.Report:
        found = models.track_nats(pure, params, scenes.validation)
        said = ", ".join(f"{name} {nats:.3f}" for name, nats in floor.items())
        return training.Report(f"step {done}, validation: {found:.3f} nats a step ({said})", found)

    with training.Run(config, scenes.digest) as run:
        print(scenes)
        status = training.fit(
            config, run, partial(loss, pure), params, batch, report, floors=floor, unit="step",
            tokens_per_step=config.batch_size * (config.length - 2),
        )  # fmt: skip
    if status == cli.DONE:
        evaluate(cli.Saved(config.run_dir))
    return status


def evaluate(options: cli.Saved) -> None:
    """Measures on the test: nats, calibration, and how far the futures are from what came."""
    run = training.read_run(options.run_dir)
    config = run.config(Config)
    scenes = replace(config, data=str(options.data or config.data)).load()
    if scenes.digest != run.settings["data"]:
        raise InputError(f"data: {options.data or config.data} are not the tracks of this run")
    pure, params = config.model(scenes.train)
    params = training.restore_params(run, config, params)
    test, directory = scenes.test, Path(options.run_dir or ".")
    key, key_future = jax.random.split(jax.random.key(config.seed))
    scores: dict[str, Any] = {config.cell: models.track_nats(pure, params, test)}
    scores |= futures.track_floors(scenes.train, test)
    print("test, nats a step:", ", ".join(f"{name} {nats:.3f}" for name, nats in scores.items()))
    inside = np.mean(models.mass_above(pure, params, key, test, 100) <= 0.8).item()
    print(f"{inside:.1%} lie in the densest region of 80 %, one step ahead")
    past, came = test[:, : config.past], test[:, config.past : config.past + config.horizon]
    sizes = config.horizon, config.futures
    drawn = np.asarray(models.roll_out(pure, params, key_future, past, *sizes))
    found = futures.score_futures(past, drawn, came)
    print(found)
    curves = {name: list(enumerate(line.tolist(), 1)) for name, line in found.distances.items()}
    title = f"{config.data.split('/')[-1]}, steps ahead"
    figure = plots.plot_runs(curves, label="distance from what came", title=title)
    figure.savefig(directory / "horizon.png")
    shown = min(10, config.horizon)
    title = f"{config.futures} futures of {shown} steps, and what came"
    figure = plots.plot_futures(past[:6, -8:], drawn[:6, :, :shown], came[:6, :shown], title=title)
    figure.savefig(directory / "futures.png")
    scores |= {"inside 80 %": inside, "inside 80 %, by steps ahead": found.inside.tolist()}
    scores |= {"distance": {name: line.tolist() for name, line in found.distances.items()}}
    files.write_json(directory, "results", {"test": scores})


if __name__ == "__main__":
    sys.exit(cli.main("python -m experiments.trajectory", [train, evaluate], PRESETS))

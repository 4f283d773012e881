"""Films of moving digits: what comes next, by convolutional LSTMs, or what they are doing.

    python -m experiments.video                               # train; the same again resumes
    python -m experiments.video evaluate
    python -m experiments.video --preset motion               # eight motions, by a CNN and an LSTM
    python -m experiments.video --preset mnist --data FOLDER  # digits of MNIST's idx files

The first takes 140 CPU seconds and predicts the next frame, of digits never seen, with a squared
error of 8.2 (the frame before: 14.8); fed its own means it fades within five frames. The third
takes 85 and tells 86 % of the motions (always the same: 16 %).
"""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from flax import nnx

from rnn_jax import cells, models, plots
from rnn_jax import train as training
from rnn_jax.data import InputError, images, moving_digits
from rnn_jax.data.errors import refusing
from rnn_jax.data.moving_digits import MOTIONS
from rnn_jax.train import cli

CELLS = {"elman": cells.Elman, "gru": cells.GRU, "lstm": cells.LSTM}


@dataclass(frozen=True)
class Config(training.Settings):
    data: str | None = None  # a folder of MNIST's idx files; default: scikit-learn's digits
    task: Literal["frames", "motion"] = "frames"  # to predict, or a class of the whole
    side: cli.Count = 24  # pixels of a frame
    frames: cli.Count = 20  # of a film
    seen: cli.Count = 10  # frames that are shown before the network goes on alone
    alone: bool = False  # learn to go on alone; else every next frame from all true ones before
    num_digits: cli.Count = 2  # that bounce in a film
    patch: cli.Count = 4  # a square of pixels that is one place of a convolutional LSTM
    hidden_size: cli.Count = 32  # channels of each, or units of the LSTM over frames
    layers: cli.Count = 2
    kernel_size: cli.Count = 3
    cell: Literal["elman", "gru", "lstm"] = "lstm"  # of the motion task
    conv_sizes: tuple[cli.Count, ...] = (8, 16)  # channels of its CNN; each halves the frame
    dropout: cli.Probability = 0.0  # of its features
    held_out: cli.Count = 200  # films to choose by, and as many others to test
    batch_size: cli.Count = 16
    steps: cli.Count = 600
    eval_every: cli.Count = 200

    def model(self) -> Any:
        """The model taken apart."""
        shape, rngs = (self.side, self.side), nnx.Rngs(self.seed)
        if self.task == "motion":
            sizes = models.VideoClassifierConfig(
                num_classes=len(MOTIONS), frame_shape=shape, cell=CELLS[self.cell],
                conv_sizes=self.conv_sizes, hidden_size=self.hidden_size, num_layers=self.layers,
                dropout=self.dropout,
            )  # fmt: skip
            return models.take_apart(models.VideoClassifier(sizes, rngs=rngs))
        config = models.FramePredictorConfig(
            frame_shape=shape, patch=self.patch, hidden_size=self.hidden_size,
            num_layers=self.layers, kernel_size=self.kernel_size,
        )  # fmt: skip
        return models.take_apart(models.FramePredictor(config, rngs=rngs))

    def films(self, digits: images.Images, count: int, *seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Films (N, T, side, side) and their classes (N,), a pure function of the seed."""
        rng, size = np.random.default_rng([self.seed, *seed]), (count, self.frames, self.side)
        if self.task == "motion":
            return moving_digits.motion_clips(rng, digits, *size)
        films = moving_digits.bouncing_clips(rng, digits, *size, self.num_digits)
        return films, np.zeros(count, np.int32)


PRESETS = {
    "default": Config(), "alone": Config(alone=True, steps=400),
    "motion": Config(task="motion", frames=12, batch_size=32, layers=1, hidden_size=64,
                     steps=2000, eval_every=500),
    "mnist": Config(side=64, steps=2000),
    "tiny": Config(frames=6, seen=3, hidden_size=8, layers=1, held_out=16, batch_size=8, steps=40,
                   eval_every=20, warmup_steps=5, learning_rate=1e-2),
    "tiny-motion": Config(task="motion", frames=8, layers=1, held_out=64, conv_sizes=(4, 8),
                          steps=60, eval_every=30, warmup_steps=5),
}  # fmt: skip


def loss(pure: Any, config: Config, params: Any, carry: Any, batch: Any, key: Any = None) -> Any:
    """Nats of the next frames, or of the class; nothing is carried over batches."""
    films, labels = batch
    if config.task == "motion":
        return pure(params).loss(films[..., None], labels, key=key), carry
    return pure(params).loss(films, config.seen if config.alone else None), carry


def look(pure: Any, config: Config, params: Any, part: Any, path: Path) -> tuple[str, float]:
    """How films are understood, in words and in nats, and a picture of it."""
    films, labels = part
    if config.task == "motion":
        return models.classify_films(pure, params, films[..., None], labels, MOTIONS, path)
    seen, found = config.seen, models.foresee(pure, params, films, config.seen)
    rows = {"true": films[0], "next": found.after[0], "alone": found.alone[0]}
    plots.plot_frames(rows, errors=found.errors(films, seen), seen=seen).savefig(path)
    nats = found.nats_alone if config.alone else found.nats  # as it learns
    return found.said(films, seen), nats / config.side**2


def train(config: Config) -> int:
    """Trains on films without end; the same command again resumes."""
    corpus = images.load_images(config.data)
    if config.task == "frames" and config.seen >= config.frames:
        raise InputError(f"seen: {config.seen} of {config.frames} frames leave none to predict")
    held_out = config.films(corpus.validation, config.held_out, 1)
    with refusing():
        pure, params = config.model()

    def batch(step: int) -> tuple[np.ndarray, np.ndarray]:
        return config.films(corpus.train, config.batch_size, 0, step)

    with training.Run(config, corpus.digest) as run:

        def report(params: Any, done: int) -> training.Report:
            said, nats = look(pure, config, params, held_out, run.path / f"{config.task}.png")
            return training.Report(f"--- step {done}, held out {said}", nats)

        motion, told = config.task == "motion", config.frames - (config.seen if config.alone else 1)
        return training.fit(
            config, run, partial(loss, pure, config), params, batch, report,
            tokens_per_step=config.batch_size * (1 if motion else told * config.side**2),
            floors={"chance": np.log(len(MOTIONS))} if motion else {},
            unit="film" if motion else "pixel",
        )  # fmt: skip


def evaluate(options: cli.Saved) -> None:
    """Measures the best parameters on films of test digits; test.png shows it."""
    run = training.read_run(options.run_dir)
    config = run.config(Config)
    corpus = images.load_images(options.data or config.data)
    pure, params = config.model()
    params = training.restore_params(run, config, params)
    films = config.films(corpus.test, config.held_out, 2)
    said, _ = look(pure, config, params, films, run.directory / "test.png")
    print(f"test, {config.held_out} films of digits never seen:", said)


if __name__ == "__main__":
    sys.exit(cli.main("python -m experiments.video", [train, evaluate], PRESETS))

"""What every training script is asked: a script's own Config adds its data and its model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import optax

from rnn_jax.data.errors import InputError, refusing
from rnn_jax.train import averaging
from rnn_jax.train.cli import Count, Natural, Probability, Rate, Weight
from rnn_jax.train.hosts import check_hosts
from rnn_jax.train.optimizers import Clip, Name, Optimizer, Schedule
from rnn_jax.train.parallel import Mode, data_mesh


@dataclass(frozen=True)
class Settings:
    """Where a run goes, how long it takes, how it learns and on what; all flags of the scripts.

    Example:
        >>> settings = Settings(steps=10, optimizer="sgd", learning_rate=0.5, schedule="constant")
        >>> optimizer = settings.make_optimizer()
    """

    run_dir: Path | None = None  # where everything goes; default runs/SCRIPT/PRESET
    batch_size: Count = 32  # rows of a step, over all devices
    steps: Count = 2000  # updates
    eval_every: Count = 250  # steps between evaluations, each with samples and a checkpoint
    optimizer: Name = "adam"
    learning_rate: Rate = 3e-3  # at its highest
    schedule: Schedule = "cosine"  # how the learning rate goes on after the warm-up
    warmup_steps: Natural = 100  # of rising rate, at most half of all
    hold_steps: Natural = 0  # staircase: updates before the rate first falls
    decay_every: Count = 1000  # staircase: updates between two falls
    decay_rate: Probability = 0.5  # staircase: what a fall leaves of the rate
    clip: Clip = "norm"  # of all, of each array (leaf), of each number, or adaptive
    clip_limit: Rate = 1.0  # longest gradient; inf for no clipping
    weight_decay: Weight = 0.0  # share of the matrices taken away, times the rate
    momentum: Probability = 0.0  # of sgd
    rms_decay: Probability = 0.9  # of rmsprop's mean square
    accumulate: Count = 1  # batches for one update
    average: Literal["none", "exponential", "triggered"] = "none"  # of the parameters: none,
    # moving, or from where the held-out loss stops falling (NT-ASGD)
    average_decay: Probability = 0.999  # of the moving average
    seed: Natural = 0  # of parameters, data and dropout
    parallel: Mode = "jit"  # how a step is spread over all devices
    precision: Literal["float32", "bfloat16"] = "float32"  # of products; the rest is float32
    distributed: bool = False  # several hosts, each with this same command
    checkpoint_dir: str | None = None  # checkpoints elsewhere than in run_dir: gs://BUCKET/PATH
    keep: Count = 2  # newest checkpoints; the best one is kept beside them
    max_skipped: Count = 10  # updates in a row that may be not finite
    stuck_after: Rate = 1800.0  # seconds without a step until the run is given up, with stacks
    tensorboard: bool = False  # metrics for TensorBoard, too
    profile: Natural = 0  # steps to be traced, into RUN_DIR/profile

    def check(self) -> None:
        """Refuse what cannot be trained, before anything is written.

        Raises:
            InputError: if numbers fit neither each other nor the devices.
        """
        with refusing():
            check_hosts(self.parallel)
            self.make_optimizer()
        size = self.make_mesh().size
        if self.batch_size % size:
            raise InputError(
                f"batch_size: {self.batch_size} rows cannot be shared by {size} devices; give a "
                f"multiple of {size}, or --parallel none for one device"
            )

    def make_mesh(self) -> Any:
        """All devices, or one where nothing is parallel."""
        return data_mesh(1 if self.parallel == "none" else None)

    def make_optimizer(self) -> optax.GradientTransformation:
        """The Optax transformation; it keeps an average of the parameters if asked to."""
        made = Optimizer(
            name=self.optimizer,
            learning_rate=self.learning_rate,
            schedule=self.schedule,
            steps=-(-self.steps // self.accumulate),
            warmup_steps=self.warmup_steps,
            hold_steps=self.hold_steps,
            decay_every=self.decay_every,
            decay_rate=self.decay_rate,
            clip=self.clip,
            clip_limit=None if self.clip_limit == float("inf") else self.clip_limit,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            rms_decay=self.rms_decay,
            accumulate=self.accumulate,
        ).make()
        if self.average == "exponential":
            return averaging.exponential_average(made, self.average_decay)
        return averaging.mean_average(made) if self.average == "triggered" else made

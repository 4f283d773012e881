"""Looking on while a run goes on: TensorBoard, and a trace of a few steps."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import jax

from rnn_jax.data.errors import extra


class Board:
    """Writes each line of metrics for TensorBoard: ``tensorboard --logdir DIRECTORY``.

    Args:
        directory: where the event files go.

    Raises:
        InputError: if tensorboardX is not installed.

    Example:
        >>> import tempfile
        >>> from importlib.util import find_spec
        >>> if find_spec("tensorboardX"):
        ...     with tempfile.TemporaryDirectory() as directory:
        ...         with Board(Path(directory)) as board:
        ...             board([{"step": 1, "loss": 2.5}])
    """

    def __init__(self, directory: Path) -> None:
        with extra("tensorboard", "tensorboardX"):
            from tensorboardX import SummaryWriter
        self._writer = SummaryWriter(str(directory), write_to_disk=True)

    def __call__(self, lines: Sequence[Mapping[str, Any]]) -> None:
        for line in lines:
            for name, value in line.items():
                if name != "step" and math.isfinite(value):
                    self._writer.add_scalar(name, value, line["step"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._writer.close()


class Trace:
    """Traces some steps with JAX's profiler, for TensorBoard's or Perfetto's trace viewer.

    Args:
        directory: where the trace goes.
        start: the step after which it begins; the first ones compile.
        num_steps: how many; 0 for no trace.

    Example:
        >>> with Trace(Path("profile"), start=5, num_steps=0) as trace:
        ...     trace.after(5)
    """

    def __init__(self, directory: Path, start: int, num_steps: int) -> None:
        self.directory, self.start, self.num_steps = directory, start, num_steps
        self._running = False

    def after(self, step: int) -> None:
        """Told after each step."""
        if self.num_steps and step == self.start:
            jax.profiler.start_trace(self.directory)
            self._running = True
        elif self._running and step == self.start + self.num_steps:
            self._stop()

    def _stop(self) -> None:
        jax.profiler.stop_trace()
        self._running = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._running:
            self._stop()

"""The training loop: resume, step, log, report, save, stop."""

from collections.abc import Callable
from typing import Any, TypeVar

from rnn_jax.train.cli import DONE, INTERRUPTED
from rnn_jax.train.progress import Progress
from rnn_jax.train.run import Run
from rnn_jax.train.stop import StopSignal

S = TypeVar("S")


def loop(
    run: Run,
    state: S,
    step: Callable[[S, int], tuple[S, dict[str, Any]]],
    report: Callable[[S, int], str],
    steps: int,
    report_every: int,
    tokens_per_step: int,
    progress: Progress | None = None,
) -> int:
    """Takes training steps until there are `steps` of them, from the newest checkpoint on.

    The host waits for the device only to show and write numbers, every tenth step. A report and a
    checkpoint are made every `report_every` steps and at the end. After SIGTERM or Ctrl-C the step
    in progress is finished and saved. If everything that `step` uses depends on its arguments
    alone, an interrupted run goes on bit for bit as if it had not been interrupted.

    Args:
        run: where metrics and checkpoints go.
        state: the state before the first step; pytree.
        step: takes the state and the number of steps done; returns the next state and metrics:
            scalars by name, `loss` among them.
        report: takes a state and the number of steps done; measures it and returns a text, which
            is printed and added to samples.txt.
        steps: number of steps in all.
        report_every: steps between two reports.
        tokens_per_step: tokens that a step consumes, for the progress bar.
        progress: another progress bar than that on standard error.

    Returns:
        The exit status: `cli.DONE` or `cli.INTERRUPTED`.

    Raises:
        FloatingPointError: if a metric is not finite; the last checkpoint is sound.

    Example:
        >>> import sys, tempfile, jax
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Config:
        ...     run_dir: str
        >>> progress = Progress(total=2, file=sys.stdout, every=0)
        >>> with tempfile.TemporaryDirectory() as directory, Run(Config(directory)) as run:
        ...     loop(
        ...         run,
        ...         jax.numpy.zeros(()),
        ...         step=lambda state, done: (state + 1, {"loss": 1 / (state + 1)}),
        ...         report=lambda state, done: f"after {done} steps the state is {state}",
        ...         steps=2,
        ...         report_every=2,
        ...         tokens_per_step=1,
        ...         progress=progress,
        ...     )
        /...: 0 of 2 steps are done
        step 1/2 [00:00<?, loss 1.000, 1.443 bits/char]
        step 2/2 [00:00<00:00, loss 0.500, 0.721 bits/char, ... tokens/s]
        after 2 steps the state is 2.0
        0
    """
    progress = progress or Progress(steps, tokens_per_step)
    with StopSignal() as stop, progress:
        start = 0
        if restored := run.restore(state):
            start, state = restored.step, restored.state
        progress.write(f"{run.path}: {start} of {steps} steps are done")
        for done in range(start + 1, steps + 1):
            state, metrics = step(state, done - 1)
            run.log(done, **metrics)
            if done == start + 1 or done % 10 == 0 or done == steps:
                progress.update(done, run.flush())
            if done % report_every == 0 or done == steps:
                with progress.paused():
                    text = report(state, done)
                    run.add_sample(text + "\n")
                    run.save(done, state)
                progress.write(text)
            elif stop:
                run.save(done, state)
            if stop and done < steps:
                progress.write(f"stopped by {stop.name} after step {done}; run it again to go on")
                return INTERRUPTED
    return DONE

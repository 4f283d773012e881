"""The training loop: step, log, report, save, stop."""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeVar

from rnn_jax.train.cli import DONE, INTERRUPTED
from rnn_jax.train.hosts import is_first
from rnn_jax.train.progress import Progress
from rnn_jax.train.record import REPORT
from rnn_jax.train.run import Run
from rnn_jax.train.stop import StopSignal

S = TypeVar("S")


class Report(NamedTuple):
    """What a script says of a model that it has just measured."""

    text: str  # printed, and added to samples.txt
    loss: float  # on held-out data, in nats
    score: float | None = None  # the checkpoint with the lowest one is kept; None: the loss


def loop(
    run: Run,
    state: S,
    step: Callable[[S, int], tuple[S, dict[str, Any]]],
    report: Callable[[S, int], tuple[S, Report]],
    progress: Progress,
    *,
    start: int = 0,
    steps: int,
    report_every: int,
    max_skipped: int = 10,
    after_step: Callable[[int], None] = lambda done: None,
) -> int:
    """Takes training steps until there are `steps` of them.

    The host waits for the device only to show and write numbers, every tenth step. A report and a
    checkpoint are made every `report_every` steps and at the end. After SIGTERM or Ctrl-C the step
    in progress is finished and saved. If everything that `step` uses depends on its arguments
    alone, an interrupted run goes on bit for bit as if it had not been interrupted.

    Args:
        run: where metrics and checkpoints go.
        state: the state after `start` steps; pytree.
        step: takes the state and the number of steps done; returns the next state and metrics:
            scalars by name, `loss` among them; `skipped` counts the updates in a row that were not
            made because they were not finite.
        report: takes a state and the number of steps done; measures it; returns the state to go on
            with, and what it found.
        progress: the bar.
        start: number of steps done.
        steps: number of steps in all.
        report_every: steps between two reports.
        max_skipped: updates in a row that may be skipped.
        after_step: told of each step.

    Returns:
        The exit status: `cli.DONE` or `cli.INTERRUPTED`.

    Raises:
        FloatingPointError: after `max_skipped` skipped updates in a row, or if a loss is not finite
            that none has skipped; the last checkpoint is sound.

    Example:
        >>> import sys, tempfile, jax
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Config:
        ...     run_dir: str
        >>> with tempfile.TemporaryDirectory() as directory, Run(Config(directory)) as run:
        ...     loop(
        ...         run,
        ...         jax.numpy.zeros(()),
        ...         step=lambda state, done: (state + 1, {"loss": 1 / (state + 1)}),
        ...         report=lambda state, done: (state, Report(f"{done} steps: {state}", 0.5)),
        ...         progress=Progress(total=2, file=sys.stdout, every=0),
        ...         steps=2,
        ...         report_every=2,
        ...     )
        step 1/2 [00:00<?, loss 1.000, 1.443 bits/char]
        step 2/2 [00:00<00:00, loss 0.500, 0.721 bits/char, ... tokens/s]
        2 steps: 2.0
        0
    """
    with StopSignal() as stop, progress:
        for done in range(start + 1, steps + 1):
            state, metrics = step(state, done - 1)
            run.log(done, **metrics)
            after_step(done)
            due, stopping = done % report_every == 0 or done == steps, stop.requested(done)
            if due or stopping or done == start + 1 or done % 10 == 0:
                progress.update(done, _checked(run, run.flush(), max_skipped, progress))
            if due:
                with progress.paused():
                    state, found = report(state, done)
                    run.add_sample(found.text + "\n")
                    if not math.isfinite(found.loss):
                        raise _diverged(run, f"at step {done} the held-out loss is {found.loss}")
                    run.save(done, state, found.loss if found.score is None else found.score)
                    if is_first():
                        said = {"step": done, "text": found.text, "loss": float(found.loss)}
                        run.write(REPORT, said)
                progress.write(found.text)
            elif stopping:
                run.save(done, state)
            if stopping and done < steps:
                progress.write(f"stopped by {stop.name} after step {done}; run it again to go on")
                return INTERRUPTED
    return DONE


def _checked(
    run: Run, lines: Iterable[dict[str, Any]], max_skipped: int, progress: Progress
) -> float:
    """The mean of the finite losses; says what was skipped, and gives up after too many."""
    losses = []
    for line in lines:
        loss, skipped = line.get("loss", 0.0), line.get("skipped", 0)
        if skipped >= max_skipped or not (math.isfinite(loss) or skipped):
            raise _diverged(
                run,
                f"at step {line['step']} the loss is {loss}, the norm of the gradient "
                f"{line.get('gradient_norm', 'unknown')}; updates skipped in a row: {skipped}",
            )
        if skipped:
            progress.write(f"step {line['step']}: loss or gradient is not finite; no update made")
        elif "loss" in line:
            losses.append(loss)
    return sum(losses) / len(losses) if losses else math.nan


def _diverged(run: Run, what: str) -> FloatingPointError:
    run.checkpoints.wait()  # the last one may still be on its way
    return FloatingPointError(
        f"diverged: {what}; {run.checkpoints.describe()}. Try a lower learning_rate or "
        "clip_limit, a longer warmup_steps or precision float32, in another run_dir"
    )

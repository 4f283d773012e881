"""Training as every script does it: from parameters, batches and a loss to a run directory."""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from math import inf
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.data.feed import Ahead
from rnn_jax.train import averaging, parallel
from rnn_jax.train.hosts import first_says, is_first, own_rows
from rnn_jax.train.loop import Report, loop
from rnn_jax.train.observe import Board, Trace
from rnn_jax.train.progress import Progress
from rnn_jax.train.run import Run
from rnn_jax.train.saved import SavedRun, read_metrics
from rnn_jax.train.settings import Settings
from rnn_jax.train.state import TrainState
from rnn_jax.train.watchdog import Watchdog
from rnn_jax.typing import Params, PyTree


def fit(
    config: Settings,
    run: Run,
    loss: parallel.Loss,
    params: Params,
    batch: Callable[[int], PyTree],
    report: Callable[[Params, int], Report],
    *,
    carry: PyTree = (),
    tokens_per_step: float,
    floors: Mapping[str, float] | None = None,
    unit: str = "character",
) -> int:
    """Trains to the last step, from the newest checkpoint on, and leaves everything in the run.

    A step is spread over the devices as ``config.parallel`` says; batches are made ahead of the
    device, in the background; updates that are not finite are skipped and counted. Metrics, curve,
    samples and checkpoints go into the run directory. SIGTERM and Ctrl-C save and leave; the same
    command goes on, bit for bit.

    Args:
        config: steps, optimizer, parallelism and the like.
        run: the run directory.
        loss: ``loss(params, carry, batch, key) -> (Sum, carry)``, see ``parallel.train_step``.
        params: before the first step.
        batch: the whole batch of step 0, 1, ..., host arrays (B, ...) and scalars; a pure function
            of the step. With several hosts each takes its own rows of it.
        report: measures parameters, on one device; averaged ones if the run averages. The next
            step takes their memory: copy what you keep.
        carry: recurrent state before the first step, leaves (B, ...); () for none.
        tokens_per_step: for the progress bar.
        floors: losses to compare with in the curve.
        unit: what a token is, for bar and curve.

    Returns:
        The exit status: ``cli.DONE`` or ``cli.INTERRUPTED``.

    Raises:
        FloatingPointError: if training diverged.
        StorageError: if a checkpoint could not be written.

    Example:
        >>> import tempfile
        >>> from rnn_jax import losses
        >>> def loss(params, carry, batch, key):  # a line through the origin
        ...     return losses.tally((batch["x"] * params - batch["y"]) ** 2), carry
        >>> def batch(step):
        ...     x = jnp.arange(8.0) + step
        ...     return {"x": x, "y": 2 * x}
        >>> def report(params, done):
        ...     return Report(f"after {done} steps the slope is {params:.1f}", 0.0)
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     config = Settings(directory, batch_size=8, steps=60, eval_every=60)
        ...     with Run(config) as run:
        ...         fit(config, run, loss, jnp.asarray(1.9), batch, report, tokens_per_step=8)
        /...: 0 of 60 steps are done
        after 60 steps the slope is 2.0
        0
    """
    mesh, optimizer = config.make_mesh(), config.make_optimizer()
    own_loss = in_precision(loss, config.precision)
    update = parallel.train_step(own_loss, optimizer, mesh, config.parallel)
    state = TrainState.create(params, optimizer, jax.random.key(config.seed), carry)
    state = parallel.place(state, mesh)
    start = 0
    if restored := run.restore(state):
        start, state = restored.step, restored.state
    progress = Progress(config.steps, tokens_per_step, unit=unit)
    progress.write(f"{run.path}: {start} of {config.steps} steps are done")
    feed = Ahead(lambda step: own_rows(batch(step)), start, config.steps)
    watchdog = Watchdog(config.stuck_after, run.checkpoints.describe)
    watchdog.beat(start)
    trace = Trace(run.path / "profile", start + 5, config.profile)

    def measured(state: TrainState, done: int) -> tuple[TrainState, Report]:
        found = report(parallel.local_copy(_averaged(config, state)), done)
        run.log(done, held_out_loss=found.loss, **_counted(config, run, done))
        run.draw(floors, unit)
        _note_speed(run, done, progress, feed)
        if config.average == "triggered" and _begins(run):
            state = state._replace(moments=averaging.begin_average(state.moments))
            found = found._replace(text=found.text + "\nfrom here on parameters are averaged")
        watchdog.beat(done)
        return state, found

    def after_step(done: int) -> None:
        watchdog.beat(done)
        trace.after(done)

    with ExitStack() as stack:
        stack.enter_context(watchdog)
        stack.enter_context(trace)
        if config.tensorboard and is_first():
            run.listeners.append(stack.enter_context(Board(run.path)))
        batches = stack.enter_context(closing(iter(feed)))

        def step(state: TrainState, done: int) -> tuple[TrainState, dict[str, Any]]:
            return update(state, parallel.split_rows(next(batches), mesh))

        return loop(
            run, state, step, measured, progress, start=start, steps=config.steps,
            report_every=config.eval_every, max_skipped=config.max_skipped, after_step=after_step,
        )  # fmt: skip


def restore_params(
    saved: SavedRun, config: Settings, params: Params, carry: PyTree = (), best: bool = True
) -> Params:
    """The parameters that a run has saved, averaged if it averages.

    Args:
        saved: the run.
        config: of the run.
        params: parameters of the same structure and shapes.
        carry: what the run carried at its beginning.
        best: those with the lowest held-out loss; else the newest.

    Raises:
        InputError: if there is no checkpoint.

    Example:
        >>> from rnn_jax.train.saved import read_run
        >>> restore_params(read_run("no/such/run"), Settings(), ())
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: run_dir: no run in no/such/run: config.json is missing
    """
    optimizer = config.make_optimizer()
    state = TrainState.create(params, optimizer, jax.random.key(config.seed), carry)
    return _averaged(config, saved.restore(state, best))


def in_precision(loss: parallel.Loss, precision: str) -> parallel.Loss:
    """A loss whose products are made in "bfloat16": it gets parameters of that dtype.

    The parameters that are trained stay float32, and so do their gradients and moments, the
    recurrent state and all sums: cells compute everything but products in float32.

    Example:
        >>> def loss(params, carry, batch, key):
        ...     return params.dtype, carry
        >>> in_precision(loss, "bfloat16")(jnp.ones(2, jnp.float32), (), None, None)[0]
        dtype(bfloat16)
    """
    if precision == "float32":
        return loss

    def halved(leaf: jax.Array) -> jax.Array:
        return leaf.astype(jnp.bfloat16) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    def run(params: Params, carry: PyTree, batch: PyTree, key: jax.Array) -> Any:
        return loss(jax.tree.map(halved, params), carry, batch, key)

    return run


def _averaged(config: Settings, state: TrainState) -> Params:
    if config.average == "none":
        return state.params
    return averaging.average_of(state.moments, state.params)


def _counted(config: Settings, run: Run, done: int) -> dict[str, float]:
    """How many updates were skipped so far, and the share of the last ones that was clipped."""
    lines = [line for line in read_metrics(run.path) if "gradient_norm" in line]
    norms = [line["gradient_norm"] for line in lines[-config.eval_every :]]
    clipped = sum(norm is None or norm > config.clip_limit for norm in norms)
    counted: dict[str, float] = {"skipped_total": sum(bool(line["skipped"]) for line in lines)}
    if config.clip == "norm" and norms:
        counted["clip_rate"] = clipped / len(norms)
    return counted


def _begins(run: Run) -> bool:
    """Whether the held-out loss has just stopped falling for the first time."""
    lines = [line for line in read_metrics(run.path) if "held_out_loss" in line]
    losses = [inf if line["held_out_loss"] is None else line["held_out_loss"] for line in lines]
    falls = [not averaging.stopped_falling(losses[:n]) for n in range(1, len(losses) + 1)]
    return first_says(bool(falls) and all(falls[:-1]) and not falls[-1])


def _note_speed(run: Run, done: int, progress: Progress, feed: Ahead[Any]) -> None:
    """Adds to speed.jsonl what differs from run to run of the same command."""
    line = {
        "step": done,
        "tokens_per_second": progress.tokens_per_second,  # compilation and reports left out
        "waits": feed.waits,  # batches that were not ready when the device asked for them
        "time": time.time(),
    }
    run.append("speed.jsonl", json.dumps(line) + "\n")

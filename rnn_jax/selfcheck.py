"""Does training work on this machine? ``python -m rnn_jax.selfcheck`` tells in a minute.

It trains a small LSTM on ragged rows over all devices in every way and compares with one device,
looks for sums over devices that stand inside the time loop, and takes a checkpoint there and back.
The exit status is 0 if all is well, else 1.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import flax
import jax
import jax.numpy as jnp
import optax

from rnn_jax import cells, drivers, losses
from rnn_jax.analysis import count_in_while
from rnn_jax.train import Checkpoints, TrainState, parallel
from rnn_jax.typing import PyTree

CELL = cells.LSTM(input_size=8, hidden_size=16)
STEPS, ROWS = 12, 4  # rows for each device
TOLERANCE = 1e-2  # relative; matrix units round products to 10 bits or less


def loss(params: PyTree, carry: PyTree, batch: PyTree, key: jax.Array) -> tuple[Any, PyTree]:
    """Squared outputs of the LSTM over the real steps."""
    lengths = batch["lengths"]
    carry, ys = drivers.scan(CELL, params, batch["xs"].swapaxes(0, 1), carry, lengths=lengths)
    return losses.tally(jnp.square(ys - 0.5).sum(-1), lengths=lengths), carry


def task(num_devices: int) -> tuple[TrainState, PyTree, optax.GradientTransformation]:
    """Parameters, ragged rows (some of length 0) and an optimizer."""
    key_params, key_xs = jax.random.split(jax.random.key(0))
    rows = ROWS * num_devices
    batch = {
        "xs": jax.random.normal(key_xs, (rows, STEPS, 8)),
        "lengths": (jnp.arange(rows) * 5) % (STEPS + 1),
    }
    params, sgd = CELL.init(key_params), optax.sgd(1.0)
    carry = CELL.initial_state(params, (rows,))
    return TrainState.create(params, sgd, jax.random.key(1), carry), batch, sgd


def after_one_step(mode: parallel.Mode, num_devices: int) -> tuple[PyTree, Any]:
    """The parameters after a step of SGD, and the compiled step where it can be read."""
    state, batch, sgd = task(parallel.data_mesh().size)
    mesh = parallel.data_mesh(num_devices)
    step: Any = parallel.train_step(loss, sgd, mesh, mode)
    arguments = parallel.place(state, mesh), parallel.split_rows(batch, mesh)
    compiled = step.lower(*arguments).compile() if hasattr(step, "lower") else None
    return jax.device_get(step(*arguments)[0].params), compiled


def kind() -> str:
    """What the devices are."""
    return str(parallel.data_mesh().devices.flat[0].device_kind)


def worst(found: PyTree, expected: PyTree) -> float:
    """The largest difference, relative to the largest value."""
    pairs = list(zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True))
    return max(float(abs(a - b).max() / abs(b).max()) for a, b in pairs)


def check_parallel() -> Iterator[tuple[str, str]]:
    """Every way over all devices against one device: (what was checked, what is wrong or "")."""
    expected, _ = after_one_step("none", 1)
    num_devices = parallel.data_mesh().size
    modes: tuple[parallel.Mode, ...] = ("jit", "shard_map", "pmap")
    for mode in modes:
        found, compiled = after_one_step(mode, num_devices)
        error = worst(found, expected)
        what = f"{mode}, {num_devices} x {kind()}: one device's step to {error:.1e}"
        yield what, "" if error < TOLERANCE else f"more than {TOLERANCE}"
        if compiled is not None:
            inside = count_in_while(compiled, "all-reduce")
            yield f"{mode}: {inside} sums over devices in the time loop", "slow" if inside else ""


def check_checkpoint() -> Iterator[tuple[str, str]]:
    """A training state to the disk and back."""
    state, _, _ = task(1)
    state = state._replace(carry=())
    with tempfile.TemporaryDirectory() as directory:
        with Checkpoints(directory, {"hidden_size": 16}) as checkpoints:
            checkpoints.save(1, state)
        with Checkpoints(directory, {"hidden_size": 16}) as checkpoints:
            restored = checkpoints.restore_latest(jax.tree.map(jnp.zeros_like, state))
    same = restored is not None and all(
        bool((a == b).all())
        for a, b in zip(jax.tree.leaves(restored.state), jax.tree.leaves(state), strict=True)
    )
    yield "a checkpoint comes back bit for bit", "" if same else "other values"


def main(checks: tuple[Callable[[], Iterator[tuple[str, str]]], ...] = ()) -> int:
    """Print a line for each check; 0 if all hold.

    Example:
        >>> def check():
        ...     yield "two and two are four", ""
        ...     yield "two and two are five", "they are not"
        >>> main((check,))
        jax ...
        ok      two and two are four
        FAILED  two and two are five: they are not
        1
    """
    print(f"jax {jax.__version__}, flax {flax.__version__}, {parallel.data_mesh().size} x {kind()}")
    failures = 0
    for check in checks or (check_parallel, check_checkpoint):
        try:
            for what, wrong in check():
                failures += bool(wrong)
                print(f"FAILED  {what}: {wrong}" if wrong else f"ok      {what}", flush=True)
        except Exception as error:  # whatever this machine does not like is what is asked for
            failures += 1
            print(f"FAILED  {check.__name__}: {type(error).__name__}: {error}", flush=True)
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())

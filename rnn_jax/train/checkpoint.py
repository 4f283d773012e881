"""Checkpoints of a whole training run: the newest and the best, checked leaf by leaf."""

import contextlib
import math
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, NamedTuple, Self

import jax
import numpy as np

from rnn_jax.data.errors import InputError
from rnn_jax.train.checksum import checksums, shapes
from rnn_jax.train.errors import MismatchError
from rnn_jax.train.store import Store
from rnn_jax.train.writer import Writer, one_line, say
from rnn_jax.typing import PyTree


class Restored(NamedTuple):
    """What `restore_latest` and `restore_best` return."""

    step: int
    state: PyTree
    notes: dict[str, Any]


def differences(stored: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """The keys in which a stored configuration ("there") and a given one ("here") differ.

    Example:
        >>> differences({"hidden_size": 64, "seed": 0}, {"hidden_size": 128, "seed": 0})
        ['hidden_size 64 there, 128 here']
    """
    return [
        f"{key} {stored.get(key, 'absent')} there, {given.get(key, 'absent')} here"
        for key in dict.fromkeys([*stored, *given])
        if key not in stored or key not in given or stored[key] != given[key]
    ]


class Checkpoints:
    """The newest checkpoints of one run and the best: the whole state of training.

    Everything that the next step depends on belongs in the state (parameters, optimizer state,
    step, key, carry), so that a run that was killed
    and restored goes on bit for bit as if nothing had happened. A checkpoint appears under its
    name only when it is complete, and an older one is deleted only then. Orbax does not notice a
    flipped bit in its files; the checksum of each leaf that is kept here does, and the checkpoint
    before it is taken instead. Saving is asynchronous: the state is copied first, so its buffers
    may be donated to the next step at once. With several hosts all make the same calls.

    Args:
        directory: where the checkpoints lie, made if absent; a path or gs://BUCKET/PATH.
        config: what a checkpoint must agree with to be restored; JSON values.
        keep: number of newest checkpoints that are kept, beside the best.
        read_only: only restore; safe beside a run that is still going on.

    Example:
        >>> import tempfile, jax.numpy as jnp
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     with Checkpoints(directory, {"hidden_size": 8}, keep=1) as checkpoints:
        ...         for step, loss in [(10, 0.5), (20, 0.3), (30, 0.7)]:
        ...             checkpoints.save(step, {"w": jnp.ones(2) * step}, loss=loss)
        ...         checkpoints.wait()
        ...         like = {"w": jnp.zeros(2)}
        ...         step, state, _ = checkpoints.restore_latest(like)
        ...         print(step, state["w"].tolist(), checkpoints.best())
        30 [30.0, 30.0] 20
    """

    def __init__(
        self,
        directory: str | PathLike[str],
        config: Mapping[str, Any],
        keep: int = 2,
        read_only: bool = False,
    ) -> None:
        self.config, self._keep, self._read_only = dict(config), keep, read_only
        self._store = Store(directory, self._kept, read_only)
        self.directory = self._store.directory
        self._losses: dict[int, float | None] = {}  # of all that can be read
        for step in self.steps():
            with contextlib.suppress(Exception):  # what cannot be read is dealt with at restore
                self._losses[step] = self._store.meta(step)["loss"]
        self._writer = Writer(self._store)

    def steps(self) -> list[int]:
        """The steps of the checkpoints, oldest first."""
        return self._store.steps()

    @property
    def saved(self) -> int | None:
        """The step of the last checkpoint that is known to be on disk, of those saved here."""
        return self._writer.saved

    def best(self) -> int | None:
        """The step of the checkpoint with the lowest loss, None if no loss was noted."""
        return next(iter(self._by_loss(self.steps())), None)

    def describe(self) -> str:
        """What there is to go on from."""
        steps = [step for step in self.steps() if (self.directory / str(step)).exists()]
        return f"the last checkpoint is that of step {steps[-1]}" if steps else "no checkpoint yet"

    def _by_loss(self, steps: Iterable[int]) -> list[int]:
        losses = {step: x for step in steps if (x := self._losses.get(step)) is not None}
        return sorted(losses, key=lambda step: (losses[step], step))

    def _kept(self, steps: list[int]) -> list[int]:
        unknown = [step for step in steps if step not in self._losses]  # may be the best
        return [*steps[-self._keep :], *self._by_loss(steps)[:1], *unknown]

    def save(
        self,
        step: int,
        state: PyTree,
        notes: Mapping[str, Any] | None = None,
        loss: float | None = None,
    ) -> None:
        """Saves the state after `step` steps; does nothing if that checkpoint exists.

        Args:
            step: number of steps done.
            state: pytree of arrays.
            notes: anything else to get back with the state; JSON values.
            loss: by which `best` chooses, the lower the better; none if it is not finite.

        Raises:
            StorageError: if the last save failed, and this one too.
        """
        if step in self.steps():
            return
        self._losses[step] = float(loss) if loss is not None and math.isfinite(loss) else None
        meta = {
            "config": self.config,
            "notes": dict(notes or {}),
            "loss": self._losses[step],
            "shapes": shapes(state),
            "crc32": checksums(state),
            "jax": jax.__version__,
        }
        self._writer.write(step, state, meta)

    def wait(self) -> None:
        """Returns when the last save is on disk, which is tried twice.

        Raises:
            StorageError: if it is not.
        """
        self._writer.wait()

    def restore_latest(self, like: PyTree) -> Restored | None:
        """Restores the newest checkpoint that is intact.

        The configurations are compared before anything else is read. Damaged checkpoints are
        reported and, once an older one has been restored in their place, renamed to
        `damaged-STEP-TIME`; none is deleted.

        Args:
            like: pytree of arrays, or of what stands for them, with the structure, shapes, dtypes
                and shardings to restore; on whatever devices the state lay before.

        Returns:
            Restored, or None if there is no checkpoint.

        Raises:
            MismatchError: if a checkpoint belongs to another configuration or to other arrays.
            InputError: if there are checkpoints but none can be restored.
        """
        return self._restore(like, self.steps()[::-1])

    def restore_best(self, like: PyTree) -> Restored | None:
        """As `restore_latest`, but the lowest loss first, then those without one."""
        newest_first = self.steps()[::-1]
        return self._restore(like, [*dict.fromkeys(self._by_loss(newest_first) + newest_first)])

    def _restore(self, like: PyTree, order: Sequence[int]) -> Restored | None:
        self.wait()
        damaged: dict[int, str] = {}
        for step in order:
            found = self._read(step, like)
            if isinstance(found, Restored):
                for broken, problem in damaged.items():
                    said = f"{self.directory / str(broken)} is damaged: {problem}; "
                    if not self._read_only:
                        said += f"it is now {self._store.set_aside(broken)}; "
                    say(f"{said}step {step} is taken instead")
                return found
            damaged[step] = found
        if damaged:
            reasons = "; ".join(f"{step}: {problem}" for step, problem in damaged.items())
            raise InputError(f"no checkpoint in {self.directory} can be restored: {reasons}")
        return None

    def _read(self, step: int, like: PyTree) -> Restored | str:
        """A checkpoint, or what is wrong with it."""
        try:
            meta = self._store.meta(step)
        except Exception as error:  # a damaged file raises any of half a dozen types
            return _agreed(one_line(error))
        if problem := _agreed(""):
            return problem
        where = self.directory / str(step)
        if different := differences(meta["config"], self.config):
            raise MismatchError(f"{where} belongs to another configuration: {'; '.join(different)}")
        if different := differences(meta["shapes"], shapes(like)):
            raise MismatchError(f"{where} holds other arrays: {'; '.join(different)}")
        try:
            state = self._store.state(step, like)
            found, stored = checksums(state), meta["crc32"]
            wrong = [name for name in found if found[name] != stored[name]]
            problem = f"wrong checksum of {', '.join(wrong)}" if wrong else ""
        except Exception as error:  # as above
            state, problem = None, one_line(error)
        return _agreed(problem) or Restored(step, state, meta["notes"])

    def close(self) -> None:
        """Waits and lets go of the directory.

        Raises:
            StorageError: if the last save failed twice.
        """
        try:
            self.wait()
        finally:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _agreed(problem: str) -> str:
    """What is wrong here or on any other host; all must ask."""
    if jax.process_count() == 1:
        return problem
    from jax.experimental import multihost_utils

    anywhere = multihost_utils.process_allgather(np.asarray(bool(problem))).any()
    return problem or ("another host cannot read it" if anywhere else "")

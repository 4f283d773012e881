"""Checkpoints of a whole training run, kept by Orbax behind one small class."""

import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import jax
import numpy as np
import orbax.checkpoint as ocp

from rnn_jax.data.errors import InputError
from rnn_jax.typing import PyTree


class Restored(NamedTuple):
    """What `restore_latest` returns."""

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


def checksum(state: PyTree) -> int:
    """CRC-32 over the bytes of all leaves, in tree order.

    Example:
        >>> checksum({"w": np.zeros(2, np.float32)}) == checksum({"w": np.zeros(3, np.float32)})
        False
    """
    crc = 0
    for leaf in jax.tree.leaves(state):
        if isinstance(leaf, jax.Array) and jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        crc = zlib.crc32(np.asarray(leaf).tobytes(), crc)
    return crc


class Checkpoints:
    """The newest checkpoints of one run: parameters, optimizer state, step, key, carried state.

    Everything that the next step depends on belongs in the state, so that a run that was killed
    and restored goes on bit for bit as if nothing had happened. A checkpoint appears under its
    name only when it is complete. Orbax does not notice a flipped bit in its files; the checksum
    kept here does, and the checkpoint before it is taken instead. Saving is asynchronous: the
    state is copied first, so its buffers may be donated to the next step at once.

    Args:
        directory: where the checkpoints lie; made if absent.
        config: what a checkpoint must agree with to be restored; JSON values.
        keep: number of newest checkpoints that are kept.
        read_only: only restore; safe beside a run that is still going on.

    Example:
        >>> import tempfile, jax.numpy as jnp
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     with Checkpoints(directory, config={"hidden_size": 8}) as checkpoints:
        ...         checkpoints.save(10, {"w": jnp.ones(2)})
        ...         step, state, _ = checkpoints.restore_latest({"w": jnp.zeros(2)})
        >>> step, state["w"].tolist()
        (10, [1.0, 1.0])
    """

    def __init__(
        self,
        directory: str | Path,
        config: Mapping[str, Any],
        keep: int = 2,
        read_only: bool = False,
    ):
        self.directory = Path(directory).absolute()
        self.config = dict(config)
        options = ocp.CheckpointManagerOptions(
            preservation_policy=ocp.checkpoint_managers.LatestN(keep),
            cleanup_tmp_directories=not read_only,  # what a killed save left behind
            create=not read_only,
        )
        self._read_only = read_only
        self._manager = ocp.CheckpointManager(self.directory, options=options)

    def steps(self) -> list[int]:
        """The steps of the complete checkpoints, oldest first."""
        return sorted(self._manager.all_steps())

    def save(self, step: int, state: PyTree, notes: Mapping[str, Any] | None = None) -> None:
        """Saves the state after `step` steps; does nothing if that checkpoint exists.

        Args:
            step: number of steps done.
            state: pytree of arrays.
            notes: anything else to get back with the state; JSON values.
        """
        if step in self.steps():
            return
        meta = {"config": self.config, "notes": dict(notes or {}), "crc32": checksum(state)}
        self._manager.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave([state]), meta=ocp.args.JsonSave(meta)
            ),
            force=True,
        )

    def restore_latest(self, like: PyTree) -> Restored | None:
        """Restores the newest checkpoint that is intact.

        The configurations are compared before anything else is read. A damaged checkpoint is
        renamed to `damaged-STEP` once an older one has been restored in its place.

        Args:
            like: pytree of arrays with the structure, shapes, dtypes and shardings to restore.

        Returns:
            Restored, or None if there is no checkpoint.

        Raises:
            InputError: if a checkpoint belongs to another configuration, or if there are
                checkpoints but none can be restored.
        """
        damaged: dict[int, str] = {}
        for step in reversed(self.steps()):
            try:
                meta = self._read(step, meta=ocp.args.JsonRestore())["meta"]
                if different := differences(meta["config"], self.config):
                    raise InputError(
                        f"{self.directory / str(step)} belongs to another configuration: "
                        + "; ".join(different)
                    )
                abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, [like])
                [state] = self._read(step, state=ocp.args.StandardRestore(abstract))["state"]
                if checksum(state) != meta["crc32"]:
                    raise ValueError("the checksum is wrong")
            except InputError:
                raise
            except Exception as error:  # a damaged file raises any of half a dozen types
                damaged[step] = str(error).strip().split("\n")[0]
                continue
            if not self._read_only:
                for broken in damaged:
                    self._put_aside(broken)
            return Restored(step, state, meta["notes"])
        if damaged:
            reasons = "; ".join(f"{step}: {reason}" for step, reason in damaged.items())
            raise InputError(f"no checkpoint in {self.directory} can be restored: {reasons}")
        return None

    def _read(self, step: int, **items: Any) -> Any:
        return self._manager.restore(step, args=ocp.args.Composite(**items))

    def _put_aside(self, step: int) -> None:
        aside = self.directory / f"damaged-{step}"
        shutil.rmtree(aside, ignore_errors=True)
        (self.directory / str(step)).rename(aside)
        self._manager.reload()

    def wait(self) -> None:
        """Returns when the last save is on disk; raises what went wrong with it."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits and lets go of the directory."""
        self._manager.wait_until_finished()
        self._manager.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

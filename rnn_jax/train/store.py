"""Numbered checkpoints in a directory: the one place that knows Orbax."""

import json
import logging
import time
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from os import PathLike
from typing import Any

import jax
import orbax.checkpoint as ocp
from etils import epath

from rnn_jax.train.hosts import first_device, is_first
from rnn_jax.typing import PyTree


class Store:
    """Checkpoints, each a state and a JSON object about it; one appears only when it is complete.

    Args:
        directory: a path or gs://BUCKET/PATH; made if absent.
        kept: which of these steps, in order, are to be kept when another one is complete.
        read_only: nothing is made, tidied up or written.

    Example:
        >>> import tempfile, jax.numpy as jnp
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     store = Store(directory, kept=lambda steps: steps[-1:])
        ...     for step in (1, 2):
        ...         store.begin(step, {"w": jnp.full(2, step, jnp.int32)}, {"about": step})
        ...     store.finish()
        ...     print(
        ...         store.steps(),
        ...         store.meta(2),
        ...         store.state(2, {"w": jnp.zeros(2, jnp.int32)})["w"],
        ...     )
        ...     store.close()
        [2] {'about': 2} [2 2]
    """

    def __init__(
        self,
        directory: str | PathLike[str],
        kept: Callable[[list[int]], Collection[int]],
        read_only: bool = False,
    ) -> None:
        path = epath.Path(directory)
        self.directory = path if "://" in str(path) else path.absolute()
        options = ocp.CheckpointManagerOptions(
            preservation_policy=_Kept(kept),
            cleanup_tmp_directories=not read_only,  # what a killed save left behind
            create=not read_only,
        )
        logging.getLogger("absl").addFilter(_not_of_orbax)
        self._manager = _Manager(self.directory, options=options)

    def steps(self) -> list[int]:
        """The steps that there are, in order; one that is being saved is among them."""
        return sorted(self._manager.all_steps())

    def begin(self, step: int, state: PyTree, meta: Mapping[str, Any]) -> None:
        """Copies a state and begins to write it; waits for the one before.

        The meta has a checksum of its own: a configuration that is only damaged must not look like
        another one.
        """
        stored = {"meta": dict(meta), "crc32": _crc(meta)}
        items = {"state": ocp.args.StandardSave([state]), "meta": ocp.args.JsonSave(stored)}
        self._manager.save(step, args=ocp.args.Composite(**items), force=True)

    def finish(self) -> None:
        """Returns when the last state is on disk; raises what went wrong with it."""
        try:
            self._manager.wait_until_finished()
        except Exception:  # whatever it was is raised again
            self._manager.reload()  # it has forgotten those that it meant to delete
            raise

    def meta(self, step: int) -> dict[str, Any]:
        """What was saved beside a state; not through Orbax, which makes all hosts wait."""
        stored = json.loads((self.directory / str(step) / "meta" / "metadata").read_text())
        meta: dict[str, Any] = stored["meta"]
        if _crc(meta) != stored["crc32"]:
            raise ValueError("the checksum of its meta is wrong")
        return meta

    def state(self, step: int, like: PyTree) -> PyTree:
        """A state with the structure, shapes, dtypes and shardings of another."""
        args = ocp.args.StandardRestore([jax.tree.map(_abstract, like)])
        [state] = self._manager.restore(step, args=ocp.args.Composite(state=args))["state"]
        return state

    def set_aside(self, step: int) -> str:
        """Renames a checkpoint, so that it is none any more; returns its name."""
        name = f"damaged-{step}-{time.strftime('%Y%m%d-%H%M%S')}"
        if is_first():
            (self.directory / str(step)).rename(self.directory / name)
        if jax.process_count() > 1:
            from jax.experimental import multihost_utils

            multihost_utils.sync_global_devices(name)
        self._manager.reload()
        return name

    def close(self) -> None:
        """Lets go of the directory."""
        self._manager.close()


class _Manager(ocp.CheckpointManager):
    def reached_preemption(self, step: int) -> bool:
        """Never: `StopSignal` asks, once a step.

        Orbax asks from its own thread too, for steps long past, and the hosts would no longer agree
        on the step to stop at.
        """
        return False


class _Kept:
    """Orbax's form of `kept`."""

    def __init__(self, kept: Callable[[list[int]], Collection[int]]) -> None:
        self._kept = kept

    def should_preserve(self, checkpoints: Sequence[Any], *, context: Any) -> list[bool]:
        kept = self._kept([checkpoint.step for checkpoint in checkpoints])
        return [checkpoint.step in kept for checkpoint in checkpoints]


def _not_of_orbax(record: logging.LogRecord) -> bool:
    """Orbax logs pages of stacks for an error that it raises, too."""
    return "orbax" not in record.pathname


def _abstract(leaf: Any) -> jax.ShapeDtypeStruct:
    """What stands for an array; without a place of its own it comes to the first device here."""
    here = jax.sharding.SingleDeviceSharding(first_device())
    return jax.ShapeDtypeStruct(
        leaf.shape, leaf.dtype, sharding=getattr(leaf, "sharding", None) or here
    )


def _crc(meta: Mapping[str, Any]) -> int:
    return zlib.crc32(json.dumps(meta, sort_keys=True).encode())

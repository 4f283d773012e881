"""Writing checkpoints to a storage that may be full or away for a moment."""

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax

from rnn_jax.train.errors import StorageError
from rnn_jax.train.hosts import is_first
from rnn_jax.train.store import Store
from rnn_jax.typing import PyTree


class _Save(NamedTuple):
    step: int
    state: PyTree
    meta: Mapping[str, Any]


class Writer:
    """Writes one checkpoint after the other in the background; what fails is tried once more.

    That a write has failed is known only when somebody waits for it, as the next one does. By then
    the state may have been donated; then the next checkpoint is the second try.

    Args:
        store: where to.

    Example:
        >>> import tempfile, numpy as np
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     store = Store(directory, kept=lambda steps: steps)
        ...     writer = Writer(store)
        ...     writer.write(1, {"w": np.ones(2)}, {})
        ...     writer.wait()
        ...     store.steps()
        [1]
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.saved: int | None = None  # the last step that is known to be on disk
        self._pending: _Save | None = None  # until it is known to be on disk
        self._problem, self._failures = "", 0  # of the last write; how many in a row

    def write(self, step: int, state: PyTree, meta: Mapping[str, Any]) -> None:
        """Begins to write a state; its buffers may be donated at once.

        Raises:
            StorageError: if the write before has failed, and this one too.
        """
        self._failed()
        self._pending = _Save(step, state, meta)
        self._begin()
        if self._failures or self._problem:  # see it through before training goes on
            self.wait()

    def wait(self) -> None:
        """Returns when the last write is on disk.

        Raises:
            StorageError: if it has failed, and a second try too.
        """
        while self._failed():
            assert self._pending
            step, state, _ = self._pending
            lost = any(
                leaf.is_deleted() for leaf in jax.tree.leaves(state) if isinstance(leaf, jax.Array)
            )
            if lost or self._failures > 1 or jax.process_count() > 1:  # other hosts have gone on
                self._pending, self._failures = None, 0
                newest = max(self._store.steps(), default=None)
                sound = "there is no other" if newest is None else f"that of step {newest} is whole"
                raise StorageError(
                    f"checkpoint {step} in {self._store.directory} could not be saved: "
                    f"{self._problem}; {sound}. Make room there, then the same command goes on"
                )
            self._begin()

    def _begin(self) -> None:
        assert self._pending
        self._problem = ""
        try:
            self._store.begin(*self._pending)
        except Exception as error:  # OSError, or one of several that TensorStore has
            self._problem = one_line(error)

    def _failed(self) -> bool:
        """Waits for the last write; whether it failed."""
        if self._pending is None:
            return False
        try:
            self._store.finish()
        except Exception as error:  # as above
            self._problem = self._problem or one_line(error)
        if not self._problem:
            self.saved = self._pending[0]
            self._pending, self._failures = None, 0
            return False
        self._failures += 1
        say(f"checkpoint {self._pending.step} could not be saved: {self._problem}")
        return True


def one_line(error: Exception) -> str:
    """An error in one short line.

    Example:
        >>> one_line(ValueError("one\\ntwo"))
        'ValueError: one two'
    """
    text = " ".join(str(error).split())
    if len(text) > 240:
        text = f"{text[:100]} ... {text[-130:]}"
    return f"{type(error).__name__}: {text}"


def say(text: str) -> None:
    """Prints a line on standard error, on the first host alone.

    Example:
        >>> say("checkpoint 3 is damaged")
    """
    if is_first():
        print(text, file=sys.stderr, flush=True)

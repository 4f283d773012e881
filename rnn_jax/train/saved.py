"""What a run has left in its directory, for reading."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from etils import epath

from rnn_jax.data.errors import InputError
from rnn_jax.train.checkpoint import Checkpoints
from rnn_jax.train.hosts import is_first

C = TypeVar("C")
S = TypeVar("S")
CONFIG, CHECKPOINTS, SAVED = "config.json", "checkpoints", ".saved"
PLACES = ("data", "validation", "test", "checkpoint_dir")  # where something lies, noted
# Fields that say where and how, not what; they may change when a run is resumed.
FREE = (
    *("run_dir", *PLACES, "parallel", "distributed", "keep", "max_skipped", "stuck_after"),
    *("tensorboard", "profile"),
)


@dataclass(frozen=True)
class SavedRun:
    """What a run has saved, for reading; the run may still be going on.

    Example:
        >>> import tempfile
        >>> import jax.numpy as jnp
        >>> from rnn_jax.train.run import Run
        >>> @dataclass(frozen=True)
        ... class Config:
        ...     run_dir: str
        ...     hidden_size: int = 8
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     with Run(Config(directory, hidden_size=2)) as run:
        ...         run.save(1, {"w": jnp.ones(2)})
        ...     saved = read_run(directory)
        ...     size = saved.config(Config).hidden_size
        ...     saved.restore({"w": jnp.zeros(size)})["w"].tolist()
        [1.0, 1.0]
    """

    directory: Path
    settings: dict[str, Any]  # what the run depends on: config.json
    notes: dict[str, Any]  # the rest of config.json

    def config(self, kind: type[C]) -> C:
        """The dataclass that the run was configured with.

        Raises:
            InputError: if `settings` lacks one of its fields.
        """
        known = {name: _hashable(value) for name, value in self.settings.items()}
        known |= {"run_dir": self.directory}
        hints = get_type_hints(kind)
        for name in PLACES:
            place = self.notes.get(name)
            known[name] = Path(place) if place and Path in get_args(hints.get(name)) else place
        # mypy does not know that C is a dataclass
        names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
        if missing := [name for name in names if name not in known and name not in FREE]:
            raise InputError(f"run_dir: {self.directory / CONFIG} lacks {', '.join(missing)}")
        return kind(**{name: known[name] for name in names if name in known})

    def compare_data(self, digest: str, given: Any = None) -> None:
        """Warns in a line on standard error where the run's own data have changed since.

        Args:
            digest: what the data are now.
            given: other data that were asked for in their place, which may be any; else None.
        """
        if given is None and digest != self.settings.get("data"):
            where = self.notes.get("data") or "what is built in"
            print(f"warning: data: {where} has changed since the run began", file=sys.stderr)

    def restore(self, like: S, best: bool = False) -> S:
        """The newest saved state, or the best, given one of the same structure.

        Args:
            like: pytree of arrays with the structure, shapes, dtypes and shardings to restore.
            best: whether to take the one with the lowest held-out loss, if that was measured.

        Raises:
            InputError: if there is none.
        """
        where = self.notes.get("checkpoint_dir") or self.directory / CHECKPOINTS
        directory = epath.Path(where)
        with reachable(where):
            checkpoints = None
            if directory.is_dir():
                checkpoints = Checkpoints(directory, self.settings, read_only=True)
        with checkpoints or nullcontext():
            restored = checkpoints.restore_best(like) if checkpoints and best else None
            if checkpoints and (restored := restored or checkpoints.restore_latest(like)):
                return restored.state
        raise InputError(f"run_dir: {self.directory} holds no checkpoint yet")


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list) else value


@contextmanager
def reachable(where: Any) -> Iterator[None]:
    """Refuses a place for checkpoints that cannot be read or written, in one line.

    Example:
        >>> with reachable("a/file"):
        ...     raise NotADirectoryError(20, "Not a directory")
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: checkpoint_dir: cannot use a/file: Not a directory
    """
    try:
        yield
    except (OSError, ImportError) as error:  # gs:// without the package that it needs
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"checkpoint_dir: cannot use {where}: {reason}") from None


def read_run(directory: str | Path | None) -> SavedRun:
    """Reads config.json of a run directory.

    Raises:
        InputError: if there is none or it is damaged.

    Example:
        >>> read_run("no/such/run")
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: run_dir: no run in no/such/run: config.json is missing
    """
    if directory is None:
        raise InputError("run_dir: none is given")
    path = Path(directory) / CONFIG
    try:
        stored = json.loads(path.read_text("utf-8"))
        return SavedRun(Path(directory), dict(stored["config"]), dict(stored["notes"]))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"run_dir: no run in {directory}: {CONFIG} is missing") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"run_dir: {path} is damaged: {error}") from None


def note_saved(directory: Path, step: int | None) -> None:
    """Notes that the checkpoint of a step is on disk, for ``lost``; None notes nothing.

    Example:
        >>> note_saved(Path("no/such/run"), None)
    """
    if step is not None and is_first():
        with suppress(OSError):  # a full disk, say: training is worth more than the note
            temporary = directory / f"{SAVED}.{os.getpid()}"
            temporary.write_text(f"{step}\n", "utf-8")
            temporary.replace(directory / SAVED)


def lost(directory: Path, where: Any) -> InputError | None:
    """Why a run that has no checkpoint must not begin anew; None if it never had one.

    Args:
        directory: of the run.
        where: its checkpoints were.

    Example:
        >>> lost(Path("no/such/run"), "no/such/run/checkpoints") is None
        True
    """
    path = directory / SAVED
    if not path.exists():
        return None
    return InputError(
        f"run_dir: {directory} was saved after step {path.read_text('utf-8').strip()}, but no "
        f"checkpoint is in {where}; bring back what was there, or begin anew in another run_dir"
    )


def read_metrics(directory: str | Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl of a run directory, in order; none if it is absent.

    What was not finite is None.

    Example:
        >>> read_metrics("no/such/run")
        []
    """
    path = Path(directory) / "metrics.jsonl"
    if not path.exists():
        return []
    lines = path.read_text("utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]  # the last may be half

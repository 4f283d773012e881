"""The directory of one run: configuration, metrics, texts, pictures and checkpoints."""

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Self

import jax
import numpy as np
from etils import epath

from rnn_jax.data.errors import InputError
from rnn_jax.train.checkpoint import Checkpoints, Restored, differences
from rnn_jax.train.errors import MismatchError
from rnn_jax.train.hosts import agree, is_first
from rnn_jax.train.lock import lock
from rnn_jax.train.plot import loss_curve
from rnn_jax.train.saved import (
    CHECKPOINTS,
    CONFIG,
    FREE,
    PLACES,
    lost,
    note_saved,
    reachable,
    read_metrics,
    read_run,
)
from rnn_jax.typing import PyTree

_GROWING = ("metrics.jsonl", "samples.txt")  # files that grow line by line as the run goes on


class Run:
    """Everything that a run leaves behind, in one directory.

        config.json     the configuration
        metrics.jsonl   one JSON object per line: step, loss, ...
        samples.txt     what the model wrote as it learnt
        report.json     the last report
        commands.jsonl  how it was made, see Record
        curve.png       loss over the steps
        checkpoints/    see Checkpoints

    A new or empty directory is set up. One that holds a run of the same configuration is resumed:
    `restore` cuts the growing files back to where the checkpoint was taken, so that after an
    interruption they hold each step once. One that holds another configuration, or something
    else, or that another process is training in, is refused and left as it is.

    Args:
        config: dataclass of the run. Its field `run_dir` is the directory; this and the other
            fields in FREE say where something lies and how it is computed, not what it is, and may
            change when a run is resumed. `checkpoint_dir` puts the checkpoints elsewhere.
        digest: what the data are; must agree like the other fields.
        notes: written into config.json too, but not compared; JSON values.

    Raises:
        InputError: if the directory holds another configuration, naming the keys that differ, or
            if it is not a run directory, or cannot be written; or as `config.check()` says.

    Example:
        >>> import tempfile
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Config:
        ...     run_dir: str
        ...     hidden_size: int = 8
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     with Run(Config(directory)) as run:
        ...         run.log(1, loss=2.5)
        ...     print((Path(directory) / "metrics.jsonl").read_text(), end="")
        ...     print(read_run(directory).config(Config).hidden_size)
        {"step": 1, "loss": 2.5}
        8
    """

    def __init__(
        self,
        config: Any,
        digest: str = "",
        notes: Mapping[str, Any] | None = None,
    ):
        getattr(config, "check", lambda: None)()
        self.path = Path(config.run_dir)
        self.listeners: list[Callable[[list[dict[str, Any]]], None]] = []  # told of new lines
        self._pending: list[dict[str, Any]] = []
        self._lock: IO[str] | None = None
        settings = {name: x for name, x in asdict(config).items() if name not in FREE}
        settings = json.loads(json.dumps(settings | {"data": digest}))  # as in the file
        places = {"data": None} | {
            name: _absolute(getattr(config, name)) for name in PLACES if hasattr(config, name)
        }
        where = getattr(config, "checkpoint_dir", None) or self.path / CHECKPOINTS
        refusal: InputError | None = None
        try:
            if is_first():
                self._set_up(settings, {**places, **(notes or {})}, str(where))
        except InputError as error:
            refusal = error
        agree(refusal)
        self.checkpoints = Checkpoints(where, settings, getattr(config, "keep", 2))

    def _set_up(self, settings: dict[str, Any], notes: dict[str, Any], where: str) -> None:
        moved = None
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if (self.path / CONFIG).exists():
                self._refuse_others(settings)
                moved = self._moved(notes.get("checkpoint_dir"), where)
            elif any(not entry.name.startswith(".") for entry in self.path.iterdir()):
                raise InputError(
                    f"run_dir: {self.path} is not empty and holds no {CONFIG}; choose another"
                )
            else:
                with reachable(where):
                    epath.Path(where).mkdir(parents=True, exist_ok=True)
                self.write(CONFIG, {"config": settings, "notes": notes})
            self._lock = lock(self.path / ".lock")
            if moved:
                self.write(CONFIG, {"config": settings, "notes": moved})
        except OSError as error:
            raise InputError(f"run_dir: cannot use {self.path}: {error.strerror}") from None

    def _refuse_others(self, settings: dict[str, Any]) -> None:
        if different := differences(read_run(self.path).settings, settings):
            raise MismatchError(
                f"run_dir: {self.path} holds a run of another configuration: "
                f"{'; '.join(different)}; choose another run_dir or the same settings"
            )

    def _moved(self, place: str | None, where: str) -> dict[str, Any] | None:
        """Notes of another `checkpoint_dir`, which must hold checkpoints; None for the same."""
        notes = read_run(self.path).notes
        if (noted := notes.get("checkpoint_dir")) == place:
            return None
        with reachable(where):
            directory = epath.Path(where)
            if not (directory.is_dir() and any(one.name.isdigit() for one in directory.iterdir())):
                raise InputError(
                    f"checkpoint_dir: the checkpoints of {self.path} are in "
                    f"{noted or CHECKPOINTS}, and none is in {where}; give that place or move them"
                )
        return notes | {"checkpoint_dir": place}

    def log(self, step: int, **values: Any) -> None:
        """Notes one line of metrics; arrays stay on the device until `flush`."""
        names = sorted(values, key=lambda name: name != "loss")  # the loss first
        self._pending.append({"step": step} | {name: values[name] for name in names})

    def flush(self) -> list[dict[str, Any]]:
        """Waits for the noted values, writes them to metrics.jsonl and returns the lines.

        A number that is not finite is written as null, which JSON has, and returned as it is.
        """
        values = jax.device_get([list(line.values()) for line in self._pending])
        lines = [
            {name: x if isinstance(x, int) else np.asarray(x).item() for name, x in zip(line, row)}
            for line, row in zip(self._pending, values)
        ]
        self._pending = []
        for listener in self.listeners:
            listener(lines)
        self.append("metrics.jsonl", "".join(json.dumps(_sound(line)) + "\n" for line in lines))
        return lines

    def add_sample(self, text: str) -> None:
        """Adds a text to samples.txt."""
        self.append("samples.txt", text)

    def draw(self, floors: Mapping[str, float] | None = None, unit: str = "character") -> None:
        """Draws curve.png from all metrics noted so far, with levels to compare with."""
        self.flush()
        if is_first():
            metrics = read_metrics(self.path)
            loss_curve(self.path / "curve.png", metrics, floors, self.path.name, unit)

    def write(self, name: str, value: Any) -> None:
        """Writes a JSON file at once: a reader sees the old one or the new one, never half."""
        temporary = self.path / f".{name}.{os.getpid()}"
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")
        temporary.replace(self.path / name)

    def save(self, step: int, state: PyTree, loss: float | None = None) -> None:
        """Saves a checkpoint after `step` steps, with the metrics up to it on disk first.

        Args:
            step: number of steps done.
            state: pytree of arrays.
            loss: what the state reaches on held-out data; the best checkpoint is kept.
        """
        self.flush()
        for name in filter(self._size, _GROWING):  # a machine that loses its power keeps it, too
            with open(self.path / name, "rb+") as file:
                os.fsync(file.fileno())
        sizes = {name: self._size(name) for name in _GROWING}
        self.checkpoints.save(step, state, {"sizes": sizes}, loss)
        note_saved(self.path, self.checkpoints.saved)  # the one before, which has been waited for

    def restore(self, like: PyTree) -> Restored | None:
        """The newest checkpoint, or None; the growing files go back to where it was taken.

        Raises:
            InputError: if the run has saved some and there is none, so that nothing is overwritten.
        """
        restored = self.checkpoints.restore_latest(like)
        if restored is None:
            agree(lost(self.path, self.checkpoints.directory) if is_first() else None)
        sizes = restored.notes["sizes"] if restored else {}
        for name in _GROWING if is_first() else ():
            size = min(self._size(name), sizes.get(name, 0))
            if size < sizes.get(name, 0) and name.endswith(".jsonl"):  # lost with the machine
                size = (self.path / name).read_bytes().rfind(b"\n") + 1 if size else 0
            if self._size(name) > size:
                os.truncate(self.path / name, size)
        return restored

    def _size(self, name: str) -> int:
        path = self.path / name
        return path.stat().st_size if path.exists() else 0

    def append(self, name: str, text: str) -> None:
        """Adds a text to a file of the directory."""
        if not is_first():
            return
        with open(self.path / name, "a", encoding="utf-8", newline="\n") as file:
            file.write(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if exception[0] is None:
            self.flush()
        self.checkpoints.close()
        note_saved(self.path, self.checkpoints.saved)
        if self._lock:
            self._lock.close()


def _sound(line: dict[str, Any]) -> dict[str, Any]:
    """A line as JSON has it: null in place of NaN and inf."""
    return {name: x if math.isfinite(x) else None for name, x in line.items()}


def _absolute(place: Any) -> str | None:
    """Where something lies: a path from the root, the name of a source as it is."""
    return str(place.absolute()) if isinstance(place, Path) else place

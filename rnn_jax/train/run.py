"""The directory of one run: configuration, metrics, texts, pictures and checkpoints."""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Self

import jax

from rnn_jax.data.errors import InputError
from rnn_jax.train.checkpoint import Checkpoints, Restored, differences
from rnn_jax.train.plot import loss_curve
from rnn_jax.train.saved import CHECKPOINTS, CONFIG, read_metrics, read_run
from rnn_jax.typing import PyTree

_PLACES = ("run_dir", "data", "validation", "test")  # fields that say where, not what
_GROWING = ("metrics.jsonl", "samples.txt")  # files that grow line by line as the run goes on


class Run:
    """Everything that a run leaves behind, in one directory.

        config.json     the configuration
        metrics.jsonl   one JSON object per line: step, loss, ...
        samples.txt     what the model wrote as it learnt
        curve.png       loss over the steps
        checkpoints/    see Checkpoints

    A new or empty directory is set up. One that holds a run of the same configuration is resumed:
    `restore` cuts the growing files back to where the checkpoint was taken, so that after an
    interruption they hold each step once. One that holds another configuration, or something
    else, or that another process is training in, is refused and left as it is.

    Args:
        config: dataclass of the run. Its field `run_dir` is the directory; this, `data`,
            `validation` and `test` say where something lies, not what it is, and may change when a
            run is resumed.
        digest: what the data are; must agree like the other fields.
        notes: written into config.json too, but not compared; JSON values.
        keep: number of checkpoints kept.

    Raises:
        InputError: if the directory holds another configuration, naming the keys that differ, or
            if it is not a run directory, or cannot be written.

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
        keep: int = 2,
    ):
        self.path = Path(config.run_dir)
        self._pending: list[dict[str, Any]] = []
        settings = {name: x for name, x in asdict(config).items() if name not in _PLACES}
        settings = json.loads(json.dumps(settings | {"data": digest}))  # as in the file
        places = {"data": None} | {
            name: _absolute(getattr(config, name)) for name in _PLACES[1:] if hasattr(config, name)
        }
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if (self.path / CONFIG).exists():
                self._refuse_others(settings)
            elif any(not entry.name.startswith(".") for entry in self.path.iterdir()):
                raise InputError(
                    f"run_dir: {self.path} is not empty and holds no {CONFIG}; choose another"
                )
            else:
                self.write(CONFIG, {"config": settings, "notes": {**places, **(notes or {})}})
            self._lock = _lock(self.path / ".lock")
        except OSError as error:
            raise InputError(f"run_dir: cannot use {self.path}: {error.strerror}") from None
        self.checkpoints = Checkpoints(self.path / CHECKPOINTS, settings, keep)

    def _refuse_others(self, settings: dict[str, Any]) -> None:
        if different := differences(read_run(self.path).settings, settings):
            raise InputError(
                f"run_dir: {self.path} holds a run of another configuration: "
                f"{'; '.join(different)}; choose another run_dir or the same settings"
            )

    def log(self, step: int, **values: Any) -> None:
        """Notes one line of metrics; arrays stay on the device until `flush`."""
        names = sorted(values, key=lambda name: name != "loss")  # the loss first
        self._pending.append({"step": step} | {name: values[name] for name in names})

    def flush(self) -> float:
        """Waits for the noted values and writes them to metrics.jsonl; their mean `loss`.

        Raises:
            FloatingPointError: if a value is not finite; it is written all the same.
        """
        values = jax.device_get([list(line.values()) for line in self._pending])
        lines = [
            {name: x if isinstance(x, int) else float(x) for name, x in zip(line, row)}
            for line, row in zip(self._pending, values)
        ]
        self._pending = []
        self._append("metrics.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
        for line in lines:
            if strange := [f"{name} {x}" for name, x in line.items() if not math.isfinite(x)]:
                raise FloatingPointError(f"diverged at step {line['step']}: {', '.join(strange)}")
        losses = [line["loss"] for line in lines if "loss" in line]
        return sum(losses) / len(losses) if losses else math.nan

    def add_sample(self, text: str) -> None:
        """Adds a text to samples.txt."""
        self._append("samples.txt", text)

    def draw(self, floors: Mapping[str, float] | None = None) -> None:
        """Draws curve.png from all metrics noted so far, with levels to compare with."""
        self.flush()
        loss_curve(self.path / "curve.png", read_metrics(self.path), floors, title=self.path.name)

    def write(self, name: str, value: Any) -> None:
        """Writes a JSON file at once: a reader sees the old one or the new one, never half."""
        temporary = self.path / f".{name}.{os.getpid()}"
        temporary.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")
        temporary.replace(self.path / name)

    def save(self, step: int, state: PyTree) -> None:
        """Saves a checkpoint after `step` steps, with the metrics up to it on disk first."""
        self.flush()
        sizes = {name: self._size(name) for name in _GROWING}
        self.checkpoints.save(step, state, {"sizes": sizes})

    def restore(self, like: PyTree) -> Restored | None:
        """The newest checkpoint, or None; the growing files go back to where it was taken."""
        restored = self.checkpoints.restore_latest(like)
        sizes = restored.notes["sizes"] if restored else {}
        for name in _GROWING:
            if self._size(name) > sizes.get(name, 0):
                os.truncate(self.path / name, sizes.get(name, 0))
        return restored

    def _size(self, name: str) -> int:
        path = self.path / name
        return path.stat().st_size if path.exists() else 0

    def _append(self, name: str, text: str) -> None:
        with open(self.path / name, "a", encoding="utf-8", newline="\n") as file:
            file.write(text)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if exception[0] is None:
            self.flush()
        self.checkpoints.close()
        self._lock.close()


def _absolute(place: Any) -> str | None:
    """Where something lies: a path from the root, the name of a source as it is."""
    return str(place.absolute()) if isinstance(place, Path) else place


def _lock(path: Path) -> IO[str]:
    """A file that no other process has locked; the lock ends with the process or with close()."""
    file = open(path, "w")
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ModuleNotFoundError:  # Windows: two processes in one directory go unnoticed
        pass
    except OSError:
        file.close()
        raise InputError(f"run_dir: another process is training in {path.parent}") from None
    return file

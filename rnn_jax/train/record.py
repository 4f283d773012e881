"""How a run was made: the commands that have finished in its directory, their cost, their words."""

import contextlib
import json
import os
import select
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import rnn_jax
from rnn_jax.train.hosts import is_first
from rnn_jax.train.saved import CONFIG, PLACES

COMMANDS, REPORT = "commands.jsonl", "report.json"
HIDDEN = ("--run-dir", "--checkpoint-dir")  # flags that say where on this machine
LONGEST = 10_000  # characters of what was said that are kept: the last ones


class Record:
    """Listens to a command while it runs, then notes it in commands.jsonl of its run directory.

    A line is a JSON object: `command` as it was typed, without folders of this machine; `name`,
    `preset` and exit `status`; `cpu_seconds` of all threads and children, `wall_seconds` since the
    command began; `version` of this package; `pictures` that it wrote, in that order; and `said`,
    what it printed: of a command that trained, what it printed from its last report on.

    Where there is no run, or it cannot be written, nothing is noted, and nothing is said of it. Nor
    is a command that fails or is killed; one that is interrupted and has saved is.

    Args:
        prog: how the script is called.
        arguments: what follows it.
        name: of the command.
        preset: that was chosen.
        options: of the command; its field `run_dir` is the directory.
        whole: count the process's time from its start, imports included.

    Example:
        >>> import tempfile
        >>> from types import SimpleNamespace
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     _ = Path(directory, "config.json").write_text("{}")
        ...     options = SimpleNamespace(run_dir=Path(directory))
        ...     with Record("python -m x", ["--steps", "3"], "train", "tiny", options) as record:
        ...         print("held out 1.2")
        ...     record.note(0)
        ...     (line,) = read_commands(directory)
        held out 1.2
        >>> line["command"], line["said"]
        ('python -m x --steps 3', 'held out 1.2')
    """

    def __init__(
        self,
        prog: str,
        arguments: Sequence[str],
        name: str,
        preset: str,
        options: Any,
        whole: bool = False,
    ):
        self._known = {"command": as_typed(prog, arguments), "name": name, "preset": preset}
        self._options = options
        self._directory: Path | None = None
        if place := getattr(options, "run_dir", None):
            self._directory = Path(place)
        self._cpu = 0.0 if whole else _cpu_seconds()

    def __enter__(self) -> Self:
        self._began, self._before = time.perf_counter(), self._files()
        ear: Any = _Ear(sys.stdout)
        self._ear, self._stack = ear, contextlib.redirect_stdout(ear)
        self._stack.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.__exit__(*exception)

    def note(self, status: int) -> None:
        """Adds the line of a command that has ended with this status."""
        if self._directory is None or not _holds_runs(self._directory) or not is_first():
            return
        with contextlib.suppress(OSError, ValueError):  # a run that one may read only; odd names
            text = json.dumps(self._line(self._directory, status), ensure_ascii=False) + "\n"
            with open(self._directory / COMMANDS, "a", encoding="utf-8", newline="\n") as file:
                file.write(text)

    def _line(self, directory: Path, status: int) -> dict[str, Any]:
        files = self._files().items()
        written = [name for name, when in files if self._before.get(name) != when]
        return self._known | {
            "status": status,
            "cpu_seconds": round(_cpu_seconds() - self._cpu, 2),
            "wall_seconds": round(time.perf_counter() - self._began, 2),
            "version": rnn_jax.__version__,
            "pictures": [name for name in written if name != REPORT],
            "said": self._said(directory, REPORT in written),
        }

    def _files(self) -> dict[str, int]:
        """Pictures and report of the run with the times when they were written, oldest first."""
        if self._directory is None:
            return {}
        times = {}
        for path in (*self._directory.glob("*.png"), *self._directory.glob(REPORT)):
            with contextlib.suppress(OSError):  # another process took it away just now
                times[path.name] = path.stat().st_mtime_ns
        return dict(sorted(times.items(), key=lambda item: item[1]))

    def _said(self, directory: Path, reported: bool) -> str:
        text = self._ear.text
        if reported:
            report = json.loads((directory / REPORT).read_text("utf-8"))["text"]
            text = text[max(text.rfind(report), 0) :]
        text = text.replace(f"{directory}{os.sep}", "")
        for place in (str(getattr(self._options, name, "")) for name in PLACES):
            for part in place.split(","):
                text = text.replace(part, _name(part)) if part else text
        return text.strip("\n")


def as_typed(prog: str, arguments: Sequence[str]) -> str:
    """A command line as a user would type it: without places, of files the names alone.

    Example:
        >>> as_typed("python -m x", ["--run-dir", "/runs/1", "--data", "/usr/a.txt,b", "--steps=3"])
        'python -m x --data a.txt,b --steps=3'
    """
    kept, words = [], iter(arguments)
    for word in words:
        flag, equals, rest = word.partition("=")
        if flag.replace("_", "-") in HIDDEN:
            next(words if not equals else iter(()), None)  # its value too
        elif flag.startswith("--"):
            kept.append(flag + equals + _names(rest))
        else:
            kept.append(_names(word))
    return f"{prog} {shlex.join(kept)}".strip()


def read_commands(directory: str | Path) -> list[dict[str, Any]]:
    """The commands that have finished in a run directory, in order; none where none is noted.

    Example:
        >>> read_commands("no/such/run")
        []
    """
    path, found = Path(directory) / COMMANDS, []
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        with contextlib.suppress(ValueError):  # half a line, of a machine that lost its power
            found.append(json.loads(line))
    return found


class _Ear:
    """A stream that remembers the end of what is written to it."""

    def __init__(self, stream: Any):
        self.text, self._stream = "", stream

    def write(self, text: str) -> int:
        self.text = (self.text + text)[-LONGEST:]
        return int(self._stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def is_unread(stream: Any) -> bool:
    """Whether it is a pipe whose reader has gone, as "| head" goes.

    Example:
        >>> is_unread(sys.stdout)
        False
    """
    if not hasattr(select, "poll"):
        return False
    with contextlib.suppress(OSError, ValueError):
        (poll := select.poll()).register(stream.fileno(), 0)
        return any(event & select.POLLERR for _, event in poll.poll(0))
    return False


def _cpu_seconds() -> float:
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _holds_runs(directory: Path) -> bool:
    """Whether it is a run, or holds those of one command."""
    return any(directory.glob(CONFIG)) or any(directory.glob(f"*/{CONFIG}"))


def _names(value: str) -> str:
    return ",".join(map(_name, value.split(",")))


def _name(part: str) -> str:
    """`strings:/a/b` to `strings:b` where the folder exists; what is no path as it is."""
    scheme, colon, path = part.rpartition(":")
    local = os.sep in path and os.path.isdir(os.path.dirname(path))
    return f"{scheme}{colon}{Path(path).name or path}" if local else part

"""The command line of a script: commands, presets, flags from a dataclass, errors in one line."""

import contextlib
import dataclasses
import errno
import inspect
import io
import os
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from rnn_jax.data.errors import InputError
from rnn_jax.train.errors import MismatchError, StorageError
from rnn_jax.train.hosts import join_hosts
from rnn_jax.train.memory import keep_freed_memory
from rnn_jax.train.record import Record, is_unread

# Exit status. After INTERRUPTED the same command goes on, and after STUCK it may; after MISMATCH
# (the run directory holds another configuration) and DIVERGED other settings may help, after
# STORAGE more space.
DONE, BAD_INPUT, MISMATCH, DIVERGED, STORAGE, STUCK, INTERRUPTED, KILLED = 0, 2, 3, 4, 5, 6, 42, 130
UNREAD = 141  # as a shell calls a program that SIGPIPE has ended
# A disk that is full, cannot be written any more, or fails.
UNWRITABLE = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ESTALE),
)


class Range(NamedTuple):
    """The values that a field may take, or the lengths of a text: `Annotated[int, Range(1, 9)]`."""

    low: float
    high: float = float("inf")


Count = Annotated[int, Range(1)]  # 1, 2, ...
Natural = Annotated[int, Range(0, 2**31 - 1)]  # 0, 1, ...
Rate = Annotated[float, Range(1e-12)]  # above 0
Weight = Annotated[float, Range(0)]  # 0 or above
Probability = Annotated[float, Range(0, 0.999)]  # below 1
Text = Annotated[str, Range(1)]  # not empty


@dataclasses.dataclass(frozen=True)
class Saved:
    """Options of a command that reads what a run has saved.

    Example:
        >>> Saved(run_dir=Path("runs/1"))
        Saved(run_dir=PosixPath('runs/1'), data=None)
    """

    run_dir: Path | None = None  # where the run is; default runs/SCRIPT/PRESET
    data: Path | None = None  # its data, if they are no longer where they were


@dataclasses.dataclass(frozen=True)
class Prompt(Saved):
    """Options of a command that continues a text.

    Example:
        >>> Prompt(prime="The ").temperature
        0.8
    """

    prime: Text = "The "  # what is continued
    temperature: Weight = 0.8  # below 1 more cautious; 0 always the most probable character
    length: Count = 500  # characters
    seed: Natural = 0  # another seed, another text


def main(
    prog: str,
    commands: Sequence[Callable[[Any], int | None]],
    presets: Mapping[str, Any],
    argv: Sequence[str] | None = None,
) -> int:
    """Runs one command of a script: `prog [COMMAND] [--preset NAME] [--flag VALUE ...]`.

    A command is a function of one frozen dataclass, whose fields become the flags; the first
    command may be left out. `--preset` chooses one of several values of the first command's
    dataclass. A field `run_dir` that is None becomes runs/SCRIPT/PRESET. Bad input of any kind is
    one line on standard error and status 2. A command that has ended in a run is noted there, see
    `Record`.

    Args:
        prog: how the script is called; SCRIPT is its last word after a point.
        commands: the functions; their names and docstrings are the commands' and their help.
        presets: values of the first command's dataclass by name, the default first.
        argv: the arguments; those of the process by default.

    Returns:
        The exit status: the command's or 0 if it returns None, 2 for bad input, 3 for a run of
        another configuration, 4 if it diverged, 5 if a checkpoint or another file could not be
        written, 42 if it was interrupted and saved, 130 if it was interrupted before it could, 141
        if nobody reads its output any more. (A watchdog ends the process with 6.)

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Config:
        ...     run_dir: Path | None = None  # where to
        ...     steps: Count = 3  # how many
        >>> def train(config: Config):
        ...     print(f"training for {config.steps} steps in {config.run_dir}")
        >>> main("python -m experiments.x", [train], {"small": Config()}, ["--steps", "5"])
        training for 5 steps in runs/x/small
        0
    """
    typed = list(sys.argv[1:] if argv is None else argv)
    arguments = list(typed)
    by_name = {command.__name__: command for command in commands}
    name = arguments.pop(0) if arguments and arguments[0] in by_name else next(iter(by_name))
    others = ", ".join(other for other in by_name if other != name)
    about = inspect.cleandoc(by_name[name].__doc__ or "").replace("\n", " ")
    about += f"\n\n--preset {{{','.join(presets)}}} chooses the defaults."
    about += f" Other commands: {others}." if others else ""
    try:
        preset = _take_preset(arguments, presets)
        options = _parse(by_name[name], presets[preset], arguments, f"{prog} {name}", about)
        if hasattr(options, "run_dir"):  # it trains or runs a model
            keep_freed_memory()
        if getattr(options, "run_dir", ...) is None:
            script = prog.split()[-1].split(".")[-1]
            options = dataclasses.replace(options, run_dir=Path("runs") / script / preset)
        if getattr(options, "distributed", False):
            join_hosts()
        with Record(prog, typed, name, preset, options, whole=argv is None) as record:
            status = by_name[name](options) or DONE
            sys.stdout.flush()
        record.note(status)
        return status
    except InputError as error:
        message = str(error)
        status = MISMATCH if isinstance(error, MismatchError) else BAD_INPUT
    except FloatingPointError as error:
        message, status = str(error), DIVERGED
    except BrokenPipeError:
        if not is_unread(sys.stdout):
            raise
        with open(os.devnull, "w") as nowhere:  # for what is still unwritten
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        return UNREAD
    except OSError as error:  # at a checkpoint or at any other file
        if not isinstance(error, StorageError) and error.errno not in UNWRITABLE:
            raise
        message, status = str(error), STORAGE
    except KeyboardInterrupt:
        message, status = "interrupted", KILLED
    except ModuleNotFoundError as error:
        if error.name not in ("tyro", "tqdm", "matplotlib"):
            raise
        message = f"{error.name} is not installed: pip install 'rnn_jax[experiments]'"
        status = BAD_INPUT
    print(f"{prog}: error: {message}", file=sys.stderr)
    return status


def _take_preset(arguments: list[str], presets: Mapping[str, Any]) -> str:
    """Takes --preset NAME or --preset=NAME out of the arguments; the default if it is not there."""
    for i, argument in enumerate(arguments):
        flag, equals, chosen = argument.partition("=")
        if flag == "--preset":
            chosen = chosen if equals else "".join(arguments[i + 1 : i + 2])
            if chosen not in presets:
                raise InputError(f"--preset: {chosen!r} is not one of {', '.join(presets)}")
            del arguments[i : i + (1 if equals else 2)]
            return chosen
    return next(iter(presets))


def _parse(
    command: Callable[[Any], int | None], preset: Any, arguments: list[str], prog: str, about: str
) -> Any:
    """The dataclass that a command takes, filled from preset and arguments."""
    import tyro

    (parameter, *_) = inspect.signature(command, eval_str=True).parameters.values()
    kind = parameter.annotation
    default = preset if type(preset) is kind else kind()
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            options = tyro.cli(kind, default=default, args=arguments, prog=prog, description=about)
    except SystemExit as error:
        if not error.code:
            raise  # after --help
        raise InputError(_first_paragraph(said.getvalue())) from None
    check_ranges(options)
    return options


def _first_paragraph(box: str) -> str:
    """The message in the frame that tyro draws around it, as one line."""
    rows = [line.strip().strip("│").strip() for line in box.strip().splitlines()[1:]]
    end = next((i for i, row in enumerate(rows) if not row.strip("─╰╯")), len(rows))
    return " ".join(rows[:end])


def check_ranges(options: Any) -> None:
    """Refuses fields of a dataclass that lie outside the `Range` of their annotation.

    Args:
        options: the dataclass.

    Raises:
        InputError: naming the flag, its value and the range.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Config:
        ...     dropout: Annotated[float, Range(0, 0.9)] = 0.0
        >>> check_ranges(Config(dropout=1.5))
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: --dropout: 1.5 is not in 0..0.9
        >>> @dataclass(frozen=True)
        ... class Sizes:
        ...     most: Count | None = None
        ...     widths: tuple[Count, ...] = (1,)
        >>> check_ranges(Sizes(most=None, widths=(4, 0)))
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: --widths: 0 is not in 1..inf
    """
    hints = typing.get_type_hints(type(options), include_extras=True)
    for field in dataclasses.fields(options):
        flag = "--" + field.name.replace("_", "-")
        _check_range(flag, getattr(options, field.name), hints[field.name])


def _check_range(flag: str, value: Any, hint: Any) -> None:
    """Also of the members of a union, None apart, and of the elements of a tuple."""
    what, number = ("length ", len(value)) if isinstance(value, str) else ("", value)
    for note in getattr(hint, "__metadata__", ()):
        if isinstance(note, Range) and not note.low <= number <= note.high:  # refuses nan too
            raise InputError(f"{flag}: {what}{number} is not in {note.low:g}..{note.high:g}")
    inner = [one for one in typing.get_args(hint) if hasattr(one, "__metadata__")]
    for element in value if isinstance(value, tuple) else () if value is None else (value,):
        for one in inner:
            _check_range(flag, element, one)

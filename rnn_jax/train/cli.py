"""The command line of a script: commands, presets, flags from a dataclass, errors in one line."""

import contextlib
import inspect
import io
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from rnn_jax.data.errors import InputError

T = TypeVar("T")
# Exit status. After INTERRUPTED the same command goes on; after DIVERGED other settings may help.
DONE, BAD_INPUT, DIVERGED, INTERRUPTED = 0, 2, 4, 42


def main(
    prog: str,
    commands: Sequence[Callable[[Any], int | None]],
    presets: Mapping[str, Any],
    argv: Sequence[str] | None = None,
) -> int:
    """Runs one command of a script: `prog [COMMAND] [--preset NAME] [--flag VALUE ...]`.

    A command is a function of one frozen dataclass, whose fields become the flags; the first is
    the default. Bad input of any kind is one line on standard error and status 2.

    Args:
        prog: how the script is called.
        commands: the functions; their names and docstrings are the commands' and their help.
        presets: values by name of the dataclass that `--preset` chooses among, in the commands
            that take that dataclass.
        argv: the arguments; those of the process by default.

    Returns:
        The exit status: the command's or 0 if it returns None, 2 for bad input, 4 if it diverged.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Config:
        ...     steps: int = 3  # how many
        >>> def train(config: Config):
        ...     print("training for", config.steps)
        >>> main("train.py", [train], {"default": Config()}, ["--steps", "5"])
        training for 5
        0
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    by_name = {command.__name__: command for command in commands}
    name = arguments.pop(0) if arguments and arguments[0] in by_name else next(iter(by_name))
    try:
        return by_name[name](_options(prog, name, by_name, presets, arguments)) or DONE
    except InputError as error:
        print(f"{prog}: error: {error}", file=sys.stderr)
        return BAD_INPUT
    except FloatingPointError as error:
        print(f"{prog}: error: {error}", file=sys.stderr)
        return DIVERGED
    except ModuleNotFoundError as error:
        if error.name not in ("tyro", "tqdm", "matplotlib"):
            raise
        hint = "pip install 'rnn_jax[experiments]'"
        print(f"{prog}: error: {error.name} is not installed: {hint}", file=sys.stderr)
        return BAD_INPUT


def _options(
    prog: str,
    name: str,
    commands: Mapping[str, Callable[[Any], int | None]],
    presets: Mapping[str, Any],
    arguments: list[str],
) -> Any:
    """The dataclass of a command, filled from its preset and the arguments."""
    (parameter, *_) = inspect.signature(commands[name], eval_str=True).parameters.values()
    default = presets[_preset(arguments, presets)] if presets else None
    if type(default) is not parameter.annotation:
        default = None
    about = inspect.cleandoc(commands[name].__doc__ or "").split("\n\n")[0].replace("\n", " ")
    others = ", ".join(f"{other} ..." for other in commands if other != name)
    if others:
        about += f" Other commands: {others}"
    return _parse(parameter.annotation, arguments, f"{prog} {name}", about, default)


def _preset(arguments: Sequence[str], presets: Mapping[str, Any]) -> str:
    """The last --preset among the arguments; the first of all presets if there is none."""
    chosen = next(iter(presets))
    for here, following in zip(arguments, [*arguments[1:], ""]):
        if here == "--preset":
            chosen = following
        elif here.startswith("--preset="):
            chosen = here.removeprefix("--preset=")
    if chosen not in presets:
        raise InputError(f"--preset: {chosen!r} is not one of {', '.join(presets)}")
    return chosen


def _parse(kind: Any, arguments: Sequence[str], prog: str, about: str, default: Any) -> Any:
    import tyro

    said = io.StringIO()
    settings = {} if default is None else {"default": default}
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(kind, args=arguments, prog=prog, description=about, **settings)
    except SystemExit as error:
        if not error.code:
            raise  # after --help
        raise InputError(_first_paragraph(said.getvalue())) from None


def _first_paragraph(box: str) -> str:
    """The message in the frame that tyro draws around it, as one line."""
    rows = [line.strip().strip("│").strip() for line in box.strip().splitlines()[1:]]
    end = next((i for i, row in enumerate(rows) if not row.strip("─╰╯")), len(rows))
    return " ".join(rows[:end])


def check_range(options: Any, **ranges: tuple[float, float]) -> None:
    """Refuses fields of a dataclass that lie outside their range.

    Args:
        options: the dataclass.
        **ranges: smallest and largest value by name of the field; for a tuple, of each element.

    Raises:
        InputError: naming the flag, its value and the range.

    Example:
        >>> from dataclasses import dataclass
        >>> @dataclass(frozen=True)
        ... class Config:
        ...     dropout: float = 1.5
        >>> check_range(Config(), dropout=(0, 0.9))
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: --dropout: 1.5 does not lie in 0..0.9
    """
    for name, (low, high) in ranges.items():
        value = getattr(options, name)
        for number in value if isinstance(value, tuple) else (value,):
            if not low <= number <= high:  # also refuses nan
                flag = name.replace("_", "-")
                raise InputError(f"--{flag}: {number} does not lie in {low}..{high}")

"""The one exception for input that a user can mend."""

from collections.abc import Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """Bad input from outside the program: a file, a run directory, a command line.

    Scripts print it as one line and leave with status 2; any other exception is a defect.

    Example:
        >>> raise InputError("data: no such file: play.txt")
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: data: no such file: play.txt
    """


@contextmanager
def extra(what: str, package: str, name: str = "experiments") -> Iterator[None]:
    """Around the import of an optional package: where it is absent, says what to install.

    Args:
        what: what needs the package.
        package: as pip knows it.
        name: the extra of this project that brings it.

    Raises:
        InputError: if the import fails.

    Example:
        >>> with extra("flying", "antigravity-drive"):
        ...     import antigravity_drive
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: flying needs the package antigravity-drive, which is not
        installed: pip install -e '.[experiments]' (or pip install antigravity-drive)
    """
    try:
        yield
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError):
            raise InputError(
                f"{what} needs the package {package}, which is not installed: "
                f"pip install -e '.[{name}]' (or pip install {package})"
            ) from None
        raise InputError(f"{what} needs {package}, which cannot be imported: {error}") from None


@contextmanager
def refusing(what: str = "") -> Iterator[None]:
    """Around what a user's numbers decide: a ValueError of the library becomes bad input.

    Args:
        what: said before the message, such as the flag.

    Raises:
        InputError: in place of a ValueError.

    Example:
        >>> with refusing("--layers: "):
        ...     raise ValueError("num_layers must be positive, got 0")
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: --layers: num_layers must be positive, got 0
    """
    try:
        yield
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{what}{' '.join(str(error).split())}") from None

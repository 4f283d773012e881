"""Plain text: the built-in one, and files."""

from pathlib import Path

from rnn_jax.data.errors import InputError


def builtin_text() -> str:
    """The documentation of the Python language, which every Python carries (`pydoc_data.topics`).

    The topics are joined in sorted order of their keys. They quote one another, so a paragraph is
    taken only the first time it occurs: what is held out at the end is then really unseen. The
    text differs a little between versions of Python.

    Returns:
        About 370,000 characters over 103 symbols (Python 3.11).

    Example:
        >>> builtin_text()[:22]
        'The "assert" statement'
    """
    from pydoc_data.topics import topics

    paragraphs = (part for key in sorted(topics) for part in topics[key].split("\n\n"))
    return "\n\n".join(dict.fromkeys(part.strip("\n") for part in paragraphs))


def read_text(path: str | Path) -> str:
    """Reads a text file in UTF-8.

    Line ends become `\\n`; a byte order mark is dropped.

    Args:
        path: the file.

    Returns:
        The text.

    Raises:
        InputError: if the file is missing, cannot be read, is empty or is not UTF-8.

    Example:
        >>> read_text("no/such/file.txt")
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: data: no such file: no/such/file.txt
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"data: no such file: {path}") from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"data: {path} is not UTF-8: byte 0x{error.object[error.start]:02x} at offset "
            f"{error.start}; convert it, for instance with `iconv -t utf-8`"
        ) from None
    except OSError as error:
        raise InputError(f"data: cannot read {path}: {error.strerror}") from None
    if not text:
        raise InputError(f"data: {path} is empty")
    return text

"""Small files, written whole or not at all."""

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path

from rnn_jax.data.errors import InputError


def write_json(directory: str | Path, name: str, content: dict[str, object]) -> None:
    """Writes DIRECTORY/NAME.json."""
    text = json.dumps(content, ensure_ascii=False, indent=0)
    write_file(Path(directory) / f"{name}.json", text.encode())


def write_file(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")  # other processes may write it, too
    partial.write_bytes(content)
    os.replace(partial, path)


def write_lines(path: str | Path | None, lines: Iterable[str]) -> None:
    """Writes lines to a file in UTF-8, whole or not at all; None for standard output.

    Raises:
        InputError: if the file cannot be written.

    Example:
        >>> write_lines(None, ["a", "b"])
        a
        b
    """
    content = "".join(line + "\n" for line in lines)
    if path is None:
        sys.stdout.write(content)
        return
    try:
        write_file(Path(path), content.encode())
    except OSError as error:
        raise InputError(f"output: cannot write {path}: {error.strerror}") from None

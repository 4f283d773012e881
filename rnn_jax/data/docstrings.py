"""What a docstring describes: real English with labels, in every Python, without a network."""

import ast
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path

from rnn_jax.data.errors import InputError

KINDS = {"ClassDef": "class", "FunctionDef": "function", "Module": "module"}
_OTHERS = {"site-packages", "test", "tests", "idle_test", "lib2to3", "pydoc_data", "turtledemo"}


def library_files(root: str | Path | None = None) -> list[Path]:
    """The Python files of the standard library, tests and installed packages left out, sorted.

    Args:
        root: another folder.

    Raises:
        InputError: if there are none, as where the library is one zip file.

    Example:
        >>> "ast.py" in [path.name for path in library_files()]
        True
    """
    folder = Path(root or sysconfig.get_paths()["stdlib"])
    found = sorted(folder.rglob("*.py"))
    kept = [path for path in found if not _OTHERS & set(path.relative_to(folder).parts)]
    if not kept:
        raise InputError(f"data: no Python files in {folder}; give data of your own")
    return kept


def docstrings(root: str | Path | None = None) -> list[tuple[str, str]]:
    """First paragraphs of docstrings, and whether a module, a class or a function has them.

    A text that occurs more than once is taken the first time. Python 3.11 has 7,774.

    Args:
        root: another folder of Python files than the standard library.

    Returns:
        (kind, text) in the order of the files.

    Raises:
        InputError: as ``library_files``.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "a.py").write_text("'''Tools.'''\\ndef f():\\n  '''Do\\n  it.'''")
        ...     docstrings(folder)
        [('module', 'Tools.'), ('function', 'Do it.')]
    """
    kinds: dict[str, str] = {}
    for path in library_files(root):
        for kind, text in _of_file(path):
            kinds.setdefault(text, kind)
    return [(kind, text) for text, kind in kinds.items()]


def _of_file(path: Path) -> Iterator[tuple[str, str]]:
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):  # some files are templates
        return
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            paragraph = (ast.get_docstring(node) or "").split("\n\n")[0]
            if text := " ".join(paragraph.split()):
                yield KINDS[type(node).__name__], text

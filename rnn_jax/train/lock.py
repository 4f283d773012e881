"""One process trains in a directory."""

from pathlib import Path
from typing import IO

from rnn_jax.data.errors import InputError


def lock(path: Path) -> IO[str]:
    """A file that no other process has locked; the lock ends with the process or with close().

    Args:
        path: of the file, in the directory that it stands for.

    Raises:
        InputError: if another process holds it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     lock(Path(directory) / ".lock").close()
    """
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

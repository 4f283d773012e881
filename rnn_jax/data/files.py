"""Small files of a run directory, written whole or not at all."""

import json
import os
from pathlib import Path


def write_json(directory: str | Path, name: str, content: dict[str, object]) -> None:
    """Writes DIRECTORY/NAME.json."""
    text = json.dumps(content, ensure_ascii=False, indent=0)
    write_file(Path(directory) / f"{name}.json", text.encode())


def write_file(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)

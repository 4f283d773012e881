"""The house rules that a reader can rely on, read from the source with ``ast``.

Imports go down the stairs only, the core imports JAX and nothing else, one file knows devices,
files stay short, and every public symbol carries an example.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# A room may import the rooms to its left. "rnn_jax" is the package's own __init__.
STAIRS = (
    *("typing", "ops", "data", "attention", "cells", "kernels", "drivers", "losses", "layers"),
    *("decoding", "analysis", "rnn_jax", "bridge", "plots", "models", "train", "selfcheck"),
    *("experiments", "benchmarks"),
)
CORE = {*STAIRS[: STAIRS.index("rnn_jax") + 1]} - {"data"}
# Who may import what is not the standard library and not named here: everybody outside the core.
RESERVED = {
    "chex": set(),
    "flax": {"bridge", "models", "train", "selfcheck", "experiments", "benchmarks"},
    "grain": {"data"},
    "orbax": {"train"},
    "tensorflow": {"data"},
    "tensorflow_datasets": {"data"},
}
DEVICE_FILES = ("rnn_jax/train/parallel.py", "rnn_jax/train/hosts.py")
DEVICE_WORDS = {
    *("pmap", "shard_map", "psum", "pmean", "Mesh", "make_mesh", "set_mesh", "use_mesh"),
    *("devices", "local_devices", "device_count", "local_device_count"),
    *("device_put", "distributed"),
}
# The rule of the deferred gradient asks whether a batch can be split over devices at all.
COUNTS_DEVICES = "rnn_jax/ops/types.py"
NO_EXAMPLE_NEEDED = {"NamedTuple", "Protocol", "Exception", "ValueError", "RuntimeError"}
MAX_LINES = 250


def room_of(path: str) -> str:
    """The room that a file belongs to: rnn_jax/cells/lstm.py is in cells."""
    parts = Path(path).with_suffix("").parts
    if parts[0] != "rnn_jax":
        return parts[0]
    return "rnn_jax" if parts[1] == "__init__" else parts[1]


def imported(path: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every import, inside functions too, relative ones resolved."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(Path(path).parts[: -node.level]) if node.level else []
            module = ".".join(base + ([node.module] if node.module else []))
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def import_violations(path: str, tree: ast.AST) -> Iterator[str]:
    room = room_of(path)
    for line, name in imported(path, tree):
        top, *rest = name.split(".")
        if top in {"rnn_jax", "experiments", "benchmarks"}:
            other = rest[0] if top == "rnn_jax" and rest and rest[0] in STAIRS else top
            if other != room and STAIRS.index(other) > STAIRS.index(room):
                yield f"{path}:{line}: {room} imports {other}, which stands above it"
            if room in CORE and other not in CORE:
                yield f"{path}:{line}: {room} imports {other}, which is not of the core"
        elif top in sys.stdlib_module_names:
            continue
        elif room in CORE and top != "jax":
            yield f"{path}:{line}: {room} imports {top}; the core imports jax and nothing else"
        elif room not in RESERVED.get(top, {room}):
            yield f"{path}:{line}: {room} imports {top}; only {sorted(RESERVED[top])} may"


def device_violations(path: str, tree: ast.AST) -> Iterator[str]:
    """Uses of JAX's device functions, by attribute or by import."""
    if path in DEVICE_FILES or room_of(path) == "benchmarks":
        return
    roots = {"jax"}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = getattr(node, "module", None) or ""
            for alias in node.names:
                if f"{module}.{alias.name}".strip(".").split(".")[0] == "jax":
                    roots.add(alias.asname or alias.name.split(".")[-1])
                    if alias.name in DEVICE_WORDS:
                        yield f"{path}:{node.lineno}: {alias.name} belongs in {DEVICE_FILES[0]}"
    for node in ast.walk(tree):
        name = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
        if path == COUNTS_DEVICES and name == "jax.device_count":
            continue
        if name.split(".")[-1] in DEVICE_WORDS and name.split(".")[0] in roots:
            yield f"{path}:{node.lineno}: {name} belongs in {DEVICE_FILES[0]}"


def length_violations(path: str, source: str) -> Iterator[str]:
    lines = len(source.splitlines())
    if lines > MAX_LINES:
        yield f"{path}: {lines} lines; split it, {MAX_LINES} is the most"


def documentation_violations(sources: dict[str, str]) -> Iterator[str]:
    """What the rooms export (``from x import y as y``) without a docstring and an example."""
    trees = {path: ast.parse(source) for path, source in sources.items()}
    for path, tree in trees.items():
        if not path.endswith("__init__.py"):
            continue
        imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
        exports = {alias.name for node in imports for alias in node.names if alias.asname}
        for _, name in imported(path, tree):
            module, _, symbol = name.rpartition(".")
            file, whole = f"{module.replace('.', '/')}.py", f"{name.replace('.', '/')}.py"
            if symbol in exports and whole in trees:  # a module: all that is public in it
                for node in trees[whole].body:
                    if not getattr(node, "name", "_").startswith("_"):
                        yield from undocumented(whole, node)
            elif symbol in exports and file in trees:
                found = [node for node in trees[file].body if getattr(node, "name", "") == symbol]
                for node in found:
                    yield from undocumented(file, node)
                if not found and f"{symbol} = " not in sources[file]:
                    yield f"{path}: {name} is not defined in {file}; export it from where it is"


def undocumented(path: str, node: ast.stmt) -> Iterator[str]:
    where, text = f"{path}:{node.lineno}", ast.get_docstring(node)
    bases = {ast.unparse(b).split(".")[-1] for b in getattr(node, "bases", [])}
    if not text:
        yield f"{where}: {node.name} has no docstring"
    elif ">>>" not in text and not bases & NO_EXAMPLE_NEEDED:
        yield f"{where}: {node.name} has no example"


def violations(path: str, source: str) -> list[str]:
    tree = ast.parse(source)
    if room_of(path) not in STAIRS:
        return [f"{path}: {room_of(path)} has no place in STAIRS"]
    return [
        *import_violations(path, tree),
        *device_violations(path, tree),
        *length_violations(path, source),
    ]


def read(*folders: str) -> dict[str, str]:
    files = (file for folder in folders for file in sorted((ROOT / folder).rglob("*.py")))
    return {file.relative_to(ROOT).as_posix(): file.read_text("utf-8") for file in files}


@pytest.mark.smoke
def test_imports_devices_and_lengths():
    found = [
        v for p, s in read("rnn_jax", "experiments", "benchmarks").items() for v in violations(p, s)
    ]
    found += [v for p, s in read("tests").items() for v in length_violations(p, s)]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.smoke
def test_public_symbols_have_examples():
    found = list(documentation_violations(read("rnn_jax")))
    assert not found, "\n" + "\n".join(found)


BAD = [
    ("rnn_jax/ops/linear.py", "from rnn_jax.cells import LSTM", "ops imports cells"),
    ("rnn_jax/ops/linear.py", "from rnn_jax import drivers", "ops imports drivers"),
    ("rnn_jax/ops/linear.py", "from ..cells import base", "ops imports cells"),
    ("rnn_jax/attic/old.py", "", "attic has no place in STAIRS"),
    ("rnn_jax/cells/lstm.py", "def f():\n    import rnn_jax.layers.stack", "cells imports layers"),
    ("rnn_jax/kernels/gate.py", "from rnn_jax.drivers.scan import scan", "kernels imports drivers"),
    ("rnn_jax/drivers/scan.py", "import rnn_jax", "drivers imports rnn_jax"),
    ("rnn_jax/layers/rnn.py", "from rnn_jax.data import text", "not of the core"),
    ("rnn_jax/train/loop.py", "from experiments import common", "train imports experiments"),
    ("rnn_jax/cells/lstm.py", "import numpy as np", "the core imports jax and nothing else"),
    ("rnn_jax/losses/ctc.py", "import optax", "the core imports jax and nothing else"),
    ("rnn_jax/__init__.py", "from flax import nnx", "the core imports jax and nothing else"),
    ("rnn_jax/bridge/nnx.py", "import chex", "bridge imports chex"),
    ("rnn_jax/train/data.py", "import tensorflow_datasets as tfds", "only ['data'] may"),
    ("experiments/speech.py", "import orbax.checkpoint as ocp", "only ['train'] may"),
    ("rnn_jax/data/text.py", "from flax import nnx", "data imports flax"),
    ("rnn_jax/drivers/scan.py", "import jax\njax.pmap(f)", "jax.pmap belongs in"),
    ("rnn_jax/drivers/scan.py", "from jax import lax\nlax.psum(x, 'i')", "lax.psum belongs in"),
    ("rnn_jax/train/loop.py", "from jax.sharding import Mesh as M", "Mesh belongs in"),
    ("rnn_jax/models/tagger.py", "import jax as j\nj.sharding.Mesh(d, 'i')", "belongs in"),
    ("rnn_jax/cells/lstm.py", "x = 1\n" * 251, "251 lines"),
]
GOOD = [
    ("rnn_jax/drivers/scan.py", "import jax.numpy\nfrom rnn_jax import cells\nimport functools"),
    ("rnn_jax/drivers/scan.py", "from rnn_jax.kernels import gate\nfrom . import common"),
    ("rnn_jax/drivers/scan.py", "'''Runs under pmap.'''\nself.devices = plan.devices"),
    ("rnn_jax/train/parallel.py", "import jax\njax.make_mesh((jax.device_count(),), ('data',))"),
    ("rnn_jax/data/text.py", "import numpy\nimport tensorflow_datasets\nimport grain"),
    ("experiments/speech.py", "import tyro\nfrom rnn_jax.train import loop\nx = 1\n" + "\n" * 247),
]


@pytest.mark.parametrize(("path", "source", "message"), BAD)
def test_checker_finds(path: str, source: str, message: str):
    assert [v for v in violations(path, source) if message in v]


@pytest.mark.parametrize(("path", "source"), GOOD)
def test_checker_accepts(path: str, source: str):
    assert not violations(path, source)


def test_checker_finds_missing_examples():
    sources = {
        "rnn_jax/ops/__init__.py": (
            "from rnn_jax.ops import m as m\nfrom .n import f as f, g, h as h\n"
            "from rnn_jax.ops.n import alias as alias, gone as gone"
        ),
        "rnn_jax/ops/m.py": "def bare(): pass\ndef _own(): pass\nclass C(NamedTuple):\n    'Doc.'",
        "rnn_jax/ops/n.py": (
            "def f():\n    'One line.'\ndef g(): pass\ndef h():\n    '>>> h()'\nalias = h"
        ),
    }
    assert list(documentation_violations(sources)) == [
        "rnn_jax/ops/m.py:1: bare has no docstring",
        "rnn_jax/ops/n.py:1: f has no example",
        "rnn_jax/ops/__init__.py: rnn_jax.ops.n.gone is not defined in rnn_jax/ops/n.py; "
        "export it from where it is",
    ]


@pytest.mark.smoke
def test_import_costs_no_more_than_jax():
    """Rooms are loaded when they are used, and the core's never load more than JAX."""
    rooms = ", ".join(sorted(CORE - {"rnn_jax", "kernels", "typing"}))
    code = (
        "import json, sys, jax; before = set(sys.modules); import rnn_jax\n"
        "first = set(sys.modules) - before\n"
        f"from rnn_jax import {rooms}\n"
        "print(json.dumps([sorted(first), sorted(set(sys.modules) - before)]))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    first, loaded = json.loads(run.stdout)
    assert [name for name in first if name.startswith("rnn_jax")] == ["rnn_jax"]
    tops = {name.split(".")[0] for name in loaded} - set(sys.stdlib_module_names)
    assert tops <= {"rnn_jax", "jax"}, f"the core loads {tops - {'rnn_jax', 'jax'}}"

"""README.md is what a user runs first: every Python block in it is run, and its commands stand."""

import re
from pathlib import Path

import jax
import pytest

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text("utf-8")
BLOCKS = [
    (TEXT.count("\n", 0, match.start(1)) + 1, match.group(1))
    for match in re.finditer(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
]


@pytest.mark.parametrize(("line", "code"), BLOCKS, ids=[f"line{line}" for line, _ in BLOCKS])
def test_python_block_runs(line: int, code: str, tmp_path, monkeypatch, standard_promotion):
    monkeypatch.chdir(tmp_path)
    # As users run it: in float32, with the usual promotion.
    with jax.enable_x64(False):
        exec(compile("\n" * (line - 1) + code, str(README), "exec"), {"__name__": "readme"})


def test_there_is_a_block():
    assert BLOCKS


@pytest.mark.parametrize(
    "command",
    ["pip install -e '.[test]' && pytest", "python -m experiments.language_model"],
)
def test_command_stands_on_a_line_of_its_own(command: str):
    assert re.search(rf"^{re.escape(command)}( +#.*)?$", TEXT, re.MULTILINE)

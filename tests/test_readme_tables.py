"""The README's tables name every public cell and driver, and say rightly what a cell can."""

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

from rnn_jax import attention, cells, drivers, layers, losses, models
from tests.registry import CELLS

TEXT = (Path(__file__).parent.parent / "README.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("| ").split(" | ")]
    for line in TEXT.splitlines()
    if line.startswith("| `")
]
NAMED = {name: row for row in ROWS for name in re.findall(r"`(\w+)`", row[0])}


def is_cell(name: str) -> bool:
    value = getattr(cells, name)
    return dataclasses.is_dataclass(value) and hasattr(value, "step") and name != "Wrapper"


def test_every_cell_has_a_row():
    missing = {name for name in vars(cells) if is_cell(name)} - set(NAMED)
    assert not missing, f"README.md has no row in its tables of cells for {sorted(missing)}"


def test_every_driver_has_a_row():
    public = {name for name, value in vars(drivers).items() if inspect.isfunction(value)}
    assert not public - set(NAMED)


@pytest.mark.parametrize(
    ("room", "mark"), [(layers, "apply"), (attention, "attend"), (models, "loss"), (losses, "")]
)
def test_every_layer_attention_model_and_loss_has_a_row(room, mark):
    """Known by their methods, losses by their names; protocols and what they share aside."""
    public = {
        name
        for name, value in vars(room).items()
        if (inspect.isclass(value) and hasattr(value, mark) if mark else name.endswith("_loss"))
    }
    assert public - {"Layer", "Attention", "Soft"} <= set(NAMED)


@pytest.mark.parametrize("name", CELLS)
def test_capabilities(name: str):
    """What the README says; "gated (...)" names a condition, and wrappers are as what they hold."""
    cell = CELLS[name]
    if not hasattr(cells, type(cell).__name__):
        return  # made for the laws alone
    row = NAMED[type(cell).__name__]
    if hasattr(cell, "cell") or hasattr(cell, "cells"):
        draws = row[2] != "-"
        assert draws or not cells.is_stochastic(cell)
        return
    gated, affine = cells.is_gated(cell), cells.is_affine(cell)
    other = "elementwise" if cells.is_elementwise(cell) else "-"
    said, _, condition = row[2].partition(" ")
    assert condition or said == ("gated" if gated else "affine" if affine else other)
    assert not condition or (said == "gated" and not affine)

"""Music as a piano roll."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_jax.plots.figures import as_matrix, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOWEST = 21  # MIDI's number of a piano's lowest key, A0


def plot_rolls(
    rolls: Mapping[str, Any], *, given: Mapping[str, int] | None = None, title: str = ""
) -> "Figure":
    """Piano rolls, or the probabilities that keys are down: a panel for each, with the same keys.

    Args:
        rolls: (T, 88) by name, numbers in 0..1.
        given: Steps that were given, not made, by name: a line stands behind them.
        title: Above the panels.

    Returns:
        A Matplotlib figure.

    Raises:
        ValueError: If there is nothing to draw.
        ImportError: If Matplotlib is not installed.

    Example:
        >>> figure = plot_rolls({"a": np.eye(88)[39:47], "b": np.eye(88)[[51]]}, given={"a": 2})
        >>> [tick.get_text() for tick in figure.axes[0].get_yticklabels()]
        ['C4', 'C5']
    """
    remedy = "Give the rolls of single pieces."
    found = {k: as_matrix(v, "plot_rolls", f"rolls[{k!r}]", "(T, 88)", remedy)
             for k, v in rolls.items()}  # fmt: skip
    if not found:
        raise ValueError("plot_rolls: there is nothing to draw; give at least one roll.")
    used = np.flatnonzero(np.max([roll.max(axis=0) for roll in found.values()], axis=0) > 0.05)
    low, high = (used[0], used[-1]) if len(used) else (0, 87)
    figure = new_figure(9, 0.5 + 2.3 * len(found))
    panels = figure.subplots(len(found), 1, squeeze=False)[:, 0]
    octaves = [key for key in range(low, high + 1) if (key + LOWEST) % 12 == 0]
    for axes, (name, roll) in zip(panels, found.items()):
        extent = (0.5, len(roll) + 0.5, low - 0.5, high + 0.5)
        picture = {"aspect": "auto", "origin": "lower", "interpolation": "nearest"}
        shown = roll[:, low : high + 1].T
        axes.imshow(shown, extent=extent, cmap="gray_r", vmin=0, vmax=1, **picture)
        axes.set_yticks(octaves, [f"C{(key + LOWEST) // 12 - 1}" for key in octaves])
        axes.grid(axis="y", alpha=0.4, linewidth=0.6)
        axes.set_ylabel(name)
        if steps := (given or {}).get(name):
            axes.axvline(steps + 0.5, color="C3", linewidth=1.2)
    panels[-1].set_xlabel("step")
    figure.suptitle(title)
    return figure

"""A finite automaton as a drawing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from rnn_jax.analysis.automata import UNSEEN, Automaton
from rnn_jax.plots.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_RADIUS = 0.28


def plot_automaton(
    automaton: Automaton,
    *,
    symbols: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    title: str = "",
) -> "Figure":
    """States as circles with their outputs, transitions as arrows with their symbols.

    States stand from left to right by how many symbols lead there from the start.

    Args:
        automaton: What ``analysis.extract_automaton`` gives.
        symbols: Names of the symbols; None numbers them from 0.
        outputs: What stands in the circle of each state; None for its output.
        title: Above the drawing.

    Returns:
        A Matplotlib figure.

    Raises:
        ValueError: If there are too few names.
        ImportError: If Matplotlib is not installed.

    Example:
        >>> machine = Automaton(((0, 1), (1, 0)), (0, 1), start=0)
        >>> figure = plot_automaton(machine, symbols="01")
        >>> sorted(text.get_text() for text in figure.axes[0].texts if text.get_text())
        ['0', '0', '0', '1', '1', '1']
    """
    num_symbols = len(automaton.transitions[0])
    symbols = list(symbols) if symbols is not None else list(map(str, range(num_symbols)))
    said = ["" if output == UNSEEN else str(output) for output in automaton.outputs]
    outputs = list(outputs) if outputs is not None else said
    for name, names, count in (("symbols", symbols, num_symbols), ("outputs", outputs, len(said))):
        if len(names) < count:
            raise ValueError(f"plot_automaton: {name} has {len(names)} names for {count}.")
    places = _layout(automaton)
    width, height = places.max(axis=0) - places.min(axis=0)
    figure = new_figure(2.4 + 1.1 * width, 2.2 + 1.1 * height)
    axes = figure.add_subplot()
    low, high = places.min(axis=0) - 0.9, places.max(axis=0) + 0.9
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal", title=title)
    axes.set_axis_off()
    start = places[automaton.start]
    _arrow(axes, start - (0.85, 0), start - (_RADIUS, 0), 0, "")
    for state, row in enumerate(automaton.transitions):
        for to in sorted(set(row) - {UNSEEN}):
            label = ", ".join(symbols[k] for k in range(num_symbols) if row[k] == to)
            _connect(axes, places[state], places[to], label)
    for place, output in zip(places, outputs):
        _circle(axes, place)
        axes.text(place[0], place[1], output, ha="center", va="center", zorder=4)
    return figure


def _layout(automaton: Automaton) -> np.ndarray:
    """Places (S, 2): the distance from the start to the right, states as far above each other."""
    layers: list[list[int]] = [[automaton.start]]
    seen = {automaton.start, UNSEEN}
    while layers[-1]:
        reached = [to for state in layers[-1] for to in automaton.transitions[state]]
        layers.append([to for to in dict.fromkeys(reached) if to not in seen])
        seen |= set(layers[-1])
    layers[-1] = [state for state in range(len(automaton.outputs)) if state not in seen]
    places = np.zeros((len(automaton.outputs), 2))
    for x, layer in enumerate(layers):
        for k, state in enumerate(layer):  # odd layers a little higher: arrows pass beside states
            places[state] = 1.7 * x, 1.7 * ((len(layer) - 1) / 2 - k) + 0.25 * (x % 2)
    return places


def _connect(axes: "Axes", place: np.ndarray, to: np.ndarray, label: str) -> None:
    if (place == to).all():
        left, right = place + (-0.14, 0.24), place + (0.14, 0.24)
        _arrow(axes, left, right, -1.9, "")
        axes.text(place[0], place[1] + 0.62, label, ha="center", va="bottom", color="C0")
        return
    along = (to - place) / np.linalg.norm(to - place)
    bend = 0.22
    side = np.array([along[1], -along[0]])  # where the arrow leaves and arrives on its own side
    leave, arrive = along + 0.5 * side, -along + 0.5 * side
    _arrow(
        axes,
        place + _RADIUS * leave / np.linalg.norm(leave),
        to + _RADIUS * arrive / np.linalg.norm(arrive),
        bend,
        label,
    )


def _arrow(axes: "Axes", start: np.ndarray, end: np.ndarray, bend: float, label: str) -> None:
    style = {"arrowstyle": "-|>", "color": "0.35", "shrinkA": 0, "shrinkB": 0}
    style["connectionstyle"] = f"arc3,rad={bend}"
    axes.annotate("", tuple(end), tuple(start), arrowprops=style, zorder=2)
    across = np.array([end[1] - start[1], start[0] - end[0]])
    if label:  # at the middle of the curve
        at = (start + end) / 2 + (0.5 * bend) * across
        at = at + 0.12 * across / np.linalg.norm(across)
        axes.text(at[0], at[1], label, ha="center", va="center", color="C0", zorder=4)


def _circle(axes: "Axes", place: np.ndarray) -> None:
    from matplotlib.patches import Circle

    patch = Circle(tuple(place), _RADIUS, facecolor="white", edgecolor="black", zorder=3)
    axes.add_patch(patch)

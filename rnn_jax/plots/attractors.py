"""Where a network comes to rest: points, cycles, and a strange attractor."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_jax.plots.figures import finish_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CAPACITY = 0.138  # patterns for each unit of a Hopfield network, Amit et al. 1985


def plot_attractors(
    shares: Mapping[str, Any],
    descent: tuple[Any, Any],
    orbits: Mapping[str, Any],
    periods: Mapping[str, Any],
    alone: tuple[Any, Any, Any],
) -> "Figure":
    """Six panels: stored patterns and energies, cycles and their periods, a system and its double.

    Args:
        shares: By name: patterns per unit and the share of them that is found again, (2, K).
        descent: Energies (T, B) of states over time, and those of the patterns (P,).
        orbits: By name: states of two units, (B, T, 2).
        periods: By name: omega and the period, (2, K); lines for names that begin with "law".
        alone: Times (T,), and the states of a system that came and that were made, (T, 3).

    Returns:
        A Matplotlib figure.

    Raises:
        ImportError: If Matplotlib is not installed.

    Example:
        >>> line, orbit, states = np.ones((2, 3)), np.ones((1, 4, 2)), np.ones((5, 3))
        >>> descent, alone = (np.ones((4, 2)), np.ones(1)), (np.arange(5), states, states)
        >>> figure = plot_attractors({"a": line}, descent, {"b": orbit}, {"c": line}, alone)
        >>> len(figure.axes)
        6
    """
    figure = new_figure(15, 8)
    share, energy, plane, period, series, butterfly = panels = figure.subplots(2, 3).T.ravel()
    for name, (loads, found) in shares.items():
        share.plot(loads, found, "o-", label=name)
    share.axvline(CAPACITY, color="0.4", linestyle="--", label=f"{CAPACITY}")
    share.set(title="stored patterns that are found again", xlabel="patterns per unit")
    _draw_descent(energy, *descent)
    for k, (name, states) in enumerate(orbits.items()):
        for j, (x, y) in enumerate(np.moveaxis(np.asarray(states), -1, 1)):
            plane.plot(x, y, ".-", color=f"C{k}", markersize=3, linewidth=0.4,
                       label="" if j else name)  # fmt: skip
    plane.set(title="two units that turn", xlabel="unit 1", ylabel="unit 2", aspect="equal")
    for name, (omegas, steps) in periods.items():
        period.plot(omegas, steps, "--" if name.startswith("law") else "o", label=name)
    period.set(xscale="log", yscale="log", title="period", xlabel="omega, radians a step",
               ylabel="steps")  # fmt: skip
    _draw_alone(series, butterfly, *map(np.asarray, alone))
    for axes in panels:
        finish_axes(axes)
        axes.legend(frameon=False, fontsize="small")
    return figure


def _draw_descent(axes: "Axes", energies: Any, patterns: Any) -> None:
    axes.plot(energies, color="C0", linewidth=0.8)
    axes.lines[0].set_label("from corrupted patterns")
    for k, level in enumerate(np.asarray(patterns).tolist()):
        axes.axhline(level, color="0.4", linestyle="--", label="" if k else "of the patterns")
    axes.set(title="energy, one unit after another", xlabel="updates")


def _draw_alone(
    series: "Axes", butterfly: "Axes", times: np.ndarray, came: np.ndarray, made: np.ndarray
) -> None:
    for states, name, style in ((came, "came", "k-"), (made, "made", "C1--")):
        series.plot(times, states[:, 0], style, linewidth=1, label=name)
        butterfly.plot(states[:, 0], states[:, 2], style, linewidth=0.7, label=name)
    series.set(title="Lorenz's x, made by the network itself", xlabel="Lyapunov times")
    butterfly.set(title="the attractor", xlabel="x", ylabel="z")

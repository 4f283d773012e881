"""Gates over time, and how often they are saturated."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_jax.analysis import Saturation
from rnn_jax.plots.figures import as_matrix, finish_axes, label_ticks, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NAMES = {
    "i": "input gate i",
    "f": "forget gate f",
    "g": "candidate g",
    "o": "output gate o",
    "r": "reset gate r",
    "z": "update gate z",
    "n": "candidate n",
}
_CANDIDATES = ("g", "n")  # tanh: -1..1


def plot_gates(
    gates: Mapping[str, Any], *, tokens: Sequence[Any] | None = None, title: str = ""
) -> "Figure":
    """The gates of one row over time: a panel for each gate, a line of it for each unit.

    Gates are drawn from 0 (closed) to 1 (open), candidates (g, n) from -1 to 1.

    Args:
        gates: What ``analysis.gate_activations`` gives, of one row: arrays (T, H) by name.
        tokens: T labels, such as the characters read; None numbers the steps.
        title: Above the panels.

    Returns:
        A Matplotlib figure.

    Raises:
        ValueError: If there is no dictionary of arrays of two axes, or the tokens are not T.
        ImportError: If Matplotlib is not installed.

    Example:
        >>> import jax
        >>> from rnn_jax import analysis, cells
        >>> cell = cells.GRU(input_size=2, hidden_size=3)
        >>> xs = jax.numpy.ones((5, 2))
        >>> gates = analysis.gate_activations(cell, cell.init(jax.random.key(0)), xs)
        >>> figure = plot_gates(gates, tokens="hello")
        >>> [axes.get_title(loc="left") for axes in figure.axes[:3]]
        ['reset gate r', 'update gate z', 'candidate n']
    """
    remedy = "Choose a row of the batch: {name: gate[:, row] for name, gate in gates.items()}."
    matrices = {
        name: as_matrix(gates[name], "plot_gates", f"gates[{name!r}]", "(T, H)", remedy)
        for name in _in_order(gates, "plot_gates")
    }
    steps, units = next(iter(matrices.values())).shape
    width = min(max(2.5 + 0.16 * steps, 5.0), 14.0)
    height = min(max(0.9 + 0.1 * units, 1.4), 3.5)
    figure = new_figure(width, 0.6 + height * len(matrices))
    panels = figure.subplots(len(matrices), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (name, matrix) in zip(panels, matrices.items(), strict=True):
        signed = name in _CANDIDATES
        picture = axes.imshow(
            matrix.T,
            cmap="RdBu_r" if signed else "viridis",
            vmin=-1 if signed else 0,
            vmax=1,
            aspect="auto",
            interpolation="nearest",
        )
        axes.set_title(_NAMES.get(name, name), fontsize="medium", loc="left")
        axes.set_ylabel("unit")
        label_ticks(axes.yaxis, None, matrix.shape[1], "plot_gates", "units")
        ticks = [-1, 0, 1] if signed else [0, 0.5, 1]
        figure.colorbar(picture, ax=axes, label="activation", ticks=ticks, pad=0.01)
    label_ticks(panels[-1].xaxis, tokens, steps, "plot_gates", "tokens")
    panels[-1].set_xlabel("step" if tokens is None else "token")
    if title:
        figure.suptitle(title)
    return figure


def plot_saturation(
    shares: Mapping[str, Saturation], *, low: float = 0.1, high: float = 0.9, title: str = ""
) -> "Figure":
    """Each unit of each gate by how often it is nearly closed and nearly open.

    Units near the lower right are always closed, near the upper left always open, near the origin
    hardly ever either; none can be beyond the diagonal.

    Args:
        shares: What ``analysis.saturation`` gives, by the gate's name.
        low: The bound that was used, for the label of the axis.
        high: The bound that was used.
        title: Above the panels.

    Returns:
        A Matplotlib figure.

    Raises:
        ValueError: If there is no dictionary, or no gate.
        ImportError: If Matplotlib is not installed.

    Example:
        >>> import jax
        >>> from rnn_jax import analysis
        >>> gates = {"f": jax.random.uniform(jax.random.key(0), (20, 8))}
        >>> shares = {name: analysis.saturation(gate) for name, gate in gates.items()}
        >>> plot_saturation(shares).axes[0].get_title()
        'forget gate f'

    References:
        Karpathy, Johnson and Fei-Fei, Visualizing and understanding recurrent networks, 2015,
        arXiv:1506.02078.
    """
    names = _in_order(shares, "plot_saturation")
    figure = new_figure(0.8 + 3.0 * len(names), 3.6)
    panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for axes, name in zip(panels, names, strict=True):
        axes.plot([0, 1], [1, 0], color="0.6", linewidth=0.8, zorder=1)
        axes.scatter(*(np.asarray(s, float) for s in shares[name]), s=18, alpha=0.6, zorder=2)
        axes.set_title(_NAMES.get(name, name), fontsize="medium")
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal")
        axes.set_xlabel(f"share of steps below {low:g}")
        finish_axes(axes)
    panels[0].set_ylabel(f"share of steps above {high:g}")
    if title:
        figure.suptitle(title)
    return figure


def _in_order(gates: Mapping[str, Any], function: str) -> list[str]:
    """Names as in the equations, i f g o and r z n, whatever order a transformation left."""
    if not isinstance(gates, Mapping):
        raise ValueError(
            f"{function}: a {type(gates).__name__} has no names: give a dictionary, such as "
            f'{{"f": ...}}.'
        )
    if not gates:
        raise ValueError(f"{function}: there is no gate to draw; give at least one.")
    places = {name: place for place, name in enumerate("ifgorzn")}
    return sorted(gates, key=lambda name: places.get(name, len(places)))

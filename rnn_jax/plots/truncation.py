"""What a truncated gradient learns, and what gradients cost."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rnn_jax.plots.figures import finish_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_truncation(
    reaches: Sequence[int],
    right: Mapping[int, Sequence[float]],
    costs: Mapping[int, Mapping[str, Sequence[float]]],
) -> "Figure":
    """Three panels: right answers against the reach of the gradient; memory and time against T.

    Args:
        reaches: k2, steps that a gradient covers.
        right: By lag L: the share of right answers for each reach.
        costs: By T and by way to a gradient: temporary bytes and CPU seconds.

    Returns:
        A Matplotlib figure.

    Raises:
        ImportError: If Matplotlib is not installed.

    Example:
        >>> costs = {8: {"BPTT": (1e3, 0.1)}, 16: {"BPTT": (2e3, 0.2)}}
        >>> figure = plot_truncation([1, 4], {3: [0.5, 1.0]}, costs)
        >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        ['L = 3, within reach from k2 = 4']
    """
    figure = new_figure(14, 4)
    axes, *others = figure.subplots(1, 3)
    for lag, shares in right.items():
        label = f"L = {lag}, within reach from k2 = {lag + 1}"
        axes.plot(reaches, shares, "o-", label=label)
    axes.axhline(0.5, color="0.4", linestyle="--")
    axes.set(xscale="log", xlabel="k2, steps of the gradient", ylabel="share of right answers")
    axes.set_xticks(reaches, [str(reach) for reach in reaches])
    axes.minorticks_off()
    for k, (panel, what) in enumerate(zip(others, ("temporary bytes", "CPU seconds"))):
        for name in next(iter(costs.values())):
            line = [by_name[name][k] for by_name in costs.values()]
            panel.plot(list(costs), line, "o-", label=name)
        panel.set(xscale="log", yscale="log", xlabel="T", ylabel=what)
    for panel in (axes, *others):
        finish_axes(panel)
        panel.legend(frameon=False, fontsize="small")
    return figure

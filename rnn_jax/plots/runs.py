"""Several runs beside each other."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rnn_jax.plots.figures import finish_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_runs(
    runs: Mapping[str, Sequence[tuple[float, float]]],
    *,
    floors: Mapping[str, float] | None = None,
    label: str = "error",
    log: bool = False,
    title: str = "",
) -> "Figure":
    """A number against the steps of training, a line for each run, with levels to compare with.

    Args:
        runs: By name: pairs of a step and the number there.
        floors: Name and height of horizontal lines.
        label: What the number is.
        log: Whether its axis is logarithmic.
        title: Above the picture.

    Returns:
        A Matplotlib figure.

    Raises:
        ImportError: If Matplotlib is not installed.

    Example:
        >>> runs = {"lstm": [(100, 0.2), (200, 0.01)], "elman": [(100, 0.2), (200, 0.17)]}
        >>> figure = plot_runs(runs, floors={"chance": 0.5})
        >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        ['lstm, last 0.01', 'elman, last 0.17', 'chance 0.5']
    """
    figure = new_figure(7, 4)
    axes = figure.add_subplot()
    for name, run in runs.items():
        steps, numbers = zip(*run)
        axes.plot(steps, numbers, "o-", markersize=4, label=f"{name}, last {numbers[-1]:.4g}")
    for (name, height), style in zip((floors or {}).items(), ("--", "-.", ":", "-")):
        axes.axhline(height, color="0.3", linestyle=style, label=f"{name} {height:.4g}")
    axes.set(xlabel="step", ylabel=label, title=title, yscale="log" if log else "linear")
    finish_axes(axes)
    axes.legend(frameon=False)
    return figure

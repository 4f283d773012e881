"""A forecast with its uncertainty beside what came."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_jax.plots.figures import finish_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_forecast(
    past: Any,
    future: Any,
    bands: Mapping[float, tuple[Any, Any]],
    lines: Mapping[str, Any],
    *,
    names: Sequence[str] | None = None,
    title: str = "",
) -> "Figure":
    """What was read, what came, and forecasts of it: a panel for each series.

    Args:
        past: What was read (T, D).
        future: What came (K, D); None where that is not known yet.
        bands: Lower and upper bounds, each (K, D), by the share that should lie between them.
        lines: Forecasts (K, D) by name; the first belongs to the bands.
        names: Of the series.
        title: Above the panels.

    Returns:
        A Matplotlib figure.

    Raises:
        ImportError: If Matplotlib is not installed.

    Example:
        >>> past, future = np.zeros((9, 1)), np.ones((3, 1))
        >>> figure = plot_forecast(past, future, {0.8: (future - 1, future + 1)}, {"zero": future})
        >>> [text.get_text() for text in figure.legends[0].get_texts()]
        ['80 %', 'zero', 'what came']
    """
    past = np.asarray(past)
    steps = np.arange(1, len(np.asarray(next(iter(lines.values())))) + 1)
    num = past.shape[1]
    figure = new_figure(9, 0.8 + 2.4 * num)
    panels = figure.subplots(num, 1, sharex=True, squeeze=False)[:, 0]
    for d, axes in enumerate(panels):
        axes.plot(np.arange(1 - len(past), 1), past[:, d], color="black", linewidth=1)
        for share, (low, high) in sorted(bands.items(), reverse=True):
            low, high = np.asarray(low)[:, d], np.asarray(high)[:, d]
            shade = {"color": "C0", "alpha": 0.2, "linewidth": 0, "label": f"{100 * share:.0f} %"}
            axes.fill_between(steps, low, high, **shade)
        for k, (name, line) in enumerate(lines.items()):
            style = "-" if k == 0 else "--"
            axes.plot(steps, np.asarray(line)[:, d], style, color=f"C{k}", label=name, linewidth=1)
        if future is not None:
            came = np.asarray(future)[:, d]
            axes.plot(steps, came, color="black", marker=".", linewidth=0.8, label="what came")
        axes.axvline(0.5, color="0.6", linewidth=0.8)
        axes.set_ylabel(names[d] if names is not None else "")
        finish_axes(axes)
    panels[-1].set_xlabel("step from the last one that was read")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center",
                  frameon=False, fontsize="small", ncols=6)  # fmt: skip
    figure.suptitle(title)
    return figure

"""Errors along the truth and along a decoder's own roll-outs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from rnn_jax.plots.figures import finish_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_exposure(
    found: Mapping[str, Mapping[str, Mapping[str, ArrayLike]]],
    laws: Mapping[str, Mapping[str, ArrayLike]] | None = None,
) -> "Figure":
    """Probability of impossible symbols against the step, a panel for each process.

    Args:
        found: By process and by way of training: "own" and "truth", numbers for each step.
        laws: By process: names and curves to compare with.

    Returns:
        A Matplotlib figure.

    Raises:
        ImportError: If Matplotlib is not installed.

    Example:
        >>> curves = {"own": [0.1, 0.2], "truth": [0.1, 0.1]}
        >>> figure = plot_exposure({"walk": {"teacher": curves}}, {"walk": {"law": [0, 0.25]}})
        >>> [text.get_text() for text in figure.legends[0].get_texts()]
        ['teacher: own', 'teacher: truth', 'law']
    """
    figure = new_figure(6 * len(found), 4.5)
    for axes, (process, ways) in zip(figure.subplots(1, len(found), squeeze=False)[0],
                                     found.items()):  # fmt: skip
        for color, (way, curves) in enumerate(ways.items()):
            for name, style in (("own", "-"), ("truth", ":")):
                line = np.asarray(curves[name])
                steps = np.arange(len(line)) + 1
                axes.plot(steps, line, style, color=f"C{color}", label=f"{way}: {name}")
        for name, law in (laws or {}).get(process, {}).items():
            axes.plot(np.arange(len(np.asarray(law))) + 1, law, "--", color="0.4", label=name)
        axes.set(title=process, xlabel="step", ylabel="probability of impossible symbols")
        finish_axes(axes)
    lines = {str(line.get_label()): line for axes in figure.axes for line in axes.get_lines()}
    figure.legend(list(lines.values()), list(lines), loc="outside lower center", ncols=4)
    return figure

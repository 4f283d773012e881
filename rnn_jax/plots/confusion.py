"""What was taken for what."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_jax.plots.figures import as_matrix, label_ticks, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_NUMBERS = 16  # classes; more have colours alone


def plot_confusion(counts: Any, labels: Sequence[Any], *, title: str = "") -> "Figure":
    """A confusion matrix: a row for each true class, coloured by its shares, with the counts.

    Args:
        counts: (C, C), how many of the class of the row were taken for that of the column.
        labels: Names of the classes.
        title: Above the picture.

    Returns:
        A Matplotlib figure.

    Raises:
        ValueError: If ``counts`` is not square, or the labels are not as many.
        ImportError: If Matplotlib is not installed.

    Example:
        >>> figure = plot_confusion([[8, 2], [0, 5]], ["O", "city"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['8', '2', '5']
    """
    matrix = as_matrix(counts, "plot_confusion", "counts", "(C, C)", "Give one count a pair.")
    size = len(matrix)
    if matrix.shape != (size, size):
        raise ValueError(f"plot_confusion: counts has shape {matrix.shape}, but it must be square.")
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    inches = min(2.2 + 0.55 * size, 9.0)
    figure = new_figure(inches + 0.8, inches)
    axes = figure.add_subplot()
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    label_ticks(axes.xaxis, labels, size, "plot_confusion", "labels")
    label_ticks(axes.yaxis, labels, size, "plot_confusion", "labels")
    axes.tick_params(length=0)
    axes.set(xlabel="taken for", ylabel="in truth", title=title)
    for row, column in np.argwhere(matrix) if size <= _MOST_NUMBERS else ():
        color = "white" if shares[row, column] > 0.5 else "black"
        text = f"{matrix[row, column]:,.0f}"
        axes.text(column, row, text, ha="center", va="center", fontsize=7, color=color)
    figure.colorbar(picture, ax=axes, label="share of the row", fraction=0.05, pad=0.02)
    return figure

"""Attention weights: which source step each target step looks at."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rnn_jax.plots.figures import as_matrix, label_ticks, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_alignment(
    weights: Any,
    *,
    source: Sequence[Any] | None = None,
    target: Sequence[Any] | None = None,
    title: str = "",
) -> "Figure":
    """Attention weights as a picture: a row for each target step, a column for each source step.

    Args:
        weights: (T, S) of one row of a batch and one head; each target step's sum to 1.
        source: S labels, such as the tokens read; None numbers the steps.
        target: T labels, such as the tokens written; None numbers the steps.
        title: Above the picture.

    Returns:
        A Matplotlib figure.

    Raises:
        ValueError: If ``weights`` has not two axes, or the labels are not as many as the steps.
        ImportError: If Matplotlib is not installed.

    Example:
        >>> weights = [[0.9, 0.1, 0.0], [0.0, 0.2, 0.8]]
        >>> figure = plot_alignment(weights, source=["ein", "Test", "."], target=["a", "test"])
        >>> figure.axes[0].get_ylabel()
        'target'
    """
    remedy = "Choose a row of the batch, weights[:, row], and a head, weights[:, head]."
    matrix = as_matrix(weights, "plot_alignment", "weights", "(T, S)", remedy)
    steps, places = matrix.shape
    figure = new_figure(2.0 + _inches(places), 1.4 + _inches(steps))
    axes = figure.add_subplot()
    picture = axes.imshow(matrix, cmap="Blues", vmin=0, aspect="auto", interpolation="nearest")
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    label_ticks(axes.xaxis, source, places, "plot_alignment", "source")
    label_ticks(axes.yaxis, target, steps, "plot_alignment", "target")
    axes.tick_params(length=0)
    axes.set(xlabel="source", ylabel="target", title=title)
    figure.colorbar(picture, ax=axes, label="attention weight", fraction=0.05, pad=0.02, aspect=30)
    return figure


def _inches(count: int) -> float:
    return min(max(0.3 * count, 1.5), 9.0)

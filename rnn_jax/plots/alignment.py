"""Attention weights: which source step each target step looks at."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

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


def save_alignments(
    directory: str | Path,
    weights: Any,
    sources: Sequence[Sequence[Any]],
    targets: Sequence[Sequence[Any]],
) -> None:
    """Pictures alignment_1.png, alignment_2.png, ... of the rows of a batch, in place of old ones.

    Args:
        directory: Where to.
        weights: (B, T, S), or (B, T, N, S) of several heads, whose mean is drawn.
        sources: For each row the labels of what was read, as many as its real steps.
        targets: For each row the labels of what was written.

    Raises:
        ImportError: If Matplotlib is not installed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     save_alignments(directory, np.ones((1, 3, 2)) / 2, [["ein", "Test"]], [["a"]])
        ...     [path.name for path in Path(directory).iterdir()]
        ['alignment_1.png']
    """
    weights = np.asarray(weights, np.float32)
    rows = weights.reshape(*weights.shape[:2], -1, weights.shape[-1]).mean(2)
    for k, (row, source, target) in enumerate(zip(rows, sources, targets, strict=True), 1):
        figure = plot_alignment(row[: len(target), : len(source)], source=source, target=target)
        figure.savefig(Path(directory) / f"alignment_{k}.png", bbox_inches="tight")


def _inches(count: int) -> float:
    return min(max(0.3 * count, 1.5), 9.0)

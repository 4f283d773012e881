"""Images beside what a classifier took them for."""

from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_jax.plots.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_predictions(
    images: Any,
    labels: Any,
    probabilities: Any,
    *,
    rows: int = 4,
    columns: int = 8,
    title: str = "",
) -> "Figure":
    """Images with what they were taken for, how surely, and in red what they are.

    The misread ones stand first, the surest of them at the very front; then come those that were
    read rightly, the least sure first.

    Args:
        images: (N, height, width), grey, or (N, height, width, 3).
        labels: N classes.
        probabilities: (N, C) of the classes.
        rows: Rows of images, at most.
        columns: Images in a row.
        title: Above the picture.

    Returns:
        A Matplotlib figure.

    Raises:
        ValueError: If there are not as many labels and probabilities as images.
        ImportError: If Matplotlib is not installed.

    Example:
        >>> figure = plot_predictions(np.zeros((2, 8, 8)), [1, 0], [[0.4, 0.6], [0.3, 0.7]])
        >>> [axes.get_title() for axes in figure.axes[:2]]
        ['1, not 0\\n70 %', '1\\n60 %']
    """
    images, chances = np.asarray(images, float), np.asarray(probabilities, float)
    right = np.asarray(labels)
    if len(images) != len(right) or chances.shape[:1] != right.shape or chances.ndim != 2:
        raise ValueError(
            f"plot_predictions: images {images.shape}, labels {right.shape} and probabilities "
            f"{chances.shape} must be N images, N labels and (N, C)."
        )
    said, sure = chances.argmax(1), chances.max(1)
    wrong = said != right
    order = np.argsort(np.where(wrong, -2 - sure, sure), kind="stable")[: rows * columns]
    rows = max(1, -(-len(order) // columns))
    figure = new_figure(1.0 * columns, 1.35 * rows + 0.4 * bool(title))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels:
        axes.axis("off")
    for axes, place in zip(panels, order):
        axes.imshow(images[place], cmap="gray_r", vmin=0, vmax=max(1.0, images[place].max()))
        text = f"{said[place]}, not {right[place]}" if wrong[place] else f"{said[place]}"
        color = "firebrick" if wrong[place] else "black"
        axes.set_title(f"{text}\n{100 * sure[place]:.0f} %", fontsize=8, color=color)
    figure.suptitle(title)
    return figure

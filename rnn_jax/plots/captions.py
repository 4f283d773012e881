"""Images, what was said of them, and where was looked for every word."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_jax.plots.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_captions(
    images: Sequence[Any],
    captions: Sequence[str],
    weights: Sequence[Any] | None = None,
    *,
    wrong: Sequence[bool] | None = None,
    title: str = "",
) -> "Figure":
    """A row for each image: itself, its caption, and the image once more for every word.

    There it is bright where attention was, and dark elsewhere.

    Args:
        images: (height, width, 3) each, from 0 to 255.
        captions: Words between single spaces.
        weights: For each image (words, height', width'), each word's sum 1; None for the images
            and captions alone.
        wrong: Whose caption is red; None for none.
        title: Above the picture.

    Returns:
        A Matplotlib figure.

    Raises:
        ValueError: If there are not as many captions as images, or as many maps as words.
        ImportError: If Matplotlib is not installed.

    Example:
        >>> image, maps = np.zeros((8, 8, 3)), np.full((2, 2, 2), 0.25)
        >>> figure = plot_captions([image], ["a dog"], [maps])
        >>> [axes.get_title(loc="left") for axes in figure.axes]
        ['a dog', 'a', 'dog']
    """
    words = [caption.split() for caption in captions]
    counts = [0 if weights is None else len(said) for said in words]
    shapes = [np.shape(maps)[:1] for maps in weights or ()]
    if len(images) != len(words) or shapes != [(n,) for n in counts][: len(shapes)]:
        raise ValueError(
            f"plot_captions: {len(images)} images, {len(words)} captions of {counts} words and "
            f"weights of {shapes} do not fit each other: one map for each word of each image."
        )
    rows, columns = len(images), 1 + max(counts, default=0)
    figure = new_figure(max(1.05 * columns, 4.5), 1.35 * rows + 0.4 * bool(title))
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.ravel():
        axes.axis("off")
    for k, image in enumerate(images):
        shown = np.clip(np.asarray(image, float) / 255, 0, 1)
        color = "firebrick" if wrong is not None and wrong[k] else "black"
        panels[k, 0].imshow(shown)
        # Beside the other titles of the row it would be too wide: it stands above them.
        panels[k, 0].set_title(captions[k], loc="left", fontsize=9, color=color, pad=14)
        for axes, word, looked in zip(
            panels[k, 1:], words[k], () if weights is None else weights[k]
        ):
            light: Any = np.asarray(looked, float) / max(float(np.max(looked)), 1e-9)
            tall, wide = (-(-a // b) for a, b in zip(shown.shape, light.shape))
            light = np.kron(light, np.ones((tall, wide)))[: shown.shape[0], : shown.shape[1]]
            axes.imshow(shown * (0.15 + 0.85 * light[..., None]))
            axes.set_title(word, loc="left", fontsize=8, pad=2)
    figure.suptitle(title)
    return figure

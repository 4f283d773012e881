"""Texts whose words are coloured by how much each of them counts."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_jax.plots.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH = 88  # characters of a line


def plot_words(
    texts: Sequence[Sequence[str]],
    weights: Sequence[Any],
    titles: Sequence[str],
    *,
    wrong: Sequence[bool] | None = None,
    title: str = "",
) -> "Figure":
    """Texts one under the other, the words on a ground that is darker where they weigh more.

    Args:
        texts: The words of each text.
        weights: As many numbers for each text, such as attention; a text's largest is the darkest.
        titles: What stands above each text, such as its class.
        wrong: Whose title is red; None for none.
        title: Above the picture.

    Returns:
        A Matplotlib figure.

    Raises:
        ValueError: If texts, weights and titles do not fit each other.
        ImportError: If Matplotlib is not installed.

    Example:
        >>> figure = plot_words([["a", "fine", "film"]], [[0.1, 0.8, 0.1]], ["positive"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['positive', 'a', 'fine', 'film']
    """
    rows = [np.asarray(row, float) for row in weights]
    if not len(texts) == len(rows) == len(titles) or any(map(_differ, texts, rows)):
        raise ValueError(
            f"plot_words: {len(texts)} texts, {len(rows)} rows of weights and {len(titles)} titles "
            f"of lengths {[len(text) for text in texts]} and {[row.shape for row in rows]} do not "
            "fit each other: cut off the padding."
        )
    marks: list[tuple[float, float, str, float | None, str]] = []  # x, y, text, weight, colour
    line = 0.0
    for k, (words, row) in enumerate(zip(texts, rows)):
        color = "firebrick" if wrong is not None and wrong[k] else "dimgray"
        marks.append((0, line, titles[k], None, color))
        place, line = 2, line + 1
        for word, weight in zip(words, row / max(row.max(initial=0), 1e-9)):
            if place + len(word) > _WIDTH:
                place, line = 2, line + 1
            marks.append((place, line, word, weight, "black" if weight < 0.6 else "white"))
            place += len(word) + 1
        line += 1.4
    figure = new_figure(9.0, 0.24 * line + 0.5)
    axes = figure.add_subplot()
    axes.set(xlim=(0, _WIDTH), ylim=(line, -1), title=title)
    axes.axis("off")
    for x, y, word, weight, color in marks:
        if weight is not None:
            axes.barh(y, len(word) + 0.6, 0.9, x - 0.3, color=_ground(weight), zorder=0)
        shown = word.replace("$", r"\$")
        axes.text(x, y, shown, family="monospace", fontsize=8, color=color, va="center")
    return figure


def _differ(words: Sequence[str], row: np.ndarray) -> bool:
    return row.shape != (len(words),)


def _ground(weight: float) -> tuple[float, float, float]:
    """From white to dark blue."""
    red, green, blue = 1 - np.array([0.97, 0.81, 0.58]) * weight
    return float(red), float(green), float(blue)

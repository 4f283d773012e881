"""Paths of objects: what was seen, what came, and the futures that a model draws."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_jax.plots.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_futures(
    past: Any,
    futures: Any,
    came: Any = None,
    *,
    titles: Sequence[str] | None = None,
    title: str = "",
) -> "Figure":
    """A fan of futures around the true path, a panel for each scene and a colour for each object.

    Args:
        past: What was read (N, P, O, 2): thick.
        futures: Drawn (N, S, K, O, 2): thin, with a point at the end of each; a few that run far
            away leave the picture.
        came: What came (N, K, O, 2): black; None where that is not known.
        titles: Of the panels.
        title: Above them.

    Returns:
        A Matplotlib figure.

    Raises:
        ValueError: If the shapes do not fit each other.
        ImportError: If Matplotlib is not installed.

    Example:
        >>> past, futures = np.zeros((2, 3, 1, 2)), np.ones((2, 4, 5, 1, 2))
        >>> figure = plot_futures(past, futures, futures[:, 0])
        >>> len(figure.axes), len(figure.axes[0].lines)  # past, 4 futures, what came
        (2, 6)
    """
    past, futures = np.asarray(past, float), np.asarray(futures, float)
    true = None if came is None else np.asarray(came, float)
    fits = past.ndim == 4 and futures.ndim == 5 and past.shape[3] == 2
    fits = fits and past.shape[:1] + past.shape[2:] == futures.shape[:1] + futures.shape[3:]
    if not fits or (true is not None and true.shape != futures[:, 0].shape):
        raise ValueError(
            f"plot_futures: past {past.shape}, futures {futures.shape} and came "
            f"{None if true is None else true.shape} must be (N, P, O, 2), (N, S, K, O, 2) and "
            "(N, K, O, 2)."
        )
    columns = min(3, len(past))
    rows = -(-len(past) // columns)
    places = past if true is None else np.concatenate([past, true], axis=1)
    places = np.concatenate([places.reshape(-1, 2), _middle(futures.reshape(-1, 2))])
    low, high = places.min(axis=0), places.max(axis=0)
    margin = 0.05 * max(*(high - low), 1e-9)
    low, high = low - margin, high + margin
    tall = min(2.0, max(0.5, (high - low)[1] / (high - low)[0]))
    figure = new_figure(3.4 * columns, 3.4 * tall * rows + 0.5)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes in panels[len(past) :]:
        axes.axis("off")
    for n, axes in zip(range(len(past)), panels):
        for o in range(past.shape[2]):
            colour = f"C{o}"
            axes.plot(*past[n, :, o].T, color=colour, linewidth=2.2)
            for future in futures[n, :, :, o]:
                path = np.concatenate([past[n, -1:, o], future]).T
                axes.plot(*path, color=colour, linewidth=0.6, alpha=0.35)
            axes.scatter(*futures[n, :, -1, o].T, s=7, color=colour, alpha=0.6, linewidths=0)
            if true is not None:
                path = np.concatenate([past[n, -1:, o], true[n, :, o]]).T
                axes.plot(*path, color="black", linewidth=1.2, marker="o", markevery=[-1], ms=4)
        axes.set(aspect="equal", xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        axes.set_title(titles[n] if titles else "", fontsize=9)
    figure.suptitle(title)
    return figure


def _middle(places: np.ndarray) -> np.ndarray:
    """The corners of where all but a hundredth of places (M, 2) lie, on each side."""
    return np.quantile(places, (0.01, 0.99), axis=0)

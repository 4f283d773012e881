"""Films as rows of frames, and how an error grows along them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_jax.plots.figures import finish_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_frames(
    films: Mapping[str, Any],
    *,
    errors: Mapping[str, Any] | None = None,
    seen: int = 0,
    title: str = "",
) -> "Figure":
    """Films one under the other, a column for each frame, and below curves over the frames.

    Args:
        films: Frames (T, height, width) in [0, 1] by name; what is not finite is left white.
        errors: Curves (T,) by name, such as each frame's squared error; gaps where not finite.
        seen: Behind so many frames a line is drawn; 0 for none.
        title: Above the picture.

    Returns:
        A Matplotlib figure.

    Raises:
        ValueError: If films or curves have different numbers of frames.
        ImportError: If Matplotlib is not installed.

    Example:
        >>> film = np.zeros((5, 8, 8))
        >>> figure = plot_frames({"true": film, "copied": film}, errors={"copied": np.zeros(5)})
        >>> len(figure.axes)
        3
    """
    shown = {name: np.asarray(film, float) for name, film in films.items()}
    curves = {name: np.asarray(curve, float) for name, curve in (errors or {}).items()}
    lengths = {len(array) for array in [*shown.values(), *curves.values()]}
    if len(lengths) != 1 or any(film.ndim != 3 for film in shown.values()):
        raise ValueError(
            f"plot_frames: films {[film.shape for film in shown.values()]} and curves "
            f"{[curve.shape for curve in curves.values()]} must all have T frames (T, height, "
            "width)."
        )
    steps, rows = lengths.pop(), len(shown)
    figure = new_figure(0.62 * steps + 1.2, 0.72 * rows + 2.2 * bool(curves) + 0.3)
    grid = figure.subplots(
        rows + bool(curves), 1, squeeze=False, height_ratios=[1] * rows + [3] * bool(curves)
    )[:, 0]
    for axes, (name, film) in zip(grid, shown.items()):
        framed = np.pad(film, ((0, 0), (0, 0), (0, 1)), constant_values=0.25)
        height, width = framed.shape[1:]
        strip = np.moveaxis(framed, 0, 1).reshape(height, steps * width)
        axes.imshow(strip, cmap="gray_r", vmin=0, vmax=1, extent=(0.5, steps + 0.5, 0, 1),
                    aspect="auto", interpolation="nearest")  # fmt: skip
        axes.set(yticks=[], xticks=[])
        axes.set_ylabel(name, rotation=0, ha="right", va="center")
    if curves:
        for name, curve in curves.items():
            grid[-1].plot(range(1, steps + 1), curve, marker="o", markersize=3, label=name)
        grid[-1].set(
            xlabel="frame", ylabel="squared error", xlim=(0.5, steps + 0.5), ylim=(0, None)
        )
        grid[-1].legend(fontsize=8)
        finish_axes(grid[-1])
    for axes in grid if seen else ():
        axes.axvline(seen + 0.5, color="firebrick", linewidth=1)
    figure.suptitle(title)
    return figure

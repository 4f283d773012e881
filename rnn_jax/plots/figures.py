"""Figures without pyplot, and what the pictures have in common."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

MOST_LABELS, MANY_LABELS = 80, 40  # beyond the first they cannot be read; beyond the other, small


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of so many inches that a notebook shows and any machine can draw.

    Raises:
        ImportError: If Matplotlib is not installed; it says how to install it.

    Example:
        >>> new_figure(4, 3)._repr_png_()[1:4]
        b'PNG'
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "rnn_jax.plots needs Matplotlib: pip install matplotlib, or the extra 'plots' of "
            "rnn_jax."
        ) from error

    class Shown(Figure):
        """Notebooks know Matplotlib's figures once pyplot is loaded; this one shows itself."""

        def _repr_png_(self) -> bytes:
            from io import BytesIO

            file = BytesIO()
            self.savefig(file, format="png")
            return file.getvalue()

    figure = Shown(figsize=(width, height), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)  # draws without a display, whatever backend the user has set
    return figure


def as_matrix(values: Any, function: str, argument: str, axes: str, remedy: str) -> np.ndarray:
    """Numbers as a float array of two axes.

    Raises:
        ValueError: If there are not two axes, or one is empty.

    Example:
        >>> as_matrix([[1, 2]], "plot_gates", "gates", "(T, H)", "Choose a row.").tolist()
        [[1.0, 2.0]]
    """
    array = np.asarray(values, float)
    if array.ndim != 2 or array.size == 0:
        raise ValueError(
            f"{function}: {argument} has shape {array.shape}, but it must be {axes}. {remedy}"
        )
    return array


def as_curves(values: Any, function: str, axes: str) -> dict[str, np.ndarray]:
    """One array or several by name, each with a first axis and at most one more: (T, B).

    Raises:
        ValueError: If an array has another number of axes, or is empty.

    Example:
        >>> {name: curve.shape for name, curve in as_curves([1, 2], "plot", "(T,)").items()}
        {'': (2, 1)}
    """
    named = values if isinstance(values, Mapping) else {"": values}
    curves = {name: np.asarray(curve, float) for name, curve in named.items()}
    for name, curve in curves.items():
        if curve.ndim not in (1, 2) or curve.size == 0:
            which = f"{name!r} has" if name else "the array has"
            raise ValueError(f"{function}: {which} shape {curve.shape}, but it must be {axes}.")
    if not curves:
        raise ValueError(f"{function}: there is nothing to draw; give at least one array.")
    return {name: curve.reshape(curve.shape[0], -1) for name, curve in curves.items()}


def label_ticks(
    axis: "Axis", labels: Sequence[Any] | None, count: int, function: str, argument: str
) -> None:
    """Label the places 0, 1, ... of an axis with tokens, or number them from 1.

    Raises:
        ValueError: If there are more or fewer labels than places.

    Example:
        >>> axes = new_figure(4, 3).add_subplot()
        >>> label_ticks(axes.xaxis, ["a", "b"], 2, "plot_gates", "tokens")
        >>> [tick.get_text() for tick in axes.get_xticklabels()]
        ['a', 'b']
    """
    if labels is not None and len(labels) != count:
        raise ValueError(
            f"{function}: {argument} has {len(labels)} entries, but there are {count}: give one "
            "for each, and cut off the padding."
        )
    if labels is None:
        places = _numbered(count, _nice(count / 10))
        axis.set_ticks(places, [str(k + 1) for k in places])
        return
    places = list(range(0, count, -(-count // MOST_LABELS)))
    axis.set_ticks(places, [_visible(labels[k]) for k in places])
    if count > MANY_LABELS:
        axis.set_tick_params(labelsize="x-small")
    if axis is axis.axes.xaxis and max(len(str(label)) for label in labels) > 2:
        axis.set_tick_params(rotation=90)


def _numbered(count: int, every: int) -> list[int]:
    """The places of 1 and the multiples of ``every``, or of every other one from 1."""
    if every <= 2:
        return list(range(0, count, every))
    return [0, *range(every - 1, count, every)]


def _nice(at_least: float) -> int:
    """The next of 1, 2, 5, 10, 20, 50, ..."""
    size = 1
    while True:
        for factor in (1, 2, 5):
            if factor * size >= at_least:
                return factor * size
        size *= 10


def _visible(token: Any) -> str:
    """A token as it can be read on an axis: a space, a line break and a dollar show."""
    names = {" ": "␣", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return "".join(names.get(c, "\\$" if c == "$" else c) for c in str(token))


def finish_axes(axes: "Axes") -> None:
    """The house's look: no frame above and to the right, a faint grid.

    Example:
        >>> finish_axes(new_figure(4, 3).add_subplot())
    """
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3, linewidth=0.6)

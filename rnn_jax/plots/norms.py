"""Norms of Jacobians and gradients over time, and Lyapunov spectra."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from rnn_jax.plots.figures import as_curves, finish_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_jacobian_norms(norms: Any, *, title: str = "") -> "Figure":
    """How a change of the first state shrinks or grows over time, on a logarithmic scale.

    Args:
        norms: What ``analysis.jacobian_norms`` gives, (T,) or (T, B), or several such by name. Of a
            batch the median is drawn, and a band from the least to the largest; 0 and inf are left
            out.
        title: Above the picture.

    Returns:
        A Matplotlib figure.

    Raises:
        ValueError: If an array has more axes than time and batch, or there is none.
        ImportError: If Matplotlib is not installed.

    Example:
        >>> figure = plot_jacobian_norms({"0.5": [0.5, 0.25, 0.125], "1": [1.0, 1.0, 1.0]})
        >>> figure.axes[0].get_yscale(), [text.get_text() for text in figure.axes[0].texts]
        ('log', [])
    """
    label = r"$\|\partial s_t / \partial s_0\|$"
    figure, axes = _over_time(norms, "plot_jacobian_norms", label, title)
    axes.axhline(1, color="0.4", linestyle="--", linewidth=0.9, zorder=1)
    return figure


def plot_gradient_norms(norms: Any, *, title: str = "") -> "Figure":
    """How much of a loss's gradient arrives at each step, on a logarithmic scale.

    Args:
        norms: What ``analysis.gradient_norms`` or ``input_gradient_norms`` gives, (T,) or (T, B),
            or several such by name. Of a batch the median is drawn, and a band from the least to
            the largest; 0, such as that of padding, and inf are left out.
        title: Above the picture.

    Returns:
        A Matplotlib figure.

    Raises:
        ValueError: If an array has more axes than time and batch, or there is none.
        ImportError: If Matplotlib is not installed.

    Example:
        >>> plot_gradient_norms([0.25, 0.5, 1.0]).axes[0].get_xlabel()
        'step t'
    """
    return _over_time(norms, "plot_gradient_norms", "norm of the gradient at step t", title)[0]


def plot_lyapunov(exponents: Any, *, title: str = "") -> "Figure":
    """A Lyapunov spectrum: above zero nearby trajectories part, below they meet.

    Args:
        exponents: What ``analysis.lyapunov_exponents`` gives, (K,), or (B, K) of which each row is
            drawn, or several such by name. What is -inf is left out.
        title: Above the picture.

    Returns:
        A Matplotlib figure.

    Raises:
        ValueError: If an array has more axes than rows and exponents, or there is none.
        ImportError: If Matplotlib is not installed.

    Example:
        >>> plot_lyapunov([0.419, -1.623]).axes[0].get_ylabel()
        'exponent per step'
    """
    named = exponents if isinstance(exponents, Mapping) else {"": exponents}
    last_first = {name: np.asarray(value, float).T for name, value in named.items()}
    curves = as_curves(last_first, "plot_lyapunov", "(K,) or (B, K)")
    figure = new_figure(6, 4)
    axes = figure.add_subplot()
    axes.axhline(0, color="0.4", linestyle="--", linewidth=0.9, zorder=1)
    for k, (name, curve) in enumerate(curves.items()):
        curve = np.where(np.isfinite(curve), curve, np.nan)
        places = np.arange(1, len(curve) + 1)
        for row in curve.T:
            axes.plot(places, row, marker="o", markersize=4, linewidth=0.9, color=f"C{k}")
        axes.get_lines()[-1].set_label(name or "_nothing")
    axes.set_xlim(0.5, max(map(len, curves.values())) + 0.5)
    axes.set(xlabel="number, largest first", ylabel="exponent per step", title=title)
    _finish(axes, curves)
    return figure


def _over_time(norms: Any, function: str, label: str, title: str) -> tuple["Figure", "Axes"]:
    """Median and range over the batch against the step, each array in a colour of its own."""
    curves = as_curves(norms, function, "(T,) or (T, B)")
    figure = new_figure(7, 4)
    axes = figure.add_subplot()
    for name, curve in curves.items():
        steps = np.arange(1, len(curve) + 1)
        # The median counts zeros as small and infinities as large: only its own are left out.
        middle = np.median(np.where(np.isnan(curve), 0, curve), axis=1)
        (line,) = axes.plot(steps, _drawn(middle), label=name or "_nothing")
        curve = _drawn(curve)
        if curve.shape[1] > 1:
            low = np.fmin.reduce(curve, axis=1)
            high = np.fmax.reduce(curve, axis=1)
            axes.fill_between(steps, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    axes.set_yscale("log")
    axes.set_xlim(1, max(2, *map(len, curves.values())))
    axes.set(xlabel="step t", ylabel=label, title=title)
    _finish(axes, curves)
    return figure, axes


def _drawn(norms: np.ndarray) -> np.ndarray:
    """NaN in place of what has no place on a logarithmic axis."""
    return np.where((norms > 0) & (norms < np.inf), norms, np.nan)


def _finish(axes: "Axes", curves: Mapping[str, np.ndarray]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    finish_axes(axes)
    if any(curves):
        axes.legend(frameon=False)

"""The loss curve of a run as a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def loss_curve(
    path: str | Path,
    metrics: list[dict[str, Any]],
    floors: Mapping[str, float] | None = None,
    title: str = "",
    unit: str = "character",
) -> None:
    """Draws training and held-out loss over the steps, with levels to compare with.

    Args:
        path: the picture; its ending names the format.
        metrics: lines of metrics.jsonl: `loss` (training) or `held_out_loss` by `step`, in nats
            per unit.
        floors: name and height of horizontal lines, in nats per unit.
        title: above the picture.
        unit: what the loss is per: "character", "word".

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = Path(directory) / "curve.png"
        ...     loss_curve(path, [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.5}])
        ...     path.read_bytes()[1:4]
        b'PNG'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)  # draws without a display, whatever backend the user has set
    axes = figure.add_subplot()
    levels = list((floors or {}).values())
    steps, losses = _series(metrics, "loss")
    if steps.size:
        axes.plot(steps, losses, color="0.85", linewidth=0.8, label="training, each step")
        steps, losses = _block_means(steps, losses, blocks=100)
        axes.plot(steps, losses, color="tab:blue", label="training, average")
        levels.append(losses.min())
    steps, losses = _series(metrics, "held_out_loss")
    if steps.size:
        label = f"held out, last {losses[-1]:.3f}"
        axes.plot(steps, losses, color="tab:orange", marker="o", markersize=4, label=label)
        levels.extend(losses)
    for (name, height), style in zip((floors or {}).items(), ("--", "-.", ":", "-")):
        axes.axhline(height, color="0.3", linestyle=style, label=f"{name} {height:.3f}")
    axes.set(xlabel="step", ylabel=f"nats per {unit}", title=title)
    span = np.ptp(levels) if levels else 0.0
    if span > 0:  # the first steps would squeeze the rest flat
        axes.set_ylim(min(levels) - 0.1 * span, max(levels) + 0.3 * span)
    in_bits = axes.secondary_yaxis("right", functions=(_to_bits, _to_nats))
    in_bits.set_ylabel(f"bits per {unit}")
    axes.grid(alpha=0.3)
    if axes.get_lines():
        axes.legend(loc="upper right", framealpha=1)
    figure.savefig(path, dpi=120)


def _to_bits(nats: Any) -> Any:
    return nats / np.log(2)


def _to_nats(bits: Any) -> Any:
    return bits * np.log(2)


def _series(metrics: list[dict[str, Any]], name: str) -> tuple[np.ndarray, np.ndarray]:
    points = [(line["step"], line[name]) for line in metrics if line.get(name) is not None]
    steps, values = np.array(points, float).reshape(-1, 2).T
    return steps, values


def _block_means(x: np.ndarray, y: np.ndarray, blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """Means over consecutive blocks of at least one point."""
    edges = np.unique(np.linspace(0, x.size, min(blocks, x.size) + 1).astype(int))[:-1]
    counts = np.diff([*edges, x.size])
    return np.add.reduceat(x, edges) / counts, np.add.reduceat(y, edges) / counts

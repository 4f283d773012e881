"""Speech as a recogniser sees it: its features, and where each label was heard."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rnn_jax.plots.figures import as_matrix, label_ticks, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_speech(
    features: Any,
    weights: Any,
    labels: Sequence[Any],
    *,
    seconds: float,
    title: str = "",
) -> "Figure":
    """A spectrogram, and under it, over the same time, the weights of each label.

    Args:
        features: (T, F) log-mel features of one recording, lowest band first.
        weights: (U, T') where each label was heard; of any number of steps, which share the time
            evenly. ``models.speech_alignment`` gives them.
        labels: U of them, such as characters.
        seconds: How long the recording is.
        title: Above the picture, such as the transcript.

    Returns:
        A Matplotlib figure.

    Raises:
        ValueError: If an array has not two axes, or the labels are not as many as the rows.
        ImportError: If Matplotlib is not installed.

    Example:
        >>> figure = plot_speech([[0.0, 1.0], [2.0, 0.5]], [[0.9, 0.1]], ["a"], seconds=0.02)
        >>> [axes.get_ylabel() for axes in figure.axes[:2]]
        ['mel band', 'label']
    """
    remedy = "Choose a row of the batch, {}[row]."
    sound = as_matrix(features, "plot_speech", "features", "(T, F)", remedy.format("features"))
    where = as_matrix(weights, "plot_speech", "weights", "(U, T')", remedy.format("weights"))
    figure = new_figure(8.0, 3.4 + min(max(0.22 * len(where), 1.2), 7.0))
    upper, lower = figure.subplots(
        2, 1, sharex=True, height_ratios=(1.6, min(max(0.22 * len(where), 1.2), 7.0))
    )
    extent = (0.0, seconds, -0.5, sound.shape[1] - 0.5)
    upper.imshow(sound.T, origin="lower", aspect="auto", cmap="magma", extent=extent)
    upper.set(ylabel="mel band", title=title)
    extent = (0.0, seconds, len(where) - 0.5, -0.5)
    lower.imshow(where, aspect="auto", cmap="Blues", vmin=0, interpolation="nearest", extent=extent)
    label_ticks(lower.yaxis, labels, len(where), "plot_speech", "labels")
    lower.set(xlabel="seconds", ylabel="label")
    for axes in (upper, lower):
        axes.tick_params(length=0)
    return figure

"""The drawing of an automaton: every state and transition is there, and nothing lies on another."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from rnn_jax.analysis import Automaton  # noqa: E402
from rnn_jax.plots import plot_automaton  # noqa: E402

MACHINE = Automaton(((1, 2), (1, 3), (2, 0), (-1, -1)), (-1, 0, 1, 7), start=0)


def test_everything_is_drawn_once():
    figure = plot_automaton(MACHINE, symbols="ab", title="some machine")
    (axes,) = figure.axes
    circles = np.array([patch.center for patch in axes.patches])
    distances = np.linalg.norm(circles[:, None] - circles[None], axis=-1)
    assert len(circles) == 4 and distances[~np.eye(4, dtype=bool)].min() > 3 * 0.28
    texts = sorted(text.get_text() for text in axes.texts if text.get_text())
    assert texts == sorted(["0", "1", "7", *"aabbab"])
    arrows = [text for text in axes.texts if getattr(text, "arrow_patch", None)]
    assert len(arrows) == 1 + 6  # one to the start
    (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert (circles > [low, bottom]).all() and (circles < [high, top]).all()
    assert len(figure._repr_png_()) > 1000


def test_too_few_names_are_refused():
    with pytest.raises(ValueError, match="symbols has 1 names for 2"):
        plot_automaton(MACHINE, symbols="a")
    with pytest.raises(ValueError, match="outputs has 3 names for 4"):
        plot_automaton(MACHINE, outputs="abc")

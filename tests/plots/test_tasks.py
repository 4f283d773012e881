"""Pictures of tasks: images and what they were taken for, words that weigh, confusion."""

import numpy as np
import pytest

from rnn_jax import plots


def test_misread_images_come_first_the_surest_at_the_front():
    images = np.arange(5)[:, None, None] * np.ones((5, 2, 3))
    chances = [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7], [0.45, 0.55]]
    figure = plots.plot_predictions(images, [1, 1, 1, 1, 1], chances, columns=2, title="so")
    shown = [axes.get_images()[0].get_array()[0, 0] for axes in figure.axes[:5]]
    assert shown == [0, 2, 4, 3, 1] and figure.get_suptitle() == "so"
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:3] == ["0, not 1\n90 %", "0, not 1\n60 %", "1\n55 %"] and titles[5] == ""
    assert figure.axes[0].title.get_color() == "firebrick" != figure.axes[2].title.get_color()
    assert len(plots.plot_predictions(images, [0] * 5, chances, rows=1, columns=3).axes) == 3


def test_words_are_darker_where_they_weigh_more():
    texts = [["so", "good"], [f"word{k}" for k in range(40)]]
    weights = [[0.2, 0.8], np.full(40, 1 / 40)]
    figure = plots.plot_words(texts, weights, ["pos", "neg $"], wrong=[False, True])
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts[:4]] == ["pos", "so", "good", r"neg \$"]
    assert [axes.texts[k].get_color() for k in (0, 3)] == ["dimgray", "firebrick"]
    first, second = (bar.get_facecolor()[0] for bar in axes.patches[:2])
    np.testing.assert_allclose([first, second], [1 - 0.97 / 4, 0.03])
    rows = {text.get_position()[1] for text in axes.texts[4:]}
    assert len(rows) > 2 and max(text.get_position()[0] for text in axes.texts) < 88


def test_confusion_has_shares_and_counts():
    figure = plots.plot_confusion([[3, 1], [0, 0]], ["a", "b"], title="so")
    axes = figure.axes[0]
    np.testing.assert_array_equal(axes.get_images()[0].get_array(), [[0.75, 0.25], [0, 0]])
    assert [text.get_text() for text in axes.texts] == ["3", "1"]
    assert axes.get_xlabel() == "taken for" and axes.get_title() == "so"


def test_what_does_not_fit_is_refused():
    for call, message in (
        (lambda: plots.plot_predictions(np.ones((2, 3, 3)), [1], [[1.0]]), "must be N images"),
        (lambda: plots.plot_words([["a"]], [[0.5, 0.5]], ["x"]), "cut off the padding"),
        (lambda: plots.plot_words([["a"]], [[0.5]], []), "0 titles"),
        (lambda: plots.plot_confusion(np.ones((2, 3)), "ab"), "must be square"),
        (lambda: plots.plot_confusion(np.ones((2, 2)), "abc"), "labels has 3 entries"),
    ):
        with pytest.raises(ValueError, match=message):
            call()

"""Pictures of music and of futures."""

import numpy as np
import pytest

from rnn_jax import plots


def test_rolls_share_their_keys_and_show_what_was_given():
    roll = np.zeros((5, 88))
    roll[1, 40], roll[3, 45] = 1, 0.5
    figure = plots.plot_rolls({"came": roll, "made": roll[::-1]}, given={"made": 2}, title="so")
    came, made = figure.axes
    shown = came.get_images()[0]
    np.testing.assert_array_equal(shown.get_array(), roll[:, 40:46].T)
    assert shown.get_extent() == [0.5, 5.5, 39.5, 45.5]
    assert not came.lines and made.lines[0].get_xdata()[0] == 2.5
    assert (came.get_ylabel(), figure.get_suptitle()) == ("came", "so")


def test_futures_begin_where_the_past_ends():
    past, came = np.random.default_rng(0).standard_normal((2, 4, 3, 2, 2))
    futures = came[:, None] + np.zeros((4, 5, 3, 2, 2))
    figure = plots.plot_futures(past, futures, came, titles="abcd")
    lines = figure.axes[3].lines
    assert [axes.get_title() for axes in figure.axes[:4]] == list("abcd") and len(lines) == 14
    np.testing.assert_array_equal(lines[0].get_xydata(), past[3, :, 0])
    for line in lines[1:7]:
        np.testing.assert_array_equal(line.get_xydata()[0], past[3, -1, 0])
        np.testing.assert_array_equal(line.get_xydata()[1:], came[3, :, 0])
    assert lines[6].get_color() == "black" and lines[7].get_color() == "C1"


def test_what_does_not_fit_is_refused():
    for call, message in (
        (lambda: plots.plot_rolls({}), "nothing to draw"),
        (lambda: plots.plot_rolls({"a": np.ones((2, 3, 88))}), "Give the rolls of single pieces"),
        (lambda: plots.plot_futures(np.ones((1, 2, 1, 2)), np.ones((2, 2, 3, 1, 2))), "must be"),
    ):
        with pytest.raises(ValueError, match=message):
            call()

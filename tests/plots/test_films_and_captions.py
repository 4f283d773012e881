"""Pictures of captions with their attention, and of films with their errors."""

import numpy as np
import pytest

from rnn_jax import plots


def test_an_image_is_bright_where_was_looked():
    images = [np.full((4, 4, 3), 255.0), np.full((4, 4, 3), 51.0)]
    maps = [np.zeros((2, 2, 2)), np.full((1, 2, 2), 0.25)]
    maps[0][0, 0, 1], maps[0][1] = 0.8, [[0, 0.2], [0.4, 0.4]]
    figure = plots.plot_captions(images, ["a dog", "cat"], maps, wrong=[False, True], title="so")
    first, a, dog, second, cat, _ = figure.axes
    assert figure.get_suptitle() == "so"
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["a dog", "a", "dog", "cat", "cat", ""]
    assert [axes.title.get_color() for axes in (first, second)] == ["black"] * 2
    colours = [axes._left_title.get_color() for axes in (first, second)]
    assert colours == ["black", "firebrick"]
    shown = a.get_images()[0].get_array()
    np.testing.assert_allclose(shown[:2, 2:], 1)
    np.testing.assert_allclose([shown[0, 0], shown[3, 3]], 0.15)
    np.testing.assert_allclose(dog.get_images()[0].get_array()[1, 3], 0.15 + 0.85 * 0.5)
    np.testing.assert_allclose(cat.get_images()[0].get_array(), 0.2)
    assert len(plots.plot_captions(images, ["a dog", ""]).axes) == 2


def test_films_are_strips_and_the_line_stands_behind_what_was_seen():
    film = np.arange(3 * 4).reshape(3, 2, 2) / 12
    figure = plots.plot_frames({"true": film, "next": film}, errors={"e": [0, 1, 4]}, seen=2)
    true, _, curve = figure.axes
    strip = true.get_images()[0].get_array()
    np.testing.assert_allclose(strip[:, [0, 1, 3, 4, 6, 7]], film.swapaxes(0, 1).reshape(2, 6))
    assert true.get_ylabel() == "true" and true.get_lines()[0].get_xdata() == [2.5, 2.5]
    np.testing.assert_array_equal(curve.get_lines()[0].get_ydata(), [0, 1, 4])
    assert len(plots.plot_frames({"true": film}).axes) == 1


def test_what_does_not_fit_is_refused():
    image, film = np.zeros((4, 4, 3)), np.zeros((3, 2, 2))
    for call, message in (
        (lambda: plots.plot_captions([image], ["a", "b"]), "1 images, 2 captions"),
        (lambda: plots.plot_captions([image], ["a b"], [np.ones((1, 2, 2))]), "one map for each"),
        (lambda: plots.plot_frames({"a": film, "b": film[1:]}), "must all have T frames"),
        (lambda: plots.plot_frames({"a": film}, errors={"e": [1]}), "must all have T frames"),
    ):
        with pytest.raises(ValueError, match=message):
            call()

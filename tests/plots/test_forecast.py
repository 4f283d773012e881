"""Forecasts and runs, drawn."""

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from rnn_jax.plots import plot_forecast, plot_runs  # noqa: E402


def test_a_forecast_stands_behind_what_was_read():
    past, future = np.arange(8.0).reshape(4, 2), np.arange(6.0).reshape(3, 2)
    bands = {0.5: (future - 1, future + 1), 0.9: (future - 2, future + 2)}
    figure = plot_forecast(past, future, bands, {"a": future + 0.5, "b": future}, names="xy")
    first, second = figure.axes
    assert [axes.get_ylabel() for axes in figure.axes] == ["x", "y"]
    read, a, b, came = first.get_lines()[:4]
    assert read.get_xdata().tolist() == [-3, -2, -1, 0] and read.get_ydata().tolist() == [
        0,
        2,
        4,
        6,
    ]
    assert a.get_xdata().tolist() == [1, 2, 3] and a.get_ydata().tolist() == [0.5, 2.5, 4.5]
    assert came.get_ydata().tolist() == b.get_ydata().tolist() == [0, 2, 4]
    wide = second.collections[0].get_paths()[0].get_extents()
    assert (wide.x0, wide.x1, wide.y0, wide.y1) == (1, 3, -1, 7)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["90 %", "50 %", "a", "b", "what came"]
    alone = plot_forecast(past, None, {}, {"a": future})
    assert len(alone.axes[0].get_lines()) == 3 and len(alone._repr_png_()) > 1000


def test_runs_and_their_floors():
    figure = plot_runs({"a": [(1, 0.5), (2, 0.25)]}, floors={"f": 0.4}, log=True, label="wrong")
    (axes,) = figure.axes
    assert axes.get_yscale() == "log" and axes.get_ylabel() == "wrong"
    run, floor = axes.get_lines()
    assert run.get_xydata().tolist() == [[1, 0.5], [2, 0.25]] and set(floor.get_ydata()) == {0.4}

"""Pictures: the data that is in them, their labels, and what cannot be drawn."""

import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import plots
from rnn_jax.analysis import Saturation

RANDOM = np.random.default_rng(0)


def ticks(axis):
    return [tick.get_text() for tick in axis.get_ticklabels()]


def test_gates_are_drawn_in_the_order_of_the_equations():
    gates = {name: RANDOM.uniform(size=(5, 3)) for name in "fgio"}
    figure = plots.plot_gates(gates, tokens=["a", " ", "\n", "$", "b"], title="reads")
    panels, bars = figure.axes[:4], figure.axes[4:]
    for axes, name in zip(panels, "ifgo", strict=True):
        (picture,) = axes.get_images()
        np.testing.assert_array_equal(picture.get_array(), gates[name].T)
        assert picture.get_clim() == ((-1, 1) if name == "g" else (0, 1))
        assert axes.get_title(loc="left").endswith(f" {name}") and axes.get_ylabel() == "unit"
        assert ticks(axes.yaxis) == ["1", "2", "3"]
    assert ticks(panels[-1].xaxis) == ["a", "␣", "\\n", "\\$", "b"]
    assert [bar.get_ylabel() for bar in bars] == ["activation"] * 4
    assert panels[-1].get_xlabel() == "token" and figure.get_suptitle() == "reads"
    figure = plots.plot_gates({"z": jnp.zeros((30, 24), jnp.bfloat16)})
    assert ticks(figure.axes[0].xaxis) == ["1", "5", "10", "15", "20", "25", "30"]
    assert ticks(figure.axes[0].yaxis) == ["1", "5", "10", "15", "20"]


def test_saturation_has_a_point_for_each_unit():
    share = Saturation(low=jnp.array([0.1, 0.8]), high=jnp.array([0.6, 0.0]))
    figure = plots.plot_saturation({"z": share, "r": share}, low=0.2, high=0.8)
    assert [axes.get_title() for axes in figure.axes] == ["reset gate r", "update gate z"]
    for axes in figure.axes:
        np.testing.assert_allclose(axes.collections[0].get_offsets(), [[0.1, 0.6], [0.8, 0.0]])
        assert axes.get_xlabel() == "share of steps below 0.2"
    assert figure.axes[0].get_ylabel() == "share of steps above 0.8"


def test_speech_has_sound_and_weights_over_the_same_time():
    sound, weights = RANDOM.normal(size=(40, 12)), RANDOM.dirichlet(np.ones(10), size=2)
    figure = plots.plot_speech(sound, weights, ["h", " "], seconds=0.4, title="h")
    upper, lower = figure.axes
    np.testing.assert_array_equal(upper.get_images()[0].get_array(), sound.T)
    np.testing.assert_array_equal(lower.get_images()[0].get_array(), weights)
    assert upper.get_xlim() == lower.get_xlim() == (0, 0.4) and lower.get_xlabel() == "seconds"
    assert ticks(lower.yaxis) == ["h", "␣"] and upper.get_title() == "h"


def test_alignment_has_the_weights_and_the_tokens():
    weights = RANDOM.dirichlet(np.ones(4), size=3)
    figure = plots.plot_alignment(jnp.asarray(weights), source=["le", "chat", "dort", "."])
    axes, bar = figure.axes
    (picture,) = axes.get_images()
    np.testing.assert_array_equal(picture.get_array(), weights)
    assert picture.get_clim() == (0, weights.max())
    assert ticks(axes.xaxis) == ["le", "chat", "dort", "."] and ticks(axes.yaxis) == ["1", "2", "3"]
    assert axes.xaxis.get_ticklabels()[0].get_rotation() == 90  # words do not fit side by side
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("source", "target")
    assert bar.get_ylabel() == "attention weight"
    many = plots.plot_alignment(np.ones((2, 161)) / 161, source=[str(k) for k in range(161)])
    assert ticks(many.axes[0].xaxis)[:3] == ["0", "3", "6"]  # as many as can be read


@pytest.mark.parametrize("draw", [plots.plot_jacobian_norms, plots.plot_gradient_norms])
def test_norms_are_drawn_with_median_and_range(draw):
    batch = np.exp(RANDOM.standard_normal((6, 3)))
    batch[4] = [0.0, 0.0, 1.0]  # a median of zero, or of inf, has no place on a logarithmic axis
    batch[5] = [np.inf, np.inf, 1.0]
    axes = draw({"GRU": batch, "LSTM": batch[:, 0]}, title="over time").axes[0]
    first, second, *reference = axes.get_lines()
    np.testing.assert_array_equal(first.get_xdata(), [1, 2, 3, 4, 5, 6])
    np.testing.assert_allclose(first.get_ydata(), [*np.median(batch[:4], axis=1), np.nan, np.nan])
    np.testing.assert_allclose(second.get_ydata(), [*batch[:4, 0], np.nan, np.nan])
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    for t in range(4):
        heights = corners[corners[:, 0] == t + 1, 1]
        np.testing.assert_allclose([heights.min(), heights.max()], [batch[t].min(), batch[t].max()])
    assert axes.get_yscale() == "log" and axes.get_xlim() == (1, 6)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["GRU", "LSTM"]
    assert axes.get_title() == "over time" and axes.get_xlabel() == "step t"
    if draw is plots.plot_jacobian_norms:
        assert list(reference[0].get_ydata()) == [1, 1]
    assert draw(batch[:, 0]).axes[0].get_legend() is None


def test_lyapunov_has_a_line_for_each_row():
    exponents = np.array([[0.5, -1.0, -np.inf], [0.4, -1.1, -3.0]])
    axes = plots.plot_lyapunov({"chaos": exponents, "order": [-0.1, -0.2]}).axes[0]
    zero, *lines = axes.get_lines()
    assert list(zero.get_ydata()) == [0, 0]
    np.testing.assert_array_equal(lines[0].get_ydata(), [0.5, -1.0, np.nan])
    np.testing.assert_array_equal(lines[1].get_ydata(), exponents[1])
    np.testing.assert_array_equal(lines[2].get_ydata(), [-0.1, -0.2])
    np.testing.assert_array_equal(lines[1].get_xdata(), [1, 2, 3])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["chaos", "order"]


def test_a_figure_is_drawn_and_shows_itself_in_a_notebook():
    for figure in (
        plots.plot_gates({"f": np.ones((2, 3))}),
        plots.plot_jacobian_norms([1.0, np.inf]),  # exploded: drawn without a warning
    ):
        assert figure._repr_png_()[:8] == b"\x89PNG\r\n\x1a\n"


ROWS = np.ones((2, 3, 4))
BAD = [
    (lambda: plots.plot_gates({"f": ROWS}), r"gates\['f'\] has shape \(2, 3, 4\).*Choose a row"),
    (lambda: plots.plot_gates({}), "no gate"),
    (lambda: plots.plot_saturation({}), "no gate"),
    (lambda: plots.plot_gates(ROWS[0]), "plot_gates: a ndarray has no names: give a dictionary"),
    (lambda: plots.plot_saturation(Saturation(ROWS, ROWS)), "a Saturation has no names"),
    (lambda: plots.plot_gates({"f": ROWS[0]}, tokens="ab"), "tokens has 2 entries, .* are 3"),
    (lambda: plots.plot_alignment(ROWS), r"weights has shape \(2, 3, 4\).*head"),
    (lambda: plots.plot_alignment(ROWS[:0, 0]), r"\(0, 4\)"),
    (lambda: plots.plot_alignment(ROWS[0], source="ab"), "source has 2 entries, .* are 4"),
    (lambda: plots.plot_alignment(ROWS[0], target="ab"), "target has 2 entries, .* are 3"),
    (lambda: plots.plot_jacobian_norms(ROWS), r"the array has shape \(2, 3, 4\)"),
    (lambda: plots.plot_gradient_norms({"GRU": 1.0}), r"'GRU' has shape \(\)"),
    (lambda: plots.plot_lyapunov({}), "nothing to draw"),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_what_cannot_be_drawn_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_matplotlib_is_loaded_late_and_asked_for_by_name():
    code = (
        "import sys; from rnn_jax import plots; assert 'matplotlib' not in sys.modules\n"
        "sys.modules['matplotlib.figure'] = None\n"
        "try: plots.plot_alignment([[1.0]])\n"
        "except ImportError as error: print(error)\n"
        "del sys.modules['matplotlib.figure']; plots.plot_lyapunov([1.0])\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0 and "the extra 'plots'" in run.stdout, run.stderr

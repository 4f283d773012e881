"""Deep input, transition and output against the paper's equations in NumPy."""

import numpy as np
import pytest

from rnn_jax import cells
from tests.cells.reference import assert_close, differentiate, run
from tests.cells.wrappers.drawn import elman, lstm, numbers_for

ELMAN = cells.Elman(input_size=5, hidden_size=4)


def mlp(layers, x, extra=0.0):
    for k, (w, b) in enumerate(layers):
        x = np.tanh(x @ np.asarray(w) + np.asarray(b) + (extra if k == len(layers) - 1 else 0.0))
    return x


@pytest.mark.parametrize("shortcut", [False, True])
def test_deep_maps_equal_the_paper(shortcut):
    cell = cells.Deep(
        cell=ELMAN,
        input_sizes=(3, 6),
        transition_sizes=(7, 4),
        output_sizes=(5, 2),
        shortcut=shortcut,
    )
    assert (cell.input_size, cell.output_size) == (3, 2)
    params, xs = numbers_for(cell)
    shapes = [[layer.w.shape for layer in part] for part in params[1:4]]
    assert shapes == [[(3, 6), (6, 5)], [(4, 7), (7, 4)], [(4, 5), (5, 2)]]
    h, want = np.zeros((3, 4)), []
    for x in np.asarray(xs):
        extra = h @ np.asarray(params.w_s) if shortcut else 0.0
        h = mlp(params.transition, elman(params.cell, h, mlp(params.input, x)), extra)
        want.append(mlp(params.output, h))
    final, ys = run(cell, params, xs)
    assert_close((final.h, ys), (h, np.stack(want)))


def test_an_lstm_goes_through_its_transition_too():
    inner = cells.LSTM(input_size=3, hidden_size=4)
    cell = cells.Deep(cell=inner, transition_sizes=(4,))
    params, xs = numbers_for(cell)
    h = c = np.zeros((3, 4))
    for x in np.asarray(xs):
        h, c = lstm(params.cell, h, c, x)
        h = mlp(params.transition, h)
    assert_close(run(cell, params, xs)[0], cells.LSTMState(h=h, c=c))


def test_without_layers_it_is_the_cell():
    cell = cells.Deep(cell=ELMAN)
    params, xs = numbers_for(cell)
    assert params[1:] == ((), (), (), None)
    found, (d_params, *others) = differentiate(cell, params, cell.initial_state(params, (3,)), xs)
    want, (d_cell, *expected) = differentiate(
        ELMAN, params.cell, ELMAN.initial_state(params.cell, (3,)), xs
    )
    assert_close((found, d_params.cell, others), (want, d_cell, expected), 0.0)


def test_capabilities_stay_where_they_are_true():
    affine = cells.MinGRU(input_size=5, hidden_size=4)
    assert cells.is_affine(cells.Deep(cell=affine, input_sizes=(3,), output_sizes=(2,)))
    assert not cells.is_affine(cells.Deep(cell=affine, transition_sizes=(4,)))
    assert cells.is_gated(cells.Deep(cell=ELMAN, transition_sizes=(4,)))


def test_bad_widths_are_refused():
    with pytest.raises(ValueError, match=r"input_sizes are widths of at least 1, got \(0,\)"):
        cells.Deep(cell=ELMAN, input_sizes=(0,))
    with pytest.raises(ValueError, match=r"transition_sizes=\(4, 3\) must end in the width.*Elman"):
        cells.Deep(cell=ELMAN, transition_sizes=(4, 3))
    with pytest.raises(ValueError, match="shortcut=True goes past transition_sizes"):
        cells.Deep(cell=ELMAN, shortcut=True)
    two = cells.Stacked(cells=(ELMAN, cells.Elman(input_size=4, hidden_size=4)))
    with pytest.raises(ValueError, match="one leaf h, but the state of Stacked"):
        cells.Deep(cell=two, transition_sizes=(4,))
    assert cells.Deep(cell=ELMAN, input_sizes=[3]) == cells.Deep(cell=ELMAN, input_sizes=(3,))

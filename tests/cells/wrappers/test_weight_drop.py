"""Weight drop: the loop runs with weights zero or scaled, the same for all rows and steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers
from tests.cells.reference import assert_close, run
from tests.cells.wrappers.drawn import KEY, drawn, lstm, numbers_for

LSTM = cells.LSTM(input_size=3, hidden_size=4)
CELL = cells.WeightDrop(cell=LSTM, rate=0.4)


def test_it_is_the_cell_with_dropped_weights():
    params, xs = numbers_for(CELL)
    dropped = drawn(CELL, params, xs).params
    ratio = np.asarray(dropped.w_h / params.w_h)
    kept = ratio != 0
    np.testing.assert_allclose(ratio, kept / 0.6, rtol=1e-15)
    assert 0.4 < kept.mean() < 0.8 and dropped.w_x is params.w_x and dropped.b is params.b
    h = c = np.zeros((3, 4))
    want = []
    for x in np.asarray(xs):
        h, c = lstm(params._replace(w_h=np.asarray(params.w_h) * kept / 0.6), h, c, x)
        want.append(h)
    final, ys = drivers.scan(CELL, params, xs, key=KEY)
    assert_close((ys, final.c), (np.stack(want), c))
    assert_close(run(CELL, params, xs), run(LSTM, params, xs), 0.0)


def test_the_first_step_is_the_same_and_all_others_differ():
    params, xs = numbers_for(CELL)
    _, one = drivers.scan(CELL, params, xs, key=KEY)
    _, two = drivers.scan(CELL, params, xs, key=jax.random.key(1))
    assert_close(one[0], two[0], 0.0)
    assert bool((one[1:] != two[1:]).any(axis=(1, 2)).all())
    same = jnp.tile(xs[:, :1], (1, 3, 1))
    _, ys = drivers.scan(CELL, params, same, key=KEY)
    assert_close(ys[:, 1:], ys[:, :1].repeat(2, 1), 1e-15)


def test_gradients_reach_the_weights_that_are_kept():
    params, xs = numbers_for(CELL)
    kept = drawn(CELL, params, xs).params.w_h != 0
    for gradient in ("deferred", "autodiff"):
        d = jax.grad(
            lambda p: drivers.scan(CELL, p, xs, key=KEY, gradient=gradient)[1].sum()  # noqa: B023
        )(params)
        assert bool(((d.w_h != 0) == kept).all())


def test_names_choose_the_weights_wherever_they_lie():
    stack = cells.Stacked(cells=(LSTM, cells.MultiplicativeLSTM(input_size=4, hidden_size=2)))
    cell = cells.WeightDrop(cell=stack, rate=0.5, names=("w_h", "w_mh"))
    params, xs = numbers_for(cell)
    new = drawn(cell, params, xs).params
    changed = [
        jax.tree_util.keystr(path)
        for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(params), jax.tree.leaves(new))
        if a is not b
    ]
    assert changed == ["[0].w_h", "[1].w_mh"]
    assert cells.is_affine(
        cells.WeightDrop(cell=cells.MinGRU(input_size=3, hidden_size=4), rate=0.5, names=("w_x",))
    )


def test_bad_choices_are_refused():
    with pytest.raises(ValueError, match=r"names=\('u',\).*LSTM are \['b', 'w_h', 'w_x'\]"):
        cells.WeightDrop(cell=LSTM, rate=0.5, names=("u",))
    with pytest.raises(ValueError, match=r"names=\(\)"):
        cells.WeightDrop(cell=LSTM, rate=0.5, names=())
    with pytest.raises(ValueError, match=r"rate must lie in \[0, 1\), got 1"):
        cells.WeightDrop(cell=LSTM, rate=1.0)

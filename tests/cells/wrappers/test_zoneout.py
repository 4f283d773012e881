"""Zoneout against the paper's equations in NumPy, at its ends, and in expectation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers
from tests.cells.reference import assert_close, run
from tests.cells.wrappers.drawn import KEY, drawn, lstm, numbers_for

LSTM = cells.LSTM(input_size=3, hidden_size=4)


def by_hand(params, xs, mix_h, mix_c):
    h = c = np.zeros((xs.shape[1], 4))
    ys = []
    for t, x in enumerate(np.asarray(xs)):
        new_h, new_c = lstm(params, h, c, x)
        h, c = mix_h(t, h, new_h), mix_c(t, c, new_c)
        ys.append(h)
    return np.stack(ys), c


def test_training_and_evaluation_equal_the_paper():
    cell = cells.Zoneout(cell=LSTM, h_rate=0.3, c_rate=0.6)
    params, xs = numbers_for(cell)
    masks = {k: np.asarray(v) for k, v in drawn(cell, params, xs).noise.held.items()}
    assert {k: v.shape for k, v in masks.items()} == {".h": (5, 3, 4), ".c": (5, 3, 4)}
    ys, c = by_hand(
        params,
        xs,
        lambda t, old, new: masks[".h"][t] * old + ~masks[".h"][t] * new,
        lambda t, old, new: masks[".c"][t] * old + ~masks[".c"][t] * new,
    )
    final, found = drivers.scan(cell, params, xs, key=KEY)
    assert_close((found, final.c), (ys, c))
    ys, c = by_hand(
        params,
        xs,
        lambda _, old, new: 0.3 * old + 0.7 * new,
        lambda _, old, new: 0.6 * old + 0.4 * new,
    )
    final, found = run(cell, params, xs)
    assert_close((found, final.c), (ys, c))


@pytest.mark.parametrize("key", [None, KEY])
def test_rate_1_freezes_and_rate_0_changes_nothing(key):
    params, xs = numbers_for(LSTM)
    begin = cells.LSTMState(h=jnp.full((3, 4), 0.25), c=jnp.full((3, 4), -0.5))
    frozen = cells.Zoneout(cell=LSTM, h_rate=1.0, c_rate=1.0)
    final, _ = drivers.scan(frozen, params, xs, begin, key=key)
    assert_close(final, begin, 0.0)
    free, ys = drivers.scan(cells.Zoneout(cell=LSTM), params, xs, begin, key=key)
    assert_close((free, ys), drivers.scan(LSTM, params, xs, begin), 0.0)


def test_mean_over_masks_is_the_evaluation_of_a_linear_cell():
    """20000 equal rows are 20000 draws; 12 means, 5 standard errors: 1e-5 by chance."""
    linear = cells.Elman(input_size=3, hidden_size=3, activation=cells.base.identity)
    cell = cells.Zoneout(cell=linear, h_rate=0.4)
    params, xs = numbers_for(cell, num_steps=4, num_rows=1)
    _, want = run(cell, params, xs)
    _, ys = drivers.scan(cell, params, jnp.tile(xs, (1, 20000, 1)), key=KEY)
    error = np.std(ys, axis=1) / np.sqrt(20000)
    assert (np.abs(np.mean(ys, axis=1) - want[:, 0]) <= 5 * error + 1e-12).all()
    held = np.asarray(drawn(cell, params, jnp.tile(xs, (1, 20000, 1))).noise.held[".h"])
    assert abs(held.mean() - 0.4) < 5 * np.sqrt(0.24 / held.size)


def test_an_affine_cell_stays_affine():
    cell = cells.Zoneout(cell=cells.MinGRU(input_size=3, hidden_size=4), h_rate=0.5)
    assert cells.is_affine(cell) and not cells.is_gated(cell)
    params, xs = numbers_for(cell)
    noise = drawn(cell, params, xs).noise
    state = jax.tree.map(lambda leaf: leaf + 0.5, cell.initial_state(params, (5, 3)))
    for z in (cell.encode(params, xs), cell.encode(params, xs, noise)):
        a, b = cell.affine(params, z)
        step = jax.tree.map(lambda a, s, b: a * s + b, a, state, b)
        assert_close(step, cell.step(params, state, z))


def test_only_the_named_leaves_are_zoned_out():
    inner = cells.TimeIndex(cell=cells.LSTM(input_size=3, hidden_size=4))
    cell = cells.Zoneout(cell=inner, h_rate=1.0, c_rate=1.0)
    assert cells.is_gated(cell) and cells.is_stochastic(cell)
    params, xs = numbers_for(cell)
    final, _ = drivers.scan(cell, params, xs, key=KEY)
    assert bool((final.t == 5).all()) and bool((final.cell.h == 0).all())


def test_bad_rates_are_refused():
    with pytest.raises(ValueError, match=r"h_rate must lie in \[0, 1\], got 1.5"):
        cells.Zoneout(cell=LSTM, h_rate=1.5)
    with pytest.raises(ValueError, match="c_rate is about the state's c.*GRU has \\['h'\\]"):
        cells.Zoneout(cell=cells.GRU(input_size=3, hidden_size=4), c_rate=0.5)
    assert not cells.is_stochastic(cells.Zoneout(cell=LSTM))

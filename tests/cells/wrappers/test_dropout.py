"""Dropout in the recurrence against the papers' equations in NumPy, under the masks drawn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers
from tests.cells.reference import assert_close, run, sigmoid
from tests.cells.wrappers.drawn import KEY, drawn, gru, lstm, numbers_for

LSTM = cells.LSTM(input_size=3, hidden_size=4)
GRU = cells.GRU(input_size=3, hidden_size=4)
WRAPPED = [
    cells.VariationalDropout(cell=LSTM, input_rate=0.3, hidden_rate=0.4),
    cells.RecurrentDropout(cell=LSTM, rate=0.4),
    cells.RecurrentDropout(cell=GRU, rate=0.4, per="sequence"),
    cells.RNNDrop(cell=LSTM, rate=0.4),
]


@pytest.mark.parametrize("cell", WRAPPED, ids=lambda cell: type(cell).__name__)
def test_evaluation_is_the_inner_cell(cell):
    params, xs = numbers_for(cell)
    assert cells.is_stochastic(cell) and cells.is_gated(cell) and not cells.is_affine(cell)
    assert_close(run(cell, params, xs), run(cell.cell, params.cell, xs), 0.0)


def test_variational_dropout_equals_gal():
    """Keras' fused LSTM does the same: one mask on x, one on h, for all gates and steps."""
    cell = WRAPPED[0]
    params, xs = numbers_for(cell)
    masks = drawn(cell, params, xs).params
    m_x, m_h = np.asarray(masks.keep_x) / 0.7, np.asarray(masks.keep_h) / 0.6
    assert m_x.shape == (3, 3) and m_h.shape == (3, 4), "one mask for a row, for all steps"
    assert (m_h != m_h[:1]).any(), "rows have masks of their own"
    h = c = np.zeros((3, 4))
    want = []
    for x in np.asarray(xs):
        h, c = lstm(params.cell, h, c, x * m_x, seen=h * m_h)
        want.append(h)
    final, ys = drivers.scan(cell, params, xs, key=KEY)
    assert_close((ys, final.c), (np.stack(want), c))


def test_variational_dropout_of_the_input_alone_takes_any_cell():
    before = cells.GRU(input_size=3, hidden_size=4, reset="before")
    cell = cells.VariationalDropout(cell=before, input_rate=0.5)
    params, xs = numbers_for(cell)
    keep = drawn(cell, params, xs).params.keep_x
    found = drivers.scan(cell, params, xs, key=KEY)
    assert_close(found, run(before, params.cell, jnp.where(keep, 2 * xs, 0)))
    affine = cells.VariationalDropout(
        cell=cells.MinGRU(input_size=3, hidden_size=4), input_rate=0.5
    )
    assert cells.is_affine(affine)


@pytest.mark.parametrize("per", ["step", "sequence"])
def test_recurrent_dropout_equals_semeniuta(per):
    for inner in (LSTM, GRU):
        cell = cells.RecurrentDropout(cell=inner, rate=0.4, per=per)
        params, xs = numbers_for(cell)
        perturbed, noise = drawn(cell, params, xs)
        keep = noise.keep if per == "step" else jnp.stack([perturbed.keep] * 5)
        d = np.asarray(keep) / 0.6
        assert d.shape == (5, 3, 4)
        h = c = np.zeros((3, 4))
        want = []
        for t, x in enumerate(np.asarray(xs)):
            if inner is LSTM:
                h, c = lstm(params.cell, h, c, x, d=d[t])
            else:
                h = gru(params.cell, h, x, d=d[t])
            want.append(h)
        final, ys = drivers.scan(cell, params, xs, key=KEY)
        assert_close(ys, np.stack(want))
        if inner is LSTM:
            assert_close(final.c, c)


def test_recurrent_dropout_loses_no_memory():
    """Forget gates open, input gates shut: the memory stays to the last bit under any mask."""
    cell = cells.RecurrentDropout(cell=LSTM, rate=0.9)
    params, xs = numbers_for(cell)
    b = jnp.repeat(jnp.array([-1e3, 1e3, 0.0, 0.0]), 4)
    params = params._replace(cell=params.cell._replace(b=b))
    begin = cells.LSTMState(h=jnp.zeros((3, 4)), c=jnp.arange(12.0).reshape(3, 4))
    final, _ = drivers.scan(cell, params, xs, begin, key=KEY)
    assert_close(final.c, begin.c, 0.0)


def test_rnn_drop_equals_moon():
    cell = WRAPPED[3]
    params, xs = numbers_for(cell)
    m = np.asarray(drawn(cell, params, xs).params.keep)
    assert m.shape == (3, 4) and (m != m[:1]).any() and not m.all() and m.any()
    begin = cells.LSTMState(h=jnp.full((3, 4), 0.5), c=jnp.full((3, 4), -1.0))
    h, c = (np.asarray(leaf) for leaf in begin)
    want = []
    for x in np.asarray(xs):
        _, c_all = lstm(params.cell, h, c, x)
        pre = x @ np.asarray(params.cell.w_x) + h @ np.asarray(params.cell.w_h)
        o = 1 / (1 + np.exp(-(pre + np.asarray(params.cell.b))[:, 12:]))
        c = m * c_all
        h = o * np.tanh(c) / 0.6
        want.append(h)
    final, ys = drivers.scan(cell, params, xs, begin, key=KEY)
    assert_close((ys, final.c), (np.stack(want), c))
    assert bool((ys[:, ~m] == 0).all()), "a dropped unit is absent for the whole sequence"


def test_rnn_drop_acts_before_a_projection():
    """The mask is on c before h is made of it, so what the projection mixes has no dropped unit."""
    inner = cells.ProjectedLSTM(input_size=3, hidden_size=4, projection_size=2)
    cell = cells.RNNDrop(cell=inner, rate=0.5)
    params, xs = numbers_for(cell)
    keep = np.asarray(drawn(cell, params, xs).params.keep)
    h, c = np.zeros((3, 2)), np.zeros((3, 4))
    for x in np.asarray(xs):
        h, c = lstm(params.cell, h, c, x, d=keep)
        h = h @ np.asarray(params.cell.w_p) / 0.5
    final, _ = drivers.scan(cell, params, xs, key=KEY)
    assert_close(final, cells.LSTMState(h=h, c=c))

    square = cells.ProjectedLSTM(input_size=3, hidden_size=4, projection_size=4)
    cell = cells.RNNDrop(cell=square, rate=0.5)
    params, xs = numbers_for(cell)
    final, ys = drivers.scan(cell, params, xs, key=KEY)
    absent = ~np.asarray(drawn(cell, params, xs).params.keep)
    assert bool((final.c[absent] == 0).all()) and bool((ys != 0).all())


def test_rnn_drop_keeps_absent_cells_absent_behind_a_norm():
    """The norm of what is left would shift them off zero: h is masked, too."""
    cell = cells.RNNDrop(cell=cells.LayerNormLSTM(input_size=3, hidden_size=4), rate=0.4)
    params, xs = numbers_for(cell)
    keep = np.asarray(drawn(cell, params, xs).params.keep)
    final, ys = drivers.scan(cell, params, xs, key=KEY)
    assert bool((ys[:, ~keep] == 0).all()) and bool((final.c[~keep] == 0).all())
    assert bool((ys[:, keep] != 0).all())
    state = cells.LSTMState(h=jnp.zeros((3, 4)), c=jnp.where(keep, 0.5, 0.0))
    perturbed = drawn(cell, params, xs).params
    z = cell.encode(params, xs[0])
    sums = z + cell.cell._norm_gates(jnp.zeros_like(z), params.cell.gain_h)
    i, f, g, o = (np.asarray(part) for part in jnp.split(sums, 4, axis=-1))
    c = keep * (sigmoid(f) * np.asarray(state.c) + sigmoid(i) * np.tanh(g))
    normed = (c - c.mean(-1, keepdims=True)) / np.sqrt(c.var(-1, keepdims=True) + 1e-5)
    shown = normed * np.asarray(params.cell.gain_c) + np.asarray(params.cell.b_c)
    h = keep * sigmoid(o) * np.tanh(shown) / 0.6
    assert_close(cell.step(perturbed, state, z), cells.LSTMState(h=h, c=c))


def test_scaling_keeps_the_mean():
    """One step from zero is linear in the masks: 20000 rows, 5 standard errors."""
    for cell in (WRAPPED[0], WRAPPED[3]):
        params, xs = numbers_for(cell, num_steps=1, num_rows=1)
        many = jnp.tile(xs, (1, 20000, 1))
        if isinstance(cell, cells.VariationalDropout):
            encoded = cell.encode(drawn(cell, params, many).params, many)[0]
            want = cell.encode(params, xs)[0, 0]
        else:
            encoded = drivers.scan(cell, params, many, key=KEY)[1][0]
            want = run(cell, params, xs)[1][0, 0]
        error = np.std(encoded, axis=0) / np.sqrt(20000)
        assert (np.abs(np.mean(encoded, axis=0) - want) <= 5 * error + 1e-12).all()


def test_gradients_pass_only_through_what_is_kept():
    cell = cells.VariationalDropout(cell=LSTM, input_rate=0.5)
    params, xs = numbers_for(cell)
    keep = drawn(cell, params, xs).params.keep_x
    d_xs = jax.grad(lambda xs: drivers.scan(cell, params, xs, key=KEY)[1].sum())(xs)
    assert bool(((d_xs == 0) == ~jnp.broadcast_to(keep, xs.shape)).all())


def test_bad_choices_are_refused():
    before = cells.GRU(input_size=3, hidden_size=4, reset="before")
    with pytest.raises(ValueError, match=r"input_rate must lie in \[0, 1\), got 1"):
        cells.VariationalDropout(cell=LSTM, input_rate=1)
    with pytest.raises(ValueError, match="hidden_rate=0.5 needs a gated cell.*GRU"):
        cells.VariationalDropout(cell=before, hidden_rate=0.5)
    with pytest.raises(ValueError, match=r"rate must lie in \[0, 1\), got -0.1"):
        cells.RecurrentDropout(cell=LSTM, rate=-0.1)
    with pytest.raises(ValueError, match="GRU has no gate that takes update"):
        cells.RecurrentDropout(cell=before, rate=0.5)
    with pytest.raises(ValueError, match="Zoneout has no gate that takes update.*innermost"):
        cells.RecurrentDropout(cell=cells.Zoneout(cell=LSTM), rate=0.5)
    with pytest.raises(ValueError, match='per must be "step" or "sequence", got \'row\''):
        cells.RecurrentDropout(cell=LSTM, rate=0.5, per="row")
    with pytest.raises(ValueError, match="rate is about the state's c"):
        cells.RNNDrop(cell=GRU, rate=0.5)

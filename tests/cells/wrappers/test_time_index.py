"""The time index equals a column t / scale beside the inputs, by every way of encoding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers
from rnn_jax.cells.wrapper import encodes_affinely
from tests.cells.reference import assert_close, draw
from tests.cells.wrappers.drawn import KEY, elman, numbers_for

LSTM = cells.LSTM(input_size=4, hidden_size=4)
HOISTED = {
    "lstm": LSTM,
    "gru": cells.GRU(input_size=4, hidden_size=4, reset="before"),
    "multiplicative": cells.MultiplicativeLSTM(input_size=4, hidden_size=2),
    "stacked": cells.Stacked(cells=(LSTM, cells.Elman(input_size=8, hidden_size=2)), skip=True),
    "learned": cells.LearnedInitialState(cell=LSTM),
}
WAITING = {
    "deep": cells.Deep(cell=LSTM, input_sizes=(4,)),
    "zoneout": cells.Zoneout(cell=LSTM, h_rate=0.5),
}


def with_column(xs, start=0, scale=10.0):
    t = (jnp.arange(xs.shape[0], dtype=xs.dtype) + start) / scale
    return jnp.concatenate([xs, jnp.broadcast_to(t[:, None, None], (*xs.shape[:2], 1))], -1)


@pytest.mark.parametrize("name", [*HOISTED, *WAITING])
def test_it_is_a_column_beside_the_inputs(name):
    inner = {**HOISTED, **WAITING}[name]
    assert encodes_affinely(inner) == (name in HOISTED)
    cell = cells.TimeIndex(cell=inner, scale=10.0)
    assert cells.is_gated(cell) == cells.is_gated(inner) and not cells.is_affine(cell)
    params, xs = numbers_for(cell)
    key = KEY if name == "zoneout" else None

    @jax.jit
    def both(params, xs):
        def loss(params, xs, cell):
            xs = with_column(xs) if cell is inner else xs
            final, ys = drivers.scan(cell, params, xs, key=key)
            return jnp.sin(ys).sum(), (final if cell is inner else final.cell, ys)

        return [
            jax.grad(lambda p, x, c=c: loss(p, x, c), (0, 1), has_aux=True)(params, xs)
            for c in (cell, inner)
        ]

    assert_close(*both(params, xs))


def test_it_is_the_paper_in_numpy():
    cell = cells.TimeIndex(cell=cells.Elman(input_size=4, hidden_size=2), scale=10.0)
    params, xs = numbers_for(cell)
    h = np.zeros((3, 2))
    for t, x in enumerate(np.asarray(xs)):
        h = elman(params, h, np.concatenate([x, np.full((3, 1), t / 10)], -1))
    final, _ = drivers.scan(cell, params, xs)
    assert_close(final, cells.TimeIndexState(cell=cells.ElmanState(h=h), t=np.full(3, 5.0)))


def test_the_counter_restarts_stands_still_and_goes_on():
    cell = cells.TimeIndex(cell=LSTM, scale=10.0)
    params, xs = numbers_for(cell)
    reset = jnp.zeros((5, 3), bool).at[2, 1].set(True)
    lengths = jnp.array([5, 5, 0])
    first, _ = drivers.scan(cell, params, xs, reset=reset, lengths=lengths)
    assert first.t.tolist() == [5.0, 3.0, 0.0]
    second, ys = drivers.scan(cell, params, xs, first)
    assert second.t.tolist() == [10.0, 8.0, 5.0]
    for row, start in enumerate((5, 3, 0)):
        begin = jax.tree.map(lambda leaf, row=row: leaf[row : row + 1], first.cell)
        want = drivers.scan(LSTM, params, with_column(xs[:, row : row + 1], start), begin)[1]
        assert_close(ys[:, row], want[:, 0])


def test_an_image_gets_a_channel_of_time():
    inner = cells.ConvLSTM(spatial_shape=(3, 2), input_size=2, hidden_size=2, kernel_size=(3, 2))
    cell = cells.TimeIndex(cell=inner, scale=10.0)
    assert cells.base.input_shape(cell) == (3, 2, 1)
    params = draw(jax.eval_shape(cell.init, jax.random.key(0)), 0)
    xs = draw(jnp.zeros((4, 2, 3, 2, 1)), 1)
    t = jnp.broadcast_to(jnp.arange(4.0).reshape(4, 1, 1, 1, 1) / 10, xs.shape)
    found = drivers.scan(cell, params, xs)[1]
    assert_close(found, drivers.scan(inner, params, jnp.concatenate([xs, t], -1))[1])


def test_bad_choices_are_refused():
    with pytest.raises(ValueError, match="scale must be positive, got 0"):
        cells.TimeIndex(cell=LSTM, scale=0)
    with pytest.raises(ValueError, match="has input_size=1: make it with input_size = D \\+ 1"):
        cells.TimeIndex(cell=cells.Elman(input_size=1, hidden_size=2))

"""The context vector equals v beside every x, and the captioning network's equation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers
from tests.cells.reference import assert_close, draw, run
from tests.cells.wrappers.drawn import KEY, numbers_for

INNER = {
    "lstm": cells.LSTM(input_size=5, hidden_size=4),
    "min_gru": cells.MinGRU(input_size=5, hidden_size=4),
    "deep": cells.Deep(cell=cells.GRU(input_size=3, hidden_size=4), input_sizes=(5,)),
    "zoneout": cells.Zoneout(cell=cells.LSTM(input_size=5, hidden_size=4), h_rate=0.5),
}


def test_it_is_the_captioning_network():
    """h = tanh(W_hh h + W_xh x + W_ih v)."""
    cell = cells.Context(cell=cells.Elman(input_size=5, hidden_size=4), context_size=2)
    params, xs = numbers_for(cell)
    v = draw(jnp.zeros((3, 2)), 2)
    w_xh, w_ih = np.split(np.asarray(params.cell.w_x), [3])
    w_hh, b = np.asarray(params.cell.w_h), np.asarray(params.cell.b)
    h = np.zeros((3, 4))
    for x in np.asarray(xs):
        h = np.tanh(h @ w_hh + x @ w_xh + np.asarray(v) @ w_ih + b)
    assert_close(run(cell, cell.bind(params, v), xs)[0].h, h)


@pytest.mark.parametrize("name", INNER)
@pytest.mark.parametrize("shape", [(3, 2), (2,)], ids=["by row", "for all"])
def test_it_is_v_beside_every_x(name, shape):
    inner = INNER[name]
    cell = cells.Context(cell=inner, context_size=2)
    assert (cell.input_size, cell.output_size) == (3, 4)
    assert cells.is_gated(cell) == cells.is_gated(inner)
    assert cells.is_affine(cell) == cells.is_affine(inner)
    params, xs = numbers_for(cell)
    v = draw(jnp.zeros(shape), 2)
    key = KEY if name == "zoneout" else None

    @jax.jit
    def both(params, v, xs):
        def bound(params, v, xs):
            final, ys = drivers.scan(cell, cell.bind(params, v), xs, key=key)
            return jnp.sin(ys).sum(), (final, ys)

        def beside(params, v, xs):
            xs = jnp.concatenate([xs, jnp.broadcast_to(v, (*xs.shape[:2], 2))], -1)
            final, ys = drivers.scan(inner, params.cell, xs, key=key)
            return jnp.sin(ys).sum(), (final, ys)

        return [jax.grad(f, (0, 1, 2), has_aux=True)(params, v, xs) for f in (bound, beside)]

    found, want = both(params, v, xs)
    assert_close(found, want)
    assert bool((found[0][1] != 0).all()), "no gradient reaches v"


def test_a_context_left_out_is_an_error_or_zero():
    cell = cells.Context(cell=INNER["lstm"], context_size=2)
    params, xs = numbers_for(cell)
    with pytest.raises(ValueError, match=r"no v is bound: call with cell.bind\(params, v\)"):
        drivers.scan(cell, params, xs)
    free = cells.Context(cell=INNER["lstm"], context_size=2, optional=True)
    zero = cell.bind(params, jnp.zeros((3, 2)))
    assert_close(run(free, params, xs), run(cell, zero, xs))


def test_bad_contexts_are_refused():
    cell = cells.Context(cell=INNER["lstm"], context_size=2)
    params, xs = numbers_for(cell)
    with pytest.raises(ValueError, match="input_size=5 with context_size=5.*D \\+ V"):
        cells.Context(cell=INNER["lstm"], context_size=5)
    with pytest.raises(ValueError, match=r"v has shape \(3, 4\), but context_size=2"):
        cell.bind(params, jnp.zeros((3, 4)))
    with pytest.raises(ValueError, match=r"v has shape \(4, 2\), but the inputs have shape \(5, 3"):
        drivers.scan(cell, cell.bind(params, jnp.zeros((4, 2))), xs)

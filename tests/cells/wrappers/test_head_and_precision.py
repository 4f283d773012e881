"""The output layer in a cell, and mixed precision."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers
from tests.cells.reference import assert_close, run
from tests.cells.wrappers.drawn import elman, numbers_for

LSTM = cells.LSTM(input_size=3, hidden_size=4)


def test_a_head_is_g_of_w_hy_h():
    """h_t = tanh(W_hh h + W_xh x + b), y_t = g(W_hy h_t + b_y)."""
    cell = cells.OutputHead(
        cell=cells.Elman(input_size=3, hidden_size=4), head_size=2, activation=jax.nn.sigmoid
    )
    params, xs = numbers_for(cell)
    h, want = np.zeros((3, 4)), []
    for x in np.asarray(xs):
        h = elman(params.cell, h, x)
        want.append(1 / (1 + np.exp(-(h @ np.asarray(params.w_y) + np.asarray(params.b_y)))))
    final, ys = run(cell, params, xs)
    assert_close((final.h, ys), (h, np.stack(want)))
    assert cell.output_size == 2 and cells.is_gated(cell)
    affine = cells.OutputHead(cell=cells.MinGRU(input_size=3, hidden_size=4), head_size=2)
    assert cells.is_affine(affine)


def test_logits_of_half_precision_weights_are_in_float32():
    cell = cells.OutputHead(cell=LSTM, head_size=2)
    params = cell.init(jax.random.key(0), jnp.bfloat16)
    assert run(cell, params, jnp.ones((2, 3), jnp.bfloat16))[1].dtype == jnp.float32
    with pytest.raises(ValueError, match="head_size must be at least 1, got 0"):
        cells.OutputHead(cell=LSTM, head_size=0)


def test_products_are_in_bfloat16_and_all_else_in_float32():
    cell = cells.Precision(cell=LSTM)
    params, xs = numbers_for(cell)
    params, xs = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), (params, xs))
    cast = params._replace(w_x=params.w_x.astype(jnp.bfloat16), w_h=params.w_h.astype(jnp.bfloat16))
    begin = cells.LSTMState(h=jnp.zeros((3, 4), jnp.float32), c=jnp.zeros((3, 4), jnp.float32))

    @jax.jit
    def both(params, cast, xs):
        def loss(params, xs, cell, state):
            final, ys = drivers.scan(cell, params, xs, state)
            return ys.sum(), (final, ys)

        one = jax.grad(lambda p: loss(p, xs, cell, None), has_aux=True)(params)
        half = xs.astype(jnp.bfloat16)
        two = jax.grad(lambda p: loss(p, half, LSTM, begin), has_aux=True)(cast)
        return one, two

    (d, found), (d_cast, want) = both(params, cast, xs)
    assert_close(found, want, 0.0)
    assert [leaf.dtype for leaf in jax.tree.leaves((d, found))] == [jnp.float32] * 6
    assert_close(d, jax.tree.map(lambda leaf: leaf.astype(jnp.float32), d_cast), 0.0)


def test_dtypes_of_the_state():
    params = LSTM.init(jax.random.key(0), jnp.float32)
    own = cells.Precision(cell=LSTM, state_dtype=None).initial_state(params)
    assert own.h.dtype == jnp.bfloat16 and own.c.dtype == jnp.float32
    low = cells.Precision(cell=LSTM, state_dtype=jnp.bfloat16).initial_state(params)
    assert low.h.dtype == low.c.dtype == jnp.bfloat16


def test_complex_cells_keep_their_numbers():
    lru = cells.LRU(input_size=3, hidden_size=4)
    cell = cells.Precision(cell=lru, compute_dtype=jnp.float64, state_dtype=jnp.float64)
    params = lru.init(jax.random.key(0), jnp.float64)
    xs = jax.random.normal(jax.random.key(1), (5, 3))
    assert_close(run(cell, params, xs), run(lru, params, xs), 0.0)


def test_one_dtype_has_one_spelling():
    one, two = (cells.Precision(cell=LSTM, compute_dtype=d) for d in ("bfloat16", jnp.bfloat16))
    assert one == two and hash(one) == hash(two)
    for name in ("compute_dtype", "state_dtype"):
        with pytest.raises(ValueError, match=f"{name} must be a real floating dtype, got"):
            cells.Precision(cell=LSTM, **{name: jnp.int32})
    with pytest.raises(ValueError, match="compute_dtype must be a real floating dtype, got None"):
        cells.Precision(cell=LSTM, compute_dtype=None)

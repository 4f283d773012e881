"""CoupledLSTM against an LSTM of torch.nn whose input gate is the forget gate's opposite."""

import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells
from tests.cells.reference import SOURCES, assert_close, check_loop, draw_case, run, sigmoid
from tests.cells.reference import numbers as peer_numbers

CELL = cells.CoupledLSTM(input_size=3, hidden_size=4)


def one_step(p, state, x):
    h, c = np.empty(4), np.empty(4)
    for unit in range(4):
        at_f, at_g, at_o = (
            x @ p.w_x[:, column] + state.h @ p.w_h[:, column] + p.b[column]
            for column in range(unit, 12, 4)
        )
        keep = sigmoid(at_f)
        c[unit] = state.c[unit] + (1 - keep) * (np.tanh(at_g) - state.c[unit])
        h[unit] = sigmoid(at_o) * np.tanh(c[unit])
    return h, c


def test_equals_the_paper():
    check_loop(CELL, one_step)


@pytest.mark.parametrize("source", SOURCES)
def test_equals_torch_with_opposite_weights(source):
    """1 - sigmoid(f) = sigmoid(-f): PyTorch's i f g o with the weights (-f) f g o."""
    g = peer_numbers("torch_coupled_lstm", "coupled", source)
    params = cells.CoupledLSTMParams(*(jnp.asarray(g[name]) for name in ("w_x", "w_h", "b")))
    assert_close(run(CELL, params, g["xs"])[1], g["ys"])


def test_memory_stays_between_old_and_new():
    params, state, xs = draw_case(CELL, num_steps=20)
    final, _ = run(CELL, params, 10 * xs, state._replace(c=jnp.tanh(state.c)))
    assert bool((abs(final.c) <= 1).all())
    for bias, c in ((1e3, state.c), (-1e3, jnp.tanh(jnp.full((2, 4), 0.5)))):
        b = jnp.zeros(12).at[:4].set(bias).at[4:8].set(0.5)
        closed = cells.CoupledLSTMParams(w_x=jnp.zeros((3, 12)), w_h=jnp.zeros((4, 12)), b=b)
        assert_close(run(CELL, closed, xs, state)[0].c, c)

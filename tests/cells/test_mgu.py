"""MinimalGatedUnit against the equations of Zhou et al. (2016), and with its gate at its ends."""

import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells
from tests.cells.reference import assert_close, check_loop, draw_case, run, sigmoid

AFTER = cells.MinimalGatedUnit(input_size=3, hidden_size=4)
BEFORE = cells.MinimalGatedUnit(input_size=3, hidden_size=4, reset="before")


def paper_step(p, state, x):
    """Equations 7a to 7c: both maps are of one vector, the state above the input."""
    w_f, w_n = np.split(np.concatenate([p.w_h, p.w_x]), 2, axis=1)
    b_f, b_n = np.split(p.b, 2)
    f = sigmoid(w_f.T @ np.concatenate([state.h, x]) + b_f)
    candidate = np.tanh(w_n.T @ np.concatenate([f * state.h, x]) + b_n + p.b_h)
    return ((1 - f) * state.h + f * candidate,)


def after_step(p, state, x):
    w_f, w_n = np.split(p.w_h, 2, axis=1)
    from_x = p.w_x.T @ x + p.b
    f = sigmoid(from_x[:4] + w_f.T @ state.h)
    candidate = np.tanh(from_x[4:] + f * (w_n.T @ state.h + p.b_h))
    return (state.h + f * (candidate - state.h),)


def test_before_equals_the_paper():
    check_loop(BEFORE, paper_step)


def test_after_equals_its_equation():
    check_loop(AFTER, after_step)


@pytest.mark.parametrize("cell", [AFTER, BEFORE])
def test_gate_at_its_ends(cell):
    params, state, xs = draw_case(cell, num_steps=3)
    kept, _ = run(cell, params._replace(b=params.b.at[:4].set(-1e3)), xs, state)
    assert bool((kept.h == state.h).all())
    elman = cells.ElmanParams(
        w_x=params.w_x[:, 4:], w_h=params.w_h[:, 4:], b=params.b[4:] + params.b_h
    )
    want = run(cells.Elman(input_size=3, hidden_size=4), elman, xs, cells.ElmanState(h=state.h))[1]
    assert_close(run(cell, params._replace(b=params.b.at[:4].set(1e3)), xs, state)[1], want)


def test_refuses_an_unknown_reset():
    with pytest.raises(ValueError, match="reset must be .* got 'during'"):
        cells.MinimalGatedUnit(input_size=1, hidden_size=1, reset="during")


def test_half_open_by_hand():
    """f = 1/2 and h = 1: n is tanh(1/2 * (log 4 + 0)) = 3/5 both ways, h' = 1/2 + 3/10."""
    for cell in (
        cells.MinimalGatedUnit(input_size=1, hidden_size=1, reset=reset)
        for reset in ("after", "before")
    ):
        params = cells.MGUParams(
            w_x=jnp.zeros((1, 2)),
            w_h=jnp.array([[0.0, 2 * np.log(2)]]),
            b=jnp.zeros(2),
            b_h=jnp.zeros(1),
        )
        state, _ = run(cell, params, jnp.ones((1, 1)), cells.GRUState(h=jnp.ones(1)))
        assert_close(state.h, np.array([0.8]))

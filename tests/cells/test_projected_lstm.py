"""ProjectedLSTM against torch.nn.LSTM(proj_size=...), values and gradients."""

import jax
import jax.numpy as jnp
import pytest

from rnn_jax import cells, drivers
from tests.cells.reference import SOURCES, assert_close, check_torch, draw_case, run

CELL = cells.ProjectedLSTM(input_size=3, hidden_size=4, projection_size=2)


@pytest.mark.parametrize("source", SOURCES)
def test_equals_torch(source):
    check_torch(
        CELL,
        "projected",
        source,
        lambda g: cells.ProjectedLSTMParams(
            w_x=g["weight_ih"].T,
            w_h=g["weight_hh"].T,
            b=g["bias_ih"] + g["bias_hh"],
            w_p=g["weight_hr"].T,
        ),
        lambda g: cells.ProjectedLSTMParams(
            w_x=g["d_weight_ih"].T,
            w_h=g["d_weight_hh"].T,
            b=g["d_bias_hh"],
            w_p=g["d_weight_hr"].T,
        ),
    )


def test_identity_as_projection_is_the_lstm():
    cell = cells.ProjectedLSTM(input_size=3, hidden_size=4, projection_size=4)
    params, state, xs = draw_case(cell)
    lstm = cells.LSTM(input_size=3, hidden_size=4)
    want = run(lstm, cells.LSTMParams(*params[:3]), xs, state)
    assert_close(run(cell, params._replace(w_p=jnp.eye(4)), xs, state), want)


def test_gradient_of_the_projection_keeps_its_digits_in_bfloat16():
    """It is summed in float32 after the loop; summed at every step it would lose a tenth."""
    key_p, key_x = jax.random.split(jax.random.key(0))
    half = CELL.init(key_p, jnp.bfloat16)
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), half)
    xs = jax.random.normal(key_x, (1024, 2, 3), jnp.float32)

    def by_projection(params, gradient):
        def loss(params):
            ys = drivers.scan(CELL, params, xs, gradient=gradient)[1]
            return jnp.square(ys.astype(jnp.float32)).mean()

        return jax.grad(loss)(params).w_p.astype(jnp.float32)

    find = jax.jit(by_projection, static_argnums=1)
    exact = find(single, "autodiff")
    error = {
        gradient: float(jnp.linalg.norm(find(half, gradient) - exact) / jnp.linalg.norm(exact))
        for gradient in ("deferred", "autodiff")
    }
    assert error["deferred"] < 5e-3 and error["autodiff"] > 5e-2, error


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "projection_size must be .* got 0"), (5, "projection_size=5 with hidden_size=4")],
)
def test_refuses_a_projection_that_is_none(size, words):
    with pytest.raises(ValueError, match=words):
        cells.ProjectedLSTM(input_size=3, hidden_size=4, projection_size=size)

"""GRU in both forms against torch.nn.GRU, Keras and Haiku, and its corner cases."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells
from tests.cells.reference import SOURCES, assert_close, check_torch, draw_case, numbers, run

AFTER = cells.GRU(input_size=3, hidden_size=4)
BEFORE = cells.GRU(input_size=3, hidden_size=4, reset="before")
H = 4
OPEN, SHUT = 1e3, -1e3  # sigmoids of exactly 1 and 0


@pytest.mark.parametrize("source", SOURCES)
def test_after_equals_torch(source):
    """PyTorch's second bias of r and z is added to the first; that of n stands inside the reset."""
    inner = np.array([1.0] * 2 * H + [0.0] * H)
    check_torch(
        AFTER,
        "gru",
        source,
        lambda g: cells.GRUParams(
            w_x=g["weight_ih"].T,
            w_h=g["weight_hh"].T,
            b=g["bias_ih"] + inner * g["bias_hh"],
            b_h=g["bias_hh"][2 * H :],
        ),
        lambda g: cells.GRUParams(
            w_x=g["d_weight_ih"].T,
            w_h=g["d_weight_hh"].T,
            b=g["d_bias_ih"],
            b_h=g["d_bias_hh"][2 * H :],
        ),
    )


@pytest.mark.parametrize(("case", "cell"), [("gru_after", AFTER), ("gru_before", BEFORE)])
def test_equals_keras(case, cell):
    """Keras' gates come in the order z r n."""
    g = numbers("keras_weights", case, "golden")

    def ours(weight):
        z, r, n = np.split(weight, 3, axis=-1)
        return jnp.asarray(np.concatenate([r, z, n], axis=-1))

    w_x, w_h, b = (ours(g[f"weights/{i}"]) for i in range(3))
    b, b_h = (b[0].at[: 2 * H].add(b[1, : 2 * H]), b[1, 2 * H :]) if b.ndim == 2 else (b, None)
    params = cells.GRUParams(w_x=w_x, w_h=w_h, b=b, b_h=jnp.zeros(H) if b_h is None else b_h)
    _, ys = run(cell, params, g["xs"].swapaxes(0, 1))
    assert_close(ys, g["ys"].swapaxes(0, 1))


def test_before_equals_haiku():
    """Haiku's gates come in the order z r n, and its z takes the new state where ours keeps."""
    g = numbers("haiku_weights", "gru", "golden")

    def ours(weight):
        z, r, n = np.split(weight, 3, axis=-1)
        return jnp.asarray(np.concatenate([r, -z, n], axis=-1))

    w_x, w_h, b = (ours(g[f"weights/gru:{name}"]) for name in ("w_i", "w_h", "b"))
    params = cells.GRUParams(w_x=w_x, w_h=w_h, b=b, b_h=jnp.zeros(H))
    assert_close(run(BEFORE, params, g["xs"])[1], g["ys"])


def with_gates(params, r, z):
    return params._replace(b=params.b.at[:H].set(r).at[H : 2 * H].set(z))


@pytest.mark.parametrize("cell", [AFTER, BEFORE])
def test_gates_at_their_ends(cell):
    params, state, xs = draw_case(cell, num_steps=3)
    for r in (SHUT, 0.0, OPEN):  # z = 1: unchanged, to the last bit
        final, _ = run(cell, with_gates(params, r, OPEN), xs, state)
        assert bool((final.h == state.h).all())
    # z = 0, r = 1: updated, an Elman network
    n = [params.w_x[:, 2 * H :], params.w_h[:, 2 * H :], params.b[2 * H :] + params.b_h]
    elman = cells.Elman(input_size=3, hidden_size=H)
    want = run(elman, cells.ElmanParams(*n), xs, cells.ElmanState(h=state.h))[1]
    assert_close(run(cell, with_gates(params, OPEN, SHUT), xs, state)[1], want)
    # z = 0, r = 0: reset, the input alone; after the product the reset takes b_h away too
    b = params.b[2 * H :] + (0 if cell is AFTER else params.b_h)
    want = np.tanh(np.asarray(xs) @ np.asarray(params.w_x[:, 2 * H :]) + np.asarray(b))
    assert_close(run(cell, with_gates(params, SHUT, SHUT), xs, state)[1], want)


@pytest.mark.parametrize(("reset", "n"), [("after", 0.6), ("before", 0.75)])
def test_by_hand(reset, n):
    """z = 1/4, r = 1/3, h = 1/2; the sum of n is log 2 after and (log 7) / 2 before."""
    cell = cells.GRU(input_size=1, hidden_size=1, reset=reset)
    # h w + b_h = 3 a; after the product 1/3 of it counts, before it 1/3 of h w and all of b_h
    a, b_h = {"after": (math.log(2), 0.7), "before": (math.log(7) / 2 - 0.3, 0.3)}[reset]
    w = (3 * a - b_h) * 2 if reset == "after" else 6 * a
    params = cells.GRUParams(
        w_x=jnp.zeros((1, 3)),
        w_h=jnp.array([[0.0, 0.0, w]]),
        b=jnp.array([-math.log(2), -math.log(3), 0.0]),
        b_h=jnp.array([b_h]),
    )
    state, _ = run(cell, params, jnp.ones((1, 1)), cells.GRUState(h=jnp.array([0.5])))
    assert_close(state.h, np.array([0.5 / 4 + 0.75 * n]))


def test_refuses_an_unknown_reset():
    with pytest.raises(ValueError, match="reset must be .* got 'during'"):
        cells.GRU(input_size=1, hidden_size=1, reset="during")

"""Dilated recurrence against a NumPy loop in which step t reads step t - d."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, layers
from tests.laws.cases import assert_same, jitter

NUM_STEPS = 11
LENGTHS = np.array([11, 0, 7, 2])
XS = np.random.default_rng(0).normal(size=(NUM_STEPS, 4, 3))
RNN = layers.RNN(cell=cells.Elman(input_size=3, hidden_size=2))
PARAMS = jitter(RNN.init(jax.random.key(0), jnp.float64), jax.random.key(1))


def by_hand(xs: np.ndarray, start: np.ndarray, reset: Any = ()) -> tuple[np.ndarray, np.ndarray]:
    """One row: outputs (length, H), and the states (d, H) that the next d steps continue from."""
    w_x, w_h, b = (np.asarray(leaf) for leaf in PARAMS)
    line, ys = list(start), []  # line[t] is the state that step t continues from
    for t, x in enumerate(xs):
        for place in range(t, t + len(start)) if t in reset else ():
            line[place] = np.zeros(2)
        ys.append(np.tanh(x @ w_x + line[t] @ w_h + b))
        line.append(ys[-1])
    return np.array(ys).reshape(-1, 2), np.array(line[len(xs) :])


@pytest.mark.parametrize("dilation", [1, 3, 4])
def test_equals_a_loop(dilation: int):
    """States given; lengths that d does not divide; resets of a row, twice, and behind its end."""
    layer = layers.Dilated(layer=RNN, dilation=dilation)
    start = np.random.default_rng(1).normal(size=(4, dilation, 2))
    resets = {0: (0, 4, 5), 2: (6,), 3: ()}
    reset = np.zeros((NUM_STEPS, 4), bool)
    for row, steps in resets.items():
        reset[list(steps), row] = True
    state = cells.ElmanState(jnp.asarray(start))
    padded = np.where(np.arange(NUM_STEPS)[:, None, None] < LENGTHS[None, :, None], XS, np.nan)

    @jax.jit
    def run(xs):
        marked = layer.apply(PARAMS, padded, state, lengths=LENGTHS, reset=reset)
        return layer.apply(PARAMS, xs, state), marked

    plain, marked = run(XS)
    assert plain.lengths is None and marked.lengths.tolist() == LENGTHS.tolist()
    for row, length in enumerate(LENGTHS):
        ys, end = by_hand(XS[:, row], start[row])
        np.testing.assert_allclose(plain.ys[:, row], ys, rtol=0, atol=1e-12)
        np.testing.assert_allclose(plain.state.h[row], end, rtol=0, atol=1e-12)
        ys, end = by_hand(XS[:length, row], start[row], resets.get(row, ()))
        np.testing.assert_allclose(marked.ys[:length, row], ys, rtol=0, atol=1e-12)
        np.testing.assert_allclose(marked.state.h[row], end, rtol=0, atol=1e-12)
        assert bool((marked.ys[length:, row] == 0).all())


def test_a_stream_in_parts_is_the_whole_from_either_end():
    """Parts that the dilation does not divide, and that are shorter than it."""
    parts = ((0, 2), (2, 3), (3, 8), (8, 11))

    @jax.jit
    def run():
        found = {}
        for reverse in (False, True):
            rnn = layers.RNN(cell=RNN.cell, reverse=reverse)
            layer = layers.Dilated(layer=rnn, dilation=4)
            state, ys = None, []
            for begin, end in reversed(parts) if reverse else parts:
                out = layer.apply(PARAMS, XS[begin:end], state)
                state = out.state
                ys.append(out.ys)
            joined = jnp.concatenate(ys[::-1] if reverse else ys)
            found[reverse] = (joined, state), layer.apply(PARAMS, XS)
        return found

    for reverse, ((ys, state), whole) in run().items():
        assert_same(ys, whole.ys, what=f"reverse={reverse}")
        flipped = [XS[::-1, row] if reverse else XS[:, row] for row in range(4)]
        want = np.stack([by_hand(xs, np.zeros((4, 2)))[0] for xs in flipped], 1)
        want = want[::-1] if reverse else want
        np.testing.assert_allclose(ys, want, rtol=0, atol=1e-12)
        assert_same(state, whole.state)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Dilated(layer=RNN, dilation=0), "dilation must be a whole number >= 1"),
        (lambda: layers.Dilated(layer=RNN.cell, dilation=2), "layer is a Elman: give a layer"),
        (
            lambda: layers.Dilated(layer=layers.Stack(layers=(RNN,)), dilation=2),
            "layer is a Stack: give a layers.RNN",
        ),
        (
            lambda: layers.Dilated(layer=RNN, dilation=2).apply(
                PARAMS, XS, cells.ElmanState(jnp.zeros((4, 3, 2)))
            ),
            "state.h has shape (4, 3, 2)",
        ),
    ],
)
def test_refusals(make: Any, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()

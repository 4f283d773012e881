"""Two clocks against a NumPy double loop: over segments, and over the steps of each."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, layers
from tests.laws.cases import assert_same, jitter

NUM_STEPS = 11
LENGTHS = np.array([11, 0, 7, 3])
XS = np.random.default_rng(0).normal(size=(NUM_STEPS, 4, 2))
ENDS = np.random.default_rng(1).random((NUM_STEPS, 4)) < 0.4


def make(**choices: Any) -> tuple[Any, Any]:
    layer = layers.Hierarchical(
        lower=cells.Elman(input_size=2 + 3, hidden_size=4),
        upper=cells.Elman(input_size=4, hidden_size=3),
        **choices,
    )
    return layer, jitter(layer.init(jax.random.key(0), jnp.float64), jax.random.key(1))


def by_hand(layer: Any, params: Any, xs: np.ndarray, ends: list[int]) -> Any:
    """One row (length, D): its outputs and both last states; ``ends`` are segments' last steps."""
    (a_x, a_h, a_b), (b_x, b_h, b_b) = (tuple(np.asarray(p) for p in part) for part in params)
    low, up, ys, begin = np.zeros(4), np.zeros(3), [], 0
    for end in [*ends, None]:
        if layer.restart and (end is not None or begin < len(xs)):
            low = np.zeros(4)
        for x in xs[begin : None if end is None else end + 1]:
            low = np.tanh(np.concatenate([x, up]) @ a_x + low @ a_h + a_b)
            ys.append(low)
        if end is not None:
            up, begin = np.tanh(low @ b_x + up @ b_h + b_b), end + 1
    return np.array(ys).reshape(-1, 4), low, up, len(xs) - begin


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("period", [pytest.param(1, marks=pytest.mark.slow), 3, None])
def test_equals_a_double_loop(period: int | None, restart: bool):
    layer, params = make(period=period, restart=restart)
    extra = {"boundaries": ENDS} if period is None else {}
    out = jax.jit(lambda: layer.apply(params, XS, lengths=LENGTHS, **extra))()
    for row, length in enumerate(LENGTHS):
        marks = ENDS[:length, row] if period is None else np.arange(1, length + 1) % period == 0
        want = by_hand(layer, params, XS[:length, row], list(np.flatnonzero(marks)))
        state = out.state
        found = out.ys[:length, row], state.lower.h[row], state.upper.h[row], state.phase[row]
        for have, expected in zip(found, want):
            np.testing.assert_allclose(have, expected, rtol=0, atol=1e-12)
        assert bool((out.ys[length:, row] == 0).all())


def test_a_stream_in_parts_is_the_whole_and_a_reset_begins_a_segment():
    layer, params = make(period=4, restart=True)

    @jax.jit
    def run():
        whole = layer.apply(params, XS)
        first = layer.apply(params, XS[:6])
        reset = jnp.zeros((NUM_STEPS, 4), bool).at[5].set(True)
        return (
            whole,
            first,
            layer.apply(params, XS[6:], first.state),
            (
                layer.apply(params, XS, reset=reset),
                layer.apply(params, XS[5:]),
            ),
        )

    whole, first, last, (packed, alone) = run()
    assert_same(jnp.concatenate([first.ys, last.ys]), whole.ys)
    assert_same(last.state, whole.state)
    assert_same(packed.ys[5:], alone.ys)
    assert_same(packed.state, alone.state)


ELMAN = cells.Elman(input_size=5, hidden_size=4)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make(period=0), "period must be a whole number >= 1 or None, got 0"),
        (
            lambda: layers.Hierarchical(lower=ELMAN, upper=ELMAN),
            "upper has input_size=5, but lower",
        ),
        (
            lambda: layers.Hierarchical(
                lower=ELMAN, upper=cells.Elman(input_size=4, hidden_size=5), period=2
            ),
            "make lower with the inputs' size + 5",
        ),
        (lambda: make()[0].apply(make()[1], XS), "no boundaries are given and period is None"),
        (
            lambda: make(period=2)[0].apply(make()[1], XS, boundaries=ENDS),
            "boundaries are given and period is 2",
        ),
        (
            lambda: make()[0].apply(make()[1], XS, boundaries=ENDS[:3]),
            "boundaries has shape (3, 4)",
        ),
        (
            lambda: layers.Hierarchical(lower=layers.RNN(cell=ELMAN), upper=ELMAN),
            "cell is a RNN: give a cell",
        ),
    ],
)
def test_refusals(call: Any, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()

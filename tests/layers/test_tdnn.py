"""Time-delay networks against a NumPy loop from the paper and against torch.nn.Conv1d."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import layers
from tests.laws.cases import assert_same, jitter

NUM_STEPS = 9
LENGTHS = [9, 0, 5, 2]
XS = np.random.default_rng(0).normal(size=(NUM_STEPS, 4, 3))


def make(**choices: Any) -> tuple[Any, Any]:
    layer = layers.TDNN(input_size=3, output_size=2, **choices)
    return layer, jitter(layer.init(jax.random.key(0), jnp.float64), jax.random.key(1))


def by_hand(layer: Any, params: Any, row: np.ndarray) -> np.ndarray:
    """One row (length, D): a sum over delays for every output."""
    w, b = np.asarray(params.w), np.asarray(params.b)
    reach = layer.reach
    left = {"causal": reach, "same": reach // 2, "valid": 0}[layer.padding]
    count = max(len(row) - reach, 0) if layer.padding == "valid" else len(row)
    found = np.zeros((count, 2))
    for t in range(count):
        total = b.copy()
        for k in range(layer.kernel_size):
            source = t - left + k * layer.dilation
            if 0 <= source < len(row):
                total += row[source] @ w[k]
        found[t] = 1 / (1 + np.exp(-total))
    return found


@pytest.mark.parametrize("padding", ["causal", "same", "valid"])
@pytest.mark.parametrize(
    ("kernel_size", "dilation"),
    [(2, 3), *(pytest.param(*sizes, marks=pytest.mark.slow) for sizes in ((1, 1), (3, 1), (4, 1)))],
)
def test_equals_a_loop_over_delays(padding: Any, kernel_size: int, dilation: int):
    layer, params = make(kernel_size=kernel_size, dilation=dilation, padding=padding)
    padded = XS.copy()
    for row, length in enumerate(LENGTHS):
        padded[length:, row] = np.nan
    out = layer.apply(params, padded, lengths=LENGTHS)
    for row, length in enumerate(LENGTHS):
        want = by_hand(layer, params, XS[:length, row])
        assert int(out.lengths[row]) == len(want)
        np.testing.assert_allclose(out.ys[: len(want), row], want, rtol=0, atol=1e-12)
        assert bool((out.ys[len(want) :, row] == 0).all())
    plain = layer.apply(params, XS)
    assert plain.lengths is None
    np.testing.assert_allclose(plain.ys[:, 2], by_hand(layer, params, XS[:, 2]), rtol=0, atol=1e-12)


@pytest.mark.parametrize("padding", ["causal", "same"])
def test_windows_stop_at_a_reset(padding: Any):
    layer, params = make(kernel_size=3, dilation=2, padding=padding)
    reset = np.zeros((NUM_STEPS, 4), bool)
    reset[4, 0] = reset[5, 0] = reset[0, 2] = reset[3, 2] = True
    out = layer.apply(params, XS, lengths=LENGTHS, reset=reset)
    for row, starts in ((0, [0, 4, 5, 9]), (2, [0, 3, 5])):
        for begin, end in zip(starts[:-1], starts[1:]):
            want = by_hand(layer, params, XS[begin:end, row])
            np.testing.assert_allclose(out.ys[begin:end, row], want, rtol=0, atol=1e-12)


def test_a_stream_in_parts_is_the_whole():
    """Parts shorter than a window, lengths that end inside a part, and a reset between."""
    layer, params = make(kernel_size=3, dilation=2)
    whole = layer.apply(params, XS)
    state, found = None, []
    for begin, end in ((0, 1), (1, 3), (3, 4), (4, 9)):
        out = layer.apply(params, XS[begin:end], state)
        state = out.state
        found.append(out.ys)
    assert_same((jnp.concatenate(found), state), (whole.ys, whole.state))
    lengths = np.array([3, 0, 2, 4])
    first = layer.apply(params, XS[:4], lengths=lengths)
    rest = np.stack([XS[n : n + 3, row] for row, n in enumerate(lengths)], 1)
    second = layer.apply(params, rest, first.state)  # each row goes on from its own end
    for row, n in enumerate(lengths):
        assert_same(second.ys[:, row], whole.ys[n : n + 3, row])
    reset = np.zeros((4, 4), bool)
    reset[2] = True
    forgotten = layer.apply(params, XS[:4], reset=reset)
    assert_same(forgotten.state, layer.apply(params, XS[2:4]).state)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
def test_equals_torch_conv1d():
    torch = pytest.importorskip("torch")
    for padding, kernel_size, dilation in (("valid", 3, 2), ("same", 3, 2), ("same", 4, 1)):
        layer, params = make(kernel_size=kernel_size, dilation=dilation, padding=padding)
        conv = torch.nn.Conv1d(3, 2, kernel_size, dilation=dilation, padding=padding).double()
        with torch.no_grad():
            conv.weight.copy_(torch.tensor(np.array(params.w.transpose(2, 1, 0))))
            conv.bias.copy_(torch.tensor(np.array(params.b)))
            want = torch.sigmoid(conv(torch.tensor(XS.transpose(1, 2, 0)))).numpy()
        found = layer.apply(params, XS).ys
        np.testing.assert_allclose(found, want.transpose(2, 0, 1), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make(kernel_size=0), "kernel_size must be a whole number >= 1"),
        (lambda: make(kernel_size=2, dilation=0), "dilation must be a whole number >= 1"),
        (lambda: make(kernel_size=2, padding="full"), "got 'full'"),
        (
            lambda: (lambda layer, p: layer.apply(p, XS))(
                *make(kernel_size=6, dilation=2, padding="valid")
            ),
            "xs has 9 steps",
        ),
        (
            lambda: (lambda layer, p: layer.apply(p, XS, reset=XS[..., 0] > 0))(
                *make(kernel_size=2, padding="valid")
            ),
            "would span two sequences",
        ),
        (
            lambda: (lambda layer, p: layer.apply(p, XS, layers.TDNNState(XS)))(
                *make(kernel_size=2)
            ),
            "state.xs has shape (9, 4, 3)",
        ),
        (
            lambda: (lambda layer, p: layer.apply(p, XS, layers.TDNNState(XS)))(
                *make(kernel_size=2, padding="same")
            ),
            "state is a TDNNState, but TDNN goes on from nothing",
        ),
    ],
)
def test_refusals(call: Any, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()

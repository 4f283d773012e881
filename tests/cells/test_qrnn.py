"""QRNN on windows against a loop over the paper's masked convolution and poolings."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers, ops

T, B, D, H = 6, 2, 3, 4


def loop(pooling, kernels, bias, xs, c):
    """Convolution kernels (gate, width, D, H) as in the paper's W^1, W^2: the last meets x_t."""
    width, c = kernels.shape[1], np.array(c)
    ys = np.empty((T, B, H))
    for t, row in np.ndindex(T, B):
        total = np.array(bias)
        for gate, lag in np.ndindex(len(kernels), width):
            if t - lag >= 0:
                total[gate] += xs[t - lag, row] @ kernels[gate, width - 1 - lag]
        *i, f, z, o = total
        f, o, z = 1 / (1 + np.exp(-f)), 1 / (1 + np.exp(-o)), np.tanh(z)
        i = 1 - f if pooling == "fo" else 1 / (1 + np.exp(-i[0]))
        c[row] = f * c[row] + i * z
        ys[t, row] = o * c[row]
    return c, ys


@pytest.mark.parametrize("pooling", ["fo", "ifo"])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_equals_the_papers_loop(pooling, width):
    gates = len(pooling) + 1
    rng = np.random.default_rng(0)
    kernels, bias = rng.standard_normal((gates, width, D, H)), rng.standard_normal((gates, H))
    xs, c = rng.standard_normal((T, B, D)), rng.standard_normal((B, H))
    cell = cells.QRNN(input_size=width * D, hidden_size=H, pooling=pooling)
    params = cells.QRNNParams(
        w_x=jnp.asarray(kernels.transpose(1, 2, 0, 3).reshape(width * D, gates * H)),
        b=jnp.asarray(bias.ravel()),
    )
    start = cell.initial_state(params, (B,))._replace(c=jnp.asarray(c))
    last, want = loop(pooling, kernels, bias, xs, c)
    for driver in (drivers.scan, drivers.associative):
        state, ys = driver(cell, params, ops.windows(jnp.asarray(xs), width), start)
        np.testing.assert_allclose(ys, want, atol=1e-12)
        np.testing.assert_allclose(state.c, last, atol=1e-12)


@pytest.mark.parametrize(("pooling", "place"), [("fo", 0), ("ifo", 1)])
def test_forget_bias_is_the_forget_gates(pooling, place):
    cell = cells.QRNN(input_size=1, hidden_size=2, pooling=pooling, forget_bias=1.5)
    b = cell.init(jax.random.key(0)).b.reshape(-1, 2)
    assert (b[:, 0] == 1.5).tolist() == [k == place for k in range(len(b))]


def test_unknown_pooling_is_refused():
    with pytest.raises(ValueError, match='pooling must be "fo" or "ifo", got \'max\''):
        cells.QRNN(input_size=1, hidden_size=1, pooling="max")

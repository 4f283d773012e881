"""Flax' own cells, Linen and NNX, against ours with their weights, and back."""

import re
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from rnn_jax import bridge, cells, drivers
from tests.bridge.peers import assert_close, single

pytestmark = [
    pytest.mark.usefixtures("standard_promotion"),  # Flax' cells fail under the strict one
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Flax' own
]

LSTM = cells.LSTM(input_size=3, hidden_size=4)
GRU = cells.GRU(input_size=3, hidden_size=4)
ELMAN = cells.Elman(input_size=3, hidden_size=4)
gru_from_linen = partial(bridge.gru_from_linen, reset="after")
gru_to_linen = partial(bridge.gru_to_linen, reset="after")
gru_from_nnx = partial(bridge.gru_from_nnx, reset="after")
gru_to_nnx = partial(bridge.gru_to_nnx, reset="after")
LINEN = {
    "LSTMCell": (LSTM, bridge.lstm_from_linen, bridge.lstm_to_linen),
    "OptimizedLSTMCell": (LSTM, bridge.lstm_from_linen, bridge.lstm_to_linen),
    "GRUCell": (GRU, gru_from_linen, gru_to_linen),
    "SimpleCell": (ELMAN, bridge.simple_from_linen, bridge.simple_to_linen),
}
NNX = {
    "LSTMCell": (LSTM, bridge.lstm_from_nnx, bridge.lstm_to_nnx),
    "OptimizedLSTMCell": (LSTM, bridge.optimized_lstm_from_nnx, bridge.optimized_lstm_to_nnx),
    "GRUCell": (GRU, gru_from_nnx, gru_to_nnx),
    "SimpleCell": (ELMAN, bridge.simple_from_nnx, bridge.simple_to_nnx),
}
XS = jax.random.normal(jax.random.key(0), (2, 3, 3), jnp.float64)  # (B, T, D)


def randomized(tree: Any) -> Any:
    """Flax' biases start at zero, which would hide where they go."""
    random = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.asarray(random.normal(size=leaf.shape) / 2), tree)


@jax.jit(static_argnums=0)
def our_outputs(cell: Any, params: Any, xs: jax.Array) -> jax.Array:
    ys = drivers.scan(cell, params, jnp.swapaxes(xs, 0, 1), gradient="autodiff")[1]
    return jnp.swapaxes(ys, 0, 1)


def check(cell: Any, params: Any, ys: jax.Array) -> None:
    assert_close(our_outputs(cell, params, XS), ys)
    assert_close(our_outputs(cell, single(params), single(XS)), ys, 1e-6)


@pytest.mark.parametrize("name", LINEN)
def test_linen(name: str):
    cell, come, go = LINEN[name]
    rnn = linen.RNN(getattr(linen, name)(4, param_dtype=jnp.float64))
    weights = randomized(jax.eval_shape(rnn.init, jax.random.key(0), XS)["params"]["cell"])
    params = come(weights)
    check(cell, params, rnn.apply({"params": {"cell": weights}}, XS))
    assert_close(go(params), weights, 0)


@pytest.mark.parametrize("name", NNX)
def test_nnx(name: str):
    cell, come, go = NNX[name]
    kind = partial(getattr(nnx, name), 3, 4, dtype=jnp.float64, param_dtype=jnp.float64)
    rnn = nnx.RNN(kind(rngs=nnx.Rngs(0)))
    weights = randomized(nnx.to_pure_dict(nnx.state(rnn.cell)))
    nnx.update(rnn.cell, weights)
    params = come(nnx.state(rnn.cell))
    check(cell, params, rnn(XS))
    assert_close(go(params), weights, 0)
    assert_close(come(weights), params, 0)  # plain dicts do as well


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bridge.gru_from_linen({}, reset="before"), "no weights make them equal"),
        (lambda: bridge.gru_to_linen(None, reset="before"), "linen.GRUCell applies the reset"),
        (lambda: bridge.gru_from_nnx({}, reset="before"), "nnx.GRUCell applies the reset"),
        (lambda: bridge.gru_to_nnx(None, reset="before"), "or train anew"),
        (
            lambda: gru_to_nnx(GRU.init(jax.random.key(0))._replace(b_h=np.full(4, -2.0))),
            "params.b_h has entries up to 2, and nnx.GRUCell has no bias inside the reset",
        ),
        (lambda: bridge.lstm_from_linen({"ii": {"kernel": 1}}), "no kernel of 'if'"),
        (lambda: bridge.gru_from_nnx({"cell": {}}, reset="after"), "they are {'cell': []}"),
        (
            lambda: bridge.optimized_lstm_from_nnx(gru_to_nnx(GRU.init(jax.random.key(0)))),
            "weights of another layer",
        ),
    ],
)
def test_refusals(call: Any, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()

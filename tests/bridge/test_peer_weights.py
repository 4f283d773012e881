"""Keras, Haiku and Equinox against our cells with their weights, and back."""

import re
from functools import partial
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import bridge, cells, drivers
from tests.bridge.peers import assert_close, check_golden_numbers, load, maker, single

GOLDEN = {peer: load(peer) for peer in ("keras", "haiku", "equinox")}
LSTM = cells.LSTM(input_size=3, hidden_size=4)
AFTER = cells.GRU(input_size=3, hidden_size=4)
BEFORE = cells.GRU(input_size=3, hidden_size=4, reset="before")
TANH = cells.Elman(input_size=3, hidden_size=4)
RELU = cells.Elman(input_size=3, hidden_size=4, activation=jax.nn.relu)


def of_form(convert: Any, reset: str) -> Any:
    return partial(convert, reset=reset)


KERAS_GRU = bridge.gru_from_keras, bridge.gru_to_keras
VANILLA = bridge.vanilla_rnn_from_haiku, bridge.vanilla_rnn_to_haiku
# (peer, case): cell, how weights come and go
CASES: dict[tuple[str, str], tuple[Any, Any, Any]] = {
    ("keras", "lstm"): (LSTM, bridge.lstm_from_keras, bridge.lstm_to_keras),
    ("keras", "gru_after"): (AFTER, *(of_form(f, "after") for f in KERAS_GRU)),
    ("keras", "gru_before"): (BEFORE, *(of_form(f, "before") for f in KERAS_GRU)),
    ("keras", "gru_no_bias"): (AFTER, *(of_form(f, "after") for f in KERAS_GRU)),
    ("keras", "simple_rnn"): (TANH, bridge.simple_rnn_from_keras, bridge.simple_rnn_to_keras),
    ("haiku", "lstm"): (LSTM, bridge.lstm_from_haiku, bridge.lstm_to_haiku),
    ("haiku", "gru"): (
        BEFORE,
        *(of_form(f, "before") for f in (bridge.gru_from_haiku, bridge.gru_to_haiku)),
    ),
    ("haiku", "vanilla_rnn"): (RELU, *VANILLA),
    ("haiku", "vanilla_rnn_one_bias"): (RELU, *VANILLA),
    ("equinox", "lstm"): (LSTM, bridge.lstm_from_equinox, bridge.lstm_to_equinox),
    ("equinox", "lstm_no_bias"): (LSTM, bridge.lstm_from_equinox, bridge.lstm_to_equinox),
    ("equinox", "gru"): (
        AFTER,
        *(of_form(f, "after") for f in (bridge.gru_from_equinox, bridge.gru_to_equinox)),
    ),
}
NO_BIAS = {"gru_no_bias", "lstm_no_bias", "vanilla_rnn_one_bias"}  # our zero biases have no place


def weights_of(peer: str, case: str) -> Any:
    """The golden weights in the peer's own form."""
    flat = GOLDEN[peer][case]["weights"]
    if peer == "keras":
        return [flat[str(i)] for i in range(len(flat))]
    if peer == "haiku":
        tree: dict[str, Any] = {}
        for name, array in flat.items():
            module, leaf = name.split(":")
            tree.setdefault(module, {})[leaf] = array
        return tree
    return SimpleNamespace(**{"bias": None, "bias_n": None} | flat)


@pytest.mark.parametrize(("peer", "case"), CASES)
def test_outputs(peer: str, case: str):
    cell, come, _ = CASES[peer, case]
    golden, params = GOLDEN[peer][case], come(weights_of(peer, case))
    swap = (lambda a: jnp.swapaxes(a, 0, 1)) if peer == "keras" else jnp.asarray
    run = jax.jit(lambda p, xs: drivers.scan(cell, p, xs, gradient="autodiff")[1])
    xs, ys = swap(golden["xs"]), swap(golden["ys"])
    assert_close(run(params, xs), ys)
    found = run(single(params), single(xs))
    assert found.dtype == jnp.float32
    assert_close(found, ys, 1e-6)


@pytest.mark.parametrize(("peer", "case"), CASES)
def test_round_trip(peer: str, case: str):
    _, come, go = CASES[peer, case]
    params = come(weights_of(peer, case))
    exported = go(params)
    again = come(SimpleNamespace(**exported) if peer == "equinox" else exported)
    assert_close(again, params, 1e-15)  # Haiku's hidden 1 goes and comes


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the peers' own
@pytest.mark.parametrize("peer", GOLDEN)
def test_peer_says_the_same(peer: str, standard_promotion: None):
    script = maker(peer)
    check_golden_numbers(peer)
    for (other, case), (_, come, go) in CASES.items():
        if other == peer and case not in NO_BIAS:
            golden = GOLDEN[peer][case]
            found = script.run(case, go(come(weights_of(peer, case))), golden["xs"])
            np.testing.assert_allclose(found, golden["ys"], rtol=0, atol=1e-12, err_msg=case)


KERAS_LSTM = weights_of("keras", "lstm")
HAIKU_LSTM = weights_of("haiku", "lstm")
GRU_PARAMS = AFTER.init(jax.random.key(0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: bridge.gru_from_keras(weights_of("keras", "gru_after"), reset="before"),
            "keras.layers.GRU (reset_after=True) applies the reset gate after",
        ),
        (
            lambda: bridge.gru_from_keras(weights_of("keras", "gru_before"), reset="after"),
            "no weights make them equal",
        ),
        (lambda: bridge.gru_to_keras(GRU_PARAMS, reset="late"), "got 'late'"),
        (lambda: bridge.gru_from_haiku({}, reset="after"), "hk.GRU applies the reset gate before"),
        (lambda: bridge.gru_to_haiku(GRU_PARAMS, reset="after"), "no weights make them equal"),
        (lambda: bridge.gru_from_equinox(None, reset="before"), "eqx.nn.GRUCell applies"),
        (lambda: bridge.gru_to_equinox(GRU_PARAMS, reset="before"), "or train anew"),
        (lambda: bridge.lstm_from_keras(KERAS_LSTM * 2), "weights has 6 arrays"),
        (lambda: bridge.gru_from_keras(KERAS_LSTM, reset="before"), "weights of another layer"),
        (lambda: bridge.simple_rnn_from_keras(KERAS_LSTM), "weights of another layer"),
        (lambda: bridge.lstm_from_haiku(HAIKU_LSTM, "lstm_1"), "under 'lstm_1/linear'"),
        (lambda: bridge.vanilla_rnn_from_haiku(HAIKU_LSTM, "lstm"), "under 'lstm/linear_1'"),
    ],
)
def test_refusals(call: Any, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()


def test_reset_before_keeps_its_second_bias():
    """Keras and Haiku have one bias where ours has b and b_h: they are summed."""
    params = BEFORE.init(jax.random.key(0), jnp.float64)._replace(b_h=jnp.arange(4.0))
    xs = jnp.linspace(-1, 1, 6).reshape(2, 1, 3)
    run = jax.jit(lambda p: drivers.unrolled(BEFORE, p, xs)[1])
    for come, go in (KERAS_GRU, (bridge.gru_from_haiku, bridge.gru_to_haiku)):
        again = come(go(params, reset="before"), reset="before")
        assert float(again.b_h.max()) == 0
        assert_close(run(again), run(params))

"""torch.nn.LSTM, GRU and RNN against our cells with their weights, and back."""

import re
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import bridge, cells, drivers
from tests.bridge.peers import assert_close, check_golden_numbers, load, maker, single

GOLDEN = load("torch")
gru_in = partial(bridge.gru_from_torch, reset="after")
gru_out = partial(bridge.gru_to_torch, reset="after")
projected = partial(cells.ProjectedLSTM, projection_size=2)
relu = partial(cells.Elman, activation=jax.nn.relu)
# case: cell, its state, how weights come and go
CASES = {
    "lstm": (cells.LSTM, cells.LSTMState, bridge.lstm_from_torch, bridge.lstm_to_torch),
    "lstm_one": (cells.LSTM, cells.LSTMState, bridge.lstm_from_torch, bridge.lstm_to_torch),
    "projected": (
        *(projected, cells.LSTMState),
        *(bridge.projected_lstm_from_torch, bridge.projected_lstm_to_torch),
    ),
    "gru": (cells.GRU, cells.GRUState, gru_in, gru_out),
    "rnn": (cells.Elman, cells.ElmanState, bridge.rnn_from_torch, bridge.rnn_to_torch),
    "rnn_relu": (relu, cells.ElmanState, bridge.rnn_from_torch, bridge.rnn_to_torch),
}


def run_layers(make: Any, params: Any, states: Any, xs: jax.Array) -> tuple[jax.Array, Any]:
    """Layers of directions by hand: outputs side by side are the next layer's inputs."""
    ends = []
    for layer, starts in zip(params, states):
        cell = make(input_size=xs.shape[-1], hidden_size=4)
        results = [
            drivers.scan(cell, p, xs, start, reverse=backward, gradient="autodiff")
            for p, start, backward in zip(layer, starts, (False, True))
        ]
        ends.append(tuple(end for end, _ in results))
        xs = jnp.concatenate([ys for _, ys in results], axis=-1)
    return xs, tuple(ends)


def inputs_of(case: str) -> tuple[Any, Any, int]:
    """Params, states and number of directions from the golden numbers."""
    _, state_type, convert, _ = CASES[case]
    golden = GOLDEN[case]
    params = convert(golden["weights"])
    starts = [golden[name] for name in ("h_0", "c_0") if name in golden]
    num_directions = len(params[0])
    states = bridge.states_from_torch(state_type, *starts, num_directions=num_directions)
    return params, states, num_directions


@pytest.mark.parametrize("case", CASES)
def test_outputs_and_final_states(case: str):
    params, states, _ = inputs_of(case)
    run = jax.jit(partial(run_layers, CASES[case][0]))
    golden = GOLDEN[case]
    ends_expected = tuple(golden[name] for name in ("h_n", "c_n") if name in golden)
    ys, ends = run(params, states, jnp.asarray(golden["xs"]))
    assert_close(ys, golden["ys"])
    assert_close(bridge.states_to_torch(ends), ends_expected)
    ys, ends = run(single(params), single(states), single(golden["xs"]))
    assert ys.dtype == jnp.float32
    assert_close(ys, golden["ys"], 1e-6)
    assert_close(bridge.states_to_torch(ends), ends_expected, 1e-6)


@pytest.mark.parametrize("case", CASES)
def test_round_trip(case: str):
    _, _, come, go = CASES[case]
    params, states, num_directions = inputs_of(case)
    assert_close(come(go(params)), params, 0)
    assert_close(come(go(params, "encoder.") | {"decoder.w": 1}, "encoder."), params, 0)
    stacks = bridge.states_to_torch(states)
    again = bridge.states_from_torch(CASES[case][1], *stacks, num_directions=num_directions)
    assert_close(again, states, 0)


def test_torch_says_the_same():
    check_golden_numbers("torch")
    torch, script = pytest.importorskip("torch"), maker("torch")
    for case, (_, _, come, go) in CASES.items():
        golden = GOLDEN[case]
        if case == "lstm_one":  # bias=False there: nothing takes our zero biases
            continue
        exported = go(come(golden["weights"]))
        assert {k: v.shape for k, v in exported.items()} == {
            k: v.shape for k, v in golden["weights"].items()
        }
        found = script.run(case, exported, golden)
        np.testing.assert_allclose(found["ys"], golden["ys"], rtol=0, atol=1e-12)
    half = torch.nn.LSTM(3, 4).bfloat16()
    params = bridge.lstm_from_torch(half.state_dict())
    assert params[0][0].w_x.dtype == jnp.bfloat16
    half.load_state_dict({k: torch.from_numpy(v) for k, v in bridge.lstm_to_torch(params).items()})
    assert_close(bridge.lstm_from_torch(half.state_dict())[0][0].w_h, params[0][0].w_h, 0)
    weight = half.weight_ih_l0.detach().float().numpy()
    with torch.no_grad():
        half.weight_ih_l0.zero_()
    np.testing.assert_array_equal(np.float32(params[0][0].w_x.T), weight)  # a copy


LSTM = GOLDEN["lstm_one"]["weights"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bridge.gru_from_torch({}, reset="before"), "no weights make them equal"),
        (lambda: bridge.gru_to_torch((), reset="before"), 'cells.GRU(reset="after")'),
        (lambda: bridge.gru_to_torch((), reset="both"), "got 'both'"),
        (lambda: bridge.gru_from_torch(LSTM, reset="after"), "weights of another layer"),
        (lambda: bridge.rnn_from_torch(LSTM), "(3, 16) for inputs and (4, 16)"),
        (lambda: bridge.lstm_from_torch(GOLDEN["projected"]["weights"]), "projected_lstm_from_to"),
        (lambda: bridge.projected_lstm_from_torch(LSTM), "use lstm_from_torch"),
        (lambda: bridge.lstm_from_torch(LSTM | {"head.weight": 1}), "has 'head.weight'"),
        (lambda: bridge.lstm_from_torch(LSTM, "encoder."), "prefix 'encoder.'"),
        (lambda: bridge.lstm_from_torch({"weight_ih_l0": np.ones((4, 1))}), "weight_hh of every"),
        (lambda: bridge.lstm_from_torch(LSTM | {"bias_ih_l0": np.ones(16)}), "both biases or none"),
        (
            lambda: bridge.lstm_from_torch({k.replace("l0", "l1"): v for k, v in LSTM.items()}),
            "every layer from 0",
        ),
        (
            lambda: bridge.states_from_torch(cells.GRUState, np.ones((3, 2, 4)), num_directions=2),
            "have 3 entries on axis 0",
        ),
    ],
)
def test_refusals(call: Any, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()

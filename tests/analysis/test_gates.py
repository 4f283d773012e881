"""Gate activations against an LSTM and a GRU in NumPy, and against the states that they make."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import analysis, cells, drivers
from tests.cells.reference import draw_case
from tests.laws.cases import LENGTHS, RESET, make_case
from tests.registry import CELLS


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm(p, x, h, c):
    i, f, g, o = np.split(x @ p.w_x + p.b + h @ p.w_h, 4)
    gates = {"i": sigmoid(i), "f": sigmoid(f), "g": np.tanh(g), "o": sigmoid(o)}
    c = gates["f"] * c + gates["i"] * gates["g"]
    return gates, gates["o"] * np.tanh(c), c


def gru(p, x, h, c):
    x_r, x_z, x_n = np.split(x @ p.w_x + p.b, 3)
    h_r, h_z, h_n = np.split(h @ p.w_h, 3)
    r, z = sigmoid(x_r + h_r), sigmoid(x_z + h_z)
    n = np.tanh(x_n + r * (h_n + p.b_h))
    return {"r": r, "z": z, "n": n}, z * h + (1 - z) * n, c


@pytest.mark.parametrize(("name", "step"), [("lstm", lstm), ("gru", gru)])
def test_equal_a_loop_in_numpy(name, step):
    """Rows of several lengths, NaN behind them, and resets."""
    cell, params, state, xs = make_case(name)
    options = {"lengths": LENGTHS, "reset": RESET}
    padding = jnp.arange(7)[:, None] >= LENGTHS[None]
    marked = jnp.where(padding[..., None], jnp.nan, xs)
    run = jax.jit(analysis.gate_activations, static_argnums=0)
    found = run(cell, params, marked, state, **options)
    expected = {key: np.zeros((7, 3, 4)) for key in found}
    for row, length in enumerate(LENGTHS.tolist()):
        h = np.asarray(state.h[row])
        c = np.asarray(state.c[row]) if name == "lstm" else None
        for t in range(length):
            if RESET[t, row]:
                h, c = np.zeros(4), np.zeros(4)
            gates, h, c = step(params, np.asarray(xs[t, row]), h, c)
            for key in gates:
                expected[key][t, row] = gates[key]
    assert sorted(found) == sorted(gates)
    for key in found:
        np.testing.assert_allclose(found[key], expected[key], atol=1e-14)


OTHERS = (
    "peephole_lstm projected_lstm multiplicative_lstm coupled_lstm gru_before mgu mgu_before"
).split()


def test_the_gates_make_the_next_state():
    cases = {name: draw_case(CELLS[name], num_steps=1) for name in OTHERS}

    @jax.jit
    def run(given):  # one program for all cells: they compile in the time of one
        return {
            name: (
                analysis.gate_activations(CELLS[name], params, xs, state),
                drivers.step(CELLS[name], params, state, xs[0])[0],
            )
            for name, (params, state, xs) in given.items()
        }

    for name, (gates, new) in run(cases).items():
        params, state, _ = cases[name]
        gates = {k: np.asarray(gate[0]) for k, gate in gates.items()}
        if "n" in gates:
            keep, n = gates["z"] if "z" in gates else 1 - gates["f"], gates["n"]
            h = keep * np.asarray(state.h) + (1 - keep) * n
        else:
            write = gates["i"] if "i" in gates else 1 - gates["f"]
            c = gates["f"] * np.asarray(state.c) + write * gates["g"]
            np.testing.assert_allclose(new.c, c, atol=1e-14, err_msg=name)
            h = gates["o"] * np.tanh(c)
            h = h @ np.asarray(params.w_p) if name == "projected_lstm" else h
        np.testing.assert_allclose(new.h, h, atol=1e-14, err_msg=name)


def test_saturation_counts_real_steps():
    gate = jnp.array([[[0.05, 0.95], [0.5, 0.1]], [[0.2, 0.99], [0.0, 0.0]]])
    share = analysis.saturation(gate)
    assert share.low.tolist() == [0.5, 0.25] and share.high.tolist() == [0.0, 0.5]
    share = analysis.saturation(gate, jnp.array([2, 1]))
    np.testing.assert_allclose(share.low, [1 / 3, 0.0])
    np.testing.assert_allclose(share.high, [0.0, 2 / 3])
    assert analysis.saturation(gate, jnp.array([0, 0])).low.tolist() == [0.0, 0.0]
    many = jnp.zeros((3000, 1), jnp.bfloat16).at[:7].set(1)  # which bfloat16 cannot count
    np.testing.assert_allclose(analysis.saturation(many).high, 7 / 3000, rtol=1e-6)


def test_bad_input_is_refused():
    gate = jnp.zeros((2, 3, 4))
    zoneout = cells.Zoneout(cell=cells.LSTM(input_size=2, hidden_size=3), h_rate=0.5)
    with pytest.raises(ValueError, match="gates of Zoneout: give one of LSTM, .*inner cell"):
        analysis.gate_activations(zoneout, zoneout.init(jax.random.key(0)), jnp.ones((4, 2)))
    with pytest.raises(ValueError, match="low must lie below high"):
        analysis.saturation(gate, low=0.9, high=0.1)
    with pytest.raises(ValueError, match="cell is the class LSTM: give a cell"):
        analysis.gate_activations(cells.LSTM, zoneout, jnp.ones((4, 2)))
    with pytest.raises(ValueError, match=r"lengths has shape \(2,\)"):
        analysis.saturation(gate, jnp.ones(2, int))
    with pytest.raises(ValueError, match="go from 3 to 9, but gate has 2 steps"):
        analysis.saturation(gate, [3, 9, 4])
    with pytest.raises(ValueError, match="must be"):
        analysis.saturation(gate[0, 0])

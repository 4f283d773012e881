"""Stacks of both directions against torch.nn.LSTM and GRU on packed batches, gradients too."""

import importlib
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import bridge, cells, layers
from tests.bridge.peers import GOLDEN, load

LENGTHS = (3, 5, 1)
STATES = {"lstm": cells.LSTMState, "gru": cells.GRUState}


def golden(case: str) -> dict[str, Any]:
    found: dict[str, Any] = {"weights": {}, "d_weights": {}}
    with np.load(GOLDEN / "torch_layers.npz") as file:
        for name, array in file.items():
            kind, part, *rest = name.split("/")
            if kind == case and rest:
                found[part][rest[0]] = array
            elif kind == case:
                found[part] = array
    return found


def stacked(state: Any, name: str) -> jax.Array:
    """h_n or c_n in PyTorch's order, differentiable."""
    return jnp.stack([getattr(one, name) for layer in state for one in layer])


@pytest.mark.parametrize("case", STATES)
def test_packed_batches(case: str):
    numbers = golden(case)
    layer, params = bridge.stack_from_torch(numbers["weights"])
    names = [name for name in ("h", "c") if f"{name}_0" in numbers]
    starts = (numbers[f"{name}_0"] for name in names)
    state = bridge.states_from_torch(STATES[case], *starts, num_directions=2)

    def loss(params, state, xs):
        out = layer.apply(params, xs, state, lengths=jnp.array(LENGTHS))
        ends = {f"{name}_n": stacked(out.state, name) for name in names}
        found = {"ys": out.ys, **ends}
        return sum(jnp.sum(v * numbers[f"g_{name}"]) for name, v in found.items()), (found, out)

    @jax.jit
    def run(params, state, xs):
        return jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)(params, state, xs)

    (_, (found, out)), (d_params, d_state, d_xs) = run(params, state, jnp.asarray(numbers["xs"]))
    found |= {"d_xs": d_xs} | {f"d_{name}_0": stacked(d_state, name) for name in names}
    for name, value in found.items():
        np.testing.assert_allclose(value, numbers[name], rtol=0, atol=1e-12, err_msg=name)
    for name, end in zip(names, bridge.states_to_torch(out.state)):
        np.testing.assert_array_equal(end, found[f"{name}_n"])
    for place, d_torch in numbers["d_weights"].items():
        kind, level, *backward = place.rsplit("_l", 1)[0], *place.rsplit("_l", 1)[1].split("_")
        d = d_params[int(level)][len(backward)]
        ours = {"weight_ih": d.w_x.T, "weight_hh": d.w_h.T, "bias_ih": d.b, "bias_hh": d.b}[kind]
        if case == "gru" and kind == "bias_hh":  # the candidate's stands inside the reset gate
            ours = jnp.concatenate([d.b[:4], d.b_h])
        np.testing.assert_allclose(ours, d_torch, rtol=0, atol=1e-12, err_msg=place)


def test_torch_says_the_same():
    pytest.importorskip("torch")
    now = importlib.import_module("tests.golden.make_torch_layers").arrays()
    with np.load(GOLDEN / "torch_layers.npz") as file:
        assert sorted(now) == sorted(file)
        for name, array in file.items():
            np.testing.assert_allclose(now[name], array, rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.slow
def test_every_kind_and_one_direction():
    """The stack of each module of the other golden file gives its outputs."""
    for case, numbers in load("torch").items():
        relu = {"activation": jax.nn.relu} if case == "rnn_relu" else {}
        prefixed = {f"model.rnn.{name}": array for name, array in numbers["weights"].items()}
        layer, params = bridge.stack_from_torch(prefixed, "model.rnn.", **relu)
        both = isinstance(layer.layers[0], layers.Bidirectional)
        assert both == any("reverse" in name for name in numbers["weights"])
        state_type = type(layer.layers[0].initial_state(params[0])[0]) if both else None
        state_type = state_type or type(layer.layers[0].initial_state(params[0]))
        starts = (numbers[name] for name in ("h_0", "c_0") if name in numbers)
        state = bridge.states_from_torch(state_type, *starts, num_directions=1 + both)
        state = state if both else tuple(one for (one,) in state)
        ys = jax.jit(layer.apply)(params, numbers["xs"], state).ys
        np.testing.assert_allclose(ys, numbers["ys"], rtol=0, atol=1e-12, err_msg=case)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({}, "the state dict has [] under prefix"),
        ({"weight_ih_l0": np.ones((4, 1)), "conv.weight": np.ones(3)}, "has 'conv.weight'"),
        ({"weight_ih_l0": np.ones((4, 1)), "weight_hh_l0": np.ones((4, 2))}, "another layer"),
    ],
)
def test_refusals(weights: Any, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        bridge.stack_from_torch(weights)

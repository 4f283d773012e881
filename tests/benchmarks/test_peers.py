"""Every contender computes the same outputs and gradients, from the same weights."""

from importlib.util import find_spec

import jax
import numpy as np
import pytest
from jax.experimental import rnn

from benchmarks import contenders, peers
from rnn_jax import bridge, cells

PACKAGES = {
    "flax nnx": "flax", "flax linen": "flax", "haiku": "haiku", "equinox": "equinox",
    "keras": "keras",
}  # fmt: skip
SIZES = {"num_steps": 3, "batch_size": 2, "input_size": 3, "hidden_size": 4}


@pytest.fixture(autouse=True)
def _as_users_run_it(standard_promotion):
    with jax.enable_x64(False):
        yield


@pytest.mark.parametrize("kind", ["lstm", "gru", "elman"])
@pytest.mark.parametrize("peer", [*PACKAGES, "torch"])
def test_peer_agrees(peer: str, kind: str):
    if (peer, kind) in peers.LACKS:
        pytest.skip(peers.LACKS[peer, kind])
    package = PACKAGES.get(peer, peer)
    if not find_spec(package):
        pytest.skip(f"{package} is not installed")
    case = contenders.make_case(kind, **SIZES)
    # The outputs enter the gradient, so training alone is enough.
    checker = contenders.Checker("training", case)
    if peer == "torch":
        layer, program = contenders.torch_program("training", case, threads=1)
    else:
        layers, _ = peers.jax_peers(case.cell)
        layer = next(layer for layer in layers if layer.name.startswith(peer))
        program = contenders.jax_program(layer, "training", case)
    assert checker.error(layer, program.call()) < 1e-6


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_weights_are_those_of_the_bridge(kind: str):
    """Two implementations of the same layouts."""
    case = contenders.make_case(kind, **SIZES)
    after, before = ({}, {}) if kind == "lstm" else ({"reset": "after"}, {"reset": "before"})
    to_nnx = bridge.optimized_lstm_to_nnx if kind == "lstm" else bridge.gru_to_nnx
    right = {
        "flax nnx": {"cell": to_nnx(case.params, **after)},
        "flax linen": {
            "params": {"cell": getattr(bridge, f"{kind}_to_linen")(case.params, **after)}
        },
        "haiku": getattr(bridge, f"{kind}_to_haiku")(case.params, "core", **before),
        "equinox": getattr(bridge, f"{kind}_to_equinox")(case.params, **after),
        "keras": getattr(bridge, f"{kind}_to_keras")(case.params, **after),
    }
    for layer in peers.jax_peers(case.cell)[0]:
        packed = layer.pack(case.params)
        want = next(tree for name, tree in right.items() if layer.name.startswith(name))
        if layer.name.startswith("equinox"):
            packed = {name: getattr(packed, name) for name in want}
        jax.tree.map(np.testing.assert_array_equal, packed, want)


def test_a_contender_that_computes_something_else_is_found(monkeypatch):
    case = contenders.make_case("gru", **SIZES)
    checker = contenders.Checker("forward", case)
    layer = contenders.own_layers(case.cell, ())[0]
    ys = contenders.jax_program(layer, "forward", case).call()
    assert checker.error(layer, ys) < 1e-6
    with pytest.raises(ValueError, match=r"rnn_jax scan computes something else \(forward\): ys"):
        checker.error(layer, ys + 1e-3)
    monkeypatch.setattr(contenders, "TOLERANCE", 1e-8)  # which is more than float32 can do
    assert 1e-8 < checker.error(layer, ys) < 1e-6
    with pytest.raises(ValueError, match="computes something else"):
        checker.error(layer, ys + 1e-3)
    with pytest.raises(ValueError, match="by nan"):
        checker.error(layer, ys.at[0, 0, 0].set(float("nan")))


def test_what_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(peers, "find_spec", lambda name: name == "flax")
    layers, missing = peers.jax_peers(cells.LSTM(input_size=2, hidden_size=3))
    assert [layer.name for layer in layers] == ["flax nnx.RNN", "flax linen.RNN"]
    assert missing == [
        *(f"{package} is not installed" for package in ("haiku", "equinox", "keras")),
        "jax.experimental.rnn, which is cuDNN's LSTM, wants a GPU",
    ]
    layers, missing = peers.jax_peers(cells.Elman(input_size=2, hidden_size=3))
    assert [layer.name for layer in layers] == ["flax nnx.RNN", "flax linen.RNN"]
    assert missing[:2] == [peers.LACKS["haiku", "elman"], peers.LACKS["equinox", "elman"]]


def test_weights_of_cudnn(monkeypatch):
    """In the layout that JAX unpacks for its own reference of cuDNN's loop, which needs no GPU."""

    def reference(x, h_0, c_0, weights, lengths, *options):
        unpacked = rnn.unpack_lstm_weights(weights, *options[:3], options[-1])
        return rnn.lstm_ref(x, h_0, c_0, *unpacked, lengths, *options)

    monkeypatch.setattr(rnn, "lstm", reference)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(peers, "find_spec", lambda name: None)
    case = contenders.make_case("lstm", **SIZES)
    (layer,), _ = peers.jax_peers(case.cell)
    program = contenders.jax_program(layer, "training", case)
    assert contenders.Checker("training", case).error(layer, program.call()) < 1e-6

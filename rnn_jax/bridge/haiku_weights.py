"""Weights of Haiku's ``LSTM``, ``GRU`` and ``VanillaRNN``, without importing Haiku.

``params`` is what ``hk.transform(...).init`` returns: module names to dicts of arrays. A core
inside other modules has a longer name, like "model/~/lstm".
"""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from rnn_jax.bridge.arrays import (
    Reset,
    build,
    check_kernels,
    check_reset,
    jax_arrays,
    numpy_array,
    take_gates,
)
from rnn_jax.cells.elman import ElmanParams
from rnn_jax.cells.gru import GRUParams
from rnn_jax.cells.lstm import LSTMParams

HaikuParams = Mapping[str, Mapping[str, Any]]

_IGFO = (0, 2, 1, 3)  # i g f o <-> i f g o
_ZRN = (1, 0, 2)  # z r n <-> r z n


def lstm_from_haiku(params: HaikuParams, name: str = "lstm") -> LSTMParams:
    """Parameters for ``cells.LSTM`` from an ``hk.LSTM``.

        (w_x; w_h) = w, one matrix (D + H, 4H) there,   b = b + 1 for the forget gate

    Haiku's gates are i g f o, and its code adds 1 to the forget gate, which no parameter shows.

    Args:
        params: Haiku's parameters.
        name: The core's name among them.

    Raises:
        ValueError: If they are not there, or have other shapes.

    Example:
        >>> params = {"lstm/linear": {"w": np.ones((5, 12)), "b": np.zeros(12)}}
        >>> lstm_from_haiku(params).b.tolist()
        [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    w, b = _read(params, f"{name}/linear", "w", "b")
    size = w.shape[-1] // 4
    w_x, w_h = w[:-size], w[-size:]
    check_kernels("an LSTM", 4, w_x, w_h)
    forget = np.repeat(np.array([0, 1, 0, 0], b.dtype), size)
    return build(
        LSTMParams,
        w_x=take_gates(w_x, _IGFO),
        w_h=take_gates(w_h, _IGFO),
        b=take_gates(b, _IGFO) + forget,
    )


def lstm_to_haiku(params: LSTMParams, name: str = "lstm") -> dict[str, dict[str, jax.Array]]:
    """Parameters for an ``hk.LSTM``: gates i g f o, and 1 less for the forget gate.

    Example:
        >>> from rnn_jax import cells
        >>> params = cells.LSTM(input_size=2, hidden_size=3).init(jax.random.key(0))
        >>> lstm_to_haiku(params)["lstm/linear"]["w"].shape
        (5, 12)
    """
    w_x, w_h, b = (numpy_array(leaf) for leaf in (params.w_x, params.w_h, params.b))
    b = b - np.repeat(np.array([0, 1, 0, 0], b.dtype), len(b) // 4)
    w = np.concatenate([w_x, w_h])
    return jax_arrays({f"{name}/linear": {"w": take_gates(w, _IGFO), "b": take_gates(b, _IGFO)}})


def gru_from_haiku(params: HaikuParams, name: str = "gru", *, reset: Reset) -> GRUParams:
    """Parameters for ``cells.GRU(reset="before")`` from an ``hk.GRU``.

        z = sigmoid(a) there is 1 - z = sigmoid(-a) here:  w_xz, w_hz and b_z change their sign

    Haiku's z takes the new state where ours keeps the old, and its gates are z r a.

    Args:
        params: Haiku's parameters.
        name: The core's name among them.
        reset: That of the cell that shall run; Haiku's form is "before".

    Raises:
        ValueError: For ``reset="after"``, since no weights make the two forms equal; if the
            parameters are not there, or have other shapes.

    Example:
        >>> params = {"gru": {"w_i": np.ones((2, 9)), "w_h": np.ones((3, 9)), "b": np.ones(9)}}
        >>> gru_from_haiku(params, reset="before").b.tolist()
        [1.0, 1.0, 1.0, -1.0, -1.0, -1.0, 1.0, 1.0, 1.0]
    """
    check_reset("hk.GRU", has="before", reset=reset)
    w_x, w_h, b = _read(params, name, "w_i", "w_h", "b")
    check_kernels("a GRU", 3, w_x, w_h)
    w_x, w_h, b = (_negate_update(take_gates(leaf, _ZRN)) for leaf in (w_x, w_h, b))
    b_h = np.zeros(w_h.shape[:1], b.dtype)
    return build(GRUParams, w_x=w_x, w_h=w_h, b=b, b_h=b_h)


def gru_to_haiku(
    params: GRUParams, name: str = "gru", *, reset: Reset
) -> dict[str, dict[str, jax.Array]]:
    """Parameters for an ``hk.GRU`` from those of ``cells.GRU(reset="before")``.

    Raises:
        ValueError: For ``reset="after"``, which Haiku's GRU cannot compute.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.GRU(input_size=2, hidden_size=3, reset="before")
        >>> params = cell.init(jax.random.key(0))
        >>> gru_to_haiku(params, reset=cell.reset)["gru"]["w_i"].shape
        (2, 9)
    """
    check_reset("hk.GRU", has="before", reset=reset)
    b, b_h = numpy_array(params.b), numpy_array(params.b_h)
    b = b + np.concatenate([np.zeros_like(b_h), np.zeros_like(b_h), b_h])
    leaves = {"w_i": numpy_array(params.w_x), "w_h": numpy_array(params.w_h), "b": b}
    return jax_arrays({name: {k: take_gates(_negate_update(v), _ZRN) for k, v in leaves.items()}})


def vanilla_rnn_from_haiku(params: HaikuParams, name: str = "vanilla_rnn") -> ElmanParams:
    """Parameters for ``cells.Elman(activation=jax.nn.relu)`` from an ``hk.VanillaRNN``.

    Haiku's is a network of ReLUs with two biases, or one for ``double_bias=False``.

    Example:
        >>> linear = {"w": np.ones((2, 3)), "b": np.ones(3)}
        >>> recurrent = {"w": np.ones((3, 3)), "b": np.ones(3)}
        >>> params = {"vanilla_rnn/linear": linear, "vanilla_rnn/linear_1": recurrent}
        >>> vanilla_rnn_from_haiku(params).b.tolist()
        [2.0, 2.0, 2.0]
    """
    w_x, b = _read(params, f"{name}/linear", "w", "b")
    (w_h,) = _read(params, f"{name}/linear_1", "w")
    check_kernels("a simple network", 1, w_x, w_h)
    if "b" in params[f"{name}/linear_1"]:
        b = b + numpy_array(params[f"{name}/linear_1"]["b"])
    return build(ElmanParams, w_x=w_x, w_h=w_h, b=b)


def vanilla_rnn_to_haiku(
    params: ElmanParams, name: str = "vanilla_rnn"
) -> dict[str, dict[str, jax.Array]]:
    """Parameters for an ``hk.VanillaRNN`` (ReLU) with ``double_bias=True``, the second bias zero.

    Example:
        >>> from rnn_jax import cells
        >>> params = cells.irnn(2, 3).init(jax.random.key(0))
        >>> sorted(vanilla_rnn_to_haiku(params))
        ['vanilla_rnn/linear', 'vanilla_rnn/linear_1']
    """
    w_x, w_h, b = (numpy_array(leaf) for leaf in (params.w_x, params.w_h, params.b))
    return jax_arrays(
        {
            f"{name}/linear": {"w": w_x, "b": b},
            f"{name}/linear_1": {"w": w_h, "b": np.zeros_like(b)},
        }
    )


def _negate_update(array: np.ndarray) -> np.ndarray:
    """Change the sign of z in r z n."""
    r, z, n = np.split(array, 3, axis=-1)
    return np.concatenate([r, -z, n], axis=-1)


def _read(params: HaikuParams, module: str, *names: str) -> list[np.ndarray]:
    if module not in params or not set(names) <= set(params[module]):
        found = {key: sorted(value) for key, value in params.items()}
        raise ValueError(
            f"Haiku's parameters have no {' or '.join(names)} under {module!r}; they are {found}: "
            f"give the core's name with name=..."
        )
    return [numpy_array(params[module][name]) for name in names]

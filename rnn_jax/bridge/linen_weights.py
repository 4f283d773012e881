"""Weights of Flax Linen's ``LSTMCell``, ``OptimizedLSTMCell``, ``GRUCell`` and ``SimpleCell``.

``params`` is the cell's own entry: ``variables["params"]`` of a cell, ``["params"]["cell"]`` of
``linen.RNN(cell)``. Linen has a kernel for each gate, named by source and gate; here one has all.
"""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from rnn_jax.bridge.arrays import Reset, build, check_kernels, check_reset, jax_arrays, numpy_array
from rnn_jax.cells.elman import ElmanParams
from rnn_jax.cells.gru import GRUParams
from rnn_jax.cells.lstm import LSTMParams

Tree = Mapping[str, Mapping[str, Any]]
Arrays = dict[str, dict[str, jax.Array]]


def lstm_from_linen(params: Tree) -> LSTMParams:
    """Parameters for ``cells.LSTM`` from a ``linen.LSTMCell`` or ``OptimizedLSTMCell``.

        w_x = (ii, if, ig, io),   w_h = (hi, hf, hg, ho),   b = biases of the latter

    Raises:
        ValueError: If an entry is missing, or has another shape.

    Example:
        >>> params = {f"i{gate}": {"kernel": np.ones((2, 3))} for gate in "ifgo"}
        >>> recurrent = {"kernel": np.ones((3, 3)), "bias": np.ones(3)}
        >>> lstm_from_linen(params | {f"h{gate}": recurrent for gate in "ifgo"}).w_h.shape
        (3, 12)
    """
    w_x, w_h = join(params, "kernel", "i", "ifgo"), join(params, "kernel", "h", "ifgo")
    check_kernels("an LSTM", 4, w_x, w_h)
    return build(LSTMParams, w_x=w_x, w_h=w_h, b=join(params, "bias", "h", "ifgo"))


def lstm_to_linen(params: LSTMParams) -> Arrays:
    """Parameters for a ``linen.LSTMCell`` or ``OptimizedLSTMCell``.

    Example:
        >>> from rnn_jax import cells
        >>> params = cells.LSTM(input_size=2, hidden_size=3).init(jax.random.key(0))
        >>> sorted(lstm_to_linen(params))
        ['hf', 'hg', 'hi', 'ho', 'if', 'ig', 'ii', 'io']
    """
    return jax_arrays(
        split("i", "ifgo", kernel=params.w_x) | split("h", "ifgo", kernel=params.w_h, bias=params.b)
    )


def gru_from_linen(params: Tree, *, reset: Reset) -> GRUParams:
    """Parameters for ``cells.GRU(reset="after")`` from a ``linen.GRUCell``.

        w_x = (ir, iz, in),   w_h = (hr, hz, hn),   b = biases of the former,   b_h = bias of hn

    Args:
        params: The cell's parameters.
        reset: That of the cell that shall run; Linen's form is "after".

    Raises:
        ValueError: For ``reset="before"``, since no weights make the two forms equal; if an entry
            is missing, or has another shape.

    Example:
        >>> params = {f"i{gate}": {"kernel": np.ones((2, 3)), "bias": np.ones(3)} for gate in "rzn"}
        >>> recurrent = {"kernel": np.ones((3, 3)), "bias": np.ones(3)}
        >>> params |= {f"h{gate}": recurrent for gate in "rzn"}
        >>> gru_from_linen(params, reset="after").b_h.tolist()
        [1.0, 1.0, 1.0]
    """
    check_reset("linen.GRUCell", has="after", reset=reset)
    w_x, w_h = join(params, "kernel", "i", "rzn"), join(params, "kernel", "h", "rzn")
    check_kernels("a GRU", 3, w_x, w_h)
    b_h = entry(params, "hn", "bias")
    return build(GRUParams, w_x=w_x, w_h=w_h, b=join(params, "bias", "i", "rzn"), b_h=b_h)


def gru_to_linen(params: GRUParams, *, reset: Reset) -> Arrays:
    """Parameters for a ``linen.GRUCell`` from those of ``cells.GRU(reset="after")``.

    Raises:
        ValueError: For ``reset="before"``, which Linen's cell cannot compute.

    Example:
        >>> from rnn_jax import cells
        >>> params = cells.GRU(input_size=2, hidden_size=3).init(jax.random.key(0))
        >>> sorted(gru_to_linen(params, reset="after")["hn"])
        ['bias', 'kernel']
    """
    check_reset("linen.GRUCell", has="after", reset=reset)
    inputs = split("i", "rzn", kernel=params.w_x, bias=params.b)
    recurrent = split("h", "rzn", kernel=params.w_h)
    recurrent["hn"]["bias"] = params.b_h
    return jax_arrays(inputs | recurrent)


def simple_from_linen(params: Tree) -> ElmanParams:
    """Parameters for ``cells.Elman`` from a ``linen.SimpleCell`` (tanh).

    A cell with ``residual=True`` adds h before the activation: add the identity to ``w_h``.

    Example:
        >>> params = {"i": {"kernel": np.ones((2, 3)), "bias": np.ones(3)}}
        >>> simple_from_linen(params | {"h": {"kernel": np.ones((3, 3))}}).w_h.shape
        (3, 3)
    """
    w_x, w_h = entry(params, "i", "kernel"), entry(params, "h", "kernel")
    check_kernels("a simple network", 1, w_x, w_h)
    return build(ElmanParams, w_x=w_x, w_h=w_h, b=entry(params, "i", "bias"))


def simple_to_linen(params: ElmanParams) -> Arrays:
    """Parameters for a ``linen.SimpleCell``.

    Example:
        >>> from rnn_jax import cells
        >>> params = cells.Elman(input_size=2, hidden_size=3).init(jax.random.key(0))
        >>> sorted(simple_to_linen(params))
        ['h', 'i']
    """
    return jax_arrays({"i": {"kernel": params.w_x, "bias": params.b}, "h": {"kernel": params.w_h}})


def entry(params: Tree, module: str, name: str) -> np.ndarray:
    """``params[module][name]``, or an error that says what is there.

    Raises:
        ValueError: If there is no such entry.

    Example:
        >>> entry({"hn": {"bias": np.ones(2)}}, "hn", "bias").tolist()
        [1.0, 1.0]
    """
    if module not in params or name not in params[module]:
        found = {key: sorted(value) for key, value in params.items()}
        raise ValueError(
            f"Flax' parameters have no {name} of {module!r}; they are {found}: give the entry of "
            f"the recurrent cell itself, and use the converter of its class."
        )
    return numpy_array(params[module][name])


def join(params: Tree, name: str, source: str, gates: str) -> np.ndarray:
    """The gates' kernels or biases side by side; ``source`` is "i" (inputs) or "h" (state).

    Example:
        >>> join(
        ...     {"ir": {"bias": np.ones(1)}, "iz": {"bias": np.zeros(1)}}, "bias", "i", "rz"
        ... ).tolist()
        [1.0, 0.0]
    """
    return np.concatenate([entry(params, source + gate, name) for gate in gates], axis=-1)


def split(source: str, gates: str, **arrays: Any) -> dict[str, dict[str, Any]]:
    """The inverse of ``join``, for several arrays.

    Example:
        >>> split("i", "rz", bias=np.array([1.0, 0.0]))
        {'ir': {'bias': array([1.])}, 'iz': {'bias': array([0.])}}
    """
    blocks = {k: np.split(numpy_array(v), len(gates), axis=-1) for k, v in arrays.items()}
    return {
        source + gate: {name: parts[i] for name, parts in blocks.items()}
        for i, gate in enumerate(gates)
    }

"""Weights of Equinox' ``LSTMCell`` and ``GRUCell``, without importing Equinox.

Modules of Equinox are rebuilt by its own function: with ``fields = lstm_to_equinox(params)``,
``eqx.tree_at(lambda m: [getattr(m, k) for k in fields], module, list(fields.values()))``.
"""

from typing import Any

import jax
import numpy as np

from rnn_jax.bridge.arrays import Reset, build, check_kernels, check_reset, numpy_array
from rnn_jax.cells.gru import GRUParams
from rnn_jax.cells.lstm import LSTMParams


def lstm_from_equinox(module: Any) -> LSTMParams:
    """Parameters for ``cells.LSTM`` from an ``eqx.nn.LSTMCell``; gates i f g o in both.

        w_x = weight_ih.T,  w_h = weight_hh.T,  b = bias

    Args:
        module: Anything with the attributes ``weight_ih``, ``weight_hh`` and ``bias`` (or None).

    Raises:
        ValueError: If the shapes are not those of an LSTM.

    Example:
        >>> from types import SimpleNamespace
        >>> module = SimpleNamespace(
        ...     weight_ih=np.ones((12, 2)), weight_hh=np.ones((12, 3)), bias=None
        ... )
        >>> lstm_from_equinox(module).w_x.shape
        (2, 12)
    """
    w_x, w_h = numpy_array(module.weight_ih).T, numpy_array(module.weight_hh).T
    check_kernels("an LSTM", 4, w_x, w_h)
    b = np.zeros(w_x.shape[1:], w_x.dtype) if module.bias is None else module.bias
    return build(LSTMParams, w_x=w_x, w_h=w_h, b=b)


def lstm_to_equinox(params: LSTMParams) -> dict[str, jax.Array]:
    """The fields ``weight_ih``, ``weight_hh`` and ``bias`` of an ``eqx.nn.LSTMCell``.

    Example:
        >>> from rnn_jax import cells
        >>> params = cells.LSTM(input_size=2, hidden_size=3).init(jax.random.key(0))
        >>> {name: array.shape for name, array in lstm_to_equinox(params).items()}
        {'weight_ih': (12, 2), 'weight_hh': (12, 3), 'bias': (12,)}
    """
    return {"weight_ih": params.w_x.T, "weight_hh": params.w_h.T, "bias": params.b}


def gru_from_equinox(module: Any, *, reset: Reset) -> GRUParams:
    """Parameters for ``cells.GRU(reset="after")`` from an ``eqx.nn.GRUCell``; gates r z n in both.

        w_x = weight_ih.T,  w_h = weight_hh.T,  b = bias,  b_h = bias_n

    Args:
        module: Anything with ``weight_ih``, ``weight_hh``, ``bias`` and ``bias_n`` (or None).
        reset: That of the cell that shall run; Equinox' form is "after".

    Raises:
        ValueError: For ``reset="before"``, since no weights make the two forms equal; for other
            shapes.

    Example:
        >>> from types import SimpleNamespace
        >>> module = SimpleNamespace(weight_ih=np.ones((9, 2)), weight_hh=np.ones((9, 3)))
        >>> module.bias, module.bias_n = np.ones(9), np.ones(3)
        >>> gru_from_equinox(module, reset="after").b_h.tolist()
        [1.0, 1.0, 1.0]
    """
    check_reset("eqx.nn.GRUCell", has="after", reset=reset)
    w_x, w_h = numpy_array(module.weight_ih).T, numpy_array(module.weight_hh).T
    check_kernels("a GRU", 3, w_x, w_h)
    b, b_h = np.zeros(w_x.shape[1:], w_x.dtype), np.zeros(w_h.shape[:1], w_x.dtype)
    if module.bias is not None:
        b, b_h = module.bias, module.bias_n
    return build(GRUParams, w_x=w_x, w_h=w_h, b=b, b_h=b_h)


def gru_to_equinox(params: GRUParams, *, reset: Reset) -> dict[str, jax.Array]:
    """The fields ``weight_ih``, ``weight_hh``, ``bias`` and ``bias_n`` of an ``eqx.nn.GRUCell``.

    Raises:
        ValueError: For ``reset="before"``, which Equinox' cell cannot compute.

    Example:
        >>> from rnn_jax import cells
        >>> params = cells.GRU(input_size=2, hidden_size=3).init(jax.random.key(0))
        >>> gru_to_equinox(params, reset="after")["bias_n"].shape
        (3,)
    """
    check_reset("eqx.nn.GRUCell", has="after", reset=reset)
    return {
        "weight_ih": params.w_x.T,
        "weight_hh": params.w_h.T,
        "bias": params.b,
        "bias_n": params.b_h,
    }

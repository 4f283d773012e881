"""Weights of Keras' ``LSTM``, ``GRU`` and ``SimpleRNN``, without importing Keras.

``layer.get_weights()`` and ``layer.set_weights(weights)`` hold kernel, recurrent kernel and, unless
``use_bias=False``, a bias. ``Bidirectional`` has the forward layer's first, then the other's.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnn_jax.bridge.arrays import (
    Reset,
    build,
    check_kernels,
    check_reset,
    exportable,
    last_gate,
    numpy_array,
    take_gates,
)
from rnn_jax.cells.elman import ElmanParams
from rnn_jax.cells.gru import GRUParams
from rnn_jax.cells.lstm import LSTMParams

_SWAP = (1, 0, 2)  # z r n <-> r z n


def lstm_from_keras(weights: Sequence[Any]) -> LSTMParams:
    """Parameters for ``cells.LSTM`` from a ``keras.layers.LSTM``; gates i f c o are our i f g o.

    Args:
        weights: ``layer.get_weights()``: kernels (D, 4H) and (H, 4H), bias (4H,) if any.

    Raises:
        ValueError: For other shapes.

    Example:
        >>> lstm_from_keras([np.ones((2, 12)), np.ones((3, 12)), np.ones(12)]).b.shape
        (12,)
    """
    w_x, w_h, b = _read("an LSTM", 4, weights)
    return build(LSTMParams, w_x=w_x, w_h=w_h, b=b)


def lstm_to_keras(params: LSTMParams) -> list[np.ndarray]:
    """Weights for ``keras.layers.LSTM.set_weights``.

    Example:
        >>> import jax
        >>> from rnn_jax import cells
        >>> params = cells.LSTM(input_size=2, hidden_size=3).init(jax.random.key(0))
        >>> [array.shape for array in lstm_to_keras(params)]
        [(2, 12), (3, 12), (12,)]
    """
    return [exportable(leaf) for leaf in (params.w_x, params.w_h, params.b)]


def gru_from_keras(weights: Sequence[Any], *, reset: Reset) -> GRUParams:
    """Parameters for ``cells.GRU`` from a ``keras.layers.GRU``; gates z r h become r z n.

    Keras' default ``reset_after=True`` is our ``reset="after"`` and has a bias (2, 3H), inputs' and
    recurrent; ``reset_after=False`` is "before" and has one (3H,).

    Args:
        weights: ``layer.get_weights()``: kernels (D, 3H) and (H, 3H), bias if any.
        reset: That of the cell that shall run.

    Raises:
        ValueError: If the bias is of the other form, since no weights make the two equal; for other
            shapes. A layer without bias does not tell its form: ``reset`` must be right.

    Example:
        >>> weights = [np.ones((2, 9)), np.ones((3, 9)), np.ones((2, 9))]
        >>> gru_from_keras(weights, reset="after").b.tolist()
        [2.0, 2.0, 2.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0]
    """
    has: Reset = reset if len(weights) < 3 else "after" if np.ndim(weights[2]) == 2 else "before"
    check_reset(f"this keras.layers.GRU (reset_after={has == 'after'})", has=has, reset=reset)
    w_x, w_h, b = _read("a GRU", 3, weights)
    b_x, b_h = b if b.ndim == 2 else (b, np.zeros_like(b))
    outside, inside = last_gate(take_gates(b_h, _SWAP), 3)
    return build(
        GRUParams,
        w_x=take_gates(w_x, _SWAP),
        w_h=take_gates(w_h, _SWAP),
        b=take_gates(b_x, _SWAP) + outside,
        b_h=inside,
    )


def gru_to_keras(params: GRUParams, *, reset: Reset) -> list[np.ndarray]:
    """Weights for ``keras.layers.GRU.set_weights``, the layer's ``reset_after`` like ``reset``.

    Args:
        params: Parameters of ``cells.GRU``.
        reset: That of the cell.

    Example:
        >>> import jax
        >>> from rnn_jax import cells
        >>> params = cells.GRU(input_size=2, hidden_size=3).init(jax.random.key(0))
        >>> [array.shape for array in gru_to_keras(params, reset="after")]
        [(2, 9), (3, 9), (2, 9)]
        >>> [array.shape for array in gru_to_keras(params, reset="before")]
        [(2, 9), (3, 9), (9,)]
    """
    check_reset("keras.layers.GRU", has=reset, reset=reset)
    b, b_n = exportable(params.b), exportable(params.b_h)
    b_h = np.concatenate([np.zeros_like(b_n), np.zeros_like(b_n), b_n])
    bias = np.stack([take_gates(b, _SWAP), b_h]) if reset == "after" else take_gates(b + b_h, _SWAP)
    return [*(take_gates(exportable(w), _SWAP) for w in (params.w_x, params.w_h)), bias]


def simple_rnn_from_keras(weights: Sequence[Any]) -> ElmanParams:
    """Parameters for ``cells.Elman`` of the same activation from a ``keras.layers.SimpleRNN``.

    Example:
        >>> simple_rnn_from_keras([np.ones((2, 3)), np.ones((3, 3)), np.ones(3)]).b.shape
        (3,)
    """
    w_x, w_h, b = _read("a simple network", 1, weights)
    return build(ElmanParams, w_x=w_x, w_h=w_h, b=b)


def simple_rnn_to_keras(params: ElmanParams) -> list[np.ndarray]:
    """Weights for ``keras.layers.SimpleRNN.set_weights``.

    Example:
        >>> import jax
        >>> from rnn_jax import cells
        >>> params = cells.Elman(input_size=2, hidden_size=3).init(jax.random.key(0))
        >>> [array.shape for array in simple_rnn_to_keras(params)]
        [(2, 3), (3, 3), (3,)]
    """
    return [exportable(leaf) for leaf in (params.w_x, params.w_h, params.b)]


def _read(
    kind: str, num_gates: int, weights: Sequence[Any]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if len(weights) not in (2, 3):
        raise ValueError(
            f"weights has {len(weights)} arrays, but {kind} of Keras has two kernels and at most "
            f"one bias: give layer.get_weights() of one layer (of Bidirectional, half by half)."
        )
    w_x, w_h, *bias = (numpy_array(array) for array in weights)
    check_kernels(kind, num_gates, w_x, w_h)
    return w_x, w_h, bias[0] if bias else np.zeros(w_x.shape[1:], w_x.dtype)

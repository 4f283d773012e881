"""Weights of Flax NNX' ``LSTMCell``, ``OptimizedLSTMCell``, ``GRUCell`` and ``SimpleCell``.

Read with ``nnx.state(cell)``, write with ``nnx.update(cell, weights)``; ``nnx.RNN`` has its cell as
``rnn.cell``.
"""

import numpy as np

from rnn_jax.bridge.arrays import (
    Reset,
    build,
    check_kernels,
    check_reset,
    jax_arrays,
    numpy_array,
)
from rnn_jax.bridge.linen_weights import Arrays, Tree, entry, lstm_from_linen, lstm_to_linen
from rnn_jax.cells.elman import ElmanParams
from rnn_jax.cells.gru import GRUParams
from rnn_jax.cells.lstm import LSTMParams


def lstm_from_nnx(state: Tree) -> LSTMParams:
    """Parameters for ``cells.LSTM`` from the state of an ``nnx.LSTMCell``, a kernel for each gate.

    Raises:
        ValueError: If an entry is missing, or has another shape.

    Example:
        >>> state = {f"i{gate}": {"kernel": np.ones((2, 3))} for gate in ("i", "f_", "g", "o")}
        >>> recurrent = {"kernel": np.ones((3, 3)), "bias": np.ones(3)}
        >>> lstm_from_nnx(state | {f"h{gate}": recurrent for gate in "ifgo"}).w_h.shape
        (3, 12)
    """
    return lstm_from_linen({"if" if key == "if_" else key: state[key] for key in state})


def lstm_to_nnx(params: LSTMParams) -> Arrays:
    """Weights for an ``nnx.LSTMCell``.

    Example:
        >>> import jax
        >>> from rnn_jax import cells
        >>> params = cells.LSTM(input_size=2, hidden_size=3).init(jax.random.key(0))
        >>> sorted(lstm_to_nnx(params))
        ['hf', 'hg', 'hi', 'ho', 'if_', 'ig', 'ii', 'io']
    """
    return {"if_" if key == "if" else key: value for key, value in lstm_to_linen(params).items()}


def optimized_lstm_from_nnx(state: Tree) -> LSTMParams:
    """Parameters for ``cells.LSTM`` from the state of an ``nnx.OptimizedLSTMCell``; gates i f g o.

        w_x, w_h = kernels of dense_i and dense_h,   b = bias of dense_h

    Raises:
        ValueError: If an entry is missing, or has another shape.

    Example:
        >>> state = {"dense_i": {"kernel": np.ones((2, 12))}}
        >>> state["dense_h"] = {"kernel": np.ones((3, 12)), "bias": np.ones(12)}
        >>> optimized_lstm_from_nnx(state).w_x.shape
        (2, 12)
    """
    w_x, w_h = entry(state, "dense_i", "kernel"), entry(state, "dense_h", "kernel")
    check_kernels("an LSTM", 4, w_x, w_h)
    return build(LSTMParams, w_x=w_x, w_h=w_h, b=entry(state, "dense_h", "bias"))


def optimized_lstm_to_nnx(params: LSTMParams) -> Arrays:
    """Weights for an ``nnx.OptimizedLSTMCell``.

    Example:
        >>> import jax
        >>> from rnn_jax import cells
        >>> params = cells.LSTM(input_size=2, hidden_size=3).init(jax.random.key(0))
        >>> sorted(optimized_lstm_to_nnx(params)["dense_h"])
        ['bias', 'kernel']
    """
    return jax_arrays(
        {"dense_i": {"kernel": params.w_x}, "dense_h": {"kernel": params.w_h, "bias": params.b}}
    )


def gru_from_nnx(state: Tree, *, reset: Reset) -> GRUParams:
    """Parameters for ``cells.GRU(reset="after")`` from the state of an ``nnx.GRUCell``.

        w_x, w_h = kernels of dense_i and dense_h,   b = bias of dense_i,   b_h = 0     gates r z n

    NNX documents a bias b_hn inside the reset and has none (flax 0.12.7 to 0.12.12).

    Args:
        state: ``nnx.state(cell)``.
        reset: That of the cell that shall run; NNX' form is "after".

    Raises:
        ValueError: For ``reset="before"``, since no weights make the two forms equal; if an entry
            is missing, or has another shape.

    Example:
        >>> state = {"dense_i": {"kernel": np.ones((2, 9)), "bias": np.ones(9)}}
        >>> state["dense_h"] = {"kernel": np.ones((3, 9))}
        >>> gru_from_nnx(state, reset="after").b_h.tolist()
        [0.0, 0.0, 0.0]
    """
    check_reset("nnx.GRUCell", has="after", reset=reset)
    w_x, w_h = entry(state, "dense_i", "kernel"), entry(state, "dense_h", "kernel")
    check_kernels("a GRU", 3, w_x, w_h)
    b = entry(state, "dense_i", "bias")
    return build(GRUParams, w_x=w_x, w_h=w_h, b=b, b_h=np.zeros(w_h.shape[:1], b.dtype))


def gru_to_nnx(params: GRUParams, *, reset: Reset) -> Arrays:
    """Weights for an ``nnx.GRUCell`` from the parameters of ``cells.GRU(reset="after")``.

    Raises:
        ValueError: For ``reset="before"``, and for a ``b_h`` that is not zero, which NNX lacks.

    Example:
        >>> import jax
        >>> from rnn_jax import cells
        >>> params = cells.GRU(input_size=2, hidden_size=3).init(jax.random.key(0))
        >>> sorted(gru_to_nnx(params, reset="after")["dense_i"])
        ['bias', 'kernel']
    """
    check_reset("nnx.GRUCell", has="after", reset=reset)
    largest = float(np.abs(numpy_array(params.b_h)).max())
    if largest > 0:
        raise ValueError(
            f"params.b_h has entries up to {largest:.3g}, and nnx.GRUCell has no bias inside the "
            f"reset, so no weights of it compute this cell; linen.GRUCell has one: gru_to_linen."
        )
    return jax_arrays(
        {"dense_i": {"kernel": params.w_x, "bias": params.b}, "dense_h": {"kernel": params.w_h}}
    )


def simple_from_nnx(state: Tree) -> ElmanParams:
    """Parameters for ``cells.Elman`` from the state of an ``nnx.SimpleCell`` (tanh).

    A cell with ``residual=True`` adds h before the activation: add the identity to ``w_h``.

    Example:
        >>> state = {"dense_i": {"kernel": np.ones((2, 3)), "bias": np.ones(3)}}
        >>> simple_from_nnx(state | {"dense_h": {"kernel": np.ones((3, 3))}}).w_h.shape
        (3, 3)
    """
    w_x, w_h = entry(state, "dense_i", "kernel"), entry(state, "dense_h", "kernel")
    check_kernels("a simple network", 1, w_x, w_h)
    return build(ElmanParams, w_x=w_x, w_h=w_h, b=entry(state, "dense_i", "bias"))


def simple_to_nnx(params: ElmanParams) -> Arrays:
    """Weights for an ``nnx.SimpleCell``.

    Example:
        >>> import jax
        >>> from rnn_jax import cells
        >>> params = cells.Elman(input_size=2, hidden_size=3).init(jax.random.key(0))
        >>> sorted(simple_to_nnx(params))
        ['dense_h', 'dense_i']
    """
    return jax_arrays(
        {"dense_i": {"kernel": params.w_x, "bias": params.b}, "dense_h": {"kernel": params.w_h}}
    )

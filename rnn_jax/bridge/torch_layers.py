"""A whole ``torch.nn.LSTM``, ``GRU`` or ``RNN`` as a layer, without importing PyTorch."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from rnn_jax import cells, layers
from rnn_jax.bridge.arrays import numpy_array
from rnn_jax.bridge.torch_weights import (
    gru_from_torch,
    lstm_from_torch,
    projected_lstm_from_torch,
    rnn_from_torch,
)
from rnn_jax.typing import Activation, Params


def stack_from_torch(
    state_dict: Mapping[str, Any],
    prefix: str = "",
    *,
    dropout: float = 0.0,
    activation: Activation = jnp.tanh,
) -> tuple[layers.Stack, Params]:
    """A ``layers.Stack`` that computes what the module of this state dict does, and its parameters.

    On a batch packed by PyTorch ``lengths`` give the same outputs, final states and gradients. For
    two directions ``states_from_torch`` and ``states_to_torch`` take and give the stack's state as
    it is; for one a layer's state stands without the tuple around it.

    Args:
        state_dict: ``module.state_dict()``, of tensors or arrays; its shapes tell the kind of the
            module, its sizes and its directions.
        prefix: What stands before the names in the state dict of a larger model, like "encoder.".
        dropout: The module's, between the layers.
        activation: For ``torch.nn.RNN``: ``jax.nn.relu`` for nonlinearity="relu".

    Raises:
        ValueError: For names or shapes that are not those of such a module.

    Example:
        >>> import jax
        >>> import numpy as np
        >>> shapes = {"weight_ih_l0": (12, 2), "weight_hh_l0": (12, 3)}
        >>> weights = {name: np.ones(shape, "float32") for name, shape in shapes.items()}
        >>> weights |= {f"{name}_reverse": array for name, array in weights.items()}
        >>> layer, params = stack_from_torch(weights)
        >>> layer.apply(params, jax.numpy.ones((5, 4, 2), "float32")).ys.shape
        (5, 4, 6)
    """
    shapes = {
        name.removeprefix(prefix): numpy_array(value).shape
        for name, value in state_dict.items()
        if name.startswith(prefix)
    }
    kind, parameters, hidden_size = _kind(state_dict, shapes, prefix)
    parts: list[Any] = []
    size = shapes["weight_ih_l0"][1]
    for layer in parameters:
        if kind == "projected":
            cell: Any = cells.ProjectedLSTM(
                input_size=size, hidden_size=hidden_size, projection_size=layer[0].w_p.shape[1]
            )
        elif kind == "lstm":
            cell = cells.LSTM(input_size=size, hidden_size=hidden_size)
        elif kind == "gru":
            cell = cells.GRU(input_size=size, hidden_size=hidden_size)
        else:
            cell = cells.Elman(input_size=size, hidden_size=hidden_size, activation=activation)
        rnn = layers.RNN(cell=cell)
        parts.append(layers.Bidirectional(forward=rnn) if len(layer) == 2 else rnn)
        size = parts[-1].output_size
    params = tuple(layer if len(layer) == 2 else layer[0] for layer in parameters)
    return layers.Stack(layers=tuple(parts), dropout=dropout), params


def _kind(
    state_dict: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], prefix: str
) -> tuple[str, tuple[tuple[Any, ...], ...], int]:
    """The kind of the module, its parameters ``[layer][direction]`` and its hidden size."""
    rows, columns = shapes.get("weight_hh_l0", (0, 0))
    if "weight_hr_l0" in shapes:
        return "projected", projected_lstm_from_torch(state_dict, prefix), rows // 4
    gates = rows // columns if columns else 4  # whose converter says what is missing
    if gates == 3:
        return "gru", gru_from_torch(state_dict, prefix, reset="after"), columns
    if gates == 1:
        return "rnn", rnn_from_torch(state_dict, prefix), columns
    return "lstm", lstm_from_torch(state_dict, prefix), columns

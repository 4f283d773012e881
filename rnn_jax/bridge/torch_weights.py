"""Weights of ``torch.nn.LSTM``, ``GRU`` and ``RNN``, without importing PyTorch.

A module of several layers in one or two directions becomes ``params[layer][direction]``, backward
second. Run the backward direction with ``reverse=True`` and concatenate the outputs, forward first,
for the next layer. PyTorch's kernels are transposed, and its two biases are summed where no gate
stands between them.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from rnn_jax.bridge.arrays import (
    Reset,
    build,
    check_kernels,
    check_reset,
    last_gate,
    numpy_array,
)
from rnn_jax.cells.elman import ElmanParams
from rnn_jax.cells.gru import GRUParams
from rnn_jax.cells.lstm import LSTMParams
from rnn_jax.cells.projected_lstm import ProjectedLSTMParams

P = TypeVar("P")
Weights = dict[str, np.ndarray]  # of one layer and direction, names as in torch.nn.LSTMCell

_NAME = re.compile(r"(weight_ih|weight_hh|weight_hr|bias_ih|bias_hh)_l(\d+)(_reverse)?")


def lstm_from_torch(
    state_dict: Mapping[str, Any], prefix: str = ""
) -> tuple[tuple[LSTMParams, ...], ...]:
    """Parameters for ``cells.LSTM`` from the state dict of a ``torch.nn.LSTM``.

        w_x = weight_ih.T,  w_h = weight_hh.T,  b = bias_ih + bias_hh          gates i f g o in both

    Args:
        state_dict: ``module.state_dict()``, of tensors or arrays.
        prefix: What stands before the names in the state dict of a larger model, like "encoder.".

    Returns:
        ``params[layer][direction]`` in the dtype of the weights; zero biases for ``bias=False``.

    Raises:
        ValueError: For names or shapes that are not those of an LSTM, and for a projection.

    Example:
        >>> weights = {"weight_ih_l0": np.ones((12, 2)), "weight_hh_l0": np.ones((12, 3))}
        >>> params = lstm_from_torch(weights)
        >>> params[0][0].w_x.shape, params[0][0].b.shape
        ((2, 12), (12,))
    """

    def one(weights: Weights) -> LSTMParams:
        if "weight_hr" in weights:
            raise ValueError(
                "the state dict has weight_hr, a projection (proj_size > 0): use "
                "projected_lstm_from_torch and cells.ProjectedLSTM."
            )
        w_x, w_h, b_x, b_h = _kernels(weights)
        check_kernels("an LSTM", 4, w_x, w_h)
        return build(LSTMParams, w_x=w_x, w_h=w_h, b=b_x + b_h)

    return _layers(one, state_dict, prefix)


def projected_lstm_from_torch(
    state_dict: Mapping[str, Any], prefix: str = ""
) -> tuple[tuple[ProjectedLSTMParams, ...], ...]:
    """Parameters for ``cells.ProjectedLSTM`` from a ``torch.nn.LSTM`` with ``proj_size``.

    As ``lstm_from_torch``, and ``w_p = weight_hr.T``.

    Example:
        >>> weights = {"weight_ih_l0": np.ones((12, 2)), "weight_hh_l0": np.ones((12, 1))}
        >>> params = projected_lstm_from_torch(weights | {"weight_hr_l0": np.ones((1, 3))})
        >>> params[0][0].w_p.shape
        (3, 1)
    """

    def one(weights: Weights) -> ProjectedLSTMParams:
        if "weight_hr" not in weights:
            raise ValueError("the state dict has no weight_hr, no projection: use lstm_from_torch.")
        w_x, w_h, b_x, b_h = _kernels(weights)
        check_kernels("an LSTM", 4, w_x, w_h, projected=True)
        w_p = weights["weight_hr"].T
        return build(ProjectedLSTMParams, w_x=w_x, w_h=w_h, b=b_x + b_h, w_p=w_p)

    return _layers(one, state_dict, prefix)


def gru_from_torch(
    state_dict: Mapping[str, Any], prefix: str = "", *, reset: Reset
) -> tuple[tuple[GRUParams, ...], ...]:
    """Parameters for ``cells.GRU(reset="after")`` from the state dict of a ``torch.nn.GRU``.

        b = bias_ih + bias_hh for r and z, bias_ih for n;  b_h = bias_hh of n    gates r z n in both

    Args:
        state_dict: As for ``lstm_from_torch``.
        prefix: As for ``lstm_from_torch``.
        reset: That of the cell that shall run; PyTorch's form is "after".

    Raises:
        ValueError: For ``reset="before"``, since no weights make the two forms equal; for names or
            shapes that are not those of a GRU.

    Example:
        >>> weights = {"weight_ih_l0": np.ones((9, 2)), "weight_hh_l0": np.ones((9, 3))}
        >>> gru_from_torch(weights, reset="after")[0][0].b_h.shape
        (3,)
    """
    check_reset("torch.nn.GRU", has="after", reset=reset)

    def one(weights: Weights) -> GRUParams:
        w_x, w_h, b_x, b_h = _kernels(weights)
        check_kernels("a GRU", 3, w_x, w_h)
        outside, inside = last_gate(b_h, 3)
        return build(GRUParams, w_x=w_x, w_h=w_h, b=b_x + outside, b_h=inside)

    return _layers(one, state_dict, prefix)


def rnn_from_torch(
    state_dict: Mapping[str, Any], prefix: str = ""
) -> tuple[tuple[ElmanParams, ...], ...]:
    """Parameters for ``cells.Elman`` from the state dict of a ``torch.nn.RNN``.

    As ``lstm_from_torch``. The weights do not tell the ``nonlinearity``: give the cell the same as
    ``activation``, ``jnp.tanh`` or ``jax.nn.relu``.

    Example:
        >>> weights = {"weight_ih_l0": np.ones((3, 2)), "weight_hh_l0": np.ones((3, 3))}
        >>> rnn_from_torch(weights)[0][0].w_x.shape
        (2, 3)
    """

    def one(weights: Weights) -> ElmanParams:
        w_x, w_h, b_x, b_h = _kernels(weights)
        check_kernels("a simple network", 1, w_x, w_h)
        return build(ElmanParams, w_x=w_x, w_h=w_h, b=b_x + b_h)

    return _layers(one, state_dict, prefix)


def _layers(
    convert: Callable[[Weights], P], state_dict: Mapping[str, Any], prefix: str
) -> tuple[tuple[P, ...], ...]:
    """Sort the weights by layer and direction, and convert each."""
    found: dict[tuple[int, int], Weights] = {}
    for name, value in state_dict.items():
        if not name.startswith(prefix):
            continue
        match = _NAME.fullmatch(name.removeprefix(prefix))
        if match is None:
            raise ValueError(
                f"the state dict has {name!r}, which is no weight of a recurrent layer of PyTorch: "
                f"give that layer's own state dict, or its prefix in the model's, 'encoder.'."
            )
        kind, layer, backward = match.groups()
        found.setdefault((int(layer), int(backward is not None)), {})[kind] = numpy_array(value)
    num_layers = len({layer for layer, _ in found})
    num_directions = len({direction for _, direction in found})
    expected = {(i, j) for i in range(num_layers) for j in range(num_directions)}
    incomplete = [place for place, weights in found.items() if not _is_complete(weights)]
    if not found or set(found) != expected or incomplete:
        raise ValueError(
            f"the state dict has {sorted(k for k in state_dict if k.startswith(prefix))} under "
            f"prefix {prefix!r}: weight_ih and weight_hh of every layer from 0 and of every "
            f"direction are needed, and both biases or none."
        )
    return tuple(
        tuple(convert(found[i, j]) for j in range(num_directions)) for i in range(num_layers)
    )


def _is_complete(weights: Weights) -> bool:
    return {"weight_ih", "weight_hh"} <= set(weights) and (
        ("bias_ih" in weights) == ("bias_hh" in weights)
    )


def _kernels(weights: Weights) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    w_x, w_h = weights["weight_ih"].T, weights["weight_hh"].T
    none = np.zeros(w_x.shape[-1:], w_x.dtype)
    return w_x, w_h, weights.get("bias_ih", none), weights.get("bias_hh", none)

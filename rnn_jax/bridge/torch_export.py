"""Weights for ``torch.nn.LSTM``, ``GRU`` and ``RNN``, and their states in both directions.

The state dicts hold NumPy arrays. PyTorch loads them as
``module.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})``.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import jax.numpy as jnp
import numpy as np

from rnn_jax.bridge.arrays import Reset, check_reset, exportable, numpy_array
from rnn_jax.cells.elman import ElmanParams
from rnn_jax.cells.gru import GRUParams
from rnn_jax.cells.lstm import LSTMParams
from rnn_jax.cells.projected_lstm import ProjectedLSTMParams

P = TypeVar("P")
S = TypeVar("S")


def lstm_to_torch(
    params: Sequence[Sequence[LSTMParams]], prefix: str = ""
) -> dict[str, np.ndarray]:
    """The state dict of a ``torch.nn.LSTM`` from ``params[layer][direction]``.

        weight_ih = w_x.T,  weight_hh = w_h.T,  bias_ih = b,  bias_hh = 0

    Args:
        params: Layers of directions, as ``lstm_from_torch`` gives them; ``((params,),)`` for one.
        prefix: Put before every name.

    Returns:
        Names and arrays of NumPy; bfloat16 becomes float32.

    Example:
        >>> import jax
        >>> from rnn_jax import cells
        >>> params = cells.LSTM(input_size=2, hidden_size=3).init(jax.random.key(0))
        >>> {name: array.shape for name, array in lstm_to_torch(((params,),)).items()}
        {'weight_ih_l0': (12, 2), 'weight_hh_l0': (12, 3), 'bias_ih_l0': (12,), 'bias_hh_l0': (12,)}
    """
    return _state_dict(lambda p: _weights(p.w_x, p.w_h, p.b), params, prefix)


def projected_lstm_to_torch(
    params: Sequence[Sequence[ProjectedLSTMParams]], prefix: str = ""
) -> dict[str, np.ndarray]:
    """The state dict of a ``torch.nn.LSTM`` with ``proj_size``: also ``weight_hr = w_p.T``.

    Example:
        >>> import jax
        >>> from rnn_jax import cells
        >>> cell = cells.ProjectedLSTM(input_size=2, hidden_size=3, projection_size=1)
        >>> projected_lstm_to_torch(((cell.init(jax.random.key(0)),),))["weight_hr_l0"].shape
        (1, 3)
    """

    def one(p: ProjectedLSTMParams) -> dict[str, np.ndarray]:
        return _weights(p.w_x, p.w_h, p.b) | {"weight_hr": exportable(p.w_p).T}

    return _state_dict(one, params, prefix)


def gru_to_torch(
    params: Sequence[Sequence[GRUParams]], prefix: str = "", *, reset: Reset
) -> dict[str, np.ndarray]:
    """The state dict of a ``torch.nn.GRU`` from the parameters of ``cells.GRU(reset="after")``.

        bias_ih = b,  bias_hh = (0, 0, b_h)

    Args:
        params: As for ``lstm_to_torch``.
        prefix: As for ``lstm_to_torch``.
        reset: That of the cell which the parameters are for.

    Raises:
        ValueError: For ``reset="before"``, which PyTorch's GRU cannot compute.

    Example:
        >>> import jax
        >>> from rnn_jax import cells
        >>> cell = cells.GRU(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> gru_to_torch(((params,),), reset=cell.reset)["bias_hh_l0"].shape
        (9,)
    """
    check_reset("torch.nn.GRU", has="after", reset=reset)

    def one(p: GRUParams) -> dict[str, np.ndarray]:
        b_h = exportable(p.b_h)
        inside = np.concatenate([np.zeros_like(b_h), np.zeros_like(b_h), b_h])
        return _weights(p.w_x, p.w_h, p.b) | {"bias_hh": inside}

    return _state_dict(one, params, prefix)


def rnn_to_torch(
    params: Sequence[Sequence[ElmanParams]], prefix: str = ""
) -> dict[str, np.ndarray]:
    """The state dict of a ``torch.nn.RNN``, whose ``nonlinearity`` must be the cell's activation.

    Example:
        >>> import jax
        >>> from rnn_jax import cells
        >>> params = cells.Elman(input_size=2, hidden_size=3).init(jax.random.key(0))
        >>> rnn_to_torch(((params,),))["weight_ih_l0"].shape
        (3, 2)
    """
    return _state_dict(lambda p: _weights(p.w_x, p.w_h, p.b), params, prefix)


def states_from_torch(
    state_type: Callable[..., S], *arrays: Any, num_directions: int
) -> tuple[tuple[S, ...], ...]:
    """States ``states[layer][direction]`` from PyTorch's ``h_n``, or ``h_n`` and ``c_n``.

    PyTorch stacks layers and directions on axis 0: layer 0 forward, layer 0 backward, layer 1
    forward, ... The state of the backward direction is the one after the first step.

    Args:
        state_type: ``cells.LSTMState`` (also with projection), ``GRUState`` or ``ElmanState``.
        *arrays: ``h_n`` (L * directions, *B, H), then ``c_n`` for an LSTM; tensors or arrays.
        num_directions: 2 for ``bidirectional=True``, else 1.

    Raises:
        ValueError: If axis 0 is no multiple of ``num_directions``.

    Example:
        >>> from rnn_jax.cells import GRUState
        >>> states = states_from_torch(GRUState, np.ones((4, 5, 3)), num_directions=2)
        >>> len(states), len(states[0]), states[1][0].h.shape
        (2, 2, (5, 3))
    """
    stacks = [jnp.array(numpy_array(array)) for array in arrays]
    count = stacks[0].shape[0]
    if num_directions not in (1, 2) or count % num_directions:
        raise ValueError(
            f"the states have {count} entries on axis 0, which do not make layers of "
            f"num_directions={num_directions}: give 2 for a bidirectional module, else 1."
        )
    flat = [state_type(*(stack[i] for stack in stacks)) for i in range(count)]
    return tuple(tuple(flat[i : i + num_directions]) for i in range(0, count, num_directions))


def states_to_torch(states: Sequence[Sequence[Any]]) -> tuple[np.ndarray, ...]:
    """``(h_n, c_n)``, or ``(h_n,)``, in PyTorch's layout from ``states[layer][direction]``.

    Example:
        >>> from rnn_jax.cells import GRUState
        >>> layers = ((GRUState(h=jnp.ones((5, 3))),), (GRUState(h=jnp.zeros((5, 3))),))
        >>> [array.shape for array in states_to_torch(layers)]
        [(2, 5, 3)]
    """
    flat = [state for layer in states for state in layer]
    return tuple(np.stack([exportable(leaf) for leaf in leaves]) for leaves in zip(*flat))


def _weights(w_x: Any, w_h: Any, b: Any) -> dict[str, np.ndarray]:
    bias = exportable(b)
    return {
        "weight_ih": exportable(w_x).T,
        "weight_hh": exportable(w_h).T,
        "bias_ih": bias,
        "bias_hh": np.zeros_like(bias),
    }


def _state_dict(
    convert: Callable[[P], dict[str, np.ndarray]], params: Sequence[Sequence[P]], prefix: str
) -> dict[str, np.ndarray]:
    """Name the weights of each layer and direction as PyTorch does."""
    return {
        f"{prefix}{name}_l{layer}{'_reverse' if direction else ''}": np.ascontiguousarray(array)
        for layer, directions in enumerate(params)
        for direction, one in enumerate(directions)
        for name, array in convert(one).items()
    }

"""The LSTM with a recurrent projection, LSTMP (Sak et al. 2014)."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.base import check_sizes, gated_step, identity, zeros
from rnn_jax.cells.lstm import LSTMState
from rnn_jax.ops.initializers import Glorot, Orthogonal, per_gate
from rnn_jax.ops.linear import affine, matmul
from rnn_jax.typing import Activation, Initializer


class ProjectedLSTMParams(NamedTuple):
    """Parameters of ``ProjectedLSTM``; gates in the order i f g o, P the projection's size."""

    w_x: jax.Array  # (D, 4H)
    w_h: jax.Array  # (P, 4H)
    b: jax.Array  # (4H,)
    w_p: jax.Array  # (H, P)


@dataclass(frozen=True, kw_only=True)
class ProjectedLSTM:
    """LSTM whose output, and so its recurrence, is a projection of the memory onto few units.

        i, f, g, o = split(x @ w_x + b + h @ w_h)
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = (sigmoid(o) * tanh(c')) @ w_p

    With P projected units the recurrent weights are 5HP numbers where the LSTM has 4HH: a large
    memory for little work. It is ``torch.nn.LSTM(proj_size=P)`` (add its two biases), h being
    PyTorch's (*B, P) and c its (*B, H). Sak's peepholes and his second projection, which skips the
    recurrence, are left out as PyTorch leaves them out.

    Args:
        input_size: D.
        hidden_size: H, the size of the memory.
        projection_size: P, the size of the output, at most H.
        forget_bias: Initial bias of the forget gate.
        kernel_init: Initialiser of each gate's (D, H) block of ``w_x``.
        recurrent_init: Initialiser of each gate's (P, H) block of ``w_h``.
        projection_init: Initialiser of ``w_p``.

    Raises:
        ValueError: If ``projection_size`` is not in 1..hidden_size.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.ProjectedLSTM(input_size=2, hidden_size=8, projection_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.scan(cell, params, jnp.ones((5, 4, 2)))
        >>> ys.shape, state.c.shape
        ((5, 4, 3), (4, 8))

    References:
        Sak, Senior and Beaufays, Long short-term memory based recurrent neural network
        architectures for large vocabulary speech recognition, 2014, arXiv:1402.1128.
    """

    input_size: int
    hidden_size: int
    projection_size: int
    forget_bias: float = 1.0
    kernel_init: Initializer = Glorot()
    recurrent_init: Initializer = Orthogonal()
    projection_init: Initializer = Orthogonal()

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.projection_size > self.hidden_size:
            raise ValueError(
                f"ProjectedLSTM: projection_size must lie in 1..hidden_size, got "
                f"projection_size={self.projection_size} with hidden_size={self.hidden_size}; for "
                "an output wider than the memory put a linear layer behind an LSTM."
            )

    @property
    def output_size(self) -> int:
        return self.projection_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> ProjectedLSTMParams:
        key_x, key_h, key_p = jax.random.split(key, 3)
        size, projected = self.hidden_size, self.projection_size
        return ProjectedLSTMParams(
            w_x=per_gate(self.kernel_init, key_x, (self.input_size, 4 * size), 4, dtype),
            w_h=per_gate(self.recurrent_init, key_h, (projected, 4 * size), 4, dtype),
            b=jnp.zeros((4 * size,), dtype).at[size : 2 * size].set(self.forget_bias),
            w_p=self.projection_init(key_p, (size, projected), dtype),
        )

    def initial_state(
        self, params: ProjectedLSTMParams, batch_shape: tuple[int, ...] = ()
    ) -> LSTMState:
        return LSTMState(
            h=zeros(params.w_h, batch_shape, self.projection_size),
            c=zeros(params.w_h, batch_shape, self.hidden_size, wide=True),
        )

    def encode(self, params: ProjectedLSTMParams, x: jax.Array) -> jax.Array:
        return affine(x, params.w_x, params.b)

    def recurrent(self, params: ProjectedLSTMParams) -> jax.Array:
        return params.w_h

    def gate(
        self,
        params: ProjectedLSTMParams,
        state: LSTMState,
        z: jax.Array,
        r: jax.Array,
        update: Activation = identity,
    ) -> LSTMState:
        i, f, g, o = jnp.split(z + r, 4, axis=-1)
        c = jax.nn.sigmoid(f) * state.c + jax.nn.sigmoid(i) * update(jnp.tanh(g))
        return LSTMState(h=matmul(jax.nn.sigmoid(o) * jnp.tanh(c), params.w_p), c=c)

    def step(self, params: ProjectedLSTMParams, state: LSTMState, z: jax.Array) -> LSTMState:
        return gated_step(self, params, state, z)

    def readout(self, params: ProjectedLSTMParams, state: LSTMState) -> jax.Array:
        return state.h

"""Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000)."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.base import check_sizes, gated_step, identity, zeros
from rnn_jax.ops.initializers import Glorot, Orthogonal, per_gate
from rnn_jax.ops.linear import affine
from rnn_jax.typing import Activation, Initializer


class LSTMParams(NamedTuple):
    """Parameters of ``LSTM``; gates in the order i f g o."""

    w_x: jax.Array  # (D, 4H)
    w_h: jax.Array  # (H, 4H)
    b: jax.Array  # (4H,)


class LSTMState(NamedTuple):
    """State of the LSTM family."""

    h: jax.Array  # (*B, H) hidden state, also the output
    c: jax.Array  # (*B, H) memory cell, float32 or wider


@dataclass(frozen=True, kw_only=True)
class LSTM:
    """Long short-term memory.

        i, f, g, o = split(x @ w_x + b + h @ w_h)
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(c')

    The bias of the forget gate starts at ``forget_bias`` and is part of ``b`` (Haiku adds a hidden
    1 in code; Flax starts at 0; PyTorch has two biases whose sum is ours). Later layers see h, not
    c.

    Args:
        input_size: D.
        hidden_size: H.
        forget_bias: Initial bias of the forget gate; 1 remembers from the start (Jozefowicz 2015).
        kernel_init: Initialiser of each gate's (D, H) block of ``w_x``.
        recurrent_init: Initialiser of each gate's (H, H) block of ``w_h``.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.LSTM(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.scan(cell, params, jnp.ones((5, 4, 2)))
        >>> ys.shape, bool((ys[-1] == state.h).all())
        ((5, 4, 3), True)

    References:
        Hochreiter and Schmidhuber, Long short-term memory, 1997, doi:10.1162/neco.1997.9.8.1735.
        Gers, Schmidhuber and Cummins, Learning to forget, 2000, doi:10.1162/089976600300015015.
    """

    input_size: int
    hidden_size: int
    forget_bias: float = 1.0
    kernel_init: Initializer = Glorot()
    recurrent_init: Initializer = Orthogonal()

    def __post_init__(self) -> None:
        check_sizes(self)

    @property
    def output_size(self) -> int:
        return self.hidden_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> LSTMParams:
        key_x, key_h = jax.random.split(key)
        size = self.hidden_size
        return LSTMParams(
            w_x=per_gate(self.kernel_init, key_x, (self.input_size, 4 * size), 4, dtype),
            w_h=per_gate(self.recurrent_init, key_h, (size, 4 * size), 4, dtype),
            b=jnp.zeros((4 * size,), dtype).at[size : 2 * size].set(self.forget_bias),
        )

    def initial_state(self, params: LSTMParams, batch_shape: tuple[int, ...] = ()) -> LSTMState:
        size = self.hidden_size
        return LSTMState(
            h=zeros(params.w_h, batch_shape, size),
            c=zeros(params.w_h, batch_shape, size, wide=True),
        )

    def encode(self, params: LSTMParams, x: jax.Array) -> jax.Array:
        return affine(x, params.w_x, params.b)

    def recurrent(self, params: LSTMParams) -> jax.Array:
        return params.w_h

    def gate(
        self,
        params: LSTMParams,
        state: LSTMState,
        z: jax.Array,
        r: jax.Array,
        update: Activation = identity,
    ) -> LSTMState:
        i, f, g, o = jnp.split(z + r, 4, axis=-1)
        c = jax.nn.sigmoid(f) * state.c + jax.nn.sigmoid(i) * update(jnp.tanh(g))
        return LSTMState(h=jax.nn.sigmoid(o) * jnp.tanh(c), c=c)

    def step(self, params: LSTMParams, state: LSTMState, z: jax.Array) -> LSTMState:
        return gated_step(self, params, state, z)

    def readout(self, params: LSTMParams, state: LSTMState) -> jax.Array:
        return state.h

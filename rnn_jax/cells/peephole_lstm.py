"""The LSTM with peepholes (Gers and Schmidhuber 2000)."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.base import check_sizes, gated_step, identity, zeros
from rnn_jax.cells.lstm import LSTMState
from rnn_jax.ops.initializers import Glorot, Orthogonal, Uniform, per_gate
from rnn_jax.ops.linear import affine, scale
from rnn_jax.typing import Activation, Initializer


class PeepholeLSTMParams(NamedTuple):
    """Parameters of ``PeepholeLSTM``; gates in the order i f g o."""

    w_x: jax.Array  # (D, 4H)
    w_h: jax.Array  # (H, 4H)
    b: jax.Array  # (4H,)
    p_i: jax.Array  # (H,) from the memory to the input gate
    p_f: jax.Array  # (H,) from the memory to the forget gate
    p_o: jax.Array  # (H,) from the new memory to the output gate


@dataclass(frozen=True, kw_only=True)
class PeepholeLSTM:
    """LSTM whose gates see the memory, each unit its own.

        i, f, g, o = split(x @ w_x + b + h @ w_h)
        c' = sigmoid(f + p_f * c) * c + sigmoid(i + p_i * c) * tanh(g)
        h' = sigmoid(o + p_o * c') * tanh(c')

    With a closed output gate h says nothing of c; the peepholes let the gates count and time all
    the same. The output gate looks at the *new* memory. With p = 0 it is the LSTM.

    Args:
        input_size: D.
        hidden_size: H.
        forget_bias: Initial bias of the forget gate.
        kernel_init: Initialiser of each gate's (D, H) block of ``w_x``.
        recurrent_init: Initialiser of each gate's (H, H) block of ``w_h``.
        peephole_init: Initialiser of ``p_i``, ``p_f`` and ``p_o``.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.PeepholeLSTM(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.scan(cell, params, jnp.ones((5, 4, 2)))
        >>> ys.shape
        (5, 4, 3)

    References:
        Gers and Schmidhuber, Recurrent nets that time and count, 2000,
        doi:10.1109/IJCNN.2000.861302.
    """

    input_size: int
    hidden_size: int
    forget_bias: float = 1.0
    kernel_init: Initializer = Glorot()
    recurrent_init: Initializer = Orthogonal()
    peephole_init: Initializer = Uniform(bound=0.1)

    def __post_init__(self) -> None:
        check_sizes(self)

    @property
    def output_size(self) -> int:
        return self.hidden_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> PeepholeLSTMParams:
        key_x, key_h, *keys_p = jax.random.split(key, 5)
        size = self.hidden_size
        p_i, p_f, p_o = (self.peephole_init(k, (size,), dtype) for k in keys_p)
        return PeepholeLSTMParams(
            w_x=per_gate(self.kernel_init, key_x, (self.input_size, 4 * size), 4, dtype),
            w_h=per_gate(self.recurrent_init, key_h, (size, 4 * size), 4, dtype),
            b=jnp.zeros((4 * size,), dtype).at[size : 2 * size].set(self.forget_bias),
            p_i=p_i,
            p_f=p_f,
            p_o=p_o,
        )

    def initial_state(
        self, params: PeepholeLSTMParams, batch_shape: tuple[int, ...] = ()
    ) -> LSTMState:
        size = self.hidden_size
        return LSTMState(
            h=zeros(params.w_h, batch_shape, size),
            c=zeros(params.w_h, batch_shape, size, wide=True),
        )

    def encode(self, params: PeepholeLSTMParams, x: jax.Array) -> jax.Array:
        return affine(x, params.w_x, params.b)

    def recurrent(self, params: PeepholeLSTMParams) -> jax.Array:
        return params.w_h

    def gate(
        self,
        params: PeepholeLSTMParams,
        state: LSTMState,
        z: jax.Array,
        r: jax.Array,
        update: Activation = identity,
    ) -> LSTMState:
        i, f, g, o = jnp.split(z + r, 4, axis=-1)
        i = jax.nn.sigmoid(i + scale(state.c, params.p_i))
        f = jax.nn.sigmoid(f + scale(state.c, params.p_f))
        c = f * state.c + i * update(jnp.tanh(g))
        o = jax.nn.sigmoid(o + scale(c, params.p_o))
        return LSTMState(h=o * jnp.tanh(c), c=c)

    def step(self, params: PeepholeLSTMParams, state: LSTMState, z: jax.Array) -> LSTMState:
        return gated_step(self, params, state, z)

    def readout(self, params: PeepholeLSTMParams, state: LSTMState) -> jax.Array:
        return state.h

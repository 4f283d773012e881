"""The LSTM with coupled input and forget gates, CIFG (Greff et al. 2015)."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.base import check_sizes, gated_step, identity, zeros
from rnn_jax.cells.lstm import LSTMState
from rnn_jax.ops.initializers import Glorot, Orthogonal, per_gate
from rnn_jax.ops.linear import affine
from rnn_jax.typing import Activation, Initializer


class CoupledLSTMParams(NamedTuple):
    """Parameters of ``CoupledLSTM``; gates in the order f g o."""

    w_x: jax.Array  # (D, 3H)
    w_h: jax.Array  # (H, 3H)
    b: jax.Array  # (3H,)


@dataclass(frozen=True, kw_only=True)
class CoupledLSTM:
    """LSTM that writes what it forgets: the input gate is one minus the forget gate.

        f, g, o = split(x @ w_x + b + h @ w_h)
        c' = sigmoid(f) * c + (1 - sigmoid(f)) * tanh(g)
        h' = sigmoid(o) * tanh(c')

    A quarter fewer weights; c stays in -1..1, being a running mean. It equals an ``LSTM`` whose
    weights and bias of i are those of f negated, since 1 - sigmoid(f) = sigmoid(-f).

    Args:
        input_size: D.
        hidden_size: H.
        forget_bias: Initial bias of the forget gate.
        kernel_init: Initialiser of each gate's (D, H) block of ``w_x``.
        recurrent_init: Initialiser of each gate's (H, H) block of ``w_h``.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.CoupledLSTM(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.scan(cell, params, jnp.ones((5, 4, 2)))
        >>> ys.shape, bool((abs(state.c) < 1).all())
        ((5, 4, 3), True)

    References:
        Greff, Srivastava, Koutnik, Steunebrink and Schmidhuber, LSTM: a search space odyssey, 2015,
        arXiv:1503.04069.
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

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> CoupledLSTMParams:
        key_x, key_h = jax.random.split(key)
        size = self.hidden_size
        return CoupledLSTMParams(
            w_x=per_gate(self.kernel_init, key_x, (self.input_size, 3 * size), 3, dtype),
            w_h=per_gate(self.recurrent_init, key_h, (size, 3 * size), 3, dtype),
            b=jnp.zeros((3 * size,), dtype).at[:size].set(self.forget_bias),
        )

    def initial_state(
        self, params: CoupledLSTMParams, batch_shape: tuple[int, ...] = ()
    ) -> LSTMState:
        size = self.hidden_size
        return LSTMState(
            h=zeros(params.w_h, batch_shape, size),
            c=zeros(params.w_h, batch_shape, size, wide=True),
        )

    def encode(self, params: CoupledLSTMParams, x: jax.Array) -> jax.Array:
        return affine(x, params.w_x, params.b)

    def recurrent(self, params: CoupledLSTMParams) -> jax.Array:
        return params.w_h

    def gate(
        self,
        params: CoupledLSTMParams,
        state: LSTMState,
        z: jax.Array,
        r: jax.Array,
        update: Activation = identity,
    ) -> LSTMState:
        f, g, o = jnp.split(z + r, 3, axis=-1)
        f = jax.nn.sigmoid(f)
        c = f * state.c + (1 - f) * update(jnp.tanh(g))
        return LSTMState(h=jax.nn.sigmoid(o) * jnp.tanh(c), c=c)

    def step(self, params: CoupledLSTMParams, state: LSTMState, z: jax.Array) -> LSTMState:
        return gated_step(self, params, state, z)

    def readout(self, params: CoupledLSTMParams, state: LSTMState) -> jax.Array:
        return state.h

"""Multiplicative LSTM (Krause et al. 2016)."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.base import check_sizes, gated_step, identity, zeros
from rnn_jax.cells.lstm import LSTMState
from rnn_jax.ops.initializers import Glorot, Orthogonal, per_gate
from rnn_jax.ops.linear import affine, matmul
from rnn_jax.typing import Activation, Initializer


class MultiplicativeLSTMParams(NamedTuple):
    """Parameters of ``MultiplicativeLSTM``; gates in the order i f g o, M units in the middle."""

    w_x: jax.Array  # (D, 4H)
    w_m: jax.Array  # (M, 4H)
    b: jax.Array  # (4H,)
    w_mx: jax.Array  # (D, M)
    w_mh: jax.Array  # (H, M)


class MultiplicativeInput(NamedTuple):
    """What the input gives to a step of ``MultiplicativeLSTM``."""

    gates: jax.Array  # (*B, 4H)
    m: jax.Array  # (*B, M) factor of the middle state


@dataclass(frozen=True, kw_only=True)
class MultiplicativeLSTM:
    """LSTM whose recurrent weights depend on the input, through a product in the middle.

        m = (x @ w_mx) * (h @ w_mh)
        i, f, g, o = split(x @ w_x + b + m @ w_m)
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(c')

    Each input has its own transition ``w_mh @ diag(x @ w_mx) @ w_m``: good on characters, where the
    next state should depend on which letter came. Two products that wait for each other make a
    step; the second stands in ``gate``, so the gradients of both are deferred and keep their digits
    in bfloat16, but it is computed again on the way back: ``gradient="autodiff"`` is faster in
    float32. The output gate acts after tanh (as in Radford et al. 2017); some implementations have
    tanh(o * c).

    Args:
        input_size: D.
        hidden_size: H.
        middle_size: M, the size of m; None for H, the paper's choice.
        forget_bias: Initial bias of the forget gate.
        kernel_init: Initialiser of ``w_mx`` and of each gate's (D, H) block of ``w_x``.
        recurrent_init: Initialiser of ``w_mh`` and of each gate's (M, H) block of ``w_m``.

    Raises:
        ValueError: If ``middle_size`` is less than 1.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.MultiplicativeLSTM(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.scan(cell, params, jnp.ones((5, 4, 2)))
        >>> ys.shape
        (5, 4, 3)

    References:
        Krause, Lu, Murray and Renals, Multiplicative LSTM for sequence modelling, 2016,
        arXiv:1609.07959.
    """

    input_size: int
    hidden_size: int
    middle_size: int | None = None
    forget_bias: float = 1.0
    kernel_init: Initializer = Glorot()
    recurrent_init: Initializer = Orthogonal()

    def __post_init__(self) -> None:
        check_sizes(self)

    @property
    def output_size(self) -> int:
        return self.hidden_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> MultiplicativeLSTMParams:
        key_x, key_m, key_mx, key_mh = jax.random.split(key, 4)
        size, middle = self.hidden_size, self.middle_size or self.hidden_size
        return MultiplicativeLSTMParams(
            w_x=per_gate(self.kernel_init, key_x, (self.input_size, 4 * size), 4, dtype),
            w_m=per_gate(self.recurrent_init, key_m, (middle, 4 * size), 4, dtype),
            b=jnp.zeros((4 * size,), dtype).at[size : 2 * size].set(self.forget_bias),
            w_mx=self.kernel_init(key_mx, (self.input_size, middle), dtype),
            w_mh=self.recurrent_init(key_mh, (size, middle), dtype),
        )

    def initial_state(
        self, params: MultiplicativeLSTMParams, batch_shape: tuple[int, ...] = ()
    ) -> LSTMState:
        size = self.hidden_size
        return LSTMState(
            h=zeros(params.w_mh, batch_shape, size),
            c=zeros(params.w_mh, batch_shape, size, wide=True),
        )

    def encode(self, params: MultiplicativeLSTMParams, x: jax.Array) -> MultiplicativeInput:
        return MultiplicativeInput(
            gates=affine(x, params.w_x, params.b), m=affine(x, params.w_mx, None)
        )

    def recurrent(self, params: MultiplicativeLSTMParams) -> jax.Array:
        return params.w_mh

    def gate(
        self,
        params: MultiplicativeLSTMParams,
        state: LSTMState,
        z: MultiplicativeInput,
        r: jax.Array,
        update: Activation = identity,
    ) -> LSTMState:
        i, f, g, o = jnp.split(z.gates + matmul(z.m * r, params.w_m), 4, axis=-1)
        c = jax.nn.sigmoid(f) * state.c + jax.nn.sigmoid(i) * update(jnp.tanh(g))
        return LSTMState(h=jax.nn.sigmoid(o) * jnp.tanh(c), c=c)

    def step(
        self, params: MultiplicativeLSTMParams, state: LSTMState, z: MultiplicativeInput
    ) -> LSTMState:
        return gated_step(self, params, state, z)

    def readout(self, params: MultiplicativeLSTMParams, state: LSTMState) -> jax.Array:
        return state.h

"""The LSTM of ParaRNN (Danieli et al. 2025): every unit remembers for itself."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.base import check_sizes, zeros
from rnn_jax.cells.lstm import LSTMState
from rnn_jax.ops.initializers import Glorot, Uniform, per_gate
from rnn_jax.ops.linear import affine, scale
from rnn_jax.typing import Initializer


class ParaLSTMParams(NamedTuple):
    """Parameters of ``ParaLSTM``; gates in the order f g o."""

    w_x: jax.Array  # (D, 3H)
    u: jax.Array  # (3H,) each unit's weights from itself
    b: jax.Array  # (3H,)
    p_f: jax.Array  # (H,) from the memory to the forget gate
    p_o: jax.Array  # (H,) from the new memory to the output gate


@dataclass(frozen=True, kw_only=True)
class ParaLSTM:
    """LSTM with diagonal recurrent matrices, coupled gates and peepholes.

        f = sigmoid(x @ w_xf + b_f + u_f * h + p_f * c)
        g = tanh(x @ w_xg + b_g + u_g * h)
        c' = f * c + (1 - f) * g
        o = sigmoid(x @ w_xo + b_o + u_o * h + p_o * c')
        h' = o * tanh(c')

    A unit's h and c depend on its own h and c alone: the Jacobian has a block of 2 x 2 for each
    unit, so ``drivers.newton`` solves the recurrence in parallel over time at any width. Units meet
    only in the next layer. The paper's input matrices may be block-diagonal (heads), ours are
    whole.

    Args:
        input_size: D.
        hidden_size: H.
        forget_bias: Initial bias of the forget gate.
        kernel_init: Initialiser of each gate's (D, H) block of ``w_x``.
        recurrent_init: Initialiser of ``u``, called with the shape (3H,).
        peephole_init: Initialiser of ``p_f`` and ``p_o``.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.ParaLSTM(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.newton(cell, params, jnp.ones((5, 4, 2)))
        >>> ys.shape, state.c.shape
        ((5, 4, 3), (4, 3))

    References:
        Danieli, Rodriguez, Sarabia, Suau and Zappella, ParaRNN: unlocking parallel training of
        nonlinear RNNs for large language models, 2025, arXiv:2510.21450.
    """

    input_size: int
    hidden_size: int
    forget_bias: float = 1.0
    kernel_init: Initializer = Glorot()
    recurrent_init: Initializer = Uniform(bound=1.0)
    peephole_init: Initializer = Uniform(bound=0.1)
    is_elementwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_sizes(self)

    @property
    def output_size(self) -> int:
        return self.hidden_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> ParaLSTMParams:
        key_x, key_u, key_f, key_o = jax.random.split(key, 4)
        size = self.hidden_size
        return ParaLSTMParams(
            w_x=per_gate(self.kernel_init, key_x, (self.input_size, 3 * size), 3, dtype),
            u=self.recurrent_init(key_u, (3 * size,), dtype),
            b=jnp.zeros((3 * size,), dtype).at[:size].set(self.forget_bias),
            p_f=self.peephole_init(key_f, (size,), dtype),
            p_o=self.peephole_init(key_o, (size,), dtype),
        )

    def initial_state(self, params: ParaLSTMParams, batch_shape: tuple[int, ...] = ()) -> LSTMState:
        size = self.hidden_size
        return LSTMState(
            h=zeros(params.u, batch_shape, size), c=zeros(params.u, batch_shape, size, wide=True)
        )

    def encode(self, params: ParaLSTMParams, x: jax.Array) -> jax.Array:
        return affine(x, params.w_x, params.b)

    def step(self, params: ParaLSTMParams, state: LSTMState, z: jax.Array) -> LSTMState:
        (h, c), (u_f, u_g, u_o) = state, jnp.split(params.u, 3)
        f, g, o = jnp.split(z, 3, axis=-1)
        f = jax.nn.sigmoid(f + scale(h, u_f) + scale(c, params.p_f))
        g = jnp.tanh(g + scale(h, u_g))
        c = f * c + (1 - f) * g
        o = jax.nn.sigmoid(o + scale(h, u_o) + scale(c, params.p_o))
        return LSTMState(h=o * jnp.tanh(c), c=c)

    def readout(self, params: ParaLSTMParams, state: LSTMState) -> jax.Array:
        return state.h

"""The GRU of ParaRNN (Danieli et al. 2025): every unit remembers for itself."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.base import check_sizes, zeros
from rnn_jax.cells.gru import GRUState
from rnn_jax.ops.initializers import Glorot, Uniform, per_gate
from rnn_jax.ops.linear import affine, scale
from rnn_jax.typing import Initializer


class ParaGRUParams(NamedTuple):
    """Parameters of ``ParaGRU``; gates in the order r z n."""

    w_x: jax.Array  # (D, 3H)
    u: jax.Array  # (3H,) each unit's weights from itself
    b: jax.Array  # (3H,)


@dataclass(frozen=True, kw_only=True)
class ParaGRU:
    """Gated recurrent unit with diagonal recurrent matrices.

        r = sigmoid(x @ w_xr + b_r + u_r * h)
        z = sigmoid(x @ w_xz + b_z + u_z * h)
        n = tanh(x @ w_xn + b_n + u_n * r * h)
        h' = z * h + (1 - z) * n

    A nonlinear recurrence whose Jacobian is diagonal, so ``drivers.newton`` solves it in parallel
    over time at any width, in a handful of iterations. Units meet only in the next layer. The
    paper's z takes the new value where ours, as in ``GRU``, keeps the old; its input matrices may
    be block-diagonal (heads), ours are whole.

    Args:
        input_size: D.
        hidden_size: H.
        kernel_init: Initialiser of each gate's (D, H) block of ``w_x``.
        recurrent_init: Initialiser of ``u``, called with the shape (3H,).

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.ParaGRU(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.newton(cell, params, jnp.ones((5, 4, 2)))
        >>> ys.shape
        (5, 4, 3)

    References:
        Danieli, Rodriguez, Sarabia, Suau and Zappella, ParaRNN: unlocking parallel training of
        nonlinear RNNs for large language models, 2025, arXiv:2510.21450.
    """

    input_size: int
    hidden_size: int
    kernel_init: Initializer = Glorot()
    recurrent_init: Initializer = Uniform(bound=1.0)
    is_elementwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_sizes(self)

    @property
    def output_size(self) -> int:
        return self.hidden_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> ParaGRUParams:
        key_x, key_u = jax.random.split(key)
        size = 3 * self.hidden_size
        return ParaGRUParams(
            w_x=per_gate(self.kernel_init, key_x, (self.input_size, size), 3, dtype),
            u=self.recurrent_init(key_u, (size,), dtype),
            b=jnp.zeros((size,), dtype),
        )

    def initial_state(self, params: ParaGRUParams, batch_shape: tuple[int, ...] = ()) -> GRUState:
        return GRUState(h=zeros(params.u, batch_shape, self.hidden_size))

    def encode(self, params: ParaGRUParams, x: jax.Array) -> jax.Array:
        return affine(x, params.w_x, params.b)

    def step(self, params: ParaGRUParams, state: GRUState, z: jax.Array) -> GRUState:
        h, (u_r, u_z, u_n) = state.h, jnp.split(params.u, 3)
        r, keep, n = jnp.split(z, 3, axis=-1)
        r = jax.nn.sigmoid(r + scale(h, u_r))
        keep = jax.nn.sigmoid(keep + scale(h, u_z))
        n = jnp.tanh(n + scale(r * h, u_n))
        return GRUState(h=keep * h + (1 - keep) * n)

    def readout(self, params: ParaGRUParams, state: GRUState) -> jax.Array:
        return state.h

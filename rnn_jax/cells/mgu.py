"""The minimal gated unit (Zhou et al. 2016): a GRU with one gate."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.base import check_sizes, gated_step, identity, zeros
from rnn_jax.cells.gru import GRUState
from rnn_jax.ops.initializers import Glorot, Orthogonal, per_gate
from rnn_jax.ops.linear import affine, matmul, shift
from rnn_jax.typing import Activation, Initializer


class MGUParams(NamedTuple):
    """Parameters of ``MinimalGatedUnit``; gates in the order f n."""

    w_x: jax.Array  # (D, 2H)
    w_h: jax.Array  # (H, 2H)
    b: jax.Array  # (2H,) added to the input's part
    b_h: jax.Array  # (H,) added to the recurrent part of n, inside the gate for reset="after"


@dataclass(frozen=True, kw_only=True)
class MinimalGatedUnit:
    """Minimal gated unit: one gate forgets and resets.

        f = sigmoid(x @ w_xf + b_f + h @ w_hf)
        n = tanh(x @ w_xn + b_n + f * (h @ w_hn + b_h))           reset="after"
        n = tanh(x @ w_xn + b_n + (f * h) @ w_hn + b_h)           reset="before"
        h' = (1 - f) * h + f * n

    f = 0 leaves the state unchanged. The paper's form is "before"; "after" needs one matrix product
    a step and is faster. Flax's ``MGUCell`` is "after" with f and 1 - f exchanged in the last line:
    no weights of it give this cell.

    Args:
        input_size: D.
        hidden_size: H.
        reset: Where the gate acts on the state, "after" or "before" the recurrent product.
        kernel_init: Initialiser of each gate's (D, H) block of ``w_x``.
        recurrent_init: Initialiser of each gate's (H, H) block of ``w_h``.

    Raises:
        ValueError: If ``reset`` is neither of the two.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.MinimalGatedUnit(input_size=2, hidden_size=3, reset="before")
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.scan(cell, params, jnp.ones((5, 4, 2)))
        >>> ys.shape
        (5, 4, 3)

    References:
        Zhou, Wu, Zhang and Zhou, Minimal gated unit for recurrent neural networks, 2016,
        arXiv:1603.09420.
    """

    input_size: int
    hidden_size: int
    reset: Literal["after", "before"] = "after"
    kernel_init: Initializer = Glorot()
    recurrent_init: Initializer = Orthogonal()

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.reset not in ("after", "before"):
            raise ValueError(
                f'MinimalGatedUnit: reset must be "after" or "before", got {self.reset!r}.'
            )

    @property
    def output_size(self) -> int:
        return self.hidden_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> MGUParams:
        key_x, key_h = jax.random.split(key)
        size = self.hidden_size
        return MGUParams(
            w_x=per_gate(self.kernel_init, key_x, (self.input_size, 2 * size), 2, dtype),
            w_h=per_gate(self.recurrent_init, key_h, (size, 2 * size), 2, dtype),
            b=jnp.zeros((2 * size,), dtype),
            b_h=jnp.zeros((size,), dtype),
        )

    def initial_state(self, params: MGUParams, batch_shape: tuple[int, ...] = ()) -> GRUState:
        return GRUState(h=zeros(params.w_h, batch_shape, self.hidden_size))

    def encode(self, params: MGUParams, x: jax.Array) -> jax.Array:
        return affine(x, params.w_x, params.b)

    def recurrent(self, params: MGUParams) -> jax.Array:
        return params.w_h if self.reset == "after" else params.w_h[:, : self.hidden_size]

    def gate(
        self,
        params: MGUParams,
        state: GRUState,
        z: jax.Array,
        r: jax.Array,
        update: Activation = identity,
    ) -> GRUState:
        size = self.hidden_size
        f = jax.nn.sigmoid(z[..., :size] + r[..., :size])
        if self.reset == "after":
            r_n = f * shift(r[..., size:], params.b_h)
        else:
            r_n = shift(matmul(f * state.h, params.w_h[:, size:]), params.b_h)
        n = jnp.tanh(z[..., size:] + r_n)
        return GRUState(h=(1 - f) * state.h + f * update(n))

    def step(self, params: MGUParams, state: GRUState, z: jax.Array) -> GRUState:
        return gated_step(self, params, state, z)

    def readout(self, params: MGUParams, state: GRUState) -> jax.Array:
        return state.h

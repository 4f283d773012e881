"""Gated recurrent units (Cho et al. 2014), in both published forms, and the minimal gated unit."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.base import check_sizes, identity, zeros
from rnn_jax.ops.initializers import Glorot, Orthogonal, per_gate
from rnn_jax.ops.linear import affine, matmul, shift
from rnn_jax.typing import Activation, Initializer


class GRUParams(NamedTuple):
    """Parameters of ``GRU``; gates in the order r z n."""

    w_x: jax.Array  # (D, 3H)
    w_h: jax.Array  # (H, 3H)
    b: jax.Array  # (3H,) added to the input's part
    b_h: jax.Array  # (H,) added to the recurrent part of n, inside the reset


class GRUState(NamedTuple):
    """State of the GRU family."""

    h: jax.Array  # (*B, H) hidden state, also the output


@dataclass(frozen=True, kw_only=True)
class GRU:
    """Gated recurrent unit.

        r = sigmoid(x @ w_xr + b_r + h @ w_hr)
        z = sigmoid(x @ w_xz + b_z + h @ w_hz)
        n = tanh(x @ w_xn + b_n + r * (h @ w_hn + b_h))           reset="after"
        n = tanh(x @ w_xn + b_n + (r * h) @ w_hn + b_h)           reset="before"
        h' = z * h + (1 - z) * n

    ``reset="after"`` is the form of cuDNN, PyTorch and Keras' default: one matrix product a step,
    hence gated. ``reset="before"`` is Cho's: two that wait for each other. No weights of one give
    the other. z = 1 leaves the state unchanged; z = 0, r = 1 updates it fully; r = 0 resets it.
    PyTorch's second bias of r and z is part of ``b`` here; Flax leaves ``b_h`` out (NNX) or has it
    (Linen); Haiku and Keras (``reset_after=False``) are "before", and Haiku's z takes the new state
    where ours keeps the old.

    Args:
        input_size: D.
        hidden_size: H.
        reset: Where the reset gate acts, "after" or "before" the recurrent product.
        kernel_init: Initialiser of each gate's (D, H) block of ``w_x``.
        recurrent_init: Initialiser of each gate's (H, H) block of ``w_h``.

    Raises:
        ValueError: If ``reset`` is neither of the two.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.GRU(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.scan(cell, params, jnp.ones((5, 4, 2)))
        >>> ys.shape
        (5, 4, 3)

    References:
        Cho et al., Learning phrase representations using RNN encoder-decoder for statistical
        machine translation, 2014, arXiv:1406.1078 (version 1: after; version 3: before).
    """

    input_size: int
    hidden_size: int
    reset: Literal["after", "before"] = "after"
    kernel_init: Initializer = Glorot()
    recurrent_init: Initializer = Orthogonal()

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.reset not in ("after", "before"):
            raise ValueError(f'GRU: reset must be "after" or "before", got {self.reset!r}.')

    @property
    def output_size(self) -> int:
        return self.hidden_size

    @property
    def is_gated(self) -> bool:
        return self.reset == "after"

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> GRUParams:
        key_x, key_h = jax.random.split(key)
        size = self.hidden_size
        return GRUParams(
            w_x=per_gate(self.kernel_init, key_x, (self.input_size, 3 * size), 3, dtype),
            w_h=per_gate(self.recurrent_init, key_h, (size, 3 * size), 3, dtype),
            b=jnp.zeros((3 * size,), dtype),
            b_h=jnp.zeros((size,), dtype),
        )

    def initial_state(self, params: GRUParams, batch_shape: tuple[int, ...] = ()) -> GRUState:
        return GRUState(h=zeros(params.w_h, batch_shape, self.hidden_size))

    def encode(self, params: GRUParams, x: jax.Array) -> jax.Array:
        return affine(x, params.w_x, params.b)

    def recurrent(self, params: GRUParams) -> jax.Array:
        return params.w_h

    def gate(
        self,
        params: GRUParams,
        state: GRUState,
        z: jax.Array,
        r: jax.Array,
        update: Activation = identity,
    ) -> GRUState:
        size = self.hidden_size
        gates = jax.nn.sigmoid(z[..., : 2 * size] + r[..., : 2 * size])
        reset, keep = jnp.split(gates, 2, axis=-1)
        n = jnp.tanh(z[..., 2 * size :] + reset * shift(r[..., 2 * size :], params.b_h))
        return GRUState(h=keep * state.h + (1 - keep) * update(n))

    def step(self, params: GRUParams, state: GRUState, z: jax.Array) -> GRUState:
        if self.reset == "after":
            return self.gate(params, state, z, matmul(state.h, params.w_h))
        size = self.hidden_size
        gates = z[..., : 2 * size] + matmul(state.h, params.w_h[:, : 2 * size])
        reset, keep = jnp.split(jax.nn.sigmoid(gates), 2, axis=-1)
        r = matmul(reset * state.h, params.w_h[:, 2 * size :])
        n = jnp.tanh(z[..., 2 * size :] + shift(r, params.b_h))
        return GRUState(h=keep * state.h + (1 - keep) * n)

    def readout(self, params: GRUParams, state: GRUState) -> jax.Array:
        return state.h

"""The simple recurrent unit, in the form without recurrent weights at all (Lei et al. 2018)."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.affine import REPLACED, affine_step
from rnn_jax.cells.base import check_sizes, zeros
from rnn_jax.ops.initializers import Glorot, per_gate
from rnn_jax.ops.linear import affine
from rnn_jax.typing import Activation, Initializer


class SRUParams(NamedTuple):
    """Parameters of ``SRU``; columns in the order g f r, then u where D and H differ."""

    w_x: jax.Array  # (D, 3H), or (D, 4H) where D and H differ
    b: jax.Array  # (2H,) of f and r


class SRUState(NamedTuple):
    """State of ``SRU``, float32 or wider."""

    c: jax.Array  # (*B, H) memory
    r: jax.Array  # (*B, H) share of the memory in this step's output
    skip: jax.Array  # (*B, H) the input's part of this step's output


class SRUInput(NamedTuple):
    """What ``SRU`` makes of an input."""

    keep: jax.Array  # (..., H)
    write: jax.Array  # (..., H)
    r: jax.Array  # (..., H)
    skip: jax.Array  # (..., H)


@dataclass(frozen=True, kw_only=True)
class SRU:
    """Simple recurrent unit: a light recurrence with a highway connection around it.

        g = x @ w_xg
        f = sigmoid(x @ w_xf + b_f)
        r = sigmoid(x @ w_xr + b_r)
        c' = f * c + (1 - f) * g
        y = r * activation(c') + (1 - r) * u,   u = alpha * x

    This is the form of the paper's first version and of ``v1=True`` in the authors' code: affine,
    hence parallel in time. The final version adds v * c to both gates' pre-activations; they then
    depend on the state, which no associative scan can do. alpha = sqrt(1 + 2 exp(highway_bias)),
    the paper's scaling correction, keeps the variance of x through the highway at the start. Where
    D and H differ, u = x @ w_xu, a matrix that starts alpha times as large, as in the authors'
    code.

    Args:
        input_size: D.
        hidden_size: H.
        highway_bias: Initial bias of r; negative lets more of the input through.
        rescale: Whether alpha is as above; False for alpha = 1.
        activation: Of the memory on its way out; ``jax.nn.identity`` as in the final version of the
            paper, ``jnp.tanh`` as in its first.
        kernel_init: Initialiser of each (D, H) block of ``w_x``.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.SRU(input_size=3, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.associative(cell, params, jnp.ones((5, 4, 3)))
        >>> ys.shape
        (5, 4, 3)

    References:
        Lei, Zhang, Wang, Dai and Artzi, Simple recurrent units for highly parallelizable
        recurrence, 2018, arXiv:1709.02755.
    """

    input_size: int
    hidden_size: int
    highway_bias: float = 0.0
    rescale: bool = True
    activation: Activation = jax.nn.identity
    kernel_init: Initializer = Glorot()

    def __post_init__(self) -> None:
        check_sizes(self)

    @property
    def output_size(self) -> int:
        return self.hidden_size

    @property
    def _num_blocks(self) -> int:
        return 3 if self.input_size == self.hidden_size else 4

    @property
    def _alpha(self) -> float:
        return math.sqrt(1 + 2 * math.exp(self.highway_bias)) if self.rescale else 1.0

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> SRUParams:
        size, blocks = self.hidden_size, self._num_blocks
        w_x = per_gate(self.kernel_init, key, (self.input_size, blocks * size), blocks, dtype)
        return SRUParams(
            w_x=w_x.at[:, 3 * size :].multiply(self._alpha),
            b=jnp.zeros((2 * size,), dtype).at[size:].set(self.highway_bias),
        )

    def initial_state(self, params: SRUParams, batch_shape: tuple[int, ...] = ()) -> SRUState:
        zero = zeros(params.w_x, batch_shape, self.hidden_size, wide=True)
        return SRUState(c=zero, r=zero, skip=zero)

    def encode(self, params: SRUParams, x: jax.Array) -> SRUInput:
        size = self.hidden_size
        b = jnp.pad(params.b, (size, (self._num_blocks - 3) * size))
        g, f, r, *u = jnp.split(affine(x, params.w_x, b), self._num_blocks, axis=-1)
        f, r = jax.nn.sigmoid(f), jax.nn.sigmoid(r)
        highway = u[0] if u else self._alpha * x.astype(r.dtype)
        return SRUInput(keep=f, write=(1 - f) * g, r=r, skip=(1 - r) * highway)

    def affine(self, params: SRUParams, z: SRUInput) -> tuple[SRUState, SRUState]:
        a = SRUState(c=z.keep, r=REPLACED, skip=REPLACED)
        return a, SRUState(c=z.write, r=z.r, skip=z.skip)

    def step(self, params: SRUParams, state: SRUState, z: SRUInput) -> SRUState:
        return affine_step(self, params, state, z)

    def readout(self, params: SRUParams, state: SRUState) -> jax.Array:
        return state.r * self.activation(state.c) + state.skip

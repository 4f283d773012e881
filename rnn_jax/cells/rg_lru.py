"""The real-gated linear recurrent unit of Griffin and RecurrentGemma (De et al. 2024)."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.affine import affine_step
from rnn_jax.cells.base import check_sizes, zeros
from rnn_jax.cells.min_rnn import Decay
from rnn_jax.ops.initializers import Glorot, per_gate
from rnn_jax.ops.linear import affine, scale, wider
from rnn_jax.typing import Initializer


class RGLRUParams(NamedTuple):
    """Parameters of ``RGLRU``; columns in the order r i, then u where D and H differ."""

    w_x: jax.Array  # (D, 2H), or (D, 3H) where D and H differ
    b: jax.Array  # (2H,) or (3H,)
    a_logit: jax.Array  # (H,) a = sigmoid(a_logit)


class RGLRUState(NamedTuple):
    """State of ``RGLRU``."""

    h: jax.Array  # (*B, H) hidden state, also the output, float32 or wider


@dataclass(frozen=True, kw_only=True)
class RGLRU:
    """Real-gated linear recurrent unit.

        r = sigmoid(x @ w_xr + b_r)
        i = sigmoid(x @ w_xi + b_i)
        alpha = sigmoid(a_logit) ^ (power * r)
        h' = alpha * h + sqrt(1 - alpha^2) * (i * u),   u = x

    r = 0 keeps the state and ignores the input, r = 1 decays at the learned rate; the root keeps
    the state's variance at its input's. Both alpha and the root are computed from log alpha, so
    neither loses digits where alpha is near 1. The paper has D = H, after a linear layer; where
    they differ that layer is here, u = x @ w_xu + b_u. RecurrentGemma's gates have block-diagonal
    weights, a special case, and its first step takes i * x without the root.

    Args:
        input_size: D.
        hidden_size: H.
        power: The paper's c: how far above the learned rate r = 1 decays.
        min_decay: Least alpha at r = 1 at the start.
        max_decay: Largest alpha at r = 1 at the start; uniform between the two.
        kernel_init: Initialiser of each (D, H) block of ``w_x``.

    Raises:
        ValueError: If not 0 < min_decay < max_decay < 1, or not power > 0.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.RGLRU(input_size=3, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.associative(cell, params, jnp.ones((5, 4, 3)))
        >>> ys.shape
        (5, 4, 3)

    References:
        De et al., Griffin: mixing gated linear recurrences with local attention for efficient
        language models, 2024, arXiv:2402.19427.
    """

    input_size: int
    hidden_size: int
    power: float = 8.0
    min_decay: float = 0.9
    max_decay: float = 0.999
    kernel_init: Initializer = Glorot()

    def __post_init__(self) -> None:
        check_sizes(self)
        if not 0 < self.min_decay < self.max_decay < 1:
            raise ValueError(
                f"RGLRU: decays need 0 < min_decay < max_decay < 1, got "
                f"min_decay={self.min_decay}, max_decay={self.max_decay}."
            )
        if not self.power > 0:
            raise ValueError(f"RGLRU: power must be > 0, got {self.power}; the paper uses 8.")

    @property
    def output_size(self) -> int:
        return self.hidden_size

    @property
    def _num_blocks(self) -> int:
        return 2 if self.input_size == self.hidden_size else 3

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> RGLRUParams:
        key_x, key_a = jax.random.split(key)
        size, blocks = self.hidden_size, self._num_blocks
        decay = jax.random.uniform(
            key_a, (size,), wider(dtype, jnp.float32), self.min_decay, self.max_decay
        )
        log_a = jnp.log(decay) / self.power
        return RGLRUParams(
            w_x=per_gate(self.kernel_init, key_x, (self.input_size, blocks * size), blocks, dtype),
            b=jnp.zeros((blocks * size,), dtype),
            a_logit=(log_a - jnp.log(-jnp.expm1(log_a))).astype(dtype),
        )

    def initial_state(self, params: RGLRUParams, batch_shape: tuple[int, ...] = ()) -> RGLRUState:
        return RGLRUState(h=zeros(params.w_x, batch_shape, self.hidden_size, wide=True))

    def encode(self, params: RGLRUParams, x: jax.Array) -> Decay:
        parts = jnp.split(affine(x, params.w_x, params.b), self._num_blocks, axis=-1)
        r, i = jax.nn.sigmoid(parts[0]), jax.nn.sigmoid(parts[1])
        u = parts[2] if self._num_blocks == 3 else x.astype(i.dtype)
        log_a = jax.nn.log_sigmoid(params.a_logit.astype(r.dtype))
        log_alpha = scale(r, self.power * log_a)
        return Decay(keep=jnp.exp(log_alpha), write=_root(log_alpha) * (i * u))

    def affine(self, params: RGLRUParams, z: Decay) -> tuple[RGLRUState, RGLRUState]:
        return RGLRUState(h=z.keep), RGLRUState(h=z.write)

    def step(self, params: RGLRUParams, state: RGLRUState, z: Decay) -> RGLRUState:
        return affine_step(self, params, state, z)

    def readout(self, params: RGLRUParams, state: RGLRUState) -> jax.Array:
        return state.h


def _root(log_alpha: jax.Array) -> jax.Array:
    """sqrt(1 - alpha^2); the floor keeps the gradient finite where alpha rounds to 1."""
    return jnp.sqrt(jnp.maximum(-jnp.expm1(2 * log_alpha), jnp.finfo(log_alpha.dtype).tiny))

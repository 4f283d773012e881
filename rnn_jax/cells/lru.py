"""The linear recurrent unit: a complex diagonal state-space layer (Orvieto et al. 2023)."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.affine import REPLACED, affine_step
from rnn_jax.cells.base import check_sizes, zeros
from rnn_jax.ops.linear import affine, scale, wider


class LRUParams(NamedTuple):
    """Parameters of ``LRU``, all real."""

    nu_log: jax.Array  # (H,) log of -log |lambda|
    theta_log: jax.Array  # (H,) log of the phase of lambda
    gamma_log: jax.Array  # (H,) log of the input's normalisation
    w_x: jax.Array  # (D, 2H) real | imaginary part of B
    w_y: jax.Array  # (2H, D) real part of C over minus its imaginary part
    d: jax.Array  # (D,) skip connection


class LRUState(NamedTuple):
    """State of ``LRU``."""

    h: jax.Array  # (*B, H) complex64 or wider
    skip: jax.Array  # (*B, D) d * x of this step, float32 or wider


class LRUInput(NamedTuple):
    """What ``LRU`` makes of an input."""

    write: jax.Array  # (..., H) complex
    skip: jax.Array  # (..., D)


@dataclass(frozen=True, kw_only=True)
class LRU:
    """Linear recurrent unit: a linear recurrence with a complex diagonal matrix that stays stable.

        lambda = exp(-exp(nu_log) + 1j * exp(theta_log))
        h' = lambda * h + exp(gamma_log) * (x @ B)
        y = Re(h' @ C) + d * x

    |lambda| < 1 whatever the parameters. It starts uniform on the ring between ``min_radius`` and
    ``max_radius`` with phases up to ``max_phase``, and gamma at sqrt(1 - |lambda|^2), which gives
    every state the variance of its input. All parameters are real, so any optimiser serves: ``w_x``
    is (Re B | Im B), ``w_y`` is Re C stacked on -Im C. As in the paper inputs and outputs have one
    size; the network around it adds the nonlinearity.

    Args:
        input_size: D, of inputs and outputs.
        hidden_size: H, complex numbers in the state.
        min_radius: Least |lambda| at the start, >= 0.
        max_radius: Largest |lambda| at the start, at most 1; the paper uses 0.9 to 0.999 for long
            sequences.
        max_phase: Largest phase at the start, in radians; small (pi / 10) for long sequences.

    Raises:
        ValueError: If not 0 <= min_radius < max_radius <= 1, or not 0 < max_phase <= 2 pi.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.LRU(input_size=2, hidden_size=3, min_radius=0.9, max_radius=0.999)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.associative(cell, params, jnp.ones((5, 4, 2)))
        >>> ys.shape, state.h.shape
        ((5, 4, 2), (4, 3))

    References:
        Orvieto, Smith, Gu, Fernando, Gulcehre, Pascanu and De, Resurrecting recurrent neural
        networks for long sequences, 2023, arXiv:2303.06349.
    """

    input_size: int
    hidden_size: int
    min_radius: float = 0.0
    max_radius: float = 1.0
    max_phase: float = 2 * math.pi

    def __post_init__(self) -> None:
        check_sizes(self)
        if not 0 <= self.min_radius < self.max_radius <= 1:
            raise ValueError(
                f"LRU: the ring needs 0 <= min_radius < max_radius <= 1, got "
                f"min_radius={self.min_radius}, max_radius={self.max_radius}; outside the unit "
                f"circle the state grows without bound."
            )
        if not 0 < self.max_phase <= 2 * math.pi:
            raise ValueError(
                f"LRU: max_phase must lie in (0, 2 pi], got {self.max_phase}; give radians."
            )

    @property
    def output_size(self) -> int:
        return self.input_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> LRUParams:
        key_nu, key_theta, key_x, key_y, key_d = jax.random.split(key, 5)
        wide, size, features = wider(dtype, jnp.float32), self.hidden_size, self.input_size
        tiny = float(jnp.finfo(wide).tiny)
        low, high = self.min_radius**2, self.max_radius**2
        square = low + (high - low) * jax.random.uniform(key_nu, (size,), wide, tiny)  # |lambda|^2
        theta = self.max_phase * jax.random.uniform(key_theta, (size,), wide, tiny)
        nu = -0.5 * jnp.log(square)
        w_x = jax.random.normal(key_x, (features, 2 * size), wide) / math.sqrt(2 * features)
        w_y = jax.random.normal(key_y, (2 * size, features), wide) / math.sqrt(size)
        params = LRUParams(
            nu_log=jnp.log(nu),
            theta_log=jnp.log(theta),
            gamma_log=0.5 * jnp.log(-jnp.expm1(-2 * nu)),  # log sqrt(1 - |lambda|^2)
            w_x=w_x,
            w_y=w_y,
            d=jax.random.normal(key_d, (features,), wide),
        )
        return jax.tree.map(lambda leaf: leaf.astype(dtype), params)

    def initial_state(self, params: LRUParams, batch_shape: tuple[int, ...] = ()) -> LRUState:
        h = zeros(params.w_x, batch_shape, self.hidden_size, wide=True)
        return LRUState(
            h=jax.lax.complex(h, h), skip=zeros(params.w_x, batch_shape, self.input_size, wide=True)
        )

    def encode(self, params: LRUParams, x: jax.Array) -> LRUInput:
        gamma = jnp.exp(params.gamma_log.astype(wider(x.dtype, jnp.float32)))
        real, imaginary = jnp.split(affine(x, params.w_x, None), 2, axis=-1)
        skip = scale(x.astype(real.dtype), params.d)
        return LRUInput(jax.lax.complex(scale(real, gamma), scale(imaginary, gamma)), skip)

    def affine(self, params: LRUParams, z: LRUInput) -> tuple[LRUState, LRUState]:
        nu = jnp.exp(params.nu_log.astype(z.skip.dtype))
        theta = jnp.exp(params.theta_log.astype(z.skip.dtype))
        eigenvalues = jnp.exp(jax.lax.complex(-nu, theta))
        a = jnp.broadcast_to(eigenvalues.astype(z.write.dtype), z.write.shape)
        return LRUState(h=a, skip=REPLACED), LRUState(h=z.write, skip=z.skip)

    def step(self, params: LRUParams, state: LRUState, z: LRUInput) -> LRUState:
        return affine_step(self, params, state, z)

    def readout(self, params: LRUParams, state: LRUState) -> jax.Array:
        parts = jnp.concatenate([state.h.real, state.h.imag], axis=-1)
        y = affine(parts, params.w_y, None)
        return y + state.skip.astype(y.dtype)

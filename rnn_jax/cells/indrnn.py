"""The independently recurrent network (Li et al. 2018): every unit remembers for itself."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.base import check_sizes, zeros
from rnn_jax.cells.elman import ElmanState
from rnn_jax.ops.initializers import Glorot, Uniform
from rnn_jax.ops.linear import affine, scale
from rnn_jax.typing import Activation, Initializer


class IndRNNParams(NamedTuple):
    """Parameters of ``IndRNN``."""

    w_x: jax.Array  # (D, H)
    u: jax.Array  # (H,) each unit's weight from itself
    b: jax.Array  # (H,)


@dataclass(frozen=True, kw_only=True)
class IndRNN:
    """Independently recurrent network.

        h' = f(x @ w_x + u * h + b)

    No matrix in the loop: units meet only in the next layer. Through t steps of a ReLU unit the
    gradient changes by u^t, so it is kept within bounds by keeping |u| <= gamma^(1/T), which
    ``clip_recurrent`` does after a step of the optimiser.

    Args:
        input_size: D.
        hidden_size: H.
        activation: f, elementwise; ``jax.nn.relu`` as in the paper, or another named function.
        kernel_init: Initialiser of ``w_x``.
        recurrent_init: Initialiser of ``u``, called with the shape (H,).

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.IndRNN(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.scan(cell, params, jnp.ones((5, 4, 2)))
        >>> ys.shape
        (5, 4, 3)

    References:
        Li, Li, Cook, Zhu and Gao, Independently recurrent neural network (IndRNN): building a
        longer and deeper RNN, 2018, arXiv:1803.04831.
    """

    input_size: int
    hidden_size: int
    activation: Activation = jax.nn.relu
    kernel_init: Initializer = Glorot()
    recurrent_init: Initializer = Uniform(bound=1.0)
    is_elementwise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_sizes(self)

    @property
    def output_size(self) -> int:
        return self.hidden_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> IndRNNParams:
        key_x, key_u = jax.random.split(key)
        return IndRNNParams(
            w_x=self.kernel_init(key_x, (self.input_size, self.hidden_size), dtype),
            u=self.recurrent_init(key_u, (self.hidden_size,), dtype),
            b=jnp.zeros((self.hidden_size,), dtype),
        )

    def initial_state(self, params: IndRNNParams, batch_shape: tuple[int, ...] = ()) -> ElmanState:
        return ElmanState(h=zeros(params.u, batch_shape, self.hidden_size))

    def encode(self, params: IndRNNParams, x: jax.Array) -> jax.Array:
        return affine(x, params.w_x, params.b)

    def step(self, params: IndRNNParams, state: ElmanState, z: jax.Array) -> ElmanState:
        return ElmanState(h=self.activation(z + scale(state.h, params.u)))

    def readout(self, params: IndRNNParams, state: ElmanState) -> jax.Array:
        return state.h


def clip_recurrent(params: IndRNNParams, num_steps: int, gamma: float = 2.0) -> IndRNNParams:
    """Keep every |u| <= gamma^(1 / num_steps), so that no gradient grows beyond ``gamma``.

    Apply it to the parameters after each step of the optimiser.

    Args:
        params: Parameters of an ``IndRNN``.
        num_steps: T, the longest sequence.
        gamma: Most that a gradient may grow by over T steps.

    Raises:
        ValueError: If ``num_steps`` < 1 or ``gamma`` <= 0.

    Example:
        >>> params = IndRNNParams(w_x=jnp.zeros((1, 2)), u=jnp.array([3.0, 0.5]), b=jnp.zeros(2))
        >>> clip_recurrent(params, num_steps=1).u.tolist()
        [2.0, 0.5]
    """
    if num_steps < 1 or not gamma > 0:
        raise ValueError(
            f"clip_recurrent needs num_steps >= 1 and gamma > 0, got num_steps={num_steps}, "
            f"gamma={gamma}."
        )
    bound = gamma ** (1 / num_steps)
    return params._replace(u=jnp.clip(params.u, -bound, bound))

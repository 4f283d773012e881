"""The simple recurrent network (Elman 1990), and its ReLU form (IRNN, Le et al. 2015)."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.base import check_sizes, gated_step, zeros
from rnn_jax.ops.initializers import Glorot, Identity, Orthogonal
from rnn_jax.ops.linear import affine
from rnn_jax.typing import Activation, Initializer


class ElmanParams(NamedTuple):
    """Parameters of ``Elman``."""

    w_x: jax.Array  # (D, H)
    w_h: jax.Array  # (H, H)
    b: jax.Array  # (H,)


class ElmanState(NamedTuple):
    """State of the simple networks."""

    h: jax.Array  # (*B, H) hidden state, also the output


@dataclass(frozen=True, kw_only=True)
class Elman:
    """The vanilla recurrent network.

        h' = f(x @ w_x + h @ w_h + b)

    The same function and weights at every step. ``torch.nn.RNN`` is this with two biases (add
    them), ``flax.nnx.SimpleCell`` with the bias on the input's side.

    Args:
        input_size: D.
        hidden_size: H.
        activation: f, elementwise; ``jnp.tanh`` or ``jax.nn.relu``. Any function that is equal to
            itself when named again (a module's function, not a lambda) keeps equal cells equal.
        kernel_init: Initialiser of ``w_x``.
        recurrent_init: Initialiser of ``w_h``.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.Elman(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.scan(cell, params, jnp.ones((5, 4, 2)))
        >>> ys.shape
        (5, 4, 3)

    References:
        Elman, Finding structure in time, 1990, doi:10.1207/s15516709cog1402_1.
    """

    input_size: int
    hidden_size: int
    activation: Activation = jnp.tanh
    kernel_init: Initializer = Glorot()
    recurrent_init: Initializer = Orthogonal()

    def __post_init__(self) -> None:
        check_sizes(self)

    @property
    def output_size(self) -> int:
        return self.hidden_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> ElmanParams:
        key_x, key_h = jax.random.split(key)
        size = self.hidden_size
        return ElmanParams(
            w_x=self.kernel_init(key_x, (self.input_size, size), dtype),
            w_h=self.recurrent_init(key_h, (size, size), dtype),
            b=jnp.zeros((size,), dtype),
        )

    def initial_state(self, params: ElmanParams, batch_shape: tuple[int, ...] = ()) -> ElmanState:
        return ElmanState(h=zeros(params.w_h, batch_shape, self.hidden_size))

    def encode(self, params: ElmanParams, x: jax.Array) -> jax.Array:
        return affine(x, params.w_x, params.b)

    def recurrent(self, params: ElmanParams) -> jax.Array:
        return params.w_h

    def gate(
        self, params: ElmanParams, state: ElmanState, z: jax.Array, r: jax.Array
    ) -> ElmanState:
        return ElmanState(h=self.activation(z + r))

    def step(self, params: ElmanParams, state: ElmanState, z: jax.Array) -> ElmanState:
        return gated_step(self, params, state, z)

    def readout(self, params: ElmanParams, state: ElmanState) -> jax.Array:
        return state.h


def irnn(input_size: int, hidden_size: int, scale: float = 1.0) -> Elman:
    """The IRNN: an Elman network of ReLUs whose recurrent matrix starts at ``scale`` * identity.

    With no input a non-negative state is kept for ever, so gradients neither vanish nor explode at
    the start. It is an initialisation and no cell of its own.

    Example:
        >>> cell = irnn(2, 3)
        >>> params = cell.init(jax.random.key(0))
        >>> cell.step(params, ElmanState(h=jnp.arange(3.0)), jnp.zeros(3)).h.tolist()
        [0.0, 1.0, 2.0]

    References:
        Le, Jaitly and Hinton, A simple way to initialize recurrent networks of rectified linear
        units, 2015, arXiv:1504.00941.
    """
    return Elman(
        input_size=input_size,
        hidden_size=hidden_size,
        activation=jax.nn.relu,
        recurrent_init=Identity(scale=scale),
    )

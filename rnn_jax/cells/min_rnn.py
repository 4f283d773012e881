"""The minimal GRU and LSTM whose gates see the input alone (Feng et al. 2024)."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.affine import affine_step
from rnn_jax.cells.base import check_sizes, zeros
from rnn_jax.ops.initializers import Glorot, per_gate
from rnn_jax.ops.linear import affine
from rnn_jax.typing import Initializer


class MinGRUParams(NamedTuple):
    """Parameters of ``MinGRU``; columns in the order z n."""

    w_x: jax.Array  # (D, 2H)
    b: jax.Array  # (2H,)


class MinLSTMParams(NamedTuple):
    """Parameters of ``MinLSTM``; columns in the order i f g."""

    w_x: jax.Array  # (D, 3H)
    b: jax.Array  # (3H,)


class MinRNNState(NamedTuple):
    """State of ``MinGRU`` and ``MinLSTM``."""

    h: jax.Array  # (*B, H) hidden state, also the output, float32 or wider


class Decay(NamedTuple):
    """One step of a leaky memory, ready made from the input: ``h' = keep * h + write``."""

    keep: jax.Array  # (..., H)
    write: jax.Array  # (..., H)


@dataclass(frozen=True, kw_only=True)
class MinGRU:
    """The GRU without its recurrent weights: gate and candidate see the input alone.

        z = sigmoid(x @ w_xz + b_z)
        n = x @ w_xn + b_n
        h' = (1 - z) * h + z * n

    Affine, hence parallel in time under ``drivers.associative``. As in the paper z is the share of
    the *new* state, where our GRU keeps the old. This is the paper's plain form. Its log-space form
    makes states and candidates positive to take logarithms, and in float32 drifts with the length,
    since it subtracts sums of logarithms that grow with it (about 1e-2 at T = 100,000, tested); the
    products of an associative scan do not (1e-6).

    Args:
        input_size: D.
        hidden_size: H.
        kernel_init: Initialiser of each (D, H) block of ``w_x``.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.MinGRU(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.associative(cell, params, jnp.ones((5, 4, 2)))
        >>> ys.shape
        (5, 4, 3)

    References:
        Feng, Tung, Ahmed, Bengio and Hajimirsadeghi, Were RNNs all we needed?, 2024,
        arXiv:2410.01201.
    """

    input_size: int
    hidden_size: int
    kernel_init: Initializer = Glorot()

    def __post_init__(self) -> None:
        check_sizes(self)

    @property
    def output_size(self) -> int:
        return self.hidden_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> MinGRUParams:
        size = self.hidden_size
        return MinGRUParams(
            w_x=per_gate(self.kernel_init, key, (self.input_size, 2 * size), 2, dtype),
            b=jnp.zeros((2 * size,), dtype),
        )

    def initial_state(self, params: MinGRUParams, batch_shape: tuple[int, ...] = ()) -> MinRNNState:
        return MinRNNState(h=zeros(params.w_x, batch_shape, self.hidden_size, wide=True))

    def encode(self, params: MinGRUParams, x: jax.Array) -> Decay:
        z, n = jnp.split(affine(x, params.w_x, params.b), 2, axis=-1)
        z = jax.nn.sigmoid(z)
        return Decay(keep=1 - z, write=z * n)

    def affine(self, params: MinGRUParams, z: Decay) -> tuple[MinRNNState, MinRNNState]:
        return MinRNNState(h=z.keep), MinRNNState(h=z.write)

    def step(self, params: MinGRUParams, state: MinRNNState, z: Decay) -> MinRNNState:
        return affine_step(self, params, state, z)

    def readout(self, params: MinGRUParams, state: MinRNNState) -> jax.Array:
        return state.h


@dataclass(frozen=True, kw_only=True)
class MinLSTM:
    """The LSTM without recurrent weights, output gate and tanh; its two gates share out one whole.

        i = sigmoid(x @ w_xi + b_i)
        f = sigmoid(x @ w_xf + b_f)
        g = x @ w_xg + b_g
        h' = f / (f + i) * h + i / (f + i) * g

    Affine, in the paper's plain form, as ``MinGRU``. The quotients are formed from the difference
    of the gates' logarithms, so two closed gates give their ratio and not 0 / 0.

    Args:
        input_size: D.
        hidden_size: H.
        forget_bias: Initial bias of the forget gate; larger remembers longer.
        kernel_init: Initialiser of each (D, H) block of ``w_x``.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.MinLSTM(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.associative(cell, params, jnp.ones((5, 4, 2)))
        >>> ys.shape
        (5, 4, 3)

    References:
        Feng, Tung, Ahmed, Bengio and Hajimirsadeghi, Were RNNs all we needed?, 2024,
        arXiv:2410.01201.
    """

    input_size: int
    hidden_size: int
    forget_bias: float = 0.0
    kernel_init: Initializer = Glorot()

    def __post_init__(self) -> None:
        check_sizes(self)

    @property
    def output_size(self) -> int:
        return self.hidden_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> MinLSTMParams:
        size = self.hidden_size
        return MinLSTMParams(
            w_x=per_gate(self.kernel_init, key, (self.input_size, 3 * size), 3, dtype),
            b=jnp.zeros((3 * size,), dtype).at[size : 2 * size].set(self.forget_bias),
        )

    def initial_state(
        self, params: MinLSTMParams, batch_shape: tuple[int, ...] = ()
    ) -> MinRNNState:
        return MinRNNState(h=zeros(params.w_x, batch_shape, self.hidden_size, wide=True))

    def encode(self, params: MinLSTMParams, x: jax.Array) -> Decay:
        i, f, g = jnp.split(affine(x, params.w_x, params.b), 3, axis=-1)
        ratio = jax.nn.log_sigmoid(f) - jax.nn.log_sigmoid(i)  # log(f / i)
        return Decay(keep=jax.nn.sigmoid(ratio), write=jax.nn.sigmoid(-ratio) * g)

    def affine(self, params: MinLSTMParams, z: Decay) -> tuple[MinRNNState, MinRNNState]:
        return MinRNNState(h=z.keep), MinRNNState(h=z.write)

    def step(self, params: MinLSTMParams, state: MinRNNState, z: Decay) -> MinRNNState:
        return affine_step(self, params, state, z)

    def readout(self, params: MinLSTMParams, state: MinRNNState) -> jax.Array:
        return state.h

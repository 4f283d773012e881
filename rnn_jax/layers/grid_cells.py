"""Cells of two-dimensional networks: one pixel, from its two predecessors.

A cell of a ``layers.Grid`` is a cell whose step has two states to come from:

    z = encode(params, x)
    s' = step(params, up, left, z)      up: along the height, left: along the width
    y = readout(params, s')

``initial_state`` is what stands outside of the grid; ``num_predecessors = 2`` tells such a cell
from one that goes through time.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells import ElmanState, LSTMState
from rnn_jax.cells.base import check_sizes, zeros
from rnn_jax.ops.initializers import Glorot, Orthogonal, Uniform, per_gate
from rnn_jax.ops.linear import affine, matmul, scale
from rnn_jax.typing import Activation, Initializer


class Elman2DParams(NamedTuple):
    """Parameters of ``Elman2D``."""

    w_x: jax.Array  # (D, H)
    w_up: jax.Array  # (H, H)
    w_left: jax.Array  # (H, H)
    b: jax.Array  # (H,)


@dataclass(frozen=True, kw_only=True)
class Elman2D:
    """The simple two-dimensional network.

        h' = activation(x @ w_x + h_up @ w_up + h_left @ w_left + b)

    Args:
        input_size: D.
        hidden_size: H.
        activation: Elementwise; ``jnp.tanh`` by default.
        kernel_init: Initialiser of ``w_x``.
        recurrent_init: Initialiser of ``w_up`` and ``w_left``.

    Example:
        >>> from rnn_jax import layers
        >>> cell = layers.Elman2D(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> outside, z = cell.initial_state(params), cell.encode(params, jnp.ones(2, "float32"))
        >>> cell.step(params, outside, outside, z).h.shape
        (3,)

    References:
        Graves, Fernandez and Schmidhuber, Multi-dimensional recurrent neural networks, 2007,
        arXiv:0705.2011.
    """

    input_size: int
    hidden_size: int
    activation: Activation = jnp.tanh
    kernel_init: Initializer = Glorot()
    recurrent_init: Initializer = Orthogonal()
    num_predecessors: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_sizes(self)

    @property
    def output_size(self) -> int:
        return self.hidden_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> Elman2DParams:
        key_x, key_up, key_left = jax.random.split(key, 3)
        size = self.hidden_size
        return Elman2DParams(
            w_x=self.kernel_init(key_x, (self.input_size, size), dtype),
            w_up=self.recurrent_init(key_up, (size, size), dtype),
            w_left=self.recurrent_init(key_left, (size, size), dtype),
            b=jnp.zeros((size,), dtype),
        )

    def initial_state(self, params: Elman2DParams, batch_shape: tuple[int, ...] = ()) -> ElmanState:
        return ElmanState(h=zeros(params.w_up, batch_shape, self.hidden_size))

    def encode(self, params: Elman2DParams, x: jax.Array) -> jax.Array:
        return affine(x, params.w_x, params.b)

    def step(
        self, params: Elman2DParams, up: ElmanState, left: ElmanState, z: jax.Array
    ) -> ElmanState:
        r = matmul(up.h, params.w_up) + matmul(left.h, params.w_left)
        return ElmanState(h=self.activation(z + r))

    def readout(self, params: Elman2DParams, state: ElmanState) -> jax.Array:
        return state.h


class LSTM2DParams(NamedTuple):
    """Parameters of ``LSTM2D``; blocks in the order i f_up f_left g o, or i f m g o if mixed."""

    w_x: jax.Array  # (D, 5H)
    w_up: jax.Array  # (H, 5H)
    w_left: jax.Array  # (H, 5H)
    b: jax.Array  # (5H,)
    p: jax.Array | None  # (5, H) peepholes: i_up i_left f_up f_left o; None without


@dataclass(frozen=True, kw_only=True)
class LSTM2D:
    """Multi-dimensional LSTM: one forget gate for each predecessor.

        i, f_up, f_left, g, o = split(x @ w_x + b + h_up @ w_up + h_left @ w_left)
        c' = sigmoid(f_up) * c_up + sigmoid(f_left) * c_left + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(c')

    With ``memory="mixed"`` the memory is a mean of the two, so it cannot grow however large the
    grid (the sum over all paths does where the two forget gates add up to more than 1):

        i, f, m, g, o = split(...)
        c' = sigmoid(f) * (sigmoid(m) * c_up + (1 - sigmoid(m)) * c_left) + sigmoid(i) * tanh(g)

    Args:
        input_size: D.
        hidden_size: H.
        memory: "sum", the published cell, or "mixed", the stable one.
        peephole: Gates see the memory, each unit its own: i + p_i_up * c_up + p_i_left * c_left,
            f_up + p_f_up * c_up, f_left + p_f_left * c_left, o + p_o * c'. With "sum" alone.
        forget_bias: Initial bias of the forget gates. 0 halves each memory, so that a sum of two
            keeps its size; with "mixed" 1 remembers more.
        kernel_init: Initialiser of each gate's (D, H) block of ``w_x``.
        recurrent_init: Initialiser of each gate's (H, H) block of ``w_up`` and ``w_left``.
        peephole_init: Initialiser of ``p``.

    Raises:
        ValueError: If ``memory`` is neither of the two, or has no peepholes.

    Example:
        >>> from rnn_jax import layers
        >>> cell = layers.LSTM2D(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> outside, z = cell.initial_state(params), cell.encode(params, jnp.ones(2, "float32"))
        >>> cell.step(params, outside, outside, z).h.shape
        (3,)

    References:
        Graves, Fernandez and Schmidhuber, Multi-dimensional recurrent neural networks, 2007,
        arXiv:0705.2011.
        Leifert, Strauss, Gruening, Wustlich and Labahn, Cells in multidimensional recurrent neural
        networks, 2016, arXiv:1412.2620; as in Voigtlaender, Doetsch and Ney, Handwriting
        recognition with large multidimensional long short-term memory recurrent neural networks,
        2016, doi:10.1109/ICFHR.2016.0052 (mixed).
    """

    input_size: int
    hidden_size: int
    memory: Literal["sum", "mixed"] = "sum"
    peephole: bool = False
    forget_bias: float = 0.0
    kernel_init: Initializer = Glorot()
    recurrent_init: Initializer = Orthogonal()
    peephole_init: Initializer = Uniform(bound=0.1)
    num_predecessors: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.memory not in ("sum", "mixed"):
            raise ValueError(f'LSTM2D: memory must be "sum" or "mixed", got {self.memory!r}.')
        if self.peephole and self.memory == "mixed":
            raise ValueError(
                'LSTM2D: memory="mixed" has no peepholes: leave peephole=False, or take '
                'memory="sum".'
            )

    @property
    def output_size(self) -> int:
        return self.hidden_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> LSTM2DParams:
        key_x, key_up, key_left, key_p = jax.random.split(key, 4)
        size = self.hidden_size
        forget = slice(size, 3 * size if self.memory == "sum" else 2 * size)
        return LSTM2DParams(
            w_x=per_gate(self.kernel_init, key_x, (self.input_size, 5 * size), 5, dtype),
            w_up=per_gate(self.recurrent_init, key_up, (size, 5 * size), 5, dtype),
            w_left=per_gate(self.recurrent_init, key_left, (size, 5 * size), 5, dtype),
            b=jnp.zeros((5 * size,), dtype).at[forget].set(self.forget_bias),
            p=self.peephole_init(key_p, (5, size), dtype) if self.peephole else None,
        )

    def initial_state(self, params: LSTM2DParams, batch_shape: tuple[int, ...] = ()) -> LSTMState:
        size = self.hidden_size
        return LSTMState(
            h=zeros(params.w_up, batch_shape, size),
            c=zeros(params.w_up, batch_shape, size, wide=True),
        )

    def encode(self, params: LSTM2DParams, x: jax.Array) -> jax.Array:
        return affine(x, params.w_x, params.b)

    def step(self, params: LSTM2DParams, up: LSTMState, left: LSTMState, z: jax.Array) -> LSTMState:
        r = matmul(up.h, params.w_up) + matmul(left.h, params.w_left)
        i, f_up, f_left, g, o = jnp.split(z + r, 5, axis=-1)
        if params.p is not None:
            i = i + scale(up.c, params.p[0]) + scale(left.c, params.p[1])
            f_up = f_up + scale(up.c, params.p[2])
            f_left = f_left + scale(left.c, params.p[3])
        if self.memory == "sum":
            kept = jax.nn.sigmoid(f_up) * up.c + jax.nn.sigmoid(f_left) * left.c
        else:
            m = jax.nn.sigmoid(f_left)
            kept = jax.nn.sigmoid(f_up) * (m * up.c + (1 - m) * left.c)
        c = kept + jax.nn.sigmoid(i) * jnp.tanh(g)
        if params.p is not None:
            o = o + scale(c, params.p[4])
        return LSTMState(h=jax.nn.sigmoid(o) * jnp.tanh(c), c=c)

    def readout(self, params: LSTM2DParams, state: LSTMState) -> jax.Array:
        return state.h

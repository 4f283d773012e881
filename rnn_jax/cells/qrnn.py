"""The quasi-recurrent network's pooling over time (Bradbury et al. 2016)."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.affine import REPLACED, affine_step
from rnn_jax.cells.base import check_sizes, zeros
from rnn_jax.ops.initializers import Glorot, per_gate
from rnn_jax.ops.linear import affine
from rnn_jax.typing import Initializer


class QRNNParams(NamedTuple):
    """Parameters of ``QRNN``; columns in the order f g o, or i f g o with ifo-pooling."""

    w_x: jax.Array  # (D, 3H) or (D, 4H)
    b: jax.Array  # (3H,) or (4H,)


class QRNNState(NamedTuple):
    """State of ``QRNN``, float32 or wider."""

    c: jax.Array  # (*B, H) memory
    o: jax.Array  # (*B, H) this step's output gate


class QRNNInput(NamedTuple):
    """What ``QRNN`` makes of an input."""

    keep: jax.Array  # (..., H)
    write: jax.Array  # (..., H)
    o: jax.Array  # (..., H)


@dataclass(frozen=True, kw_only=True)
class QRNN:
    """Quasi-recurrent network: gates from a window of inputs, and a pooling that remembers.

        f, g, o = sigmoid, tanh, sigmoid of split(x @ w_x + b)
        c' = f * c + (1 - f) * g            pooling="fo"
        c' = f * c + i * g                  pooling="ifo", with i = sigmoid
        y = o * c'

    The paper's convolution of width k is a linear map of the last k inputs, so it is this cell on
    ``ops.windows(xs, k)`` with ``input_size = k * D``: the window belongs to the input, once and in
    parallel, and not to the recurrence. PyTorch's convolutions have kernels (G, D, k); ``w_x`` is
    their axes turned to (k, D, G) and the first two made one.

    Args:
        input_size: D, or k * D on windows of k inputs.
        hidden_size: H.
        pooling: "fo" or "ifo".
        forget_bias: Initial bias of the forget gate; larger remembers longer.
        kernel_init: Initialiser of each (D, H) block of ``w_x``.

    Raises:
        ValueError: If ``pooling`` is neither of the two.

    Example:
        >>> from rnn_jax import cells, drivers, ops
        >>> cell = cells.QRNN(input_size=2 * 3, hidden_size=4)
        >>> params = cell.init(jax.random.key(0))
        >>> xs = jnp.ones((5, 4, 3))
        >>> state, ys = drivers.associative(cell, params, ops.windows(xs, 2))
        >>> ys.shape
        (5, 4, 4)

    References:
        Bradbury, Merity, Xiong and Socher, Quasi-recurrent neural networks, 2016, arXiv:1611.01576.
    """

    input_size: int
    hidden_size: int
    pooling: Literal["fo", "ifo"] = "fo"
    forget_bias: float = 0.0
    kernel_init: Initializer = Glorot()

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.pooling not in ("fo", "ifo"):
            raise ValueError(f'QRNN: pooling must be "fo" or "ifo", got {self.pooling!r}.')

    @property
    def output_size(self) -> int:
        return self.hidden_size

    @property
    def _num_gates(self) -> int:
        return len(self.pooling) + 1

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> QRNNParams:
        size, gates = self.hidden_size, self._num_gates
        forget = slice((gates - 3) * size, (gates - 2) * size)
        return QRNNParams(
            w_x=per_gate(self.kernel_init, key, (self.input_size, gates * size), gates, dtype),
            b=jnp.zeros((gates * size,), dtype).at[forget].set(self.forget_bias),
        )

    def initial_state(self, params: QRNNParams, batch_shape: tuple[int, ...] = ()) -> QRNNState:
        zero = zeros(params.w_x, batch_shape, self.hidden_size, wide=True)
        return QRNNState(c=zero, o=zero)

    def encode(self, params: QRNNParams, x: jax.Array) -> QRNNInput:
        parts = jnp.split(affine(x, params.w_x, params.b), self._num_gates, axis=-1)
        f, g, o = jax.nn.sigmoid(parts[-3]), jnp.tanh(parts[-2]), jax.nn.sigmoid(parts[-1])
        i = 1 - f if self.pooling == "fo" else jax.nn.sigmoid(parts[0])
        return QRNNInput(keep=f, write=i * g, o=o)

    def affine(self, params: QRNNParams, z: QRNNInput) -> tuple[QRNNState, QRNNState]:
        return QRNNState(c=z.keep, o=REPLACED), QRNNState(c=z.write, o=z.o)

    def step(self, params: QRNNParams, state: QRNNState, z: QRNNInput) -> QRNNState:
        return affine_step(self, params, state, z)

    def readout(self, params: QRNNParams, state: QRNNState) -> jax.Array:
        return state.o * state.c

"""The LSTM with layer normalisation (Ba et al. 2016)."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.base import check_sizes, gated_step, identity, zeros
from rnn_jax.cells.lstm import LSTMState
from rnn_jax.ops.initializers import Glorot, Orthogonal, per_gate
from rnn_jax.ops.linear import affine, shift
from rnn_jax.ops.norm import layer_norm
from rnn_jax.typing import Activation, Initializer


class LayerNormLSTMParams(NamedTuple):
    """Parameters of ``LayerNormLSTM``; gates in the order i f g o."""

    w_x: jax.Array  # (D, 4H)
    w_h: jax.Array  # (H, 4H)
    b: jax.Array  # (4H,) added to both normalised parts
    gain_x: jax.Array  # (4H,)
    gain_h: jax.Array  # (4H,)
    gain_c: jax.Array  # (H,)
    b_c: jax.Array  # (H,)


@dataclass(frozen=True, kw_only=True)
class LayerNormLSTM:
    """LSTM with layer normalisation of both parts of every gate, and of the memory that goes out.

        i, f, g, o = split(gain_x * norm(x @ w_x) + gain_h * norm(h @ w_h) + b)
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(gain_c * norm(c') + b_c)
        norm(a) = (a - mean(a)) / sqrt(var(a) + epsilon), over the H units, for each gate by itself

    The size of the sums does not depend on the size of the weights, so it neither explodes nor dies
    over time. The memory itself is carried on unnormalised. The paper's three shifts of the gates
    are one ``b`` here; it writes one norm over all 4H sums, this has one for each gate.

    Args:
        input_size: D.
        hidden_size: H, at least 2.
        forget_bias: Initial bias of the forget gate.
        epsilon: Added to each variance.
        kernel_init: Initialiser of each gate's (D, H) block of ``w_x``.
        recurrent_init: Initialiser of each gate's (H, H) block of ``w_h``.

    Raises:
        ValueError: If ``hidden_size`` is less than 2 or ``epsilon`` not positive.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.LayerNormLSTM(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.scan(cell, params, jnp.ones((5, 4, 2)))
        >>> ys.shape
        (5, 4, 3)

    References:
        Ba, Kiros and Hinton, Layer normalization, 2016, arXiv:1607.06450.
    """

    input_size: int
    hidden_size: int
    forget_bias: float = 1.0
    epsilon: float = 1e-5
    kernel_init: Initializer = Glorot()
    recurrent_init: Initializer = Orthogonal()

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.hidden_size < 2:
            raise ValueError(
                f"LayerNormLSTM: hidden_size must be at least 2, got {self.hidden_size}: the norm "
                "of one unit is always 0; use an LSTM."
            )
        if not self.epsilon > 0:
            raise ValueError(
                f"LayerNormLSTM: epsilon must be positive, got {self.epsilon}: the first state is "
                "all zero, and so is its variance."
            )

    @property
    def output_size(self) -> int:
        return self.hidden_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> LayerNormLSTMParams:
        key_x, key_h = jax.random.split(key)
        size = self.hidden_size
        return LayerNormLSTMParams(
            w_x=per_gate(self.kernel_init, key_x, (self.input_size, 4 * size), 4, dtype),
            w_h=per_gate(self.recurrent_init, key_h, (size, 4 * size), 4, dtype),
            b=jnp.zeros((4 * size,), dtype).at[size : 2 * size].set(self.forget_bias),
            gain_x=jnp.ones((4 * size,), dtype),
            gain_h=jnp.ones((4 * size,), dtype),
            gain_c=jnp.ones((size,), dtype),
            b_c=jnp.zeros((size,), dtype),
        )

    def initial_state(
        self, params: LayerNormLSTMParams, batch_shape: tuple[int, ...] = ()
    ) -> LSTMState:
        size = self.hidden_size
        return LSTMState(
            h=zeros(params.w_h, batch_shape, size),
            c=zeros(params.w_h, batch_shape, size, wide=True),
        )

    def encode(self, params: LayerNormLSTMParams, x: jax.Array) -> jax.Array:
        return shift(self._norm_gates(affine(x, params.w_x, None), params.gain_x), params.b)

    def recurrent(self, params: LayerNormLSTMParams) -> jax.Array:
        return params.w_h

    def gate(
        self,
        params: LayerNormLSTMParams,
        state: LSTMState,
        z: jax.Array,
        r: jax.Array,
        update: Activation = identity,
    ) -> LSTMState:
        i, f, g, o = jnp.split(z + self._norm_gates(r, params.gain_h), 4, axis=-1)
        c = jax.nn.sigmoid(f) * state.c + jax.nn.sigmoid(i) * update(jnp.tanh(g))
        shown = layer_norm(c, params.gain_c, params.b_c, self.epsilon)
        return LSTMState(h=jax.nn.sigmoid(o) * jnp.tanh(shown), c=c)

    def step(self, params: LayerNormLSTMParams, state: LSTMState, z: jax.Array) -> LSTMState:
        return gated_step(self, params, state, z)

    def readout(self, params: LayerNormLSTMParams, state: LSTMState) -> jax.Array:
        return state.h

    def _norm_gates(self, a: jax.Array, gain: jax.Array) -> jax.Array:
        """Normalise each gate's H columns of (..., 4H) by themselves."""
        size = self.hidden_size
        gates = a.reshape(*a.shape[:-1], 4, size)
        normed = layer_norm(gates, gain.reshape(4, size), epsilon=self.epsilon)
        return normed.reshape(a.shape)

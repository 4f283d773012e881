"""The scalar LSTM of xLSTM (Beck et al. 2024): exponential gates, a normaliser, a stabiliser."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.base import check_sizes, gated_step, identity, zeros
from rnn_jax.ops.initializers import Glorot, Orthogonal, per_gate
from rnn_jax.ops.linear import affine
from rnn_jax.typing import Activation, Initializer


class SLSTMParams(NamedTuple):
    """Parameters of ``SLSTM``; gates in the order i f g o, N heads of d = H / N units."""

    w_x: jax.Array  # (D, 4H)
    w_h: jax.Array  # (N, d, 4d) the recurrent weights inside each head
    b: jax.Array  # (4H,)


class SLSTMState(NamedTuple):
    """State of ``SLSTM``; the memory is c * exp(m) and its normaliser n * exp(m)."""

    h: jax.Array  # (*B, H) hidden state, also the output
    c: jax.Array  # (*B, H) memory cell, float32 or wider
    n: jax.Array  # (*B, H) normaliser; 0 where nothing was written yet, else at least 1
    m: jax.Array  # (*B, H) stabiliser: the logarithm of the common scale of c and n


@dataclass(frozen=True, kw_only=True)
class SLSTM:
    """LSTM with exponential gates: a new input can outweigh all that is stored.

        i, f, g, o = split(x @ w_x + b + h @ w_h)
        c' = F * c + exp(i) * tanh(g)                     F = sigmoid(f) or exp(f)
        n' = F * n + exp(i)
        h' = sigmoid(o) * c' / n'

    so c / n is a weighted mean of all g so far. Since exp overflows, what is stored is c and n
    divided by exp(m), which changes nothing else:

        m' = max(log F + m, i),   or i where n = 0
        c' = exp(log F + m - m') * c + exp(i - m') * tanh(g),   n' likewise

    One of the two exponentials is then 1 and the other no larger, whatever i and f; n is never
    below 1 once something is written, so the quotient is safe. All of the state begins at zero, as
    in the authors' code; where n = 0 the old scale m means nothing and the new one is i. The paper
    calls tanh(g) z. The convolution, norms and projections around the cell in an xLSTM block are
    not here.

    Args:
        input_size: D.
        hidden_size: H.
        num_heads: N: units feed back only to those of their own head (a block-diagonal ``w_h``).
        forget: F, "sigmoid" or "exp".
        forget_bias: Initial bias of the forget gate.
        kernel_init: Initialiser of each gate's (D, H) block of ``w_x``.
        recurrent_init: Initialiser of each head's and gate's (d, d) block of ``w_h``.

    Raises:
        ValueError: If ``num_heads`` does not divide ``hidden_size``, or for an unknown ``forget``.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.SLSTM(input_size=2, hidden_size=6, num_heads=2)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.scan(cell, params, 1e4 * jnp.ones((5, 4, 2)))
        >>> ys.shape, bool((abs(ys) <= 1).all())
        ((5, 4, 6), True)

    References:
        Beck et al., xLSTM: extended long short-term memory, 2024, arXiv:2405.04517.
    """

    input_size: int
    hidden_size: int
    num_heads: int = 1
    forget: Literal["sigmoid", "exp"] = "sigmoid"
    forget_bias: float = 1.0
    kernel_init: Initializer = Glorot()
    recurrent_init: Initializer = Orthogonal()

    def __post_init__(self) -> None:
        check_sizes(self)
        if self.num_heads < 1 or self.hidden_size % self.num_heads:
            raise ValueError(
                f"SLSTM: num_heads must divide hidden_size, got num_heads={self.num_heads} with "
                f"hidden_size={self.hidden_size}."
            )
        if self.forget not in ("sigmoid", "exp"):
            raise ValueError(f'SLSTM: forget must be "sigmoid" or "exp", got {self.forget!r}.')

    @property
    def output_size(self) -> int:
        return self.hidden_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> SLSTMParams:
        key_x, key_h = jax.random.split(key)
        size, head = self.hidden_size, self.hidden_size // self.num_heads
        keys = jax.random.split(key_h, self.num_heads)
        heads = [per_gate(self.recurrent_init, k, (head, 4 * head), 4, dtype) for k in keys]
        return SLSTMParams(
            w_x=per_gate(self.kernel_init, key_x, (self.input_size, 4 * size), 4, dtype),
            w_h=jnp.stack(heads),
            b=jnp.zeros((4 * size,), dtype).at[size : 2 * size].set(self.forget_bias),
        )

    def initial_state(self, params: SLSTMParams, batch_shape: tuple[int, ...] = ()) -> SLSTMState:
        size = self.hidden_size
        return SLSTMState(
            h=zeros(params.w_h, batch_shape, size),
            c=zeros(params.w_h, batch_shape, size, wide=True),
            n=zeros(params.w_h, batch_shape, size, wide=True),
            m=zeros(params.w_h, batch_shape, size, wide=True),
        )

    def encode(self, params: SLSTMParams, x: jax.Array) -> jax.Array:
        return affine(x, params.w_x, params.b)

    def recurrent(self, params: SLSTMParams) -> jax.Array:
        """The heads' weights on the diagonal of one (H, 4H) matrix."""
        heads, head = self.num_heads, self.hidden_size // self.num_heads
        if heads == 1:
            return params.w_h[0]
        blocks = params.w_h.reshape(heads, head, 4, 1, head)
        same = jnp.eye(heads, dtype=bool).reshape(heads, 1, 1, heads, 1)
        shape = (heads, head, 4, heads, head)
        dense = jnp.where(jnp.broadcast_to(same, shape), jnp.broadcast_to(blocks, shape), 0)
        return dense.reshape(self.hidden_size, 4 * self.hidden_size)

    def gate(
        self,
        params: SLSTMParams,
        state: SLSTMState,
        z: jax.Array,
        r: jax.Array,
        update: Activation = identity,
    ) -> SLSTMState:
        i, f, g, o = jnp.split(z + r, 4, axis=-1)
        kept = state.m + (jax.nn.log_sigmoid(f) if self.forget == "sigmoid" else f)
        m = jnp.where(state.n == 0, i, jnp.maximum(kept, i))
        # At most 0 but for an empty memory, where exp could overflow and give inf * 0.
        keep, write = jnp.exp(jnp.minimum(kept - m, 0)), jnp.exp(i - m)
        c = keep * state.c + write * update(jnp.tanh(g))
        n = keep * state.n + write
        return SLSTMState(h=jax.nn.sigmoid(o) * c / n, c=c, n=n, m=m)

    def step(self, params: SLSTMParams, state: SLSTMState, z: jax.Array) -> SLSTMState:
        return gated_step(self, params, state, z)

    def readout(self, params: SLSTMParams, state: SLSTMState) -> jax.Array:
        return state.h

"""The clockwork network (Koutnik et al. 2014): groups of units that move at their own periods."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.base import check_sizes, gated_step, zeros
from rnn_jax.ops.initializers import Glorot, Orthogonal
from rnn_jax.ops.linear import affine
from rnn_jax.typing import Activation, Initializer

LONGEST = 2**24  # whole numbers are exact in float32 up to here


class ClockworkParams(NamedTuple):
    """Parameters of ``Clockwork``; units lie group after group."""

    w_x: jax.Array  # (D, H)
    w_h: jax.Array  # (H, H), read through the mask of the groups
    b: jax.Array  # (H,)


class ClockworkState(NamedTuple):
    """State of ``Clockwork``."""

    h: jax.Array  # (*B, H) hidden state, also the output
    phase: jax.Array  # (*B, groups) t mod period of each group, whole numbers


@dataclass(frozen=True, kw_only=True)
class Clockwork:
    """Clockwork recurrent network.

        n  = f(x @ w_x + h @ (mask * w_h) + b)
        h' = n where t mod period = 0, else h        (group by group)

    The H units form one group for each period, from the fastest to the slowest. A group hears
    itself and the slower groups (``mask``; for the paper's column vectors it is block upper
    triangular, for our rows block lower). Between its ticks a group is constant to the last bit.
    Every group ticks at t = 0, and t counts the real steps of each row: padding stops the clock, a
    reset restarts it.

    The clock is the state's ``phase``: t mod period of each group, a whole number in floating
    point, which keeps the cell gated. It starts as float32 or wider, where it is exact; a state
    cast to bfloat16 is exact up to periods of 256.

    Args:
        input_size: D.
        hidden_size: H, a multiple of the number of periods.
        periods: One for each group, not decreasing.
        activation: f, elementwise, a named function.
        kernel_init: Initialiser of ``w_x``.
        recurrent_init: Initialiser of ``w_h``, before the mask.

    Raises:
        ValueError: If ``periods`` is empty, not whole, not in 1..2^24 or decreasing, or if its
            length does not divide ``hidden_size``.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.Clockwork(input_size=2, hidden_size=6, periods=(1, 2, 4))
        >>> params = cell.init(jax.random.key(0))
        >>> xs = jax.random.normal(jax.random.key(1), (5, 2))
        >>> state, ys = drivers.scan(cell, params, xs)
        >>> slow = ys[:, 4:]
        >>> bool((slow[3] == slow[0]).all()), bool((slow[4] == slow[3]).any())
        (True, False)

    References:
        Koutnik, Greff, Gomez and Schmidhuber, A clockwork RNN, 2014, arXiv:1402.3511.
    """

    input_size: int
    hidden_size: int
    periods: tuple[int, ...] = (1, 2, 4, 8)
    activation: Activation = jnp.tanh
    kernel_init: Initializer = Glorot()
    recurrent_init: Initializer = Orthogonal()

    def __post_init__(self) -> None:
        check_sizes(self)
        object.__setattr__(self, "periods", tuple(self.periods))
        whole = all(isinstance(p, int) and 1 <= p <= LONGEST for p in self.periods)
        if not self.periods or not whole or list(self.periods) != sorted(self.periods):
            raise ValueError(
                f"Clockwork: periods must be whole numbers in 1..{LONGEST}, one for each group, "
                f"from the fastest to the slowest, got {self.periods}."
            )
        if self.hidden_size % len(self.periods):
            raise ValueError(
                f"Clockwork: hidden_size={self.hidden_size} is not divisible into "
                f"{len(self.periods)} groups of equal size, one for each of periods={self.periods}."
            )

    @property
    def output_size(self) -> int:
        return self.hidden_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> ClockworkParams:
        key_x, key_h = jax.random.split(key)
        size = self.hidden_size
        return ClockworkParams(
            w_x=self.kernel_init(key_x, (self.input_size, size), dtype),
            w_h=self._masked(self.recurrent_init(key_h, (size, size), dtype)),
            b=jnp.zeros((size,), dtype),
        )

    def initial_state(
        self, params: ClockworkParams, batch_shape: tuple[int, ...] = ()
    ) -> ClockworkState:
        return ClockworkState(
            h=zeros(params.w_h, batch_shape, self.hidden_size),
            phase=zeros(params.w_h, batch_shape, len(self.periods), wide=True),
        )

    def encode(self, params: ClockworkParams, x: jax.Array) -> jax.Array:
        return affine(x, params.w_x, params.b)

    def recurrent(self, params: ClockworkParams) -> jax.Array:
        return self._masked(params.w_h)

    def gate(
        self, params: ClockworkParams, state: ClockworkState, z: jax.Array, r: jax.Array
    ) -> ClockworkState:
        phase = jnp.round(state.phase)  # a wrapper may have put noise on the initial state
        ticks = jnp.repeat(phase == 0, self._group_size, axis=-1)
        h = jnp.where(ticks, self.activation(z + r), state.h)
        periods = jnp.broadcast_to(jnp.array(self.periods, phase.dtype), phase.shape)
        later = jnp.where(phase + 1 < periods, phase + 1, 0)
        return ClockworkState(h=h, phase=later)

    def step(self, params: ClockworkParams, state: ClockworkState, z: jax.Array) -> ClockworkState:
        return gated_step(self, params, state, z)

    def readout(self, params: ClockworkParams, state: ClockworkState) -> jax.Array:
        return state.h

    @property
    def _group_size(self) -> int:
        return self.hidden_size // len(self.periods)

    def _masked(self, w_h: jax.Array) -> jax.Array:
        """Keep what comes from a unit's own group and from slower ones, which stand behind it."""
        groups = jnp.arange(self.hidden_size) // self._group_size
        return jnp.where(groups[:, None] >= groups[None, :], w_h, 0)

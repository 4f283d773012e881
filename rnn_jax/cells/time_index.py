"""Time as an input: a counter in the state, for what is not stationary."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.cells.wrapper import Wrapper, encodes_affinely, slope
from rnn_jax.ops.linear import real_dtype, wider
from rnn_jax.typing import Params, PyTree, State


class TimeIndexState(NamedTuple):
    """State of ``TimeIndex``."""

    cell: State  # the inner cell's
    t: jax.Array  # (*B,) steps since the start, float32 or wider


class TimeIndexInput(NamedTuple):
    """What arrives at each step where the inner cell's encoding must wait for t."""

    x: jax.Array  # (*B, D)
    noise: PyTree  # the inner cell's


@dataclass(frozen=True, kw_only=True)
class TimeIndex(Wrapper):
    """The number of the step as one more input feature, the last.

        s' = step(s, [x, t / scale]),   t' = t + 1

    Sharing weights over time assumes that the process is stationary; this lets it depend on t. The
    counter starts at 0, restarts with a reset, stands still on padding and goes on over truncated
    chunks. Where the inner cell's encoding is affine in x (a matrix product), all of it but
    ``t / scale * w_t`` stays outside the loop; put stochastic wrappers around this one, not inside,
    to keep it so.

    Args:
        cell: The inner cell, for D + 1 features; a gated one stays so.
        scale: Steps in a unit of the feature: about the length of a sequence.

    Raises:
        ValueError: If the scale is not positive, or the inner cell takes fewer than 2 features.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.TimeIndex(cell=cells.LSTM(input_size=3, hidden_size=4), scale=100.0)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.scan(cell, params, jnp.ones((5, 2)))
        >>> ys.shape, float(state.t)
        ((5, 4), 5.0)
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        if not self.scale > 0:
            raise ValueError(f"TimeIndex: scale must be positive, got {self.scale}.")
        if base.input_shape(self.cell)[-1] < 2:
            raise ValueError(
                f"TimeIndex: the inner cell takes the inputs' features and one more, at least 2, "
                f"but has input_size={self.cell.input_size}: make it with input_size = D + 1."
            )

    @property
    def input_size(self) -> int:
        return self.input_shape[-1]

    @property
    def input_shape(self) -> tuple[int, ...]:
        *spatial, features = base.input_shape(self.cell)
        return (*spatial, features - 1)

    @property
    def is_affine(self) -> bool:
        return False

    def initial_state(self, params: Params, batch_shape: tuple[int, ...] = ()) -> TimeIndexState:
        state = self.cell.initial_state(params, batch_shape)
        kinds = [leaf.dtype for leaf in jax.tree.leaves(state)]
        kinds = [real_dtype(kind) for kind in kinds if jnp.issubdtype(kind, jnp.inexact)]
        return TimeIndexState(state, jnp.zeros(batch_shape, wider(jnp.float32, *kinds)))

    def encode(self, params: Params, x: jax.Array, noise: PyTree = None) -> PyTree:
        if not encodes_affinely(self.cell):
            return TimeIndexInput(x, noise)
        return self.cell.encode(params, jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, 1)]))

    def _with_time(self, params: Params, t: jax.Array, z: PyTree) -> PyTree:
        """The inner cell's z at time t."""
        time, shape = t / self.scale, base.input_shape(self.cell)
        if not encodes_affinely(self.cell):
            time = time.reshape(*t.shape, *(1,) * len(shape))
            time = jnp.broadcast_to(time, (*t.shape, *shape[:-1], 1))
            x = jnp.concatenate([z.x, time.astype(z.x.dtype)], axis=-1)
            return base.encode(self.cell, params, x, z.noise)
        zero = jnp.zeros(shape, t.dtype)

        def add(z: jax.Array, dz: jax.Array) -> jax.Array:
            factor = jnp.expand_dims(time, tuple(range(t.ndim, z.ndim))).astype(z.dtype)
            return z + jnp.broadcast_to(factor, z.shape) * jnp.broadcast_to(
                dz.astype(z.dtype), z.shape
            )

        return jax.tree.map(add, z, slope(self.cell, params, zero, zero.at[..., -1].set(1)))

    def step(self, params: Params, state: TimeIndexState, z: PyTree) -> TimeIndexState:
        z = self._with_time(params, state.t, z)
        return TimeIndexState(self.cell.step(params, state.cell, z), state.t + 1)

    def hidden(self, params: Params, state: TimeIndexState) -> jax.Array:
        return base.hidden(self.cell, params, state.cell)

    def gate(
        self, params: Params, state: TimeIndexState, z: PyTree, r: jax.Array
    ) -> TimeIndexState:
        z = self._with_time(params, state.t, z)
        return TimeIndexState(self.cell.gate(params, state.cell, z, r), state.t + 1)

    def readout(self, params: Params, state: TimeIndexState) -> jax.Array:
        return self.cell.readout(params, state.cell)

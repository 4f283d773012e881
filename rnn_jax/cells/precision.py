"""Mixed precision: float32 parameters kept by the optimiser, bfloat16 in the products."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.cells.wrapper import Wrapper
from rnn_jax.typing import Params, PyTree, State


@dataclass(frozen=True, kw_only=True)
class Precision(Wrapper):
    """Run a cell's products in one dtype and keep its state in another.

        weights, x <- cast(weights, x) to compute_dtype;   s_0 <- cast(s_0) to state_dtype

    The parameters stay as they are (float32 masters), and so do their gradients. Of them only
    matrices and higher arrays are cast: vectors enter sums, which run in float32 anyway.
    Accumulation, gates and the gradient of the state are in the wider of float32 and
    ``state_dtype``. Complex arrays are not cast, having no half precision.

    Args:
        cell: The inner cell; gated and affine ones stay so.
        compute_dtype: Of weights and inputs in products.
        state_dtype: Of the initial state, hence of every state; None for the inner cell's own.

    Raises:
        ValueError: If a dtype is not real floating point.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> lstm = cells.LSTM(input_size=2, hidden_size=3)
        >>> cell = cells.Precision(cell=lstm, compute_dtype=jnp.bfloat16)
        >>> params = cell.init(jax.random.key(0))
        >>> state, _ = drivers.scan(cell, params, jnp.ones((5, 2), jnp.float32))
        >>> params.w_h.dtype, cell.recurrent(params).dtype, state.h.dtype
        (dtype('float32'), dtype(bfloat16), dtype('float32'))

    References:
        Micikevicius et al., Mixed precision training, 2018, arXiv:1710.03740.
    """

    compute_dtype: Any = jnp.bfloat16
    state_dtype: Any = jnp.float32

    def __post_init__(self) -> None:
        for name in ("compute_dtype", "state_dtype"):
            dtype = getattr(self, name)
            if dtype is None and name == "state_dtype":
                continue
            if dtype is None or not jnp.issubdtype(dtype, jnp.floating):
                raise ValueError(
                    f"Precision: {name} must be a real floating dtype, got {dtype}: jnp.bfloat16 "
                    f"or jnp.float32."
                )
            object.__setattr__(self, name, jnp.dtype(dtype))  # one spelling: equal cells are equal

    def _cast(self, params: Params) -> Params:
        def one(leaf: jax.Array) -> jax.Array:
            is_weight = leaf.ndim >= 2 and jnp.issubdtype(leaf.dtype, jnp.floating)
            return leaf.astype(self.compute_dtype) if is_weight else leaf

        return jax.tree.map(one, params)

    def initial_state(self, params: Params, batch_shape: tuple[int, ...] = ()) -> State:
        state = self.cell.initial_state(self._cast(params), batch_shape)
        if self.state_dtype is None:
            return state

        def one(leaf: jax.Array) -> jax.Array:
            real = jnp.issubdtype(leaf.dtype, jnp.floating)
            return leaf.astype(self.state_dtype) if real else leaf

        return jax.tree.map(one, state)

    def encode(self, params: Params, x: jax.Array, noise: PyTree = None) -> PyTree:
        if jnp.issubdtype(x.dtype, jnp.floating):
            x = x.astype(self.compute_dtype)
        return base.encode(self.cell, self._cast(params), x, noise)

    def step(self, params: Params, state: State, z: PyTree) -> State:
        return self.cell.step(self._cast(params), state, z)

    def readout(self, params: Params, state: State) -> jax.Array:
        return self.cell.readout(self._cast(params), state)

    def recurrent(self, params: Params) -> jax.Array:
        return self.cell.recurrent(self._cast(params))

    def hidden(self, params: Params, state: State) -> jax.Array:
        return base.hidden(self.cell, self._cast(params), state)

    def gate(self, params: Params, state: State, z: PyTree, r: jax.Array) -> State:
        return self.cell.gate(self._cast(params), state, z, r)

    def affine(self, params: Params, z: PyTree) -> tuple[State, State]:
        return self.cell.affine(self._cast(params), z)

"""Where a sequence begins: initial states that are learned or random instead of zero."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.cells.wrapper import Wrapper
from rnn_jax.typing import Params, State


class InitialStateParams(NamedTuple):
    """The inner cell's parameters and an initial state."""

    cell: Params
    state: State  # learned: leaves without batch axes; random: leaves (*B, ...), None in evaluation


@dataclass(frozen=True, kw_only=True)
class LearnedInitialState(Wrapper):
    """An initial state that is a parameter, one for all rows.

        s_0 = params.state

    It begins where the inner cell's does (zero, as a rule), and has its dtypes. Resets return to
    it. Whole-numbered leaves are not learned; put wrappers with a counter (``TimeIndex``) around
    this one, not inside.

    Args:
        cell: The inner cell; gated and affine ones stay so.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.LearnedInitialState(cell=cells.LSTM(input_size=2, hidden_size=3))
        >>> params = cell.init(jax.random.key(0))
        >>> loss = lambda params: drivers.scan(cell, params, jnp.ones((5, 2)))[1].sum()
        >>> jax.grad(loss)(params).state.c.shape
        (3,)

    References:
        Forcada and Carrasco, Learning the initial state of a second-order recurrent neural network
        during regular-language inference, 1995, doi:10.1162/neco.1995.7.5.923.
    """

    has_params: ClassVar[bool] = True

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> InitialStateParams:
        params = self.cell.init(key, dtype)
        state = jax.tree.map(
            lambda leaf: leaf if jnp.issubdtype(leaf.dtype, jnp.inexact) else None,
            self.cell.initial_state(params),
        )
        return InitialStateParams(cell=params, state=state)

    def initial_state(self, params: InitialStateParams, batch_shape: tuple[int, ...] = ()) -> State:
        def one(leaf: jax.Array, learned: jax.Array | None) -> jax.Array:
            if learned is None:
                return leaf
            return jnp.broadcast_to(learned.astype(leaf.dtype), leaf.shape)

        start = self.cell.initial_state(params.cell, batch_shape)
        return jax.tree.map(one, start, params.state)


@dataclass(frozen=True, kw_only=True)
class RandomInitialState(Wrapper):
    """An initial state with normal noise, drawn anew for every row of every call with a key.

        s_0 = s_0 of the inner cell + scale * normal,   without a key: s_0 of the inner cell

    It keeps a network from relying on one beginning, which helps where states are carried over. A
    reset returns a row to the state that was drawn for it. Whole-numbered leaves stay as they are.

    Args:
        cell: The inner cell; gated and affine ones stay so.
        scale: Standard deviation.

    Raises:
        ValueError: If the scale is negative.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> gru = cells.GRU(input_size=2, hidden_size=3)
        >>> cell = cells.RandomInitialState(cell=gru, scale=0.1)
        >>> params = cell.init(jax.random.key(0))
        >>> _, ys = drivers.scan(cell, params, jnp.ones((5, 4, 2)), key=jax.random.key(1))
        >>> bool((ys[0, 0] == ys[0, 1]).any())
        False

    References:
        Zimmermann, Tietz and Grothmann, Forecasting with recurrent neural networks: 12 tricks,
        2012, doi:10.1007/978-3-642-35289-8_37.
    """

    scale: float = 0.1
    has_params: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.scale >= 0:
            raise ValueError(f"RandomInitialState: scale must be >= 0, got {self.scale}.")

    @property
    def is_stochastic(self) -> bool:
        return base.is_stochastic(self.cell) or self.scale > 0

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> InitialStateParams:
        return InitialStateParams(cell=self.cell.init(key, dtype), state=None)

    def perturb(
        self, params: InitialStateParams, key: jax.Array, batch_shape: tuple[int, ...]
    ) -> InitialStateParams:
        key_cell, key_own = jax.random.split(key)
        inner = base.perturb(self.cell, params.cell, key_cell, batch_shape)
        leaves, treedef = jax.tree.flatten(self.cell.initial_state(inner, batch_shape))

        def one(leaf: jax.Array, key: jax.Array) -> jax.Array:
            if not jnp.issubdtype(leaf.dtype, jnp.inexact):
                return leaf
            return leaf + self.scale * jax.random.normal(key, leaf.shape, leaf.dtype)

        keys = jax.random.split(key_own, len(leaves))
        drawn = [one(leaf, k) for leaf, k in zip(leaves, keys, strict=True)]
        return InitialStateParams(cell=inner, state=jax.tree.unflatten(treedef, drawn))

    def initial_state(self, params: InitialStateParams, batch_shape: tuple[int, ...] = ()) -> State:
        if params.state is None:
            return self.cell.initial_state(params.cell, batch_shape)
        return params.state

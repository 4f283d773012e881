"""Where a sequence begins: initial states that are learned or random instead of zero."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.cells.wrapper import Wrapper, last_name
from rnn_jax.typing import Params, State


class InitialStateParams(NamedTuple):
    """The inner cell's parameters and an initial state."""

    cell: Params
    state: State  # learned: the chosen leaves, without batch axes, the others None;
    # random: all leaves (*B, ...), None in evaluation


@dataclass(frozen=True, kw_only=True)
class LearnedInitialState(Wrapper):
    """An initial state that is a parameter, one for all rows.

        s_0 = params.state

    It begins where the inner cell's does (zero, as a rule), and has its dtypes. Resets return to
    it. Only the leaves in the named fields are parameters, the others begin as the inner cell's.

    Args:
        cell: The inner cell; gated and affine ones stay so.
        names: Fields of the state that are learned, wherever they lie. None for hidden state and
            memory: h and c, but no c beside a normaliser n (SLSTM), since what counts there is
            c / n and n begins at zero. Counters, scales and skip parts are so left alone, and so is
            the fed-back output y (FeedbackRNN, Jordan): name it if it is to be learned.

    Raises:
        ValueError: If a name is no floating field of the state, or there are none to choose.

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

    names: tuple[str, ...] | None = None
    has_params: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_names(self)

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> InitialStateParams:
        params = self.cell.init(key, dtype)
        chosen = _chosen(self.cell, self.names)
        state = jax.tree_util.tree_map_with_path(
            lambda path, leaf: leaf if jax.tree_util.keystr(path) in chosen else None,
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
    reset returns a row to the state that was drawn for it. Only the leaves in the named fields have
    noise.

    Args:
        cell: The inner cell; gated and affine ones stay so.
        scale: Standard deviation.
        names: Fields of the state that have noise, wherever they lie. None for hidden state and
            memory, as in ``LearnedInitialState``: h and c, but no c beside a normaliser n.

    Raises:
        ValueError: If the scale is negative, a name is no floating field of the state, or there
            are none to choose.

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
    names: tuple[str, ...] | None = None
    has_params: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not self.scale >= 0:
            raise ValueError(f"RandomInitialState: scale must be >= 0, got {self.scale}.")
        _check_names(self)

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
        start = self.cell.initial_state(inner, batch_shape)
        leaves, treedef = jax.tree_util.tree_flatten_with_path(start)
        chosen = _chosen(self.cell, self.names)

        def one(path: tuple[Any, ...], leaf: jax.Array, key: jax.Array) -> jax.Array:
            if jax.tree_util.keystr(path) not in chosen:
                return leaf
            return leaf + self.scale * jax.random.normal(key, leaf.shape, leaf.dtype)

        keys = jax.random.split(key_own, len(leaves))
        drawn = [one(path, leaf, k) for (path, leaf), k in zip(leaves, keys, strict=True)]
        return InitialStateParams(cell=inner, state=jax.tree.unflatten(treedef, drawn))

    def initial_state(self, params: InitialStateParams, batch_shape: tuple[int, ...] = ()) -> State:
        if params.state is None:
            return self.cell.initial_state(params.cell, batch_shape)
        return params.state


@lru_cache(maxsize=512)
def _floating(cell: Any) -> tuple[tuple[Any, ...], ...]:
    """Paths of the leaves of the state that can be learned and drawn."""
    with jax.ensure_compile_time_eval():
        state = jax.eval_shape(lambda key: cell.initial_state(cell.init(key)), jax.random.key(0))
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return tuple(path for path, leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.inexact))


def _chosen(cell: Any, names: tuple[str, ...] | None) -> set[str]:
    """The leaves that are meant, by path: those in the named fields, or hidden state and memory."""
    paths = _floating(cell)
    normalised = {path[:-1] for path in paths if last_name(path) == "n"}

    def meant(path: tuple[Any, ...]) -> bool:
        name = last_name(path)
        if names is not None:
            return name in names
        return name == "h" or (name == "c" and path[:-1] not in normalised)

    return {jax.tree_util.keystr(path) for path in paths if meant(path)}


def _check_names(wrapper: Any) -> None:
    have = {last_name(path) for path in _floating(wrapper.cell)}
    missing = sorted(set(wrapper.names or ()) - have)
    if missing or not _chosen(wrapper.cell, wrapper.names):
        raise ValueError(
            f"{type(wrapper).__name__}: names={wrapper.names}, but the floating fields of the "
            f"state of {type(wrapper.cell).__name__} are {sorted(have)}"
            + (f", without {missing}" if missing else "")
            + ": name some of these."
        )

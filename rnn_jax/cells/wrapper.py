"""What wrappers have in common: what one does not change, the inner cell says.

A wrapper derives from ``Wrapper`` and overrides what it changes. Some have parameters of their own;
theirs are a NamedTuple whose field ``cell`` holds the inner ones. The others' are the inner ones,
so the same parameters serve with and without the wrapper.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.ops.tracing import depends
from rnn_jax.typing import Params, PyTree, State


@dataclass(frozen=True, kw_only=True)
class Wrapper:
    """A cell made of a cell; as it stands it changes nothing.

    Args:
        cell: The inner cell.

    Example:
        >>> from rnn_jax import cells
        >>> cell = Wrapper(cell=cells.LSTM(input_size=2, hidden_size=3))
        >>> cell.input_size, cell.output_size, cells.is_gated(cell), cells.is_affine(cell)
        (2, 3, True, False)
    """

    cell: Any
    has_params: ClassVar[bool] = False  # whether ``params.cell`` are the inner cell's parameters

    @property
    def input_size(self) -> int:
        return self.cell.input_size

    @property
    def input_shape(self) -> tuple[int, ...]:
        return base.input_shape(self.cell)

    @property
    def output_size(self) -> int:
        return self.cell.output_size

    @property
    def is_gated(self) -> bool:
        return base.is_gated(self.cell)

    @property
    def is_affine(self) -> bool:
        return base.is_affine(self.cell)

    @property
    def is_stochastic(self) -> bool:
        return base.is_stochastic(self.cell)

    def inner(self, params: Params) -> Params:
        """The inner cell's parameters."""
        return params.cell if self.has_params else params

    def with_inner(self, params: Params, inner: Params) -> Params:
        """The parameters with others for the inner cell."""
        return params._replace(cell=inner) if self.has_params else inner

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> Params:
        return self.cell.init(key, dtype)

    def initial_state(self, params: Params, batch_shape: tuple[int, ...] = ()) -> State:
        return self.cell.initial_state(self.inner(params), batch_shape)

    def encode(self, params: Params, x: jax.Array, noise: PyTree = None) -> PyTree:
        return base.encode(self.cell, self.inner(params), x, noise)

    def step(self, params: Params, state: State, z: PyTree) -> State:
        return self.cell.step(self.inner(params), state, z)

    def readout(self, params: Params, state: State) -> jax.Array:
        return self.cell.readout(self.inner(params), state)

    def recurrent(self, params: Params) -> jax.Array:
        return self.cell.recurrent(self.inner(params))

    def hidden(self, params: Params, state: State) -> jax.Array:
        return base.hidden(self.cell, self.inner(params), state)

    def gate(self, params: Params, state: State, z: PyTree, r: jax.Array) -> State:
        return self.cell.gate(self.inner(params), state, z, r)

    def affine(self, params: Params, z: PyTree) -> tuple[State, State]:
        return self.cell.affine(self.inner(params), z)

    def perturb(self, params: Params, key: jax.Array, batch_shape: tuple[int, ...]) -> Params:
        inner = base.perturb(self.cell, self.inner(params), key, batch_shape)
        return self.with_inner(params, inner)

    def noise(self, params: Params, key: jax.Array, shape: tuple[int, ...]) -> PyTree:
        return base.noise(self.cell, self.inner(params), key, shape)


def last_name(path: tuple[Any, ...]) -> str:
    """The field of a NamedTuple in which a leaf lies, the innermost.

    Example:
        >>> from rnn_jax import cells
        >>> state = (cells.LSTMState(h=1.0, c=2.0),)
        >>> [last_name(path) for path, _ in jax.tree_util.tree_leaves_with_path(state)]
        ['h', 'c']
    """
    return str(getattr(path[-1], "name", "")) if path else ""


def map_named(functions: Mapping[str, Callable[..., Any]], tree: PyTree, *rest: PyTree) -> PyTree:
    """Map over the leaves in the named fields; the others stay those of ``tree``.

    Example:
        >>> from rnn_jax import cells
        >>> map_named({"c": lambda c: -c}, cells.LSTMState(h=1.0, c=2.0))
        LSTMState(h=1.0, c=-2.0)
    """

    def one(path: tuple[Any, ...], leaf: Any, *others: Any) -> Any:
        function = functions.get(last_name(path))
        return leaf if function is None else function(leaf, *others)

    return jax.tree_util.tree_map_with_path(one, tree, *rest)


def state_names(cell: Any) -> set[str]:
    """The fields in which the leaves of a cell's state lie.

    Example:
        >>> from rnn_jax import cells
        >>> sorted(state_names(cells.LSTM(input_size=2, hidden_size=3)))
        ['c', 'h']
    """
    return {path.rpartition(".")[2] for path in base.state_shapes(cell)}


def check_rate(wrapper: Any, name: str, *, one_allowed: bool = False) -> None:
    """Check that a field is a probability.

    Raises:
        ValueError: Naming the field and its range.

    Example:
        >>> from rnn_jax import cells
        >>> lstm = cells.LSTM(input_size=2, hidden_size=3)
        >>> check_rate(cells.Zoneout(cell=lstm, h_rate=0.1), "h_rate")
    """
    rate = getattr(wrapper, name)
    if not (0 <= rate < 1 or one_allowed and rate == 1):
        raise ValueError(
            f"{type(wrapper).__name__}: {name} must lie in [0, 1{']' if one_allowed else ')'}, got "
            f"{rate}: it is the probability of dropping (PyTorch's p), not of keeping."
        )


def check_field(wrapper: Any, argument: str, field: str) -> None:
    """Check that the inner cell's state has what ``argument`` is about.

    Raises:
        ValueError: Naming the argument and the fields that there are.

    Example:
        >>> from rnn_jax import cells
        >>> lstm = cells.LSTM(input_size=2, hidden_size=3)
        >>> check_field(Wrapper(cell=lstm), "c_rate", "c")
    """
    have = state_names(wrapper.cell)
    if field not in have:
        raise ValueError(
            f"{type(wrapper).__name__}: {argument} is about the state's {field}, but the state of "
            f"{type(wrapper.cell).__name__} has {sorted(have)}: leave {argument} at its default."
        )


@lru_cache(maxsize=512)
def encodes_affinely(cell: Any) -> bool:
    """Whether ``encode`` is an affine function of x, found by tracing its derivative.

    Then what a constant extra input adds to z can be added later: z(x + d) = z(x) + dz/dx d. False
    for stochastic cells, whose derivative depends on their masks.

    Example:
        >>> from rnn_jax import cells
        >>> lstm = cells.LSTM(input_size=2, hidden_size=3)
        >>> encodes_affinely(lstm), encodes_affinely(cells.Deep(cell=lstm, input_sizes=(5,)))
        (True, False)
    """
    if base.is_stochastic(cell):
        return False
    with jax.ensure_compile_time_eval():
        params = jax.eval_shape(cell.init, jax.random.key(0))
        x = jax.ShapeDtypeStruct(base.input_shape(cell), jnp.float32)
        z = jax.eval_shape(cell.encode, params, x)
    if not all(jnp.issubdtype(leaf.dtype, jnp.inexact) for leaf in jax.tree.leaves(z)):
        return False
    return not depends(lambda x, p, dx: slope(cell, p, x, dx), x, params, x)


def slope(cell: Any, params: Params, x: jax.Array, dx: jax.Array) -> PyTree:
    """What a change of the input adds to z: the derivative of ``encode`` at x, applied to dx.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.Elman(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> x, dx = jnp.zeros(2, jnp.float32), jnp.array([0.0, 1.0], jnp.float32)
        >>> dz = slope(cell, params, x, dx)
        >>> bool((dz == params.w_x[1]).all())
        True
    """
    return jax.jvp(lambda x: cell.encode(params, x), (x,), (dx,))[1]

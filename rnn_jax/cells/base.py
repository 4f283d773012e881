"""The cell protocol: one time step as pure functions, and capabilities that open fast drivers.

A cell is a frozen dataclass of sizes and choices. Its methods are pure; its parameters and its
state are NamedTuples. Any leading batch axes are free everywhere.

    z  = encode(params, x)           everything that depends on the input alone
    s' = step(params, s, z)          the only sequential part
    y  = readout(params, s')         everything that depends on the state alone

Four capabilities, found by the methods that a cell has:

*gated*: ``recurrent(params) -> w_h`` (H, G) and ``gate(params, state, z, r) -> state``, with
``step = gate(params, state, z, matmul(h, w_h))``. One matrix product, the rest row by row. Here h
is ``state.h``, or ``hidden(params, state)`` where a cell has that method: elementwise in the state,
of no trainable parameter (a unit mask, a nested state). A gate may take ``update``, a function that
it applies to what is about to be written into the memory (g of an LSTM, n of a GRU): dropout there.

*affine*: ``affine(params, z) -> (a, b)`` with ``step = a * state + b``, leaf by leaf.

*elementwise*: ``is_elementwise = True``: unit i of every leaf of the next state depends on unit i
of the state's leaves alone, so the Jacobian of a step is block-diagonal. Affine cells are.

*stochastic*: ``perturb(params, key, batch_shape) -> params`` draws what stays fixed over a
sequence, ``noise(params, key, shape) -> noise`` what changes at every step (leaves with leading
axes ``shape``, consumed by ``encode(params, x, noise)``). Without a key neither is called:
evaluation.
"""

from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp

from rnn_jax.ops.checks import check_sizes as check_sizes
from rnn_jax.ops.linear import matmul, wider
from rnn_jax.typing import Params, PyTree, State


@runtime_checkable
class Cell(Protocol):
    """What every cell has. See the module's text for what each part means.

    Example:
        >>> from rnn_jax import cells
        >>> isinstance(cells.LSTM(input_size=2, hidden_size=3), cells.Cell)
        True
    """

    @property
    def input_size(self) -> int: ...

    @property
    def output_size(self) -> int: ...

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> Params: ...

    def initial_state(self, params: Params, batch_shape: tuple[int, ...] = ()) -> State: ...

    def encode(self, params: Params, x: jax.Array) -> PyTree: ...

    def step(self, params: Params, state: State, z: PyTree) -> State: ...

    def readout(self, params: Params, state: State) -> jax.Array: ...


def is_gated(cell: Any) -> bool:
    """Whether one matrix product and elementwise work make the step: ``recurrent`` and ``gate``.

    A wrapper has the methods whatever it wraps, and says by ``is_gated`` whether they hold.

    Example:
        >>> from rnn_jax import cells
        >>> is_gated(cells.LSTM(input_size=2, hidden_size=3))
        True
    """
    return bool(getattr(cell, "is_gated", hasattr(cell, "gate") and hasattr(cell, "recurrent")))


def is_affine(cell: Any) -> bool:
    """Whether the next state is ``a * state + b``: the method ``affine``.

    Example:
        >>> from rnn_jax import cells
        >>> is_affine(cells.LSTM(input_size=2, hidden_size=3))
        False
    """
    return bool(getattr(cell, "is_affine", hasattr(cell, "affine")))


def is_elementwise(cell: Any) -> bool:
    """Whether units do not meet in a step: the attribute ``is_elementwise``, or an affine cell.

    Example:
        >>> from rnn_jax import cells
        >>> is_elementwise(cells.ParaLSTM(input_size=2, hidden_size=3))
        True
    """
    return bool(getattr(cell, "is_elementwise", is_affine(cell)))


def is_stochastic(cell: Any) -> bool:
    """Whether a key changes what the cell does: the methods ``perturb`` or ``noise``.

    Example:
        >>> from rnn_jax import cells
        >>> is_stochastic(cells.LSTM(input_size=2, hidden_size=3))
        False
    """
    has_methods = hasattr(cell, "perturb") or hasattr(cell, "noise")
    return bool(getattr(cell, "is_stochastic", has_methods))


def input_shape(cell: Any) -> tuple[int, ...]:
    """Shape of one input without batch axes: (D,), or (*spatial, channels) if convolutional.

    Example:
        >>> from rnn_jax import cells
        >>> input_shape(cells.LSTM(input_size=2, hidden_size=3))
        (2,)
    """
    return tuple(getattr(cell, "input_shape", (cell.input_size,)))


def perturb(cell: Any, params: Params, key: jax.Array, batch_shape: tuple[int, ...]) -> Params:
    """Draw what stays fixed over a sequence; the parameters themselves for a deterministic cell.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.LSTM(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> perturb(cell, params, jax.random.key(1), ()) is params
        True
    """
    return cell.perturb(params, key, batch_shape) if hasattr(cell, "perturb") else params


def noise(cell: Any, params: Params, key: jax.Array, shape: tuple[int, ...]) -> PyTree:
    """Draw what changes at every step, leaves (*shape, ...); None for a cell without any.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.LSTM(input_size=2, hidden_size=3)
        >>> noise(cell, cell.init(jax.random.key(0)), jax.random.key(1), (4,)) is None
        True
    """
    return cell.noise(params, key, shape) if hasattr(cell, "noise") else None


def encode(cell: Any, params: Params, x: jax.Array, noise: PyTree = None) -> PyTree:
    """``cell.encode``, with the noise where there is some.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.LSTM(input_size=2, hidden_size=3)
        >>> encode(cell, cell.init(jax.random.key(0)), jnp.zeros((5, 2))).shape
        (5, 12)
    """
    return cell.encode(params, x) if noise is None else cell.encode(params, x, noise)


def hidden(cell: Any, params: Params, state: State) -> jax.Array:
    """What a gated cell multiplies with ``recurrent``: ``state.h``, or what its ``hidden`` says.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.LSTM(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> hidden(cell, params, cell.initial_state(params)).tolist()
        [0.0, 0.0, 0.0]
    """
    return cell.hidden(params, state) if hasattr(cell, "hidden") else state.h


def identity(x: PyTree) -> PyTree:
    """What a gate applies to its ``update`` when nobody says otherwise.

    Example:
        >>> identity(3)
        3
    """
    return x


def gated_step(cell: Any, params: Params, state: State, z: PyTree) -> State:
    """The step of a gated cell: ``gate(params, state, z, h @ w_h)``.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.LSTM(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state = cell.initial_state(params)
        >>> gated_step(cell, params, state, jnp.zeros(12, jnp.float32)).h.shape
        (3,)
    """
    r = matmul(hidden(cell, params, state), cell.recurrent(params))
    return cell.gate(params, state, z, r)


def zeros(params: jax.Array, batch_shape: tuple[int, ...], *shape: int, wide: bool = False) -> Any:
    """A zero state (*batch_shape, *shape) in the dtype of ``params``; ``wide``: float32 at least.

    Example:
        >>> zeros(jnp.ones((2, 2), jnp.bfloat16), (3,), 4, wide=True).dtype
        dtype('float32')
    """
    dtype = wider(params.dtype, jnp.float32) if wide else params.dtype
    return jnp.zeros((*batch_shape, *shape), dtype)


@lru_cache(maxsize=512)
def parameter_shapes(cell: Any) -> dict[str, tuple[int, ...]]:
    """Path and shape of every parameter that ``cell.init`` makes.

    Example:
        >>> from rnn_jax import cells
        >>> parameter_shapes(cells.LSTM(input_size=2, hidden_size=3))
        {'.w_x': (2, 12), '.w_h': (3, 12), '.b': (12,)}
    """
    with jax.ensure_compile_time_eval():
        shapes = jax.eval_shape(cell.init, jax.random.key(0))
    return _shapes_by_path(shapes)


@lru_cache(maxsize=512)
def state_shapes(cell: Any) -> dict[str, tuple[int, ...]]:
    """Path and shape, without batch axes, of every leaf of the cell's state.

    Example:
        >>> from rnn_jax import cells
        >>> state_shapes(cells.LSTM(input_size=2, hidden_size=3))
        {'.h': (3,), '.c': (3,)}
    """
    with jax.ensure_compile_time_eval():
        shapes = jax.eval_shape(lambda key: cell.initial_state(cell.init(key)), jax.random.key(0))
    return _shapes_by_path(shapes)


def _shapes_by_path(tree: PyTree) -> dict[str, tuple[int, ...]]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): tuple(leaf.shape) for path, leaf in leaves}

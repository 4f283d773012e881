"""What the layers have in common: checks, marks, padding, and layers that run from the end."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.drivers.checks import check_inputs, check_marks
from rnn_jax.layers.base import Layer
from rnn_jax.ops.masks import length_mask, select
from rnn_jax.typing import Params, State


class Sequence(NamedTuple):
    """The checked arguments of ``apply``."""

    xs: jax.Array  # (T, *B, D), zero on padding
    lengths: jax.Array | None  # (*B,)
    reset: jax.Array | None  # (T, *B) bool
    batch_shape: tuple[int, ...]


def prepare(layer: Any, xs: jax.Array, lengths: Any = None, reset: Any = None) -> Sequence:
    """Check the sequence that a layer is given, and clean its padding.

    Raises:
        ValueError: If a shape or a dtype does not fit.

    Example:
        >>> from rnn_jax import cells, layers
        >>> rnn = layers.RNN(cell=cells.Elman(input_size=1, hidden_size=1))
        >>> prepare(rnn, jnp.ones((3, 1, 1)), [2]).xs.ravel().tolist()
        [1.0, 1.0, 0.0]
    """
    xs = jnp.asarray(xs)
    batch_shape = check_inputs(layer, xs)
    lengths, reset = as_array(lengths), as_array(reset)
    check_marks((xs.shape[0], *batch_shape), lengths, None, reset)
    return Sequence(clean(xs, lengths), lengths, reset, batch_shape)


def as_array(marks: Any) -> jax.Array | None:
    """Lists and NumPy arrays as arrays of JAX; None as it is.

    Example:
        >>> as_array([1, 2]).tolist()
        [1, 2]
    """
    return None if marks is None else jnp.asarray(marks)


def clean(xs: jax.Array, lengths: jax.Array | None) -> jax.Array:
    """Zero where a step is not real.

    Example:
        >>> clean(jnp.array([[jnp.nan]]), jnp.array([0])).tolist()
        [[0.0]]
    """
    if lengths is None:
        return xs
    return select(length_mask(lengths, xs.shape[0]), xs, jnp.zeros((), xs.dtype))


def reset_from_the_end(reset: jax.Array | None) -> jax.Array | None:
    """Where a run from the end restarts: at the last step of a sequence, before the next begins.

    Args:
        reset: (T, *B) bool, True at the first step of a sequence.

    Example:
        >>> reset_from_the_end(jnp.array([True, False, True])).tolist()
        [False, True, False]
    """
    if reset is None:
        return None
    return jnp.concatenate([reset[1:], jnp.zeros_like(reset[:1])])


def check_layer(owner: str, argument: str, layer: Any) -> None:
    """Check that a field holds a layer, not its class and not a cell.

    Raises:
        ValueError: Naming what was given, and how to make what is meant.

    Example:
        >>> from rnn_jax import cells, layers
        >>> check_layer(
        ...     "Stack", "layers[0]", layers.RNN(cell=cells.GRU(input_size=1, hidden_size=1))
        ... )
    """
    if isinstance(layer, type) or not isinstance(layer, Layer):
        is_class = isinstance(layer, type)
        what = f"the class {layer.__name__}" if is_class else f"a {type(layer).__name__}"
        raise ValueError(
            f"{owner}: {argument} is {what}: give a layer, such as "
            "layers.RNN(cell=cells.LSTM(input_size=8, hidden_size=16))."
        )


def as_layers(owner: str, layers: Any) -> tuple[Any, ...]:
    """A tuple of layers, at least one, as it can be hashed.

    Raises:
        ValueError: Naming what was given.

    Example:
        >>> from rnn_jax import cells, layers
        >>> rnn = layers.RNN(cell=cells.GRU(input_size=1, hidden_size=1))
        >>> as_layers("Stack", [rnn]) == (rnn,)
        True
    """
    if not isinstance(layers, (tuple, list)):
        raise ValueError(f"{owner}: layers is a {type(layers).__name__}: give a tuple of them.")
    if not layers:
        raise ValueError(f"{owner}: layers is empty; give at least one.")
    for k, layer in enumerate(layers):
        check_layer(owner, f"layers[{k}]", layer)
    return tuple(layers)


def check_stateless(layer: Any, state: Any) -> None:
    """Check that a layer without memory is given no state, which it would not read.

    Raises:
        ValueError: Naming the layer.

    Example:
        >>> from rnn_jax import layers
        >>> check_stateless(layers.TimeReduction(input_size=1), ())
    """
    if not (state is None or isinstance(state, tuple) and state == ()):
        raise ValueError(
            f"state is a {type(state).__name__}, but {type(layer).__name__} goes on from nothing: "
            "its state is (). Leave state out."
        )


def check_tuple(owner: str, argument: str, value: Any, count: int, parts: str) -> None:
    """Check that parameters or a state have one entry for each part.

    Raises:
        ValueError: Naming the layer, the argument and the numbers.

    Example:
        >>> check_tuple("Bidirectional", "params", (1, 2), 2, "directions")
    """
    if not isinstance(value, (tuple, list)) or len(value) != count:
        size = f" of {len(value)}" if isinstance(value, (tuple, list)) else ""
        raise ValueError(
            f"{owner}: {argument} is a {type(value).__name__}{size}, but there are {count} "
            f"{parts}: give a tuple with one entry for each."
        )


def init_all(parts: tuple[Any, ...], key: jax.Array, dtype: Any) -> tuple[Params, ...]:
    """The parameters of several layers, drawn from keys of their own.

    Example:
        >>> from rnn_jax import cells, layers
        >>> rnn = layers.RNN(cell=cells.Elman(input_size=1, hidden_size=1))
        >>> len(init_all((rnn, rnn), jax.random.key(0), jnp.float32))
        2
    """
    keys = jax.random.split(key, len(parts))
    return tuple(layer.init(k, dtype) for layer, k in zip(parts, keys, strict=True))


def initial_states(
    owner: str, parts: tuple[Any, ...], params: Any, batch_shape: tuple[int, ...], what: str
) -> tuple[State, ...]:
    """The initial states of several layers; ``owner`` and ``what`` name them in an error.

    Example:
        >>> from rnn_jax import cells, layers
        >>> rnn = layers.RNN(cell=cells.Elman(input_size=1, hidden_size=3))
        >>> params = init_all((rnn,), jax.random.key(0), jnp.float32)
        >>> initial_states("Stack", (rnn,), params, (2,), "layers")[0].h.shape
        (2, 3)
    """
    check_tuple(owner, "params", params, len(parts), what)
    pairs = zip(parts, params, strict=True)
    return tuple(layer.initial_state(p, batch_shape) for layer, p in pairs)


def keeps_time(layer: Any) -> bool:
    """Whether every output stands at the time of its input: all but layers that shorten time.

    Example:
        >>> from rnn_jax import cells, layers
        >>> keeps_time(layers.RNN(cell=cells.GRU(input_size=1, hidden_size=1)))
        True
    """
    return bool(getattr(layer, "keeps_time", True))


def num_time_axes(layer: Any) -> int:
    """How many axes before the batch a layer runs along: 1, time; 2 for height and width.

    Example:
        >>> from rnn_jax import layers
        >>> num_time_axes(layers.Grid(cell=layers.Elman2D(input_size=1, hidden_size=1)))
        2
    """
    return int(getattr(layer, "num_time_axes", 1))


def turned(layer: Any) -> Any:
    """The same layer running from the last step to the first, outputs aligned with the inputs.

    Raises:
        ValueError: If the layer has no other direction.

    Example:
        >>> from rnn_jax import cells, layers
        >>> turned(layers.RNN(cell=cells.GRU(input_size=1, hidden_size=1))).reverse
        True
    """
    if not hasattr(layer, "turned"):
        raise ValueError(
            f"{type(layer).__name__} cannot run from the end: it has no method turned(). Put the "
            "two directions inside it, or flip its inputs and outputs yourself."
        )
    return layer.turned()


def shift_rows(xs: jax.Array, steps: jax.Array) -> jax.Array:
    """Move each row to the front by its own number of steps: ``y[t, *b] = x[t + steps[*b], *b]``.

    Done bit by bit, log2(T) selections between rolled copies, since a gather with an index for each
    row is refused where the rows are sharded over an Explicit axis.

    Args:
        xs: (T, *B, ...).
        steps: (*B,) whole numbers in 0..T.

    Returns:
        (T, *B, ...), what leaves at the front coming in at the end.

    Example:
        >>> shift_rows(jnp.array([[1, 4], [2, 5], [3, 6]]), jnp.array([0, 2])).tolist()
        [[1, 6], [2, 4], [3, 5]]
    """
    steps = steps.astype(jnp.int32)
    bit = 1
    while bit <= xs.shape[0]:
        moves = jnp.broadcast_to((steps // bit % 2 == 1)[None], xs.shape[: 1 + steps.ndim])
        xs = select(moves, jnp.roll(xs, -bit, 0), xs)
        bit *= 2
    return xs

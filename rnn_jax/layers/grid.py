"""Two-dimensional recurrent networks, swept over anti-diagonals (Graves et al. 2007)."""

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp

from rnn_jax.drivers.checks import check_inputs, check_marks, check_params
from rnn_jax.drivers.common import cast_like, widen
from rnn_jax.layers.base import Output
from rnn_jax.layers.common import as_array, check_stateless
from rnn_jax.ops.masks import length_mask, select
from rnn_jax.ops.types import batch_like, vary_like
from rnn_jax.typing import Params, State

_FLIPS = ((), (1,), (0,), (0, 1))  # axes of (height, width) that a direction runs against


@dataclass(frozen=True, kw_only=True)
class Grid:
    """A network over a grid: each pixel from its neighbours above and to the left.

        s[u, v] = step(params, s[u - 1, v], s[u, v - 1], encode(params, x[u, v]))
        y[u, v] = readout(params, s[u, v])

    Four directions, one from each corner, each with its own parameters, so that every output has
    seen the whole grid. The pixels of an anti-diagonal u + v do not depend on each other and are
    one step: U x V pixels take U + V - 1 steps, and the four directions run in one loop.

    ``xs`` is (U, V, *B, D): height, width, batch, features. ``lengths`` (*B, 2) has each row's own
    height and width; outputs beyond are zero, and each direction begins at the row's own corner. A
    row without pixels (a height or a width of 0) gives zeros. An image is given whole, so there is
    no state to go on with: the state is ``()``, and ``reset`` is refused.

    Args:
        cell: A cell with two predecessors: ``layers.LSTM2D`` or ``layers.Elman2D``.
        directions: 4, or 1: from the top left to the bottom right.
        merge: How the directions become one output: "concat" (down and right, down and left, up
            and right, up and left), "sum" or "mean".

    Raises:
        ValueError: If the cell has not two predecessors, or a choice is none of these.

    Example:
        >>> from rnn_jax import layers
        >>> cell = layers.LSTM2D(input_size=2, hidden_size=3)
        >>> layer = layers.Grid(cell=cell, merge="sum")
        >>> params = layer.init(jax.random.key(0))
        >>> sizes = jnp.array([[4, 5], [2, 3], [0, 0]])
        >>> ys, lengths, state = layer.apply(params, jnp.ones((4, 5, 3, 2)), lengths=sizes)
        >>> ys.shape, bool((ys[2:, :, 1] == 0).all()), state
        ((4, 5, 3, 3), True, ())

    References:
        Graves, Fernandez and Schmidhuber, Multi-dimensional recurrent neural networks, 2007,
        arXiv:0705.2011.
        van den Oord, Kalchbrenner and Kavukcuoglu, Pixel recurrent neural networks, 2016,
        arXiv:1601.06759 (the skewed layout).
    """

    cell: Any
    directions: Literal[1, 4] = 4
    merge: Literal["concat", "sum", "mean"] = "concat"
    num_time_axes: ClassVar[int] = 2

    def __post_init__(self) -> None:
        if isinstance(self.cell, type) or getattr(self.cell, "num_predecessors", 1) != 2:
            raise ValueError(
                f"Grid: cell is {self.cell!r}, but a pixel has two predecessors: give a cell such "
                "as layers.LSTM2D(input_size=8, hidden_size=16), or use layers.ReNet, which takes "
                "any cell."
            )
        if self.directions not in (1, 4):
            raise ValueError(f"Grid: directions must be 1 or 4, got {self.directions!r}.")
        if self.merge not in ("concat", "sum", "mean"):
            raise ValueError(f'Grid: merge must be "concat", "sum" or "mean", got {self.merge!r}.')

    @property
    def input_size(self) -> int:
        return self.cell.input_size

    @property
    def output_size(self) -> int:
        return self.cell.output_size * (self.directions if self.merge == "concat" else 1)

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> Params:
        """The cell's parameters, each leaf with a leading axis of directions."""
        keys = jax.random.split(key, self.directions)
        each = [self.cell.init(k, dtype) for k in keys]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)

    def initial_state(self, params: Params, batch_shape: tuple[int, ...] = ()) -> tuple[()]:
        return ()

    def apply(
        self,
        params: Params,
        xs: jax.Array,
        state: State | None = None,
        *,
        lengths: jax.Array | None = None,
        reset: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> Output:
        """Run over xs (U, V, *B, D) with ``lengths`` (*B, 2); ``key`` is not used."""
        xs, lengths = prepare_grid(self, params, xs, lengths, state, reset)
        params = vary_like(params, xs)
        if lengths is None:
            valid = jnp.ones_like(xs[..., 0], bool)  # sharded like the rows
        else:
            valid = size_mask(lengths, xs.shape[0], xs.shape[1])
        flips = _FLIPS[: self.directions]
        turned = jnp.stack([jnp.flip(xs, axes) for axes in flips])
        inside = jnp.stack([jnp.flip(valid, axes) for axes in flips])
        each = jax.vmap(partial(_sweep, self.cell))(params, turned, inside)
        parts = [jnp.flip(each[k], axes) for k, axes in enumerate(flips)]
        return Output(self._merged(parts), lengths, ())

    def _merged(self, parts: list[jax.Array]) -> jax.Array:
        if self.merge == "concat":
            return jnp.concatenate(parts, axis=-1)
        total = sum(parts[1:], start=parts[0])
        return total / len(parts) if self.merge == "mean" else total


def size_mask(lengths: jax.Array, height: int, width: int) -> jax.Array:
    """Which pixels are real: (*B, 2) sizes -> (height, width, *B) bool.

    Example:
        >>> size_mask(jnp.array([1, 2]), 2, 3).astype(int).tolist()
        [[1, 1, 0], [0, 0, 0]]
    """
    in_height = length_mask(lengths[..., 0], height)[:, None]
    in_width = length_mask(lengths[..., 1], width)[None]
    return jnp.logical_and(in_height, in_width)


def prepare_grid(
    layer: Any, params: Params, xs: jax.Array, lengths: Any, state: State | None, reset: Any
) -> tuple[jax.Array, jax.Array | None]:
    """Check what a layer over grids is given, and clean its padding.

    Returns:
        xs (U, V, *B, D), zero outside of each row's own size, and lengths (*B, 2) or None.

    Raises:
        ValueError: Naming the argument, its shape or values, and the right ones.

    Example:
        >>> from rnn_jax import layers
        >>> layer = layers.Grid(cell=layers.Elman2D(input_size=1, hidden_size=3))
        >>> params = layer.init(jax.random.key(0))
        >>> xs, _ = prepare_grid(layer, params, jnp.ones((2, 3, 1)), [1, 2], None, None)
        >>> xs[..., 0].tolist()
        [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    name, xs, lengths = type(layer).__name__, jnp.asarray(xs), as_array(lengths)
    if xs.ndim < 3:
        raise ValueError(
            f"xs has shape {xs.shape}, but a grid for {name} is (height, width, *B, "
            f"{layer.input_size}): an axis is missing."
        )
    check_inputs(layer, xs)
    check_params(layer, params)
    if reset is not None:
        raise ValueError(f"{name} cannot honour reset: a grid has no order of time. Leave it out.")
    check_stateless(layer, state)
    if lengths is None:
        return xs, None
    _check_lengths(xs.shape, lengths)
    valid = size_mask(lengths, xs.shape[0], xs.shape[1])
    return select(valid, xs, jnp.zeros((), xs.dtype)), lengths


def _check_lengths(shape: tuple[int, ...], lengths: jax.Array) -> None:
    wanted = (*shape[2:-1], 2)
    if lengths.shape != wanted:
        raise ValueError(
            f"lengths has shape {lengths.shape}, but xs {shape} needs {wanted}: height and width "
            "of each row."
        )
    for axis, what in enumerate(("heights", "widths")):
        try:
            check_marks((shape[axis], *shape[2:-1]), lengths[..., axis], None, None)
        except ValueError as error:
            raise ValueError(f"{what}, lengths[..., {axis}]: {error}") from None


def _sweep(cell: Any, params: Params, xs: jax.Array, valid: jax.Array) -> jax.Array:
    """One direction: xs (U, V, *B, D) -> ys (U, V, *B, O), diagonal after diagonal.

    The carry has one state for each row of the grid, that of its pixel on the last diagonal: to the
    left of the row's next pixel. The pixel above that is the carry of the row before.
    """
    upright = xs.shape[0] <= xs.shape[1]  # the shorter side is computed at once
    if not upright:
        xs, valid = xs.swapaxes(0, 1), valid.swapaxes(0, 1)
    height, width, *batch = xs.shape[:-1]
    inputs = jax.tree.map(_skew, (cell.encode(params, xs), valid))
    outside = cell.initial_state(params, (height, *batch))
    outside = batch_like(outside, xs, 1 + len(batch))

    def diagonal(near: State, at: Any) -> tuple[State, State]:
        z, inside = at
        above = jax.tree.map(lambda o, s: jnp.concatenate([o[:1], s[:-1]]), outside, near)
        up, left, z = widen(*((above, near) if upright else (near, above)), z)
        new = cast_like(cell.step(params, up, left, z), near)
        new = select(inside, new, outside)
        return new, new

    _, states = jax.lax.scan(diagonal, outside, inputs)
    ys = cell.readout(params, states)
    ys = _unskew(select(inputs[1], ys, jnp.zeros((), ys.dtype)), width)
    return ys if upright else ys.swapaxes(0, 1)


def _skew(a: jax.Array) -> jax.Array:
    """(U, V, ...) -> (U + V - 1, U, ...): ``out[u + v, u] = a[u, v]``, zero elsewhere."""
    height, width, *rest = a.shape
    a = jnp.pad(a, [(0, 0), (0, height), *((0, 0) for _ in rest)])
    steps = height + width - 1  # one less than a padded row: each row begins one later
    a = a.reshape(height * (height + width), *rest)[: height * steps]
    return a.reshape(height, steps, *rest).swapaxes(0, 1)


def _unskew(a: jax.Array, width: int) -> jax.Array:
    """The inverse of ``_skew``."""
    steps, height, *rest = a.shape
    a = a.swapaxes(0, 1).reshape(height * steps, *rest)
    a = jnp.pad(a, [(0, height), *((0, 0) for _ in rest)])
    return a.reshape(height, steps + 1, *rest)[:, :width]

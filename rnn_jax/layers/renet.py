"""ReNet: a grid swept by ordinary networks, column by column, then row by row (Visin et al.)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax import drivers
from rnn_jax.drivers.checks import check_cell
from rnn_jax.layers.base import Output
from rnn_jax.layers.bidirectional import Bidirectional
from rnn_jax.layers.grid import prepare_grid, size_mask
from rnn_jax.layers.rnn import RNN
from rnn_jax.typing import Params, State


class ReNetParams(NamedTuple):
    """Parameters of ``ReNet``."""

    columns: tuple[Params, Params]  # down, up
    rows: tuple[Params, Params]  # right, left


@dataclass(frozen=True, kw_only=True)
class ReNet:
    """A two-dimensional network of one-dimensional ones: over the columns, then over the rows.

        p[u, v] = the patch of ``patch_shape`` pixels at (u, v), flattened
        v[:, j] = [column_cell down, column_cell up] over p[:, j],   every column j
        y[i, :] = [row_cell right, row_cell left] over v[i, :],      every row i

    Every output has seen the whole grid. All columns, then all rows, run at once, so U x V patches
    take U + V steps, of any cell under any driver.

    ``xs`` is (H, W, *B, D), the output (U, V, *B, O) with U and V the sizes divided by the patch,
    rounded up: patches at the lower and right edge are filled with zeros. ``lengths`` (*B, 2) are
    each row's own height and width in pixels, in the output those in patches. A grid is given
    whole, so there is no state to go on with: the state is ``()``, and ``reset`` is refused.

    Args:
        column_cell: Runs along the height, both ways; its input is a patch.
        row_cell: Runs along the width, both ways; its input is what both columns' ways give.
        patch_shape: Height and width of a patch in pixels.
        driver: As for ``layers.RNN``.

    Raises:
        ValueError: If a cell is none, the patch has no size, or sizes do not fit each other.

    Example:
        >>> from rnn_jax import cells, layers
        >>> layer = layers.ReNet(
        ...     column_cell=cells.Elman(input_size=2 * 2 * 3, hidden_size=4),
        ...     row_cell=cells.Elman(input_size=8, hidden_size=5),
        ...     patch_shape=(2, 2),
        ... )
        >>> params = layer.init(jax.random.key(0))
        >>> ys, lengths, state = layer.apply(params, jnp.ones((6, 7, 3)))
        >>> ys.shape, lengths, state
        ((3, 4, 10), None, ())

    References:
        Visin, Kastner, Cho, Matteucci, Courville and Bengio, ReNet: a recurrent neural network
        based alternative to convolutional networks, 2015, arXiv:1505.00393.
    """

    column_cell: Any
    row_cell: Any
    patch_shape: tuple[int, int] = (1, 1)
    driver: Callable[..., tuple[State, jax.Array]] = drivers.scan
    num_time_axes: ClassVar[int] = 2

    def __post_init__(self) -> None:
        check_cell(self.column_cell, None)
        check_cell(self.row_cell, None)
        if isinstance(self.patch_shape, list):
            object.__setattr__(self, "patch_shape", tuple(self.patch_shape))
        shape = self.patch_shape
        pair = isinstance(shape, tuple) and len(shape) == 2
        if not pair or any(not isinstance(size, int) or size < 1 for size in shape):
            raise ValueError(f"ReNet: patch_shape must be two whole numbers >= 1, got {shape!r}.")
        _ = self._sweeps  # whose own checks speak
        height, width = shape
        if self.column_cell.input_size % (height * width):
            raise ValueError(
                f"ReNet: column_cell has input_size={self.column_cell.input_size}, but a patch of "
                f"{height} x {width} pixels has {height * width} * D features: make it with that."
            )
        arrives = 2 * self.column_cell.output_size
        if self.row_cell.input_size != arrives:
            raise ValueError(
                f"ReNet: row_cell has input_size={self.row_cell.input_size}, but the two ways of "
                f"the columns give 2 * {self.column_cell.output_size}: make it with "
                f"input_size={arrives}."
            )

    @property
    def input_size(self) -> int:
        return self.column_cell.input_size // (self.patch_shape[0] * self.patch_shape[1])

    @property
    def output_size(self) -> int:
        return 2 * self.row_cell.output_size

    @property
    def keeps_time(self) -> bool:
        return self.patch_shape == (1, 1)

    @property
    def _sweeps(self) -> tuple[Bidirectional, Bidirectional]:
        columns, rows = (
            Bidirectional(forward=RNN(cell=cell, driver=self.driver))
            for cell in (self.column_cell, self.row_cell)
        )
        return columns, rows

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> ReNetParams:
        keys = jax.random.split(key)
        pairs = zip(self._sweeps, keys, strict=True)
        return ReNetParams(*(sweep.init(k, dtype) for sweep, k in pairs))

    def initial_state(self, params: Params, batch_shape: tuple[int, ...] = ()) -> tuple[()]:
        return ()

    def apply(
        self,
        params: ReNetParams,
        xs: jax.Array,
        state: State | None = None,
        *,
        lengths: jax.Array | None = None,
        reset: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> Output:
        """Run over xs (H, W, *B, D) with ``lengths`` (*B, 2); ``key`` as for ``drivers.scan``."""
        xs, lengths = prepare_grid(self, params, xs, lengths, state, reset)
        ys = _to_patches(xs, self.patch_shape)
        keys = (None, None) if key is None else jax.random.split(key)
        columns, rows = self._sweeps
        heights = widths = None
        if lengths is not None:  # a line beyond the grid's other size has no steps
            lengths = _count_patches(lengths, self.patch_shape)
            valid = size_mask(lengths, ys.shape[0], ys.shape[1])
            heights, widths = (valid.sum(axis, dtype=jnp.int32) for axis in (0, 1))
        ys = columns.apply(params.columns, ys, lengths=heights, key=keys[0]).ys
        ys = rows.apply(params.rows, ys.swapaxes(0, 1), lengths=widths, key=keys[1]).ys
        return Output(ys.swapaxes(0, 1), lengths, ())


def _count_patches(lengths: jax.Array, patch_shape: tuple[int, int]) -> jax.Array:
    """Sizes in patches of sizes in pixels, (*B, 2), rounded up."""
    parts = []
    for axis, size in enumerate(patch_shape):
        pixels = lengths[..., axis]
        parts.append(pixels // size + (pixels % size > 0).astype(pixels.dtype))
    return jnp.stack(parts, axis=-1)


def _to_patches(xs: jax.Array, patch_shape: tuple[int, int]) -> jax.Array:
    """(H, W, *B, D) -> (U, V, *B, P), pixels of a patch row by row, zeros beyond the edges."""
    height, width = patch_shape
    rows, columns, *rest = xs.shape
    fill = [(0, -rows % height), (0, -columns % width), *((0, 0) for _ in rest)]
    xs = jnp.pad(xs, fill)
    parts = [xs[i::height, j::width] for i in range(height) for j in range(width)]
    return jnp.concatenate(parts, axis=-1)

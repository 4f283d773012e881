"""Several cells in one step, one on top of the other."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.ops.linear import join, wider
from rnn_jax.typing import Params, PyTree, State


class StackedState(NamedTuple):
    """State of ``Stacked``."""

    cells: tuple[State, ...]
    x: jax.Array | None  # (*B, D) the last input, where the first layer's residual needs it


class StackedInput(NamedTuple):
    """What arrives at each step of ``Stacked``."""

    z: PyTree  # the first layer's
    x: jax.Array | None  # (*B, D), where layers above or a residual need it
    noise: tuple[PyTree, ...]  # of the layers above the first


@dataclass(frozen=True, kw_only=True)
class Stacked:
    """Layers of cells as one cell: each takes what the one below gives at the same step.

        y_0 = x,   s_k' = step_k(s_k, y_{k-1}),   y_k = readout_k(s_k')
        y_k = readout_k(s_k') + y_{k-1}           residual, where the widths agree
        s_k' = step_k(s_k, [x, y_{k-1}])          skip, for k > 1; the output is [y_1, ..., y_L]

    It gives what the layers give when run one after another over the whole sequence, which is
    faster (each layer's input product then stands outside its loop). This is for what must advance
    by single steps: decoders, online use, and cells around several cells. Cells and widths may
    differ. ``skip`` is Graves' and Haiku's ``deep_rnn_with_skip_connections``.

    Args:
        cells: The cells, lowest first.
        residual: Add to each layer's output that of the layer below (x for the first).
        skip: Give x to every layer, and every layer's output to the outside.

    Raises:
        ValueError: If there is no cell, or one's input size is not what arrives there.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> lstm = cells.LSTM(input_size=2, hidden_size=4)
        >>> cell = cells.Stacked(cells=(lstm, cells.GRU(input_size=4, hidden_size=3)))
        >>> params = cell.init(jax.random.key(0))
        >>> _, y = drivers.step(cell, params, cell.initial_state(params), jnp.ones(2))
        >>> y.shape
        (3,)

    References:
        Graves, Generating sequences with recurrent neural networks, 2013, arXiv:1308.0850 (skip).
        Wu et al., Google's neural machine translation system, 2016, arXiv:1609.08144 (residual).
    """

    cells: tuple[Any, ...]
    residual: bool = False
    skip: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "cells", tuple(self.cells))  # a list would not be hashable
        if not self.cells:
            raise ValueError("Stacked: cells is empty; give at least one.")
        for k in range(1, len(self.cells)):
            below = self.cells[k - 1].output_size
            arrives = below + (self.input_size if self.skip else 0)
            if self.cells[k].input_size != arrives:
                what = f"{self.input_size} of x + {below}" if self.skip else f"{below}"
                raise ValueError(
                    f"Stacked: cells[{k}] has input_size={self.cells[k].input_size}, but {what} "
                    f"features of the layer below arrive: make it with input_size={arrives}."
                )

    @property
    def input_size(self) -> int:
        return self.cells[0].input_size

    @property
    def input_shape(self) -> tuple[int, ...]:
        return base.input_shape(self.cells[0])

    @property
    def output_size(self) -> int:
        sizes = [cell.output_size for cell in self.cells]
        return sum(sizes) if self.skip else sizes[-1]

    @property
    def is_stochastic(self) -> bool:
        return any(base.is_stochastic(cell) for cell in self.cells)

    @property
    def _keeps_x(self) -> bool:
        return self.residual and self.cells[0].output_size == self.input_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> tuple[Params, ...]:
        keys = jax.random.split(key, len(self.cells))
        return tuple(cell.init(k, dtype) for cell, k in zip(self.cells, keys, strict=True))

    def initial_state(
        self, params: tuple[Params, ...], batch_shape: tuple[int, ...] = ()
    ) -> StackedState:
        pairs = zip(self.cells, params, strict=True)
        states = tuple(cell.initial_state(p, batch_shape) for cell, p in pairs)
        x = None
        if self._keeps_x:
            dtypes = [leaf.dtype for leaf in jax.tree.leaves(params)]
            floating = [dtype for dtype in dtypes if jnp.issubdtype(dtype, jnp.floating)]
            x = jnp.zeros((*batch_shape, *self.input_shape), wider(jnp.float32, *floating))
        return StackedState(states, x)

    def perturb(
        self, params: tuple[Params, ...], key: jax.Array, batch_shape: tuple[int, ...]
    ) -> tuple[Params, ...]:
        layers = zip(self.cells, params, jax.random.split(key, len(self.cells)), strict=True)
        return tuple(base.perturb(cell, p, k, batch_shape) for cell, p, k in layers)

    def noise(
        self, params: tuple[Params, ...], key: jax.Array, shape: tuple[int, ...]
    ) -> tuple[PyTree, ...]:
        layers = zip(self.cells, params, jax.random.split(key, len(self.cells)), strict=True)
        return tuple(base.noise(cell, p, k, shape) for cell, p, k in layers)

    def encode(
        self, params: tuple[Params, ...], x: jax.Array, noise: tuple[PyTree, ...] | None = None
    ) -> StackedInput:
        first, *others = noise or (None,) * len(self.cells)
        z = base.encode(self.cells[0], params[0], x, first)
        needs_x = self._keeps_x or (self.skip and len(self.cells) > 1)
        return StackedInput(z, x if needs_x else None, tuple(others))

    def step(
        self, params: tuple[Params, ...], state: StackedState, z: StackedInput
    ) -> StackedState:
        new = [self.cells[0].step(params[0], state.cells[0], z.z)]
        below = self._output(0, params, new[0], z.x)
        for k in range(1, len(self.cells)):
            x = join(z.x, below) if self.skip and z.x is not None else below
            z_k = base.encode(self.cells[k], params[k], x, z.noise[k - 1])
            new.append(self.cells[k].step(params[k], state.cells[k], z_k))
            below = self._output(k, params, new[k], below)
        return StackedState(tuple(new), z.x if self._keeps_x else None)

    def _output(
        self, k: int, params: tuple[Params, ...], state: State, below: jax.Array | None
    ) -> jax.Array:
        y = self.cells[k].readout(params[k], state)
        width = self.input_size if k == 0 else self.cells[k - 1].output_size
        if not self.residual or below is None or self.cells[k].output_size != width:
            return y
        dtype = wider(y.dtype, below.dtype)
        return y.astype(dtype) + below.astype(dtype)

    def readout(self, params: tuple[Params, ...], state: StackedState) -> jax.Array:
        ys: list[jax.Array] = []
        for k, layer in enumerate(state.cells):
            ys.append(self._output(k, params, layer, ys[-1] if ys else state.x))
        return join(*ys) if self.skip else ys[-1]

"""The plainest layer: a cell with a driver."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax import drivers
from rnn_jax.cells import base
from rnn_jax.drivers.checks import check_cell
from rnn_jax.layers.base import Output
from rnn_jax.layers.common import as_array, reset_from_the_end
from rnn_jax.typing import Params, State


@dataclass(frozen=True, kw_only=True)
class RNN:
    """A cell over time, as a layer: ``driver(cell, params, xs, ...)``.

    Args:
        cell: A cell.
        driver: How it runs: ``drivers.scan``, ``drivers.associative``, ... For options of a
            driver's own give ``functools.partial(drivers.scan, unroll=4)``, made once: two partials
            are never equal, so a new one compiles anew.
        reverse: Run from the last step to the first; outputs stay aligned with the inputs.

    Raises:
        ValueError: If ``cell`` is no cell or ``driver`` no driver.

    Example:
        >>> from rnn_jax import cells
        >>> layer = RNN(cell=cells.LSTM(input_size=2, hidden_size=3))
        >>> params = layer.init(jax.random.key(0))
        >>> ys, lengths, state = layer.apply(
        ...     params, jnp.ones((5, 4, 2)), lengths=jnp.array([5, 3, 1, 0])
        ... )
        >>> ys.shape, lengths.tolist(), state.h.shape
        ((5, 4, 3), [5, 3, 1, 0], (4, 3))
    """

    cell: Any
    driver: Callable[..., tuple[State, jax.Array]] = drivers.scan
    reverse: bool = False

    def __post_init__(self) -> None:
        check_cell(self.cell, None)
        if not callable(self.driver):
            raise ValueError(f"RNN: driver is {self.driver!r}: give one such as drivers.scan.")

    @property
    def input_size(self) -> int:
        return self.cell.input_size

    @property
    def input_shape(self) -> tuple[int, ...]:
        return base.input_shape(self.cell)

    @property
    def output_size(self) -> int:
        return self.cell.output_size

    def turned(self) -> "RNN":
        """The same, running the other way."""
        return replace(self, reverse=not self.reverse)

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> Params:
        return self.cell.init(key, dtype)

    def initial_state(self, params: Params, batch_shape: tuple[int, ...] = ()) -> State:
        return self.cell.initial_state(params, batch_shape)

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
        """Run over xs (T, *B, D); ``lengths`` and ``key`` as for ``drivers.scan``.

        ``reset`` marks where a sequence begins, so with ``reverse`` the state restarts at the step
        before each mark, the last of the sequence in front of it.
        """
        lengths, reset = as_array(lengths), as_array(reset)
        if self.reverse:
            reset = reset_from_the_end(reset)
        options = {"lengths": lengths, "reset": reset, "key": key}
        given: dict[str, Any] = {name: v for name, v in options.items() if v is not None}
        if self.reverse:
            given["reverse"] = True
        state, ys = self.driver(self.cell, params, xs, state, **given)
        return Output(ys, lengths, state)

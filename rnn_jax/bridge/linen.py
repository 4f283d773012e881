"""A Flax Linen module over any cell and any driver."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen

from rnn_jax import drivers
from rnn_jax.bridge.batch_major import Driver, run_batch_major
from rnn_jax.typing import State


class RNN(linen.Module):
    """A recurrent layer for Flax Linen: the cell's parameters as one entry, ``weights``.

        state, ys = driver(cell, params, xs, ...)

    Batch first: xs (*B, T, D), ys (*B, T, O), bit for bit the driver's values. Unlike
    ``linen.RNN`` it always returns ``(state, ys)``; ``lengths`` hold the state and zero the
    outputs; length 0 is legal; outputs of ``reverse`` stay aligned with the inputs. Weights made
    elsewhere go in as ``{"params": {"weights": params}}``.

    Attributes:
        cell: A cell.
        driver: How it runs: ``drivers.scan``, ``drivers.unrolled``, ... For options of a driver's
            own give ``functools.partial(drivers.scan, unroll=4)``.
        param_dtype: Dtype of the parameters.
        rng_collection: The stream that draws the noise of stochastic cells. ``apply`` with it
            trains, ``apply`` without it evaluates.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.LSTM(input_size=2, hidden_size=3)
        >>> rnn, xs = RNN(cell), jnp.ones((4, 5, 2))
        >>> variables = rnn.init(jax.random.key(0), xs)
        >>> state, ys = rnn.apply(variables, xs, lengths=jnp.array([5, 3, 1, 0]))
        >>> ys.shape, state.h.shape
        ((4, 5, 3), (4, 3))
        >>> type(variables["params"]["weights"]).__name__
        'LSTMParams'
    """

    cell: Any
    driver: Driver = drivers.scan
    param_dtype: Any = jnp.float32
    rng_collection: str = "dropout"

    @linen.compact
    def __call__(
        self,
        xs: jax.Array,
        state: State | None = None,
        *,
        lengths: jax.Array | None = None,
        mask: jax.Array | None = None,
        reset: jax.Array | None = None,
        reverse: bool = False,
        context: jax.Array | None = None,
    ) -> tuple[State, jax.Array]:
        """Run over xs (*B, T, D); the options are those of ``run_batch_major``."""
        trains = self.has_rng(self.rng_collection)
        return run_batch_major(
            self.driver,
            self.cell,
            self.param("weights", self.cell.init, self.param_dtype),
            xs,
            state,
            lengths=lengths,
            mask=mask,
            reset=reset,
            reverse=reverse,
            context=context,
            key=self.make_rng(self.rng_collection) if trains else None,
        )

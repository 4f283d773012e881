"""A Flax NNX module over any cell and any driver."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax import drivers
from rnn_jax.bridge.batch_major import Driver, run_batch_major
from rnn_jax.drivers.checks import check_params
from rnn_jax.typing import Params, State


class RNN(nnx.Module):
    """A recurrent layer for Flax NNX: the cell's parameters as ``nnx.Param``.

        state, ys = driver(cell, params, xs, ...)

    Batch first: xs (*B, T, D), ys (*B, T, O), bit for bit the driver's values. Unlike ``nnx.RNN``
    it always returns ``(state, ys)``; ``lengths`` hold the state and zero the outputs; length 0 is
    legal; outputs of ``reverse`` stay aligned with the inputs.

    Args:
        cell: A cell.
        driver: How it runs: ``drivers.scan``, ``drivers.unrolled``, ... For options of a driver's
            own give ``functools.partial(drivers.scan, unroll=4)``.
        param_dtype: Dtype of the parameters.
        rngs: Its stream ``params`` (or ``default``) draws the parameters.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.LSTM(input_size=2, hidden_size=3)
        >>> rnn = RNN(cell, rngs=nnx.Rngs(0))
        >>> state, ys = rnn(jnp.ones((4, 5, 2)), lengths=jnp.array([5, 3, 1, 0]))
        >>> ys.shape, state.h.shape
        ((4, 5, 3), (4, 3))
        >>> rnn.set_params(cell.init(jax.random.key(1)))  # or weights of another library
        >>> type(rnn.get_params()).__name__
        'LSTMParams'
    """

    def __init__(
        self,
        cell: Any,
        *,
        driver: Driver = drivers.scan,
        param_dtype: Any = jnp.float32,
        rngs: nnx.Rngs,
    ) -> None:
        self.cell = cell
        self.driver = driver
        # A Param for each leaf: nnx.Optimizer cannot rebuild a Param that holds a NamedTuple.
        self.params = nnx.data(jax.tree.map(nnx.Param, cell.init(rngs.params(), param_dtype)))

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
        rngs: nnx.Rngs | nnx.RngStream | jax.Array | None = None,
    ) -> tuple[State, jax.Array]:
        """Run over xs (*B, T, D); the options are those of ``run_batch_major``.

        Args:
            rngs: Draws the noise of stochastic cells, as ``nnx.Dropout`` takes it: streams (of
                which ``dropout`` is used), one stream or a key. None for evaluation.
        """
        key = rngs.dropout() if isinstance(rngs, nnx.Rngs) else rngs
        return run_batch_major(
            self.driver,
            self.cell,
            self.get_params(),
            xs,
            state,
            lengths=lengths,
            mask=mask,
            reset=reset,
            reverse=reverse,
            context=context,
            key=key() if isinstance(key, nnx.RngStream) else key,
        )

    def get_params(self) -> Params:
        """The parameters as the core takes them."""
        return jax.tree.map(lambda param: param[...], self.params, is_leaf=_is_variable)

    def set_params(self, params: Params) -> None:
        """Put other parameters in place, in the dtypes of the present ones."""
        check_params(self.cell, params)

        def put(param: Any, value: Any) -> None:
            param.set_value(jnp.asarray(value, param[...].dtype))

        jax.tree.map(put, self.params, params, is_leaf=_is_variable)


def _is_variable(leaf: Any) -> bool:
    return isinstance(leaf, nnx.Variable)

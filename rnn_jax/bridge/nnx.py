"""Flax NNX modules over any cell and driver, and over any layer."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax import drivers
from rnn_jax.bridge.batch_major import Driver, run_batch_major
from rnn_jax.drivers.checks import check_params
from rnn_jax.layers import Output
from rnn_jax.typing import Params, State

Rngs = nnx.Rngs | nnx.RngStream | jax.Array | None


class _Module(nnx.Module):
    """The parameters of a cell or a layer, as ``nnx.Param``."""

    def __init__(self, core: Any, param_dtype: Any, rngs: nnx.Rngs) -> None:
        # A Param for each leaf: nnx.Optimizer cannot rebuild a Param that holds a NamedTuple.
        self.params = nnx.data(jax.tree.map(nnx.Param, core.init(rngs.params(), param_dtype)))

    def get_params(self) -> Params:
        """The parameters as the core takes them."""
        return jax.tree.map(lambda param: param[...], self.params, is_leaf=_is_variable)

    def _put(self, core: Any, params: Params) -> None:
        check_params(core, params)

        def put(param: Any, value: Any) -> None:
            param.set_value(jnp.asarray(value, param[...].dtype))

        jax.tree.map(put, self.params, params, is_leaf=_is_variable)


class RNN(_Module):
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
        super().__init__(cell, param_dtype, rngs)

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
        rngs: Rngs = None,
    ) -> tuple[State, jax.Array]:
        """Run over xs (*B, T, D); the options are those of ``run_batch_major``.

        Args:
            rngs: Draws the noise of stochastic cells, as ``nnx.Dropout`` takes it: streams (of
                which ``dropout`` is used), one stream or a key. None for evaluation.
        """
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
            key=_key(rngs),
        )

    def set_params(self, params: Params) -> None:
        """Put other parameters in place, in the dtypes of the present ones."""
        self._put(self.cell, params)


class Layer(_Module):
    """A layer for Flax NNX: its parameters as ``nnx.Param``.

        ys, lengths, state = layer.apply(params, xs, ...)

    Batch first: xs (*B, T, D), ys (*B, T', O), bit for bit the layer's values; for layers over
    grids (*B, height, width, D).

    Args:
        layer: A layer of ``rnn_jax.layers``.
        param_dtype: Dtype of the parameters.
        rngs: Its stream ``params`` (or ``default``) draws the parameters.

    Example:
        >>> from rnn_jax import cells, layers
        >>> rnn = layers.RNN(cell=cells.LSTM(input_size=2, hidden_size=3))
        >>> encoder = Layer(layers.Bidirectional(forward=rnn), rngs=nnx.Rngs(0))
        >>> ys, lengths, state = encoder(jnp.ones((4, 5, 2)), lengths=jnp.array([5, 3, 1, 0]))
        >>> ys.shape, lengths.tolist(), state[0].h.shape
        ((4, 5, 6), [5, 3, 1, 0], (4, 3))
    """

    def __init__(self, layer: Any, *, param_dtype: Any = jnp.float32, rngs: nnx.Rngs) -> None:
        self.layer = layer
        super().__init__(layer, param_dtype, rngs)

    def __call__(
        self,
        xs: jax.Array,
        state: State | None = None,
        *,
        lengths: jax.Array | None = None,
        reset: jax.Array | None = None,
        rngs: Rngs = None,
    ) -> Output:
        """Run over xs (*B, T, D).

        Args:
            xs: Inputs.
            state: To begin with, leaves (*B, ...); None for the layer's initial state.
            lengths: Real steps of each row, (*B,), integer.
            reset: Where a sequence begins, (*B, T) bool.
            rngs: Draws noise and dropout, as ``nnx.Dropout`` takes it: streams (of which
                ``dropout`` is used), one stream or a key. None for evaluation.
        """
        (state, lengths), ys = run_batch_major(
            _drive,
            self.layer,
            self.get_params(),
            xs,
            state,
            lengths=lengths,
            reset=reset,
            key=_key(rngs),
        )
        return Output(ys, lengths, state)

    def set_params(self, params: Params) -> None:
        """Put other parameters in place, in the dtypes of the present ones."""
        self._put(self.layer, params)


def _drive(
    layer: Any, params: Params, xs: jax.Array, state: State | None, **options: Any
) -> tuple[State, jax.Array]:
    """A layer as a driver, its lengths beside the state."""
    out = layer.apply(params, xs, state, **options)
    return (out.state, out.lengths), out.ys


def _key(rngs: Rngs) -> jax.Array | None:
    source = rngs.dropout if isinstance(rngs, nnx.Rngs) else rngs
    return source() if isinstance(source, nnx.RngStream) else source


def _is_variable(leaf: Any) -> bool:
    return isinstance(leaf, nnx.Variable)

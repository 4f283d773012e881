"""Networks whose output is fed back (Jordan 1986), free running and teacher forced."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.base import check_sizes, identity, zeros
from rnn_jax.ops.initializers import Glorot, Orthogonal
from rnn_jax.ops.linear import affine, matmul
from rnn_jax.typing import Activation, Initializer, Params


class FeedbackRNNParams(NamedTuple):
    """Parameters of ``FeedbackRNN``."""

    w_x: jax.Array  # (D, H)
    w_h: jax.Array  # (H, H)
    w_back: jax.Array  # (O, H)
    b: jax.Array  # (H,)
    w_out: jax.Array  # (H, O)
    b_out: jax.Array  # (O,)


class JordanParams(NamedTuple):
    """Parameters of ``Jordan``."""

    w_x: jax.Array  # (D, H)
    w_back: jax.Array  # (O, H)
    b: jax.Array  # (H,)
    w_out: jax.Array  # (H, O)
    b_out: jax.Array  # (O,)


class FeedbackState(NamedTuple):
    """State of the networks whose output is fed back."""

    h: jax.Array  # (*B, H) hidden state
    y: jax.Array  # (*B, O) output, read by the next step


@dataclass(frozen=True, kw_only=True)
class FeedbackCell:
    """What a network with output feedback consists of; ``TeacherForced`` uses the same four parts.

        encode(x) + feed(y)          what arrives from outside and from the output
        update(h, z, r) -> h'        r = h @ w_h where there is a w_h
        output(h') -> y'

    Example:
        >>> FeedbackCell(input_size=2, hidden_size=3, output_size=1).feedback
        True
    """

    input_size: int
    hidden_size: int
    output_size: int
    activation: Activation = jnp.tanh
    output_activation: Activation = identity
    kernel_init: Initializer = Glorot()
    feedback: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_sizes(self)

    def initial_state(self, params: Params, batch_shape: tuple[int, ...] = ()) -> FeedbackState:
        return FeedbackState(
            h=zeros(params.w_x, batch_shape, self.hidden_size),
            y=zeros(params.w_x, batch_shape, self.output_size),
        )

    def encode(self, params: Params, x: jax.Array) -> jax.Array:
        return affine(x, params.w_x, params.b)

    def feed(self, params: Params, y: jax.Array) -> jax.Array:
        return matmul(y, params.w_back)

    def output(self, params: Params, h: jax.Array) -> jax.Array:
        return self.output_activation(affine(h, params.w_out, params.b_out)).astype(h.dtype)

    def readout(self, params: Params, state: FeedbackState) -> jax.Array:
        return state.y


@dataclass(frozen=True, kw_only=True)
class FeedbackRNN(FeedbackCell):
    """The general first-order network: the hidden state and the output are both fed back.

        h' = f(x @ w_x + h @ w_h + y @ w_back + b)
        y' = g(h' @ w_out + b_out)

    ``w_back`` = 0 is Elman's network with an output layer, ``w_h`` = 0 is Jordan's, a fixed ``w_h``
    an echo state network. The output waits for the hidden state and the next step for the output,
    so there are two products in a row and the cell is not gated; under ``TeacherForced`` it is.

    Args:
        input_size: D.
        hidden_size: H.
        output_size: O.
        activation: f, elementwise, a named function.
        output_activation: g, a named function of the last axis; the identity by default.
        kernel_init: Initialiser of ``w_x``, ``w_back`` and ``w_out``.
        recurrent_init: Initialiser of ``w_h``.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.FeedbackRNN(input_size=2, hidden_size=3, output_size=1)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.scan(cell, params, jnp.ones((5, 4, 2)))
        >>> ys.shape, bool((ys[-1] == state.y).all())
        ((5, 4, 1), True)

    References:
        Elman, Finding structure in time, 1990, doi:10.1207/s15516709cog1402_1.
        Jordan, Serial order: a parallel distributed processing approach, 1986, ICS report 8604.
    """

    recurrent_init: Initializer = Orthogonal()

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> FeedbackRNNParams:
        key_outer, key_h = jax.random.split(key)
        outer = _init_outer(self, key_outer, dtype)
        w_h = self.recurrent_init(key_h, (self.hidden_size, self.hidden_size), dtype)
        return FeedbackRNNParams(w_h=w_h, **outer._asdict())

    def recurrent(self, params: FeedbackRNNParams) -> jax.Array:
        return params.w_h

    def update(
        self, params: FeedbackRNNParams, h: jax.Array, z: jax.Array, r: jax.Array
    ) -> jax.Array:
        return self.activation(z + r)

    def step(self, params: FeedbackRNNParams, state: FeedbackState, z: jax.Array) -> FeedbackState:
        return feedback_step(self, params, state, z)


@dataclass(frozen=True, kw_only=True)
class Jordan(FeedbackCell):
    """Jordan's network: only the output is fed back.

        h' = f(x @ w_x + y @ w_back + b)
        y' = g(h' @ w_out + b_out)

    The output must carry all of the past, which is weaker than Elman's network. But with the
    previous *target* in the place of the output no step depends on another:
    ``TeacherForced(cell=Jordan(...))`` is parallel over time.

    Args:
        input_size: D.
        hidden_size: H.
        output_size: O.
        activation: f, elementwise, a named function.
        output_activation: g, a named function of the last axis; the identity by default.
        kernel_init: Initialiser of the three matrices.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.Jordan(input_size=2, hidden_size=3, output_size=1)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.scan(cell, params, jnp.ones((5, 4, 2)))
        >>> ys.shape
        (5, 4, 1)

    References:
        Jordan, Serial order: a parallel distributed processing approach, 1986, ICS report 8604.
    """

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> JordanParams:
        return _init_outer(self, key, dtype)

    def update(self, params: JordanParams, h: jax.Array, z: jax.Array, r: None) -> jax.Array:
        return self.activation(z)

    def step(self, params: JordanParams, state: FeedbackState, z: jax.Array) -> FeedbackState:
        return feedback_step(self, params, state, z)


def feedback_step(cell: Any, params: Params, state: FeedbackState, z: jax.Array) -> FeedbackState:
    """The free-running step: the output of the last step is an input of this one.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.Jordan(input_size=2, hidden_size=3, output_size=1)
        >>> params = cell.init(jax.random.key(0))
        >>> feedback_step(
        ...     cell, params, cell.initial_state(params), jnp.zeros(3, jnp.float32)
        ... ).y.tolist()
        [0.0]
    """
    r = matmul(state.h, cell.recurrent(params)) if hasattr(cell, "recurrent") else None
    h = cell.update(params, state.h, z + cell.feed(params, state.y), r)
    return FeedbackState(h=h, y=cell.output(params, h))


def _init_outer(cell: FeedbackCell, key: jax.Array, dtype: Any) -> JordanParams:
    """All but the matrix from hidden to hidden."""
    key_x, key_back, key_out = jax.random.split(key, 3)
    outputs, size = cell.output_size, cell.hidden_size
    return JordanParams(
        w_x=cell.kernel_init(key_x, (cell.input_size, size), dtype),
        w_back=cell.kernel_init(key_back, (outputs, size), dtype),
        b=jnp.zeros((size,), dtype),
        w_out=cell.kernel_init(key_out, (size, outputs), dtype),
        b_out=jnp.zeros((outputs,), dtype),
    )

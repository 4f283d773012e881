"""An output layer as part of the cell."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.cells.wrapper import Wrapper
from rnn_jax.ops.initializers import Glorot
from rnn_jax.ops.linear import affine
from rnn_jax.typing import Activation, Initializer, Params, State


class OutputHeadParams(NamedTuple):
    """Parameters of ``OutputHead``."""

    cell: Params
    w_y: jax.Array  # (O of the inner cell, O)
    b_y: jax.Array  # (O,)


@dataclass(frozen=True, kw_only=True)
class OutputHead(Wrapper):
    """An affine map and an activation on the outputs: the network's y_t = g(W_hy h_t + b_y).

        y = activation(readout @ w_y + b_y)

    It stands in ``readout``, so it is one product for all steps, outside the loop.

    Args:
        cell: The inner cell; gated and affine ones stay so.
        head_size: O, the number of outputs.
        activation: g; the identity leaves logits. A named function, not a lambda.
        kernel_init: Initialiser of ``w_y``.

    Returns of ``readout``: (..., O) in float32 or wider.

    Raises:
        ValueError: If ``head_size`` is not positive.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.OutputHead(cell=cells.GRU(input_size=2, hidden_size=3), head_size=7)
        >>> _, logits = drivers.scan(cell, cell.init(jax.random.key(0)), jnp.ones((5, 4, 2)))
        >>> logits.shape
        (5, 4, 7)
    """

    head_size: int
    activation: Activation = base.identity
    kernel_init: Initializer = Glorot()
    has_params: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.head_size < 1:
            raise ValueError(f"OutputHead: head_size must be at least 1, got {self.head_size}.")

    @property
    def output_size(self) -> int:
        return self.head_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> OutputHeadParams:
        key_cell, key_head = jax.random.split(key)
        return OutputHeadParams(
            cell=self.cell.init(key_cell, dtype),
            w_y=self.kernel_init(key_head, (self.cell.output_size, self.head_size), dtype),
            b_y=jnp.zeros((self.head_size,), dtype),
        )

    def readout(self, params: OutputHeadParams, state: State) -> jax.Array:
        y = self.cell.readout(params.cell, state)
        return self.activation(affine(y, params.w_y, params.b_y))

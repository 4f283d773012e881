"""The hidden state as the output, for readouts that are fitted outside."""

from dataclasses import dataclass

import jax

from rnn_jax.cells import base
from rnn_jax.cells.wrapper import Wrapper
from rnn_jax.typing import Params, State


@dataclass(frozen=True, kw_only=True)
class Features(Wrapper):
    """A cell whose output is its hidden state: what a readout is fitted on.

        y = h

    Args:
        cell: The inner cell, with a state that has h; its parameters are the wrapper's.

    Raises:
        ValueError: If the state has no h of its own.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.EchoState(input_size=1, hidden_size=50, output_size=1)
        >>> Features(cell=cell).output_size
        50
    """

    def __post_init__(self) -> None:
        if ".h" not in base.state_shapes(self.cell):
            raise ValueError(
                f"Features: the state of {type(self.cell).__name__} has no h of its own, but "
                f"{sorted(base.state_shapes(self.cell))}: wrap the cell that has one."
            )

    @property
    def output_size(self) -> int:
        return base.state_shapes(self.cell)[".h"][-1]

    def readout(self, params: Params, state: State) -> jax.Array:
        return state.h

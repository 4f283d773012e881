"""The weights of an attention beside the outputs."""

from dataclasses import dataclass

import jax

from rnn_jax.cells import base
from rnn_jax.cells.attentive import AttentiveState
from rnn_jax.cells.wrapper import Wrapper
from rnn_jax.ops.checks import check_instance
from rnn_jax.ops.linear import join
from rnn_jax.typing import Params


@dataclass(frozen=True, kw_only=True)
class Alignments(Wrapper):
    """A cell with attention whose outputs carry the weights along: for plots and penalties.

        [y_t, weights_t] at every step; ``split`` takes them apart

    It works with whatever has an ``AttentiveState``: ``Attentive``, and ``OutputHead`` around it.
    ``output_size`` is the inner cell's; S (times N heads) more columns follow, as many as the
    memory has steps.

    Args:
        cell: The inner cell; its parameters are the wrapper's.

    Raises:
        ValueError: If ``cell`` is no cell, or its state has no weights.

    Example:
        >>> import jax.numpy as jnp
        >>> from rnn_jax import attention, cells, drivers
        >>> attentive = cells.Attentive(
        ...     cell=cells.GRU(input_size=2 + 3, hidden_size=3),
        ...     attention=attention.Dot(query_size=3, memory_size=3),
        ... )
        >>> cell = cells.Alignments(cell=attentive)
        >>> params = attentive.bind(cell.init(jax.random.key(0)), jnp.ones((7, 4, 3)))
        >>> state, ys = drivers.scan(cell, params, jnp.ones((5, 4, 2)))
        >>> ys, weights = cell.split(ys)
        >>> ys.shape, weights.shape, bool(abs(weights.sum(-1) - 1).max() < 1e-5)
        ((5, 4, 6), (5, 4, 7), True)
    """

    def __post_init__(self) -> None:
        check_instance("Alignments", "cell", self.cell, base.Cell, "cells.Attentive(...)")
        if ".weights" not in base.state_shapes(self.cell):
            raise ValueError(
                f"Alignments: the state of {type(self.cell).__name__} has no weights, but "
                f"{sorted(base.state_shapes(self.cell))}: wrap a cells.Attentive."
            )

    def readout(self, params: Params, state: AttentiveState) -> jax.Array:
        y = self.cell.readout(params, state)
        return join(y, state.weights.reshape(*y.shape[:-1], -1))

    def split(self, ys: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Outputs (T, *B, O), and the weights (T, *B, S) or, of several heads, (T, *B, N, S)."""
        weights, heads = ys[..., self.output_size :], base.state_shapes(self.cell)[".weights"][:-1]
        return ys[..., : self.output_size], weights.reshape(*weights.shape[:-1], *heads, -1)

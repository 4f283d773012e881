"""Cells and recurrent layers one above the other, each of the size that arrives."""

from collections.abc import Callable, Sequence
from typing import Any

from rnn_jax import drivers, layers


def cell_chain(
    cell: Callable[..., Any], input_size: int, hidden_sizes: Sequence[int]
) -> tuple[Any, ...]:
    """A cell for each of ``hidden_sizes``, lowest first; it reads the one below.

    Args:
        cell: Makes a cell of ``input_size`` and ``hidden_size``.
        input_size: Features that the lowest reads.
        hidden_sizes: H of each.

    Example:
        >>> from rnn_jax import cells
        >>> [made.input_size for made in cell_chain(cells.GRU, 5, (3, 4))]
        [5, 3]
    """
    made: list[Any] = []
    for hidden_size in hidden_sizes:
        made.append(cell(input_size=input_size, hidden_size=hidden_size))
        input_size = made[-1].output_size
    return tuple(made)


def layer_chain(
    cell: Callable[..., Any],
    input_size: int,
    hidden_sizes: Sequence[int],
    *,
    bidirectional: bool = False,
    factors: Sequence[int] | None = None,
    driver: Callable[..., Any] = drivers.scan,
) -> tuple[Any, ...]:
    """A layer for each of ``hidden_sizes``, lowest first, for ``Stack`` and ``Pyramid``.

    Args:
        cell: Makes a cell of ``input_size`` and ``hidden_size``.
        input_size: Features that the lowest layer reads.
        hidden_sizes: H of each layer and direction.
        bidirectional: Whether every layer reads from both ends.
        factors: How many neighbouring steps each layer reads as one; None for 1.
        driver: How each runs over time.

    Example:
        >>> from rnn_jax import cells
        >>> chain = layer_chain(cells.GRU, 5, (3, 4), bidirectional=True, factors=(1, 2))
        >>> [layer.input_size for layer in chain]
        [5, 12]
    """
    made: list[Any] = []
    for hidden_size, factor in zip(hidden_sizes, factors or (1,) * len(hidden_sizes), strict=True):
        made_cell = cell(input_size=factor * input_size, hidden_size=hidden_size)
        rnn = layers.RNN(cell=made_cell, driver=driver)
        made.append(layers.Bidirectional(forward=rnn) if bidirectional else rnn)
        input_size = made[-1].output_size
    return tuple(made)

"""Sizes and choices of the encoder of a sentence."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from rnn_jax import cells, drivers, layers
from rnn_jax.cells.base import check_sizes
from rnn_jax.models.checks import check_rates

Directions = Literal["all", "first", "none"]


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """Sizes and choices of ``Encoder``.

    Args:
        vocab_size: V.
        embedding_size: E of a token's vector.
        hidden_size: H of each layer and direction.
        num_layers: L.
        cell: Makes a cell of ``input_size`` and ``hidden_size``: ``cells.LSTM``, ``cells.GRU``, ...
        bidirectional: Which layers read from both ends: "all", the "first" alone (GNMT), "none".
        residual: Add to each layer's outputs what it read, where the widths agree.
        driver: How each layer runs over time: ``drivers.scan``, ``drivers.associative``, ...
        scaled: Multiply embeddings by sqrt(E).
        dropout: Rate of dropping embeddings, between layers, and of the last outputs.

    Raises:
        ValueError: If a number lies out of range, or a choice is none.

    Example:
        >>> config = EncoderConfig(vocab_size=9, hidden_size=4, num_layers=3, bidirectional="first")
        >>> [layer.output_size for layer in config.stack.layers]
        [8, 4, 4]

    References:
        Wu et al., Google's neural machine translation system, 2016, arXiv:1609.08144 ("first",
        residual).
    """

    vocab_size: int
    embedding_size: int = 256
    hidden_size: int = 256
    num_layers: int = 1
    cell: Callable[..., Any] = cells.GRU
    bidirectional: Directions = "all"
    residual: bool = False
    driver: Callable[..., Any] = drivers.scan
    scaled: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_sizes(self)
        check_rates(self)
        if self.bidirectional not in get_args(Directions):
            raise ValueError(
                f"bidirectional must be one of {get_args(Directions)}, got {self.bidirectional!r}."
            )

    @property
    def directions(self) -> tuple[int, ...]:
        """1 or 2 for each layer."""
        low, high = {"all": (2, 2), "first": (2, 1), "none": (1, 1)}[self.bidirectional]
        return (low, *(high,) * (self.num_layers - 1))

    @property
    def stack(self) -> layers.Stack:
        """The recurrent layers."""
        made: list[Any] = []
        width = self.embedding_size
        for directions in self.directions:
            cell = self.cell(input_size=width, hidden_size=self.hidden_size)
            rnn = layers.RNN(cell=cell, driver=self.driver)
            made.append(layers.Bidirectional(forward=rnn) if directions == 2 else rnn)
            width = made[-1].output_size
        return layers.Stack(layers=tuple(made), residual=self.residual, dropout=self.dropout)

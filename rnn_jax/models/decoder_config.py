"""Sizes and choices of the decoder that translators and captioners share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from rnn_jax import cells, layers
from rnn_jax.cells.base import check_sizes
from rnn_jax.models.chains import cell_chain
from rnn_jax.models.checks import check_rates


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """Sizes and choices of ``Decoder``.

    Args:
        vocab_size: V.
        embedding_size: E of a token's vector.
        hidden_size: H of each layer.
        num_layers: L.
        cell: Makes a cell of ``input_size`` and ``hidden_size``: ``cells.LSTM``, ``cells.GRU``, ...
        attention: A mechanism whose ``query_size`` is the highest cell's ``output_size``; None for
            none.
        order: Attend "after" the step (Luong) or "before" it (Bahdanau).
        feed: Feed back the attentional vector, where ``order`` is "after" (input feeding).
        context_size: Features of one vector that every step reads, where there is no attention;
            None for none.
        tied: Whether the output weights are the embedding.
        scaled: Multiply embeddings by sqrt(E) where they are read.
        residual: Add to each layer's output what it read, where the widths agree.
        dropout: Rate of dropping embeddings and what the logits are made of, at every step, and
            between layers, the same units for a sequence.

    Raises:
        ValueError: If a number lies out of range, or sizes and choices do not fit.

    Example:
        >>> DecoderConfig(vocab_size=50, embedding_size=8, tied=True).vector_size
        8
    """

    vocab_size: int
    embedding_size: int = 256
    hidden_size: int = 256
    num_layers: int = 1
    cell: Callable[..., Any] = cells.GRU
    attention: Any = None
    order: Literal["after", "before"] = "after"
    feed: bool = True
    context_size: int | None = None
    tied: bool = False
    scaled: bool = False
    residual: bool = False
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_sizes(self)
        check_rates(self)
        if self.attention is not None and self.context_size is not None:
            raise ValueError(
                f"DecoderConfig: with attention the context is what was attended to; leave "
                f"context_size={self.context_size} at None."
            )
        _ = self.layer  # whose checks hold here too

    @property
    def vector_size(self) -> int:
        """Features of what the logits are made of: E where tied."""
        return self.embedding_size if self.tied else self.hidden_size

    @property
    def attends_at_once(self) -> bool:
        """Whether attention need not wait in the time loop: see ``layers.CrossAttention``."""
        fed = self.order == "before" or self.feed
        return self.attention is not None and not fed and layers.attends_at_once(self.attention)

    @property
    def cells(self) -> list[Any]:
        """The cell of each layer, lowest first, without dropout and what is read."""
        mechanism, arriving = self.attention, self.embedding_size
        if mechanism is None:
            arriving += self.context_size or 0
        elif self.order == "before":
            arriving += mechanism.output_size
        elif self.feed:
            arriving += self.vector_size
        return list(cell_chain(self.cell, arriving, (self.hidden_size,) * self.num_layers))

    @property
    def layer(self) -> Any:
        """All of them as one layer.

        A ``Stack`` without attention, a ``CrossAttention`` over one where nothing is fed back; else
        one ``RNN`` over a cell that attends.
        """
        made, mechanism = self.cells, self.attention
        if mechanism is None and self.context_size is not None:
            made[0] = cells.Context(cell=made[0], context_size=self.context_size)
        if mechanism is None or self.attends_at_once:
            stack = layers.Stack(
                layers=tuple(layers.RNN(cell=cell) for cell in made),
                residual=self.residual,
                dropout=self.dropout,
                dropout_per="sequence",
            )
            if mechanism is None:
                return stack
            return layers.CrossAttention(
                layer=stack, attention=mechanism, attentional_size=self.vector_size
            )
        above = (cells.VariationalDropout(cell=c, input_rate=self.dropout) for c in made[1:])
        attentive = cells.Attentive(
            cell=cells.Stacked(cells=(made[0], *above), residual=self.residual),
            attention=mechanism,
            order=self.order,
            attentional_size=self.vector_size,
            feed=self.feed,
        )
        return layers.RNN(cell=cells.Alignments(cell=attentive))


def query_size(cell: Callable[..., Any], hidden_size: int) -> int:
    """How many features a cell of ``hidden_size`` gives: the query of an attention over it.

    Example:
        >>> query_size(cells.GRU, 8)
        8
    """
    return cell(input_size=1, hidden_size=hidden_size).output_size

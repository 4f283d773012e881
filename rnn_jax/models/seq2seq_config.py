"""Sizes and choices of the translator."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from rnn_jax import cells, drivers
from rnn_jax.cells.base import check_sizes
from rnn_jax.losses.sums import check_probability
from rnn_jax.models.bridges import Kind, check_bridge
from rnn_jax.models.checks import check_rates
from rnn_jax.models.decoder_config import DecoderConfig, query_size
from rnn_jax.models.encoder_config import Directions, EncoderConfig
from rnn_jax.models.speech_labels import check_symbols


@dataclass(frozen=True, kw_only=True)
class Seq2SeqConfig:
    """Sizes and choices of ``Seq2Seq``.

    The defaults with ``attention=functools.partial(attention.Additive, score_size=256), tied=True,
    scaled=True, dropout=0.3`` are a good start for a small corpus (Adam at 2e-3, gradients clipped
    to 1).

    Args:
        source_vocab_size: V of what is read.
        target_vocab_size: V of what is written.
        embedding_size: E of both sides.
        hidden_size: H of each encoder layer and direction.
        decoder_size: H of each decoder layer; None for ``hidden_size``.
        num_encoder_layers: Their number.
        num_decoder_layers: Their number.
        cell: Makes a cell of ``input_size`` and ``hidden_size``: ``cells.LSTM``, ``cells.GRU``, ...
        bidirectional: Whether the encoder reads from both ends: True or "all" its layers, the
            "first" alone, False or "none" of them.
        residual: Add to each layer's outputs what it read, where the widths agree, on both sides.
        driver: How the encoder runs over time: ``drivers.scan``, ``drivers.associative``, ...
        reverse_source: Read the source from its last token to its first; padding stays at the end.
        bridge: Where the decoder begins: "zero"; "last", the encoder's final states; "mean", a
            dense map of the mean of its outputs; "learned", a dense map of its last outputs.
        attention: Makes a mechanism of ``query_size`` and ``memory_size``:
            ``attention.General``, ``functools.partial(attention.Additive, score_size=64)``, ...
            None for none. Make a partial once: two are never equal, so a new one compiles anew.
        order: Attend "after" the decoder's step (Luong) or "before" it (Bahdanau).
        feed: Feed the attentional vector back (Luong's input feeding), or, where there is no
            attention, the encoder's last outputs at every step (Cho).
        tied: Whether the output weights are the target's embedding.
        scaled: Multiply the embeddings of both sides by sqrt(E) where they are read, as Vaswani et
            al. do: tied ones are short, and the layers learn much faster from longer ones.
        dropout: Rate of dropping embeddings, between layers, and before the output.
        label_smoothing: Share of the target that goes to all tokens, in training alone.
        start: What the decoder reads first.
        end: What ends a target.

    Raises:
        ValueError: If a number lies out of range, or nothing of the source would reach the decoder.

    Example:
        >>> Seq2SeqConfig(source_vocab_size=50, target_vocab_size=40, bridge="mean").order
        'before'

    References:
        Vaswani et al., Attention is all you need, 2017, arXiv:1706.03762 (scaled, section 3.4).
    """

    source_vocab_size: int
    target_vocab_size: int
    embedding_size: int = 256
    hidden_size: int = 256
    decoder_size: int | None = None
    num_encoder_layers: int = 1
    num_decoder_layers: int = 1
    cell: Callable[..., Any] = cells.GRU
    bidirectional: bool | Directions = True
    residual: bool = False
    driver: Callable[..., Any] = drivers.scan
    reverse_source: bool = False
    bridge: Kind = "learned"
    attention: Callable[..., Any] | None = None
    order: Literal["after", "before"] = "before"
    feed: bool = True
    tied: bool = False
    scaled: bool = False
    dropout: float = 0.0
    label_smoothing: float = 0.0
    start: int = 1
    end: int = 2

    def __post_init__(self) -> None:
        check_sizes(self)
        check_rates(self)
        check_probability("label_smoothing", self.label_smoothing)
        check_symbols(self, "start", "end")
        directions = self.encoder.directions
        check_bridge(self.bridge, self.encoder_cells, self.decoder.cells, directions)
        if self.attention is None and not self.feed and self.bridge == "zero":
            raise ValueError(
                'Seq2SeqConfig: with bridge="zero", feed=False and no attention nothing of the '
                "source reaches the decoder: change one of them."
            )

    @property
    def vocab_size(self) -> int:
        """V of what is written."""
        return self.target_vocab_size

    @property
    def encoder(self) -> EncoderConfig:
        """What the encoder is."""
        sides: dict[Any, Any] = {True: "all", False: "none"}
        return EncoderConfig(
            vocab_size=self.source_vocab_size,
            embedding_size=self.embedding_size,
            hidden_size=self.hidden_size,
            num_layers=self.num_encoder_layers,
            cell=self.cell,
            bidirectional=sides.get(self.bidirectional, self.bidirectional),
            residual=self.residual,
            driver=self.driver,
            scaled=self.scaled,
            dropout=self.dropout,
        )

    @property
    def encoder_cells(self) -> list[Any]:
        """The cell of each encoder layer, lowest first, of one direction."""
        sided = zip(self.encoder.stack.layers, self.encoder.directions, strict=True)
        return [layer.forward.cell if sides == 2 else layer.cell for layer, sides in sided]

    @property
    def decoder(self) -> DecoderConfig:
        """What the decoder is."""
        size = self.encoder.stack.output_size
        width = self.decoder_size or self.hidden_size
        mechanism = None
        if self.attention is not None:
            queries = query_size(self.cell, width)
            mechanism = self.attention(query_size=queries, memory_size=size)
        return DecoderConfig(
            vocab_size=self.target_vocab_size,
            embedding_size=self.embedding_size,
            hidden_size=width,
            num_layers=self.num_decoder_layers,
            cell=self.cell,
            attention=mechanism,
            order=self.order,
            feed=self.feed,
            context_size=size if self.feed and mechanism is None else None,
            tied=self.tied,
            scaled=self.scaled,
            residual=self.residual,
            dropout=self.dropout,
        )

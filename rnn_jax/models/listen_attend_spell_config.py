"""Sizes and choices of listen, attend and spell."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rnn_jax import attention, cells
from rnn_jax.losses.sums import check_probability
from rnn_jax.models.chains import cell_chain
from rnn_jax.models.decoder_config import query_size
from rnn_jax.models.speech import SpeechEncoderConfig
from rnn_jax.models.speech_labels import check_symbols


@dataclass(frozen=True, kw_only=True)
class ListenAttendSpellConfig(SpeechEncoderConfig):
    """Sizes and choices of ``ListenAttendSpell``: those of ``SpeechEncoderConfig`` and

    Args:
        vocab_size: V, the symbols for start and end among them.
        start: What the speller reads first; never a label, so CTC takes it for its blank.
        end: What it writes last.
        embedding_size: E of a label's vector.
        decoder_size: Units of each layer of the speller.
        num_decoder_layers: How many it has.
        attention_size: Units of the networks that make queries and keys, and of one head's key.
        num_heads: N.
        attention: Makes another mechanism of ``query_size`` and ``memory_size``; None for
            ``attention.MLPHeads``.
        decoder_dropout: Rate of dropping the speller's inputs and outputs, one mask for a row.
        label_smoothing: Share of the target that goes to all labels, in [0, 1), in training.
        ctc_weight: Share of CTC on the encoder's outputs in the loss, 0..1; 0 for none.

    Example:
        >>> config = ListenAttendSpellConfig(
        ...     input_size=40, vocab_size=30, num_layers=4, reductions=(1, 2, 2, 2)
        ... )
        >>> config.reduction, config.speller.output_size
        (8, 768)
    """

    vocab_size: int
    start: int = 0
    end: int = 1
    embedding_size: int = 64
    decoder_size: int = 256
    num_decoder_layers: int = 2
    attention_size: int = 64
    num_heads: int = 4
    attention: Callable[..., Any] | None = None
    decoder_dropout: float = 0.0
    label_smoothing: float = 0.0
    ctc_weight: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_symbols(self, "start", "end")
        check_probability("label_smoothing", self.label_smoothing)
        if not 0 <= self.ctc_weight <= 1:
            raise ValueError(
                f"{type(self).__name__}: ctc_weight is CTC's share of the loss, in 0..1, got "
                f"{self.ctc_weight!r}."
            )

    @property
    def speller(self) -> cells.Attentive:
        """The decoder's cell."""
        queries = query_size(self.cell, self.decoder_size)
        sizes: dict[str, Any] = {"query_size": queries, "memory_size": self.output_size}
        if self.attention is None:
            kind: Any = attention.MLPHeads(
                **sizes,
                key_size=self.attention_size,
                num_heads=self.num_heads,
                hidden_sizes=(self.attention_size,),
            )
        else:
            kind = self.attention(**sizes)
        made = cell_chain(
            self.cell,
            self.embedding_size + kind.output_size,
            (self.decoder_size,) * self.num_decoder_layers,
        )
        return cells.Attentive(cell=cells.Stacked(cells=made), attention=kind)

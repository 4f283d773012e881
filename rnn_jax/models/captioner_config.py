"""Sizes and choices of the captioner."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

from rnn_jax import attention as attending
from rnn_jax import cells
from rnn_jax.cells.base import check_sizes
from rnn_jax.losses.sums import check_probability
from rnn_jax.models.checks import check_conv_sizes, check_rates
from rnn_jax.models.decoder_config import DecoderConfig, query_size
from rnn_jax.models.gated_attention import GatedAttention
from rnn_jax.models.speech_labels import check_symbols

Mode = Literal["inject", "first", "attend"]


@dataclass(frozen=True, kw_only=True)
class CaptionerConfig:
    """Sizes and choices of ``Captioner``.

    Args:
        vocab_size: V of what is written.
        mode: How the image enters: "inject", a vector at every step; "first", a vector before the
            first token; "attend", a grid that is attended to.
        num_channels: Channels of an image: 1 grey, 3 colour.
        conv_sizes: Channels after each convolution of the CNN; each halves height and width.
        kernel_size: Height and width of the convolutions.
        feature_size: E of precomputed features (B, S, E) in place of images; then there is no CNN.
        embedding_size: E of a token's vector.
        hidden_size: H of each decoder layer.
        num_layers: Decoder layers.
        cell: Makes a cell of ``input_size`` and ``hidden_size``: ``cells.LSTM``, ``cells.GRU``, ...
        attention: In mode "attend", makes a mechanism of ``query_size`` and ``memory_size``; None
            for ``attention.Additive`` with ``score_size=hidden_size``.
        hard: Attend to one place at a time, drawn in training (``attention.Hard``).
        gated: Let a gate scale what was attended to (Xu's beta).
        order: Attend "before" the decoder's step or "after" it.
        tied: Whether the output weights are the embedding.
        dropout: Rate of dropping embeddings, between layers, and before the output.
        label_smoothing: Share of the target that goes to all tokens, in training alone.
        attention_penalty: lambda of sum_l (1 - sum_t alpha_{t,l})^2, in training alone: it makes
            every place be looked at (``attention.doubly_stochastic``).
        entropy_penalty: With ``hard``, weight of the entropy that keeps the choices open.
        start: What the decoder reads first.
        end: What ends a caption.

    Raises:
        ValueError: If a number lies out of range, or a choice of attention meets another mode.

    Example:
        >>> CaptionerConfig(vocab_size=50, mode="first", feature_size=2048).image_size
        2048
    """

    vocab_size: int
    mode: Mode = "attend"
    num_channels: int = 3
    conv_sizes: tuple[int, ...] = (32, 64, 128)
    kernel_size: int = 3
    feature_size: int | None = None
    embedding_size: int = 256
    hidden_size: int = 256
    num_layers: int = 1
    cell: Callable[..., Any] = cells.LSTM
    attention: Callable[..., Any] | None = None
    hard: bool = False
    gated: bool = False
    order: Literal["after", "before"] = "before"
    tied: bool = False
    dropout: float = 0.0
    label_smoothing: float = 0.0
    attention_penalty: float = 0.0
    entropy_penalty: float = 0.0
    start: int = 1
    end: int = 2

    def __post_init__(self) -> None:
        check_sizes(self)
        check_rates(self)
        check_probability("label_smoothing", self.label_smoothing)
        check_symbols(self, "start", "end")
        if self.mode not in get_args(Mode):
            raise ValueError(
                f"CaptionerConfig: mode must be one of {get_args(Mode)}, got {self.mode!r}."
            )
        check_conv_sizes(self)
        attends = {"attention": None, "hard": False, "gated": False, "attention_penalty": 0.0}
        meant = [name for name, unset in attends.items() if getattr(self, name) != unset]
        if meant and self.mode != "attend":
            raise ValueError(
                f'CaptionerConfig: {", ".join(meant)} are for mode="attend", but mode is '
                f"{self.mode!r}: leave them at their defaults."
            )
        if self.entropy_penalty and not self.hard:
            raise ValueError(
                f"CaptionerConfig: entropy_penalty={self.entropy_penalty} is about hard attention: "
                "give hard=True, or leave it at 0."
            )
        _ = self.decoder  # whose checks hold here too

    @property
    def image_size(self) -> int:
        """Features of a place of the image."""
        return self.feature_size or self.conv_sizes[-1]

    @property
    def decoder(self) -> DecoderConfig:
        """What the decoder is."""
        return DecoderConfig(
            vocab_size=self.vocab_size,
            embedding_size=self.embedding_size,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            cell=self.cell,
            attention=self.mechanism,
            order=self.order,
            context_size=self.image_size if self.mode == "inject" else None,
            tied=self.tied,
            dropout=self.dropout,
        )

    @property
    def mechanism(self) -> Any:
        """The attention, or None."""
        if self.mode != "attend":
            return None
        make = self.attention or partial(attending.Additive, score_size=self.hidden_size)
        queries = query_size(self.cell, self.hidden_size)
        found = make(query_size=queries, memory_size=self.image_size)
        if self.hard:
            found = attending.Hard(attention=found)
        return GatedAttention(attention=found) if self.gated else found

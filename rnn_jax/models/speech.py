"""What recognisers of speech share: frames in, fewer vectors with their exact lengths out."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax import cells, drivers, layers
from rnn_jax.bridge.nnx import Layer
from rnn_jax.cells.base import check_sizes
from rnn_jax.losses.checks import as_lengths
from rnn_jax.models.chains import layer_chain
from rnn_jax.models.checks import check_features, check_rates
from rnn_jax.models.dropout import dropout
from rnn_jax.models.speech_convolutions import Convolutions, shorter


@dataclass(frozen=True, kw_only=True)
class SpeechEncoderConfig:
    """Sizes and choices of ``SpeechEncoder``.

    Args:
        input_size: F, features of a frame, such as the bands of a log-mel spectrogram.
        hidden_size: H of each layer and direction.
        num_layers: L.
        reductions: How many neighbouring steps each layer reads as one, lowest layer first, 1 for
            the layers that are not named. ``(1, 2, 2, 2)`` is the pyramid of listen, attend and
            spell; ``(2,)`` stacks two frames.
        channels: Of convolutions in front, each halving time and frequency; () for none.
        cell: Makes a cell of ``input_size`` and ``hidden_size``: ``cells.LSTM``, ``cells.GRU``, ...
        bidirectional: Whether every layer reads from both ends.
        dropout: Rate of dropping between layers, and after the last.
        driver: How the layers run over time: ``drivers.scan``, ``drivers.unrolled``, ...

    Raises:
        ValueError: If a number lies out of range, or there are more reductions than layers.

    Example:
        >>> config = SpeechEncoderConfig(input_size=40, num_layers=4, reductions=(1, 2, 2, 2))
        >>> config.reduction, config.output_size
        (8, 512)
    """

    input_size: int
    hidden_size: int = 256
    num_layers: int = 3
    reductions: tuple[int, ...] = ()
    channels: tuple[int, ...] = ()
    cell: Callable[..., Any] = cells.LSTM
    bidirectional: bool = True
    dropout: float = 0.0
    driver: Callable[..., Any] = drivers.scan

    def __post_init__(self) -> None:
        check_sizes(self)
        check_rates(self)
        name = type(self).__name__
        for field in ("reductions", "channels"):
            values = tuple(getattr(self, field))  # a list would not be hashable
            object.__setattr__(self, field, values)
            if not all(type(value) is int and value >= 1 for value in values):
                raise ValueError(f"{name}: {field} must be whole numbers >= 1, got {values}.")
        if len(self.reductions) > self.num_layers:
            raise ValueError(
                f"{name}: reductions={self.reductions} names {len(self.reductions)} layers, but "
                f"num_layers={self.num_layers}: give at most one factor for each layer."
            )

    @property
    def reduction(self) -> int:
        """Frames in one output step: length n becomes ceil(n / reduction)."""
        return prod(self.reductions) * 2 ** len(self.channels)

    @property
    def output_size(self) -> int:
        return int(self.layers(self.input_size).output_size)

    def layers(self, input_size: int) -> layers.Pyramid:
        """The recurrent layers over ``input_size`` features."""
        factors = self.reductions + (1,) * (self.num_layers - len(self.reductions))
        made = layer_chain(
            self.cell,
            input_size,
            (self.hidden_size,) * self.num_layers,
            bidirectional=self.bidirectional,
            factors=factors,
            driver=self.driver,
        )
        return layers.Pyramid(layers=made, factor=factors, dropout=self.dropout)


class Encoded(NamedTuple):
    """What an encoder made of speech."""

    ys: jax.Array  # (B, T', O), zero on padding; or logits (B, T', V)
    lengths: jax.Array | None  # (B,) real steps of ys; None where no lengths were given


class Hypotheses(NamedTuple):
    """The K best hypotheses for each row, best first."""

    tokens: jax.Array  # (B, K, U) labels; behind them the model's blank, or start symbol
    lengths: jax.Array  # (B, K) labels of each
    scores: jax.Array  # (B, K) as in Transcript; -inf where there are fewer

    @property
    def best(self) -> "Transcript":
        """The first of each row."""
        return Transcript(self.tokens[:, 0], self.lengths[:, 0], self.scores[:, 0])


class Transcript(NamedTuple):
    """The best hypothesis for each row."""

    tokens: jax.Array  # (B, U) labels; behind them the model's blank, or start symbol
    lengths: jax.Array  # (B,) labels of each row
    scores: jax.Array  # (B,) log-probability, or the score that was searched for


class SpeechEncoder(nnx.Module):
    """Frames to fewer, better vectors: convolutions, then recurrent layers, a pyramid if asked for.

        y_0 = convolutions(x),   y_k = RNN_k([y_{k-1} of f_k neighbouring steps])

    The output of n frames has exactly ceil(n / reduction) steps, whatever else is in the batch.

    Args:
        config: Sizes and choices.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> config = SpeechEncoderConfig(input_size=3, hidden_size=4, num_layers=1, reductions=(2,))
        >>> encoder = SpeechEncoder(config, rngs=nnx.Rngs(0))
        >>> ys, lengths = encoder(jnp.ones((2, 5, 3)), lengths=jnp.array([5, 2]))
        >>> ys.shape, lengths.tolist()
        ((2, 3, 8), [3, 1])

    References:
        Chan, Jaitly, Le and Vinyals, Listen, attend and spell, 2015, arXiv:1508.01211.
    """

    def __init__(self, config: SpeechEncoderConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        width = config.input_size
        if config.channels:
            self.convolutions = Convolutions(width, config.channels, rngs=rngs)
            width = self.convolutions.output_size
        self.layers = Layer(config.layers(width), rngs=rngs)

    def new_lengths(self, lengths: jax.Array) -> jax.Array:
        """How many steps come of so many frames."""
        return shorter(lengths, self.config.reduction)

    def __call__(
        self,
        features: jax.Array,
        *,
        lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> Encoded:
        """Outputs (B, T', O) of frames (B, T, F)."""
        features = jnp.asarray(features)
        check_features(features, self.config.input_size, "features")
        rows, num_frames = features.shape[:2]
        lengths = as_lengths("lengths", lengths, (rows,), num_frames, "frames")
        keys: Any = (None, None) if key is None else jax.random.split(key)
        if self.config.channels:
            features, lengths = self.convolutions(features, lengths)
        ys, lengths, _ = self.layers(features, lengths=lengths, rngs=keys[0])
        return Encoded(dropout(ys, self.config.dropout, keys[1]), lengths)


def time_first(xs: jax.Array) -> jax.Array:
    """(B, T, ...) as (T, B, ...), and back.

    Example:
        >>> time_first(jnp.zeros((2, 5, 3))).shape
        (5, 2, 3)
    """
    return jnp.swapaxes(xs, 0, 1)

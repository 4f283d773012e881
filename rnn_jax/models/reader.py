"""What classifiers and taggers share: tokens or features in, one vector for each step out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax import cells, layers
from rnn_jax.bridge.nnx import Layer
from rnn_jax.cells.base import check_sizes
from rnn_jax.models.chains import layer_chain
from rnn_jax.models.checks import check_features, check_rates, check_tokens
from rnn_jax.models.dropout import dropout, embedding_dropout
from rnn_jax.models.rows import embed, real_tokens


@dataclass(frozen=True, kw_only=True)
class ReaderConfig:
    """Sizes and choices of ``Reader``: give ``vocab_size`` to read tokens, else ``input_size``.

    Args:
        vocab_size: V of token inputs.
        input_size: D of float inputs.
        embedding_size: E of a token's vector.
        hidden_size: H of each layer and direction.
        num_layers: L.
        cell: Makes a cell of ``input_size`` and ``hidden_size``: ``cells.LSTM``, ``cells.GRU``, ...
        bidirectional: Whether every layer reads from both ends.
        word_dropout: Rate of dropping whole words from the embedding.
        dropout: Rate of dropping the layers' inputs and the last outputs.

    Raises:
        ValueError: If both or none of ``vocab_size`` and ``input_size`` are given, or a number lies
            out of range.

    Example:
        >>> ReaderConfig(vocab_size=50, hidden_size=8).output_size
        16
    """

    vocab_size: int | None = None
    input_size: int | None = None
    embedding_size: int = 64
    hidden_size: int = 128
    num_layers: int = 1
    cell: Callable[..., Any] = cells.LSTM
    bidirectional: bool = True
    word_dropout: float = 0.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_sizes(self)
        check_rates(self)
        if (self.vocab_size is None) == (self.input_size is None):
            raise ValueError(
                f"{type(self).__name__}: vocab_size={self.vocab_size} and "
                f"input_size={self.input_size}: give one, vocab_size for tokens or input_size for "
                "features."
            )

    @property
    def output_size(self) -> int:
        return int(self.stack(self.input_size or self.embedding_size).output_size)

    def stack(self, input_size: int) -> layers.Stack:
        """The recurrent layers over ``input_size`` features."""
        sizes = (self.hidden_size,) * self.num_layers
        made = layer_chain(self.cell, input_size, sizes, bidirectional=self.bidirectional)
        return layers.Stack(layers=made, dropout=self.dropout)


class Reader(nnx.Module):
    """Embedding (for tokens) and recurrent layers: a vector in context for every step.

        ys = Stack(dropout(embedding[tokens])),   each layer from both ends

    Args:
        config: Sizes and choices.
        extra_size: Features that the caller adds to each step, such as those of a word's letters.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> reader = Reader(ReaderConfig(vocab_size=5, hidden_size=3), rngs=nnx.Rngs(0))
        >>> reader(jnp.array([[1, 2, 3], [4, 0, 0]]), lengths=jnp.array([3, 1])).shape
        (2, 3, 6)
    """

    def __init__(self, config: ReaderConfig, extra_size: int = 0, *, rngs: nnx.Rngs) -> None:
        self.config = config
        width = config.input_size or config.embedding_size
        if config.vocab_size is not None:
            self.embedding = nnx.Embed(config.vocab_size, config.embedding_size, rngs=rngs)
        self.layers = Layer(config.stack(width + extra_size), rngs=rngs)

    def __call__(
        self,
        inputs: jax.Array,
        extra: jax.Array | None = None,
        *,
        lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> jax.Array:
        """Outputs (B, T, O), zero on padding, of tokens (B, T) or features (B, T, D).

        Padding may be any number.
        """
        config = self.config
        keys: Any = (None,) * 4 if key is None else jax.random.split(key, 4)
        if config.vocab_size is None:
            check_features(inputs, config.input_size or 0)
            xs = inputs
        else:
            inputs = real_tokens(inputs, lengths)
            check_tokens(inputs, vocab_size=config.vocab_size)
            table = self.embedding.embedding[...]
            xs = embed(embedding_dropout(table, config.word_dropout, keys[0]), inputs)
        if extra is not None:
            xs = jnp.concatenate([xs, extra], axis=-1)
        xs = dropout(xs, config.dropout, keys[1])
        ys = self.layers(xs, lengths=lengths, rngs=keys[2]).ys
        return dropout(ys, config.dropout, keys[3])

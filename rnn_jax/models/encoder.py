"""An encoder of tokens that also says where it ended."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax.bridge.nnx import Layer
from rnn_jax.models.checks import check_tokens
from rnn_jax.models.dropout import dropout
from rnn_jax.models.encoder_config import EncoderConfig
from rnn_jax.models.rows import embed, real_tokens, reverse_rows
from rnn_jax.typing import State


class EncoderOutput(NamedTuple):
    """What an encoder has read."""

    ys: jax.Array  # (B, S, O), in the order of the source
    last: jax.Array  # (B, O), the highest layer's last output of each direction
    states: tuple[State, ...]  # of each layer, lowest first; pairs where it reads from both ends


class Encoder(nnx.Module):
    """Embedding and recurrent layers over a sentence, perhaps read from its end.

        y_1 .. y_S = Stack(dropout(embedding[tokens]))

    Args:
        config: Sizes and choices.
        reverse: Read each row from its last token to its first; padding stays at the end.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> config = EncoderConfig(vocab_size=5, hidden_size=3)
        >>> encoder = Encoder(config, rngs=nnx.Rngs(0))
        >>> encoded = jax.jit(encoder)(jnp.array([[1, 2, 3], [4, 0, 0]]), jnp.array([3, 1]))
        >>> encoded.ys.shape, encoded.last.shape
        ((2, 3, 6), (2, 6))

    References:
        Sutskever, Vinyals and Le, Sequence to sequence learning with neural networks, 2014,
        arXiv:1409.3215 (reverse).
    """

    def __init__(self, config: EncoderConfig, reverse: bool = False, *, rngs: nnx.Rngs) -> None:
        self.config, self.reverse = config, reverse
        self.embedding = nnx.Embed(config.vocab_size, config.embedding_size, rngs=rngs)
        self.layers = Layer(config.stack, rngs=rngs)

    @property
    def output_size(self) -> int:
        """O."""
        return self.layers.layer.output_size

    def __call__(
        self,
        source: jax.Array,
        lengths: jax.Array | None = None,
        *,
        key: jax.Array | None = None,
    ) -> EncoderOutput:
        """Read tokens (B, S), of which lengths (B,) are real; dropout by key."""
        keys: Any = (None,) * 3 if key is None else jax.random.split(key, 3)
        config = self.config
        lengths = None if lengths is None else jnp.asarray(lengths)
        source = real_tokens(source, lengths, "source")
        check_tokens(source, "source", vocab_size=config.vocab_size)
        if self.reverse:
            source = reverse_rows(source, lengths)
        table = self.embedding.embedding[...]
        xs = dropout(embed(table, source, config.scaled), config.dropout, keys[0])
        ys, _, states = self.layers(xs, lengths=lengths, rngs=keys[1])
        if lengths is None:
            last = ys[:, -1]
        else:
            place = jnp.maximum(jnp.asarray(lengths) - 1, 0)
            last = jnp.take_along_axis(ys, place[:, None, None], axis=1)[:, 0]
        if config.directions[-1] == 2:  # the backward half ends at the first step
            half = ys.shape[-1] // 2
            last = jnp.concatenate([last[:, :half], ys[:, 0, half:]], axis=-1)
        if self.reverse:
            ys = reverse_rows(ys, lengths)
        return EncoderOutput(dropout(ys, config.dropout, keys[2]), last, states)

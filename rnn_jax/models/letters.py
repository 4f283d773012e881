"""What a word's letters say: a convolution over them, the highest answer of each filter."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax.cells.base import check_sizes
from rnn_jax.models.checks import check_tokens
from rnn_jax.models.rows import embed


@dataclass(frozen=True, kw_only=True)
class LettersConfig:
    """Sizes of ``Letters``.

    Args:
        vocab_size: Number of letters, padding 0 among them.
        embedding_size: Features of a letter.
        output_size: Filters, and so features of a word.
        kernel_size: Letters that a filter sees.

    Example:
        >>> LettersConfig(vocab_size=80).output_size
        30
    """

    vocab_size: int
    embedding_size: int = 16
    output_size: int = 30
    kernel_size: int = 3

    def __post_init__(self) -> None:
        check_sizes(self)


class Letters(nnx.Module):
    """Features of words from their letters.

        y = max over places of relu(conv(embedding[letters]))

    Args:
        config: Sizes.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> letters = Letters(LettersConfig(vocab_size=5, output_size=4), rngs=nnx.Rngs(0))
        >>> words = jnp.array([[[1, 2, 3], [4, 0, 0]]])  # (B, T, C), 0 is padding
        >>> jax.jit(letters)(words).shape
        (1, 2, 4)

    References:
        Ma and Hovy, End-to-end sequence labeling via bi-directional LSTM-CNNs-CRF, 2016,
        arXiv:1603.01354.
    """

    def __init__(self, config: LettersConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.embedding = nnx.Embed(config.vocab_size, config.embedding_size, rngs=rngs)
        self.convolution = nnx.Conv(
            config.embedding_size, config.output_size, config.kernel_size, rngs=rngs
        )

    def __call__(self, letters: jax.Array) -> jax.Array:
        """Features (B, T, O) of letters (B, T, C); how much padding follows changes nothing."""
        check_tokens(letters, "letters", ndim=3, vocab_size=self.config.vocab_size)
        real = (letters != 0)[..., None]
        xs = jnp.where(real, embed(self.embedding.embedding[...], letters), 0)
        maps = self.convolution(xs.reshape(-1, *xs.shape[2:])).reshape(*xs.shape[:3], -1)
        return jnp.where(real, jax.nn.relu(maps), 0).max(2)

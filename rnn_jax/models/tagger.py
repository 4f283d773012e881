"""Aligned many to many: a tag for every token, each by itself or as a chain."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax.cells.base import check_sizes
from rnn_jax.losses import CRFParams, Sum, crf_log_likelihood, crf_viterbi, cross_entropy
from rnn_jax.models.checks import check_places, check_rates, check_tokens
from rnn_jax.models.letters import Letters, LettersConfig
from rnn_jax.models.reader import Reader, ReaderConfig
from rnn_jax.models.rows import embed
from rnn_jax.ops import length_mask


@dataclass(frozen=True, kw_only=True)
class TaggerConfig:
    """Sizes and choices of ``Tagger``.

    Args:
        num_tags: V.
        reader: What is read and how: ``ReaderConfig(vocab_size=...)`` for words.
        crf: Whether tags form a chain (conditional random field) or stand by themselves (softmax).
        letters: How words are read by their letters, too; None for not at all.
        trait_vocab_sizes: How many numbers each trait of a word may be, ``WordTraits.sizes`` of
            ``data.word_traits``;
            a table for each makes vectors of them.
        trait_embedding_size: Features of a trait.

    Example:
        >>> TaggerConfig(num_tags=5, reader=ReaderConfig(vocab_size=50)).crf
        True
    """

    num_tags: int
    reader: ReaderConfig
    crf: bool = True
    letters: LettersConfig | None = None
    trait_vocab_sizes: tuple[int, ...] = ()
    trait_embedding_size: int = 10

    def __post_init__(self) -> None:
        check_sizes(self)
        check_rates(self)
        if min(self.trait_vocab_sizes, default=1) < 1:
            raise ValueError(
                f"TaggerConfig: trait_vocab_sizes={self.trait_vocab_sizes}: each is at least 1."
            )


class Tagger(nnx.Module):
    """A tag for every token: parts of speech, named entities, frames of a video.

        e_t = [f_t, b_t] @ w + b                     scores of the tags at each step
        softmax    p(y) = prod_t softmax(e_t)[y_t]
        chain      p(y) ~ exp(sum_t e_t[y_t] + transitions[y_{t-1}, y_t])

    Args:
        config: Sizes and choices.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> from rnn_jax.models import take_apart
        >>> config = TaggerConfig(num_tags=3, reader=ReaderConfig(vocab_size=9, hidden_size=4))
        >>> model = Tagger(config, rngs=nnx.Rngs(0))
        >>> words, lengths = jnp.array([[1, 2, 3], [4, 5, 0]]), jnp.array([3, 2])
        >>> tags = jnp.array([[0, 1, 2], [1, 1, -1]])  # anything on padding
        >>> pure, params = take_apart(model)
        >>> loss = jax.jit(lambda params, *batch, **of: pure(params).loss(*batch, **of))
        >>> loss(params, words, tags, lengths=lengths).count.item()
        5
        >>> jax.jit(model.tags)(words, lengths=lengths).shape
        (2, 3)

    References:
        Huang, Xu and Yu, Bidirectional LSTM-CRF models for sequence tagging, 2015,
        arXiv:1508.01991.
        Lample et al., Neural architectures for named entity recognition, 2016, arXiv:1603.01360.
    """

    def __init__(self, config: TaggerConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        extra = 0 if config.letters is None else config.letters.output_size
        if config.letters is not None:
            self.letters = Letters(config.letters, rngs=rngs)
        if config.trait_vocab_sizes:
            tables = [
                nnx.Embed(n, config.trait_embedding_size, rngs=rngs)
                for n in config.trait_vocab_sizes
            ]
            self.traits = nnx.List(tables)
        extra += len(config.trait_vocab_sizes) * config.trait_embedding_size
        self.reader = Reader(config.reader, extra, rngs=rngs)
        self.output = nnx.Linear(config.reader.output_size, config.num_tags, rngs=rngs)
        if config.crf:
            self.transitions = nnx.Param(jnp.zeros((config.num_tags, config.num_tags)))
            self.start = nnx.Param(jnp.zeros(config.num_tags))
            self.end = nnx.Param(jnp.zeros(config.num_tags))

    @property
    def chain(self) -> CRFParams:
        """The scores of the chain, for ``losses.crf_log_likelihood`` and its fellows."""
        return CRFParams(self.transitions[...], self.start[...], self.end[...])

    def __call__(
        self,
        inputs: jax.Array,
        letters: jax.Array | None = None,
        *,
        traits: jax.Array | None = None,
        lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> jax.Array:
        """Scores (B, T, V) of words (B, T), or of features, their letters (B, T, C) and traits."""
        extra = self._about(inputs, letters, traits)
        return self.output(self.reader(inputs, extra, lengths=lengths, key=key))

    def _about(
        self, inputs: jax.Array, letters: jax.Array | None, traits: jax.Array | None
    ) -> jax.Array | None:
        """Features (B, T, E) of what is known of words beside which they are."""
        counts = self.config.trait_vocab_sizes
        for name, given, read in (
            ("letters", letters, self.config.letters is not None),
            ("traits", traits, bool(counts)),
        ):
            if (given is not None) != read:
                raise ValueError(
                    f"{name} is {'not ' * read}given, but the model "
                    f"{'reads' if read else 'does not read'} {name}: see TaggerConfig."
                )
            if given is not None:
                check_tokens(given, name, ndim=3)
                check_places(given, inputs, name, "inputs")
        found = [] if letters is None else [self.letters(letters)]
        if traits is not None:
            if traits.shape[-1] != len(counts):
                raise ValueError(
                    f"traits has shape {traits.shape}, but TaggerConfig has {len(counts)} "
                    "trait_vocab_sizes: give as many for each word."
                )
            for place, (table, count) in enumerate(zip(self.traits, counts)):
                check_tokens(traits[..., place], "traits", vocab_size=count)
                found.append(embed(table.embedding[...], traits[..., place]))
        return jnp.concatenate(found, axis=-1) if found else None

    def loss(
        self,
        inputs: jax.Array,
        tags: jax.Array,
        letters: jax.Array | None = None,
        *,
        traits: jax.Array | None = None,
        lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> Sum:
        """Negative log-likelihood of tags (B, T): a sum over sequences, a count of real tokens."""
        check_tokens(tags, "tags")
        scores = self(inputs, letters, traits=traits, lengths=lengths, key=key)
        scores = jnp.moveaxis(scores, 1, 0)
        if not self.config.crf:
            return cross_entropy(scores, tags.T, lengths=lengths)
        per_row = crf_log_likelihood(self.chain, scores, tags.T, lengths=lengths)
        count = jnp.asarray(tags.size) if lengths is None else jnp.sum(jnp.asarray(lengths))
        return Sum(-per_row.sum(), count.astype(jnp.int32))

    def tags(
        self,
        inputs: jax.Array,
        letters: jax.Array | None = None,
        *,
        traits: jax.Array | None = None,
        lengths: jax.Array | None = None,
        bias: jax.Array | None = None,
    ) -> jax.Array:
        """The most probable tags (B, T), 0 on padding; of scores + bias (V,) where one is given."""
        scores = jnp.moveaxis(self(inputs, letters, traits=traits, lengths=lengths), 1, 0)
        scores = scores if bias is None else scores + bias.astype(scores.dtype)
        if self.config.crf:
            return crf_viterbi(self.chain, scores, lengths=lengths)[0].T
        best = jnp.argmax(scores, axis=-1)
        if lengths is not None:
            best = jnp.where(length_mask(jnp.asarray(lengths), best.shape[0]), best, 0)
        return best.T

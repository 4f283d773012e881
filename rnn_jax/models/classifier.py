"""Many to one: a class for a whole sequence."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax.losses import Sum, cross_entropy
from rnn_jax.losses.sums import check_probability
from rnn_jax.models.checks import check_rates
from rnn_jax.models.pooling import Kind, Pooling, check_pooling
from rnn_jax.models.reader import Reader, ReaderConfig
from rnn_jax.ops import length_mask


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """Sizes and choices of ``Classifier``.

    Args:
        num_classes: C.
        reader: What is read and how: ``ReaderConfig(vocab_size=...)`` for tokens.
        pooling: How the steps become one vector: "last", "mean", "max" or "attention".
        label_smoothing: Share of the target that goes to all classes, in [0, 1).

    Example:
        >>> ClassifierConfig(num_classes=2, reader=ReaderConfig(vocab_size=50)).pooling
        'attention'
    """

    num_classes: int
    reader: ReaderConfig
    pooling: Kind = "attention"
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        check_rates(self)
        check_probability("label_smoothing", self.label_smoothing)
        check_pooling("ClassifierConfig", self.pooling)


class Classifier(nnx.Module):
    """A class for a text, a series or an image read row by row.

        p(class | x_1 .. x_T) = softmax(pool(RNN(x)) @ w + b)

    Args:
        config: Sizes and choices.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> from rnn_jax.models import take_apart
        >>> reader = ReaderConfig(vocab_size=9, hidden_size=4)
        >>> config = ClassifierConfig(num_classes=2, reader=reader)
        >>> model = Classifier(config, rngs=nnx.Rngs(0))
        >>> tokens, lengths = jnp.array([[1, 2, 3], [4, 5, 0]]), jnp.array([3, 2])
        >>> pure, params = take_apart(model)
        >>> loss = jax.jit(lambda params, *batch, **of: pure(params).loss(*batch, **of))
        >>> loss(params, tokens, jnp.array([0, 1]), lengths=lengths).count.item()
        2
        >>> jax.jit(model)(tokens, lengths=lengths).shape
        (2, 2)

    References:
        Zhou et al., Attention-based bidirectional long short-term memory networks for relation
        classification, 2016.
    """

    def __init__(self, config: ClassifierConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.reader = Reader(config.reader, rngs=rngs)
        width = config.reader.output_size
        self.pooling = Pooling(config.pooling, width, rngs=rngs)
        self.output = nnx.Linear(width, config.num_classes, rngs=rngs)

    def __call__(
        self,
        inputs: jax.Array,
        *,
        lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> jax.Array:
        """Logits (B, C) of tokens (B, T) or features (B, T, D)."""
        ys = self.reader(inputs, lengths=lengths, key=key)
        return self.output(self.pooling(ys, lengths))

    def weights(self, inputs: jax.Array, *, lengths: jax.Array | None = None) -> jax.Array:
        """Attention (B, T) over the steps of each row: which of them decide; 0 on padding.

        Raises:
            ValueError: If the pooling is not "attention".
        """
        if self.config.pooling != "attention":
            raise ValueError(
                f'weights are those of pooling="attention", but this model has '
                f"pooling={self.config.pooling!r}."
            )
        ys = self.reader(inputs, lengths=lengths)
        lengths = jnp.full(ys.shape[0], ys.shape[1]) if lengths is None else jnp.asarray(lengths)
        return self.pooling.weights(ys, length_mask(lengths, ys.shape[1]).T)

    def loss(
        self,
        inputs: jax.Array,
        labels: jax.Array,
        *,
        lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> Sum:
        """Cross entropy of labels (B,), a count of B."""
        logits = self(inputs, lengths=lengths, key=key)
        smoothing = 0.0 if key is None else self.config.label_smoothing
        return cross_entropy(logits[None], jnp.asarray(labels)[None], label_smoothing=smoothing)

"""Many to one: a class for a whole recording, by any layer over its frames."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax.bridge.nnx import Layer
from rnn_jax.cells.base import check_sizes
from rnn_jax.losses import Sum, cross_entropy
from rnn_jax.losses.sums import check_probability
from rnn_jax.models.checks import check_features, check_rates
from rnn_jax.models.dropout import dropout
from rnn_jax.models.pooling import Kind, Pooling, check_pooling
from rnn_jax.ops.frames import stack_frames


@dataclass(frozen=True, kw_only=True)
class FrameClassifierConfig:
    """Sizes and choices of ``FrameClassifier``.

    Args:
        num_classes: C.
        layer: Any of ``rnn_jax.layers`` that reads ``stack`` frames side by side.
        stack: Neighbouring frames that are read as one step.
        pooling: How the steps become one vector: "last", "mean", "max" or "attention".
        dropout: Rate of dropping the layer's outputs and the vector.
        label_smoothing: Share of the target that goes to all classes, in [0, 1).

    Raises:
        ValueError: If a number lies out of range or the pooling is unknown.

    Example:
        >>> from rnn_jax import layers
        >>> net = layers.TDNN(input_size=8, output_size=5, kernel_size=3)
        >>> FrameClassifierConfig(num_classes=3, layer=net, stack=2).pooling
        'mean'
    """

    num_classes: int
    layer: Any
    stack: int = 1
    pooling: Kind = "mean"
    dropout: float = 0.0
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        check_sizes(self)
        check_rates(self)
        check_probability("label_smoothing", self.label_smoothing)
        check_pooling("FrameClassifierConfig", self.pooling)
        if self.stack < 1 or self.layer.input_size % self.stack:
            raise ValueError(
                f"FrameClassifierConfig: layer reads {self.layer.input_size} features, which "
                f"stack={self.stack} frames cannot share: make its input_size a multiple."
            )


class FrameClassifier(nnx.Module):
    """A class for a recording: a recurrent or a time-delay network, pooled over time.

        p(class | x_1 .. x_T) = softmax(pool(layer(x)) @ w + b)

    Args:
        config: Sizes and choices.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> from rnn_jax import cells, layers
        >>> rnn = layers.RNN(cell=cells.GRU(input_size=8, hidden_size=5))
        >>> config = FrameClassifierConfig(num_classes=3, layer=rnn, stack=2)
        >>> model = FrameClassifier(config, rngs=nnx.Rngs(0))
        >>> frames, lengths = jnp.ones((2, 7, 4)), jnp.array([7, 3])
        >>> jax.jit(model)(frames, lengths=lengths).shape
        (2, 3)

    References:
        Waibel, Hanazawa, Hinton, Shikano and Lang, Phoneme recognition using time-delay neural
        networks, 1989, doi:10.1109/29.21701 (a class's evidence is summed over time).
    """

    def __init__(self, config: FrameClassifierConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.layers = Layer(config.layer, rngs=rngs)
        width = config.layer.output_size
        self.pooling = Pooling(config.pooling, width, rngs=rngs)
        self.output = nnx.Linear(width, config.num_classes, rngs=rngs)

    def __call__(
        self,
        frames: jax.Array,
        *,
        lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> jax.Array:
        """Logits (B, C) of frames (B, T, F), of which ``lengths`` (B,) are real; dropout by key."""
        config = self.config
        check_features(frames, config.layer.input_size // config.stack)
        keys: Any = (None,) * 3 if key is None else jax.random.split(key, 3)
        lengths = None if lengths is None else jnp.asarray(lengths)
        xs = jnp.swapaxes(frames, 0, 1)
        xs, lengths = stack_frames(xs, config.stack, config.stack, lengths=lengths)
        ys, lengths, _ = self.layers(jnp.swapaxes(xs, 0, 1), lengths=lengths, rngs=keys[0])
        pooled = self.pooling(dropout(ys, config.dropout, keys[1]), lengths)
        return self.output(dropout(pooled, config.dropout, keys[2]))

    def loss(
        self,
        frames: jax.Array,
        labels: jax.Array,
        *,
        lengths: jax.Array | None = None,
        label_lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> Sum:
        """Cross entropy of labels (B, 1); rows of ``label_lengths`` 0 do not count."""
        logits = self(frames, lengths=lengths, key=key)
        smoothing = 0.0 if key is None else self.config.label_smoothing
        return cross_entropy(
            logits[None], jnp.asarray(labels).T, lengths=label_lengths, label_smoothing=smoothing
        )

"""Many to one in two dimensions: a class for an image that a layer over grids has read."""

from typing import Any

import jax
from flax import nnx

from rnn_jax.bridge.nnx import Layer
from rnn_jax.models.dropout import dropout


class PlaneClassifier(nnx.Module):
    """A class for an image, whose every place has seen all of it.

        p(class | image) = softmax(mean over all places of layer(image) @ w + b)

    Args:
        layer: ``layers.Grid`` (four directions, one from each corner) or ``layers.ReNet`` (columns,
            then rows).
        num_classes: C.
        dropout: Rate of dropping features of the mean.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> import jax.numpy as jnp
        >>> from rnn_jax import layers
        >>> grid = layers.Grid(cell=layers.LSTM2D(input_size=3, hidden_size=4))
        >>> model = PlaneClassifier(grid, num_classes=2, rngs=nnx.Rngs(0))
        >>> jax.jit(model)(jnp.ones((5, 6, 7, 3))).shape
        (5, 2)

    References:
        Graves, Fernandez and Schmidhuber, Multi-dimensional recurrent neural networks, 2007,
        arXiv:0705.2011.
    """

    def __init__(
        self, layer: Any, num_classes: int, dropout: float = 0.0, *, rngs: nnx.Rngs
    ) -> None:
        self.layer = Layer(layer, rngs=rngs)
        self.dropout = dropout
        self.output = nnx.Linear(layer.output_size, num_classes, rngs=rngs)

    def __call__(self, images: jax.Array, *, key: jax.Array | None = None) -> jax.Array:
        """Logits (B, C) of images (B, height, width, D)."""
        seen = self.layer(images).ys.mean((1, 2))
        return self.output(dropout(seen, self.dropout, key))

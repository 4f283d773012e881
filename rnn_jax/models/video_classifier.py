"""Many to one over images: a convolutional network at every frame, a recurrent one over time."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax import cells
from rnn_jax.cells.base import check_sizes
from rnn_jax.losses import Sum, cross_entropy
from rnn_jax.models.checks import check_array, check_conv_sizes, check_rates
from rnn_jax.models.cnn import CNN
from rnn_jax.models.pooling import Kind, Pooling, check_pooling
from rnn_jax.models.reader import Reader, ReaderConfig
from rnn_jax.models.rows import reshape_rows
from rnn_jax.ops import length_mask, select


@dataclass(frozen=True, kw_only=True)
class VideoClassifierConfig:
    """Sizes and choices of ``VideoClassifier``.

    Args:
        num_classes: Number of classes.
        frame_shape: Height and width of a frame.
        num_channels: Channels of a frame: 1 grey, 3 colour.
        conv_sizes: Channels after each convolution; each halves height and width.
        kernel_size: Height and width of the convolutions.
        feature_size: Features of a frame.
        hidden_size: H of the recurrent layer, in each direction.
        num_layers: Recurrent layers.
        cell: Makes a cell of ``input_size`` and ``hidden_size``.
        bidirectional: Whether the frames are read from both ends.
        pooling: How the steps become one vector: "last", "mean", "max" or "attention".
        dropout: Rate of dropping the frames' features and the recurrent outputs.

    Example:
        >>> VideoClassifierConfig(num_classes=4, frame_shape=(32, 32)).reader.input_size
        64
    """

    num_classes: int
    frame_shape: tuple[int, int]
    num_channels: int = 1
    conv_sizes: tuple[int, ...] = (16, 32)
    kernel_size: int = 3
    feature_size: int = 64
    hidden_size: int = 64
    num_layers: int = 1
    cell: Callable[..., Any] = cells.LSTM
    bidirectional: bool = False
    pooling: Kind = "last"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        check_pooling("VideoClassifierConfig", self.pooling)
        check_conv_sizes(self)
        object.__setattr__(self, "frame_shape", tuple(self.frame_shape))  # a list has no hash
        if len(self.frame_shape) != 2 or min(self.frame_shape) < 1:
            raise ValueError(
                f"VideoClassifierConfig: frame_shape={self.frame_shape}; give height and width."
            )
        check_sizes(self)
        check_rates(self)

    @property
    def reader(self) -> ReaderConfig:
        """What reads the frames' features."""
        return ReaderConfig(
            input_size=self.feature_size,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            cell=self.cell,
            bidirectional=self.bidirectional,
            dropout=self.dropout,
        )


class VideoClassifier(nnx.Module):
    """A class for a sequence of frames: time-distributed convolutions, then an RNN.

        v_t = relu(CNN(frame_t) @ w_v + b_v),   p(class) = softmax(pool(RNN(v)) @ w + b)

    Args:
        config: Sizes and choices.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> config = VideoClassifierConfig(
        ...     num_classes=4, frame_shape=(8, 8), conv_sizes=(2, 3), hidden_size=5
        ... )
        >>> model = VideoClassifier(config, rngs=nnx.Rngs(0))
        >>> jax.jit(model)(jnp.ones((2, 6, 8, 8, 1)), lengths=jnp.array([6, 2])).shape
        (2, 4)

    References:
        Donahue et al., Long-term recurrent convolutional networks for visual recognition and
        description, 2015, arXiv:1411.4389.
    """

    def __init__(self, config: VideoClassifierConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.cnn = CNN(config.num_channels, config.conv_sizes, config.kernel_size, rngs=rngs)
        height, width = (-(-side // 2 ** len(config.conv_sizes)) for side in config.frame_shape)
        self.feature = nnx.Linear(
            height * width * config.conv_sizes[-1], config.feature_size, rngs=rngs
        )
        self.reader = Reader(config.reader, rngs=rngs)
        width = config.reader.output_size
        self.pooling = Pooling(config.pooling, width, rngs=rngs)
        self.output = nnx.Linear(width, config.num_classes, rngs=rngs)

    def features(self, frames: jax.Array, lengths: jax.Array | None = None) -> jax.Array:
        """A vector (B, T, F) for every frame (B, T, height, width, channels)."""
        check_array(frames, "frames")
        expected = (*self.config.frame_shape, self.config.num_channels)
        if frames.ndim != 5 or frames.shape[2:] != expected:
            raise ValueError(
                f"frames has shape {frames.shape}, but the model reads frames (B, T, "
                f"{', '.join(map(str, expected))}): height, width and channels of its config."
            )
        if lengths is not None:  # before the convolutions, whose sums would spread a NaN
            valid = length_mask(jnp.asarray(lengths), frames.shape[1]).T
            frames = select(valid, frames, jnp.zeros((), frames.dtype))
        rows, num_frames = frames.shape[:2]
        maps = self.cnn(reshape_rows(frames, rows * num_frames, *frames.shape[2:]))
        return jax.nn.relu(
            self.feature(reshape_rows(maps, rows, num_frames, math.prod(maps.shape[1:])))
        )

    def __call__(
        self,
        frames: jax.Array,
        *,
        lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> jax.Array:
        """Logits of the classes, (B, C)."""
        ys = self.reader(self.features(frames, lengths), lengths=lengths, key=key)
        return self.output(self.pooling(ys, lengths))

    def loss(
        self,
        frames: jax.Array,
        labels: jax.Array,
        *,
        lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> Sum:
        """Cross entropy of labels (B,), a count of B."""
        logits = self(frames, lengths=lengths, key=key)
        return cross_entropy(logits[None], jnp.asarray(labels)[None])

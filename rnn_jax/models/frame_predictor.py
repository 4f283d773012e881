"""The next frame of a film, by convolutional LSTMs, and all that may follow."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax import cells, drivers
from rnn_jax.bridge.nnx import RNN
from rnn_jax.cells.base import check_sizes
from rnn_jax.losses import Sum, bernoulli_nll, tally
from rnn_jax.models.checks import check_rates
from rnn_jax.models.rows import reshape_rows
from rnn_jax.typing import State


@dataclass(frozen=True, kw_only=True)
class FramePredictorConfig:
    """Sizes of ``FramePredictor``.

    Args:
        frame_shape: Height and width of a frame, multiples of ``patch``.
        patch: A square of so many pixels a side is one place of the network, its pixels channels.
        hidden_size: Channels of each layer.
        num_layers: Convolutional LSTMs, one on top of the other.
        kernel_size: Height and width of their kernels, in places.

    Raises:
        ValueError: If the patches do not tile a frame.

    Example:
        >>> [c.input_size for c in FramePredictorConfig(frame_shape=(24, 16), patch=4).cells]
        [16, 48]
    """

    frame_shape: tuple[int, int]
    patch: int = 4
    hidden_size: int = 48
    num_layers: int = 2
    kernel_size: int = 3

    def __post_init__(self) -> None:
        check_sizes(self)
        check_rates(self)
        if self.patch < 1 or any(side < 1 or side % self.patch for side in self.frame_shape):
            raise ValueError(
                f"FramePredictorConfig: squares of patch={self.patch} pixels do not tile frames of "
                f"{self.frame_shape}: choose one that divides both."
            )

    @property
    def cells(self) -> list[cells.ConvLSTM]:
        """The cell of each layer, lowest first."""
        height, width = (side // self.patch for side in self.frame_shape)
        sizes = [self.patch**2] + [self.hidden_size] * (self.num_layers - 1)
        return [
            cells.ConvLSTM(
                spatial_shape=(height, width),
                input_size=size,
                hidden_size=self.hidden_size,
                kernel_size=self.kernel_size,
            )
            for size in sizes
        ]


class FramePredictor(nnx.Module):
    """What frame comes next, each pixel the probability of light.

        x_t = squares of pixels of frame_t,   h_k = ConvLSTM_k(h_{k-1}),   h_0 = x
        frame_{t+1} ~ Bernoulli(sigmoid([h_1t, ..., h_Kt] @ w + b))

    Args:
        config: Sizes.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> from rnn_jax.models import take_apart
        >>> config = FramePredictorConfig(frame_shape=(8, 8), hidden_size=3)
        >>> model = FramePredictor(config, rngs=nnx.Rngs(0))
        >>> frames = jnp.ones((2, 5, 8, 8))
        >>> jax.jit(model)(frames)[0].shape, model.go_on(frames, 4).shape
        ((2, 5, 8, 8), (2, 4, 8, 8))

    References:
        Shi, Chen, Wang, Yeung, Wong and Woo, Convolutional LSTM network: a machine learning
        approach for precipitation nowcasting, 2015, arXiv:1506.04214 (squares as channels, all
        layers' states to the output).
    """

    def __init__(self, config: FramePredictorConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.layers = nnx.List([RNN(cell, rngs=rngs) for cell in config.cells])
        width = config.num_layers * config.hidden_size
        self.output = nnx.Linear(width, config.patch**2, rngs=rngs)

    def __call__(self, frames: jax.Array) -> tuple[jax.Array, State]:
        """Logits (B, T, height, width) of the frame after each of frames, and the last state.

        Args:
            frames: (B, T, height, width), from 0 to 1.
        """
        if frames.ndim != 4 or frames.shape[2:] != self.config.frame_shape:
            raise ValueError(
                f"frames has shape {frames.shape}, but the model reads (B, T, "
                f"{', '.join(map(str, self.config.frame_shape))})."
            )
        xs, states, outputs = self._squares(frames), [], []
        for layer in self.layers:
            state, xs = layer(xs)
            states.append(state)
            outputs.append(xs)
        return self._pixels(self.output(jnp.concatenate(outputs, -1))), tuple(states)

    def step(self, state: State, frame: jax.Array) -> tuple[State, jax.Array]:
        """One frame (B, height, width): the state after it and logits of the next one."""
        x, states, outputs = self._squares(frame), [], []
        for layer, before in zip(self.layers, state, strict=True):
            after, x = drivers.step(layer.cell, layer.get_params(), before, x)
            states.append(after)
            outputs.append(x)
        return tuple(states), self._pixels(self.output(jnp.concatenate(outputs, -1)))

    def go_on(self, frames: jax.Array, count: int) -> jax.Array:
        """Logits (B, count, height, width) of the frames that follow; it reads its own means.

        Args:
            frames: What is seen, (B, T, height, width).
            count: How many frames to go on for.
        """
        seen, state = self(frames)

        def alone(carry: Any, _: None) -> Any:
            state, logits = carry
            state, found = self.step(state, jax.nn.sigmoid(logits))
            return (state, found), found

        first = seen[:, -1]
        _, rest = jax.lax.scan(alone, (state, first), None, length=count - 1)
        return jnp.concatenate([first[:, None], jnp.moveaxis(rest, 0, 1)], 1)

    def loss(self, frames: jax.Array, seen: int | None = None) -> Sum:
        """Cross entropy of frames (B, T, height, width) but the first, in nats, a count of pixels.

        Args:
            frames: From 0 to 1.
            seen: Predict only what follows so many frames, without a look at it; None to read
                each frame before the next is predicted.
        """
        if seen is None:
            logits, targets = self(frames[:, :-1])[0], frames[:, 1:]
        else:
            logits = self.go_on(frames[:, :seen], frames.shape[1] - seen)
            targets = frames[:, seen:]
        pixels = math.prod(self.config.frame_shape)
        flat = [reshape_rows(x, *x.shape[:2], pixels).swapaxes(0, 1) for x in (logits, targets)]
        found = tally(bernoulli_nll(*flat))
        return found._replace(count=found.count * pixels)

    def _squares(self, frames: jax.Array) -> jax.Array:
        """(..., height, width) as (..., rows, columns, patch * patch)."""
        (height, width), p = self.config.frame_shape, self.config.patch
        split = reshape_rows(frames, *frames.shape[:-2], height // p, p, width // p, p)
        tiled = split.swapaxes(-3, -2)
        return reshape_rows(tiled, *frames.shape[:-2], height // p, width // p, p * p)

    def _pixels(self, squares: jax.Array) -> jax.Array:
        """Undoes ``_squares``."""
        p, (rows, columns) = self.config.patch, squares.shape[-3:-1]
        split = reshape_rows(squares, *squares.shape[:-1], p, p).swapaxes(-3, -2)
        return reshape_rows(split, *squares.shape[:-3], rows * p, columns * p)

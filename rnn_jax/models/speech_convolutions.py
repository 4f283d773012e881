"""Convolutions over time and frequency in front of a recurrent encoder, with exact lengths."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax.layers.common import clean


def clean_rows(xs: jax.Array, lengths: jax.Array | None) -> jax.Array:
    """Zero in (B, T, ...) where a step is not real.

    Example:
        >>> clean_rows(jnp.array([[[1.0], [jnp.nan]]]), jnp.array([1])).tolist()
        [[[1.0], [0.0]]]
    """
    return jnp.moveaxis(clean(jnp.moveaxis(xs, 1, 0), lengths), 0, 1)


def shorter(lengths: Any, factor: int) -> Any:
    """How many groups of ``factor`` steps there are: ``ceil(lengths / factor)``.

    Example:
        >>> shorter(jnp.array([0, 1, 4, 5]), 4).tolist()
        [0, 1, 1, 2]
    """
    return -(-lengths // factor)


class Convolutions(nnx.Module):
    """Convolutions of 3 x 3 that halve time and frequency, with exact lengths.

        y = relu(conv(x)),   new length = ceil(length / 2),   new bands = ceil(bands / 2)

    A row gives what it gives alone: each layer sees zeros behind the row's end, and one zero in
    front of the first step whatever the batch's length. (``padding="SAME"`` moves the window by one
    step where the padded length is even, so that a row's result would depend on its neighbours.)

    Args:
        input_size: F, features of a frame.
        channels: C of each layer.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> layers = Convolutions(8, (4, 5), rngs=nnx.Rngs(0))
        >>> ys, lengths = jax.jit(layers)(jnp.ones((2, 9, 8)), jnp.array([9, 4]))
        >>> ys.shape, lengths.tolist(), layers.output_size
        ((2, 3, 10), [3, 1], 10)

    References:
        Amodei et al., Deep speech 2, 2015, arXiv:1512.02595.
    """

    def __init__(self, input_size: int, channels: tuple[int, ...], *, rngs: nnx.Rngs) -> None:
        layers: list[Any] = []
        for before, after in zip((1, *channels), channels):
            layers.append(
                nnx.Conv(before, after, (3, 3), (2, 2), padding=((1, 1), (1, 1)), rngs=rngs)
            )
            input_size = -(-input_size // 2)
        self.layers = nnx.List(layers)
        self.output_size = input_size * channels[-1]

    def __call__(
        self, xs: jax.Array, lengths: jax.Array | None = None
    ) -> tuple[jax.Array, jax.Array | None]:
        """Outputs (B, T', F' * C) of frames (B, T, F), and their lengths."""
        ys = clean_rows(xs, lengths)[..., None]
        for layer in self.layers:
            ys = jax.nn.relu(layer(ys))
            lengths = None if lengths is None else shorter(lengths, 2)
            ys = clean_rows(ys, lengths)
        return ys.reshape(*ys.shape[:2], -1), lengths

"""A small convolutional network: images to a grid of features."""

import jax
from flax import nnx


class CNN(nnx.Module):
    """Convolutions that halve height and width, one after the other.

        maps_k = relu(conv_k(maps_{k-1})),         stride 2
        maps_k = relu(norm(conv_k(maps_{k-1})))    with norm: of the channels, at every place

    Args:
        num_channels: Of an image: 1 grey, 3 colour.
        conv_sizes: Channels after each convolution.
        kernel_size: Height and width of the convolutions.
        norm: Whether each convolution is followed by layer normalisation.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> import jax.numpy as jnp
        >>> cnn = CNN(3, (4, 8), rngs=nnx.Rngs(0))
        >>> jax.jit(cnn)(jnp.ones((2, 16, 12, 3))).shape
        (2, 4, 3, 8)
    """

    def __init__(
        self,
        num_channels: int,
        conv_sizes: tuple[int, ...],
        kernel_size: int = 3,
        *,
        norm: bool = False,
        rngs: nnx.Rngs,
    ) -> None:
        sizes, window = (num_channels, *conv_sizes), (kernel_size,) * 2
        self.num_channels = num_channels
        self.convolutions = nnx.List(
            [nnx.Conv(a, b, window, strides=2, rngs=rngs) for a, b in zip(sizes, sizes[1:])]
        )
        self.norms = nnx.List([nnx.LayerNorm(b, rngs=rngs) for b in conv_sizes]) if norm else None

    def __call__(self, images: jax.Array) -> jax.Array:
        """Maps (B, height', width', E) of images (B, height, width, channels)."""
        if images.ndim != 4 or images.shape[-1] != self.num_channels:
            raise ValueError(
                f"images has shape {images.shape}, but the model reads (B, height, width, "
                f"{self.num_channels})."
            )
        for k, convolution in enumerate(self.convolutions):
            images = convolution(images)
            if self.norms is not None:
                images = self.norms[k](images)
            images = jax.nn.relu(images)
        return images

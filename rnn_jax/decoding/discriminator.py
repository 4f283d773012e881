"""The judge of professor forcing: was this decoder taught, or running freely?"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.base import check_sizes
from rnn_jax.cells.gru import GRU
from rnn_jax.layers import RNN, Bidirectional
from rnn_jax.ops.initializers import Glorot
from rnn_jax.ops.linear import affine
from rnn_jax.ops.masks import length_mask


class DiscriminatorParams(NamedTuple):
    """Parameters of ``Discriminator``."""

    rnn: Any  # of the bidirectional layer
    layers: tuple[tuple[jax.Array, jax.Array], ...]  # w (D, G) and b (G,) of each; the last to 1


@dataclass(frozen=True, kw_only=True)
class Discriminator:
    """Tells taught behaviour from free: a bidirectional GRU and a perceptron on its outputs.

        u_t = perceptron([forward_t, backward_t]),   p(taught) = sigmoid(mean_t u_t)

    The perceptron has ReLUs between its layers. The mean is over a row's real steps; a row of none
    gets p = 1/2.

    Args:
        behaviour_size: H + V of the behaviours.
        hidden_size: Units of each direction.
        perceptron_sizes: Units of the perceptron's hidden layers.

    Raises:
        ValueError: If a size is not a whole number >= 1.

    Example:
        >>> judge = Discriminator(behaviour_size=10, hidden_size=4)
        >>> params = judge.init(jax.random.key(0))
        >>> judge.apply(params, jnp.ones((3, 2, 10)), lengths=jnp.array([3, 0])).shape
        (2,)

    References:
        Lamb et al., Professor forcing: a new algorithm for training recurrent networks, 2016,
        arXiv:1610.09038.
    """

    behaviour_size: int
    hidden_size: int
    perceptron_sizes: tuple[int, ...] = (64, 64)

    def __post_init__(self) -> None:
        check_sizes(self)
        sizes = self.perceptron_sizes
        if not isinstance(sizes, tuple) or any(not isinstance(s, int) or s < 1 for s in sizes):
            raise ValueError(
                f"Discriminator: perceptron_sizes must be a tuple of whole numbers >= 1, got "
                f"{sizes!r}."
            )

    @property
    def layer(self) -> Bidirectional:
        cell = GRU(input_size=self.behaviour_size, hidden_size=self.hidden_size)
        return Bidirectional(forward=RNN(cell=cell))

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> DiscriminatorParams:
        sizes = (self.layer.output_size, *self.perceptron_sizes, 1)
        key_rnn, *keys = jax.random.split(key, len(sizes))
        layers = tuple(
            (Glorot()(key, shape, dtype), jnp.zeros((shape[1],), dtype))
            for key, shape in zip(keys, zip(sizes[:-1], sizes[1:]))
        )
        return DiscriminatorParams(rnn=self.layer.init(key_rnn, dtype), layers=layers)

    def apply(
        self, params: DiscriminatorParams, behaviour: jax.Array, *, lengths: jax.Array | None = None
    ) -> jax.Array:
        """The logit (*B,) that a behaviour (T, *B, H + V) is a taught one."""
        u = self.layer.apply(params.rnn, behaviour, lengths=lengths).ys
        for place, (w, b) in enumerate(params.layers):
            u = affine(u if place == 0 else jax.nn.relu(u), w, b)
        u = u[..., 0]
        if lengths is None:
            return jnp.mean(u, axis=0)
        real = length_mask(jnp.asarray(lengths), u.shape[0])
        count = jnp.maximum(jnp.sum(real, axis=0, dtype=u.dtype), 1)
        return jnp.sum(jnp.where(real, u, 0), axis=0) / count

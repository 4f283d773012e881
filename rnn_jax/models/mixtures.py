"""Mixtures of normal distributions as values: densities, draws, regions (Bishop 1994)."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.losses import mixture_nll


class Mixture(NamedTuple):
    """A mixture of normal distributions for each object's next position.

    Example:
        >>> mean = jnp.array([[[[-2.0, 0.0], [2.0, 0.0]]]])  # (1, 1, 2, 2): either here or there
        >>> mixture = Mixture(jnp.zeros((1, 1, 2)), mean, jnp.full_like(mean, -3.0))
        >>> abs(mixture.sample(jax.random.key(0))).round().tolist()
        [[[2.0, 0.0]]]
        >>> mixture.mass_above(jax.random.key(0), mean[..., 0, :], 100).tolist()  # the densest
        [[0.0]]
    """

    logits: jax.Array  # (..., O, K)
    means: jax.Array  # (..., O, K, D)
    log_scales: jax.Array  # (..., O, K, D)

    def nll(self, positions: jax.Array) -> jax.Array:
        """-log p of positions (..., O, D), of each object (..., O)."""
        return mixture_nll(*self, positions)

    def sample(self, key: jax.Array) -> jax.Array:
        """Draws positions (..., O, D)."""
        key_k, key_x = jax.random.split(key)
        chosen = jax.random.categorical(key_k, self.logits)[..., None, None]
        mean, log_scale = (
            jnp.take_along_axis(leaf, chosen, axis=-2)[..., 0, :]
            for leaf in (self.means, self.log_scales)
        )
        return mean + jnp.exp(log_scale) * jax.random.normal(key_x, mean.shape, mean.dtype)

    def mass_above(self, key: jax.Array, positions: jax.Array, num_samples: int) -> jax.Array:
        """The probability (..., O) of places that are more probable than positions (..., O, D).

        Positions lie in the densest region of 80 % where it is at most 0.8; if the mixture is
        right that is so 80 times of 100. By counting ``num_samples`` draws.
        """
        here = self.nll(positions)

        def count(total: jax.Array, key: jax.Array) -> tuple[jax.Array, None]:
            return total + (self.nll(self.sample(key)) < here).astype(total.dtype), None

        keys = jax.random.split(key, num_samples)
        return jax.lax.scan(count, jnp.zeros_like(here), keys)[0] / num_samples

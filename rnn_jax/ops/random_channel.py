"""Another microphone: the same words through a filter drawn at random."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from rnn_jax.ops.linear import wider


@dataclass(frozen=True, kw_only=True)
class RandomChannel:
    """Add one smooth curve over the bands to all frames of a row, as a microphone and a room do.

        y_tf = x_tf + sum_k c_k cos(pi k (f + 1/2) / F),   c_k ~ N(0, strength^2 / k),   k = 1 .. K

    In the logarithm a filter is a sum, and a smooth one has few cosines: these are its first
    cepstral coefficients. Its mean over the bands is 0, so that the level stays.

    Args:
        strength: Standard deviation of the first coefficient, in the unit of the features.
        order: K.

    Raises:
        ValueError: If a number lies out of range.

    Example:
        >>> channel = RandomChannel(strength=0.3)
        >>> ys = channel(jax.random.key(0), jnp.zeros((5, 3, 8)))
        >>> ys.shape, bool((ys == ys[:1]).all()), bool(abs(ys.mean(-1)).max() < 1e-6)
        ((5, 3, 8), True, True)

    References:
        Atal, Effectiveness of linear prediction characteristics of the speech wave for automatic
        speaker identification and verification, 1974, doi:10.1121/1.1914702 (a channel is a
        constant in the cepstrum).
    """

    strength: float
    order: int = 5

    def __post_init__(self) -> None:
        if not self.strength >= 0 or self.order < 1:
            raise ValueError(
                f"RandomChannel: strength={self.strength} must be >= 0 and order={self.order} >= 1."
            )

    def __call__(self, key: jax.Array, xs: jax.Array) -> jax.Array:
        """xs (T, *B, F), every row of the batch through a filter of its own."""
        wide = wider(xs.dtype, jnp.float32)
        numbers = jnp.arange(1, self.order + 1, dtype=wide)
        draws = jax.random.normal(key, (*xs.shape[1:-1], self.order), wide)
        places = (jnp.arange(xs.shape[-1], dtype=wide) + 0.5) / xs.shape[-1]
        cosines = jnp.cos(jnp.pi * jnp.outer(numbers, places))
        deviations = self.strength / jnp.sqrt(numbers)
        curve = draws @ (deviations[:, None] * cosines)
        return xs + jnp.broadcast_to(curve.astype(xs.dtype)[None], xs.shape)

"""What a hypothesis is worth beside its probability: penalties of length and of coverage."""

from dataclasses import dataclass
from typing import Protocol

import jax
import jax.numpy as jnp


class LengthPenalty(Protocol):
    """From log-probability and length to a score.

    Any function will do that is hashable, elementwise and, at every length, does not fall where the
    log-probability rises: ``beam_search`` proves by that when it may stop.
    """

    def __call__(self, log_probs: jax.Array, lengths: jax.Array, /) -> jax.Array: ...


@dataclass(frozen=True)
class NoPenalty:
    """The score is the log-probability, which prefers what is short: ``score = log p``.

    Example:
        >>> NoPenalty()(jnp.array([-1.0, -1.5]), jnp.array([2, 6])).tolist()
        [-1.0, -1.5]
    """

    def __call__(self, log_probs: jax.Array, lengths: jax.Array) -> jax.Array:
        return log_probs


@dataclass(frozen=True)
class GNMT:
    """The length penalty of Google's translation system.

        score = log p / ((5 + n) / 6)^alpha

    Args:
        alpha: 0 is no penalty; the paper finds 0.6 to 0.7 best, OpenNMT calls it "wu".

    Raises:
        ValueError: If alpha is negative or no number.

    Example:
        >>> (1000 * GNMT(1.0)(jnp.array([-1.0, -1.3]), jnp.array([2, 6]))).round().tolist()
        [-857.0, -709.0]

    References:
        Wu et al., Google's neural machine translation system, 2016, arXiv:1609.08144.
    """

    alpha: float = 0.6

    def __post_init__(self) -> None:
        check_weight("alpha", self.alpha)

    def __call__(self, log_probs: jax.Array, lengths: jax.Array) -> jax.Array:
        return log_probs / ((5 + lengths.astype(log_probs.dtype)) / 6) ** self.alpha


@dataclass(frozen=True)
class Average:
    """The log-probability of a token on average: ``score = log p / n^alpha``.

    Args:
        alpha: 1 is the average, 0 is no penalty.

    Raises:
        ValueError: If alpha is negative or no number.

    Example:
        >>> Average()(jnp.array([-1.0, -1.5]), jnp.array([2, 6])).tolist()
        [-0.5, -0.25]

    References:
        Jean et al., Montreal neural machine translation systems for WMT'15, 2015,
        doi:10.18653/v1/W15-3014.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        check_weight("alpha", self.alpha)

    def __call__(self, log_probs: jax.Array, lengths: jax.Array) -> jax.Array:
        return log_probs / lengths.astype(log_probs.dtype) ** self.alpha


@dataclass(frozen=True)
class WordReward:
    """A bonus for every token: ``score = log p + reward * n``.

    Args:
        reward: In nats.

    Raises:
        ValueError: If the reward is negative or no number.

    Example:
        >>> WordReward(0.5)(jnp.array([-1.0, -2.0]), jnp.array([2, 6])).tolist()
        [0.0, 1.0]

    References:
        He et al., Improved neural machine translation with SMT features, 2016,
        doi:10.1609/aaai.v30i1.9983.
    """

    reward: float

    def __post_init__(self) -> None:
        check_weight("reward", self.reward)

    def __call__(self, log_probs: jax.Array, lengths: jax.Array) -> jax.Array:
        return log_probs + self.reward * lengths.astype(log_probs.dtype)


@dataclass(frozen=True)
class Coverage:
    """What a hypothesis loses for source steps that it has hardly looked at; never above 0.

        penalty = beta * sum_s log(min(sum_t a_ts, 1))

    The paper's formula is -inf where a source step got no weight at all, as hard attention gives;
    here such a step counts as ``floor``.

    Args:
        beta: Weight of the penalty; the paper finds 0.2 best.
        floor: Least coverage of a source step, in (0, 1].

    Raises:
        ValueError: If beta is negative, or the floor is outside (0, 1].

    Example:
        >>> (100 * Coverage(0.5)(jnp.array([[1.5, 1.0], [1.0, 0.0]]))).round().tolist()
        [0.0, -691.0]

    References:
        Wu et al., Google's neural machine translation system, 2016, arXiv:1609.08144.
    """

    beta: float = 0.2
    floor: float = 1e-6

    def __post_init__(self) -> None:
        check_weight("beta", self.beta)
        if not 0 < self.floor <= 1:
            raise ValueError(f"floor={self.floor!r} must lie in (0, 1]: a share of attention.")

    def __call__(self, coverage: jax.Array, valid: jax.Array | None = None) -> jax.Array:
        """The penalty (*B,) of attention summed over time (*B, S); ``valid`` (*B, S): real."""
        logs = jnp.log(jnp.clip(coverage, self.floor, 1.0))
        if valid is not None:
            logs = jnp.where(valid, logs, jnp.zeros_like(logs))
        return self.beta * jnp.sum(logs, axis=-1)


def check_weight(name: str, value: float) -> None:
    """Check that a weight is a finite number >= 0.

    Raises:
        ValueError: Naming it and its value.

    Example:
        >>> check_weight("alpha", 0.6)
    """
    good = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not good or not 0 <= value < float("inf"):
        raise ValueError(f"{name}={value!r} must be a finite number >= 0; 0 turns it off.")

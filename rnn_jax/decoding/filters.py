"""Filters of a distribution: which tokens may be drawn, and how sharply.

A filter is called as ``filter(logits) -> logits``, (*B, V) in float32 or wider; what it excludes
becomes -inf. Filters are equal when their fields are.
"""

from dataclasses import dataclass
from math import log

import jax
import jax.numpy as jnp


@dataclass(frozen=True)
class Temperature:
    """Divide the logits: below 1 sharper, above 1 flatter.

        p_v ~ exp(logits_v / temperature)

    Args:
        temperature: > 0; for the limit at 0 there is ``Greedy``.

    Raises:
        ValueError: If it is not positive and finite.

    Example:
        >>> Temperature(0.5)(jnp.array([1.0, 2.0])).tolist()
        [2.0, 4.0]
    """

    temperature: float

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise ValueError(
                f"Temperature: temperature must be positive and finite, got {self.temperature!r}: "
                f"for the most probable token choose Greedy()."
            )

    def __call__(self, logits: jax.Array) -> jax.Array:
        return logits / self.temperature


@dataclass(frozen=True)
class TopK:
    """Keep the k most probable tokens, exactly k: of equal ones the first.

    Hugging Face and others keep all that are equal to the k-th; here ``TopK(1)`` is ``Greedy``.

    Args:
        k: 1..V.

    Raises:
        ValueError: If k is below 1, or above V when called.

    Example:
        >>> TopK(2)(jnp.array([1.0, 3.0, 1.0, 0.0])).tolist()
        [1.0, 3.0, -inf, -inf]

    References:
        Fan, Lewis and Dauphin, Hierarchical neural story generation, 2018, arXiv:1805.04833.
    """

    k: int

    def __post_init__(self) -> None:
        if not isinstance(self.k, int) or isinstance(self.k, bool) or self.k < 1:
            raise ValueError(f"TopK: k must be a whole number >= 1, got {self.k!r}.")

    def __call__(self, logits: jax.Array) -> jax.Array:
        if self.k > logits.shape[-1]:
            raise ValueError(
                f"TopK: k={self.k}, but there are {logits.shape[-1]} tokens: give k <= V."
            )
        largest = jax.lax.top_k(logits, self.k)[0]
        return _keep(logits, largest[..., -1:], jnp.full_like(largest[..., :1], self.k, jnp.int32))


@dataclass(frozen=True)
class TopP:
    """Nucleus sampling: keep the smallest set of most probable tokens that holds probability p.

        keep v_1, ..., v_n in falling order,   n = min {m: p(v_1) + ... + p(v_m) >= p}

    At least one token is kept; of equal ones the first.

    Args:
        p: In (0, 1]; 1 keeps all.

    Raises:
        ValueError: If p is not in (0, 1].

    Example:
        >>> TopP(0.7)(jnp.log(jnp.array([0.125, 0.5, 0.25, 0.125]))) > -jnp.inf
        Array([False,  True,  True, False], dtype=bool)

    References:
        Holtzman et al., The curious case of neural text degeneration, 2019, arXiv:1904.09751.
    """

    p: float

    def __post_init__(self) -> None:
        _check_share("TopP", self.p)

    def __call__(self, logits: jax.Array) -> jax.Array:
        if self.p == 1:
            return logits
        falling = jnp.sort(logits, axis=-1, descending=True)
        shares = jax.nn.softmax(falling, axis=-1)
        before = jnp.cumsum(shares, axis=-1) - shares
        count = jnp.maximum(jnp.sum(before < self.p, axis=-1, keepdims=True, dtype=jnp.int32), 1)
        places = jax.lax.broadcasted_iota(jnp.int32, falling.shape, falling.ndim - 1)
        kept = jnp.where(places < jnp.broadcast_to(count, falling.shape), falling, jnp.inf)
        return _keep(logits, jnp.min(kept, axis=-1, keepdims=True), count)


@dataclass(frozen=True)
class MinP:
    """Keep the tokens that are at least p times as probable as the most probable one.

        keep v where p(v) >= p * max_u p(u)

    Args:
        p: In (0, 1]; 1 keeps the most probable ones.

    Raises:
        ValueError: If p is not in (0, 1].

    Example:
        >>> MinP(0.5)(jnp.log(jnp.array([0.5, 0.3, 0.2]))) > -jnp.inf
        Array([ True,  True, False], dtype=bool)

    References:
        Nguyen et al., Turning up the heat: min-p sampling for creative and coherent LLM outputs,
        2024, arXiv:2407.01082.
    """

    p: float

    def __post_init__(self) -> None:
        _check_share("MinP", self.p)

    def __call__(self, logits: jax.Array) -> jax.Array:
        floor = jnp.max(logits, axis=-1, keepdims=True) + log(self.p)
        return jnp.where(logits >= jnp.broadcast_to(floor, logits.shape), logits, -jnp.inf)


@dataclass(frozen=True)
class Forbid:
    """Never choose some tokens, such as padding or the start symbol.

    Args:
        tokens: Ids in 0..V-1, not all of them.

    Raises:
        ValueError: If it is no tuple of ids; when called, if an id is outside the vocabulary or
            none is left.

    Example:
        >>> Forbid((0,))(jnp.array([5.0, 1.0, 2.0])).tolist()
        [-inf, 1.0, 2.0]
    """

    tokens: tuple[int, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.tokens, tuple) or not all(
            hasattr(t, "__index__") for t in self.tokens
        ):
            raise ValueError(f"Forbid: tokens must be a tuple of ids, (0,), got {self.tokens!r}.")

    def __call__(self, logits: jax.Array) -> jax.Array:
        size = logits.shape[-1]
        wrong = [token for token in self.tokens if not 0 <= token < size]
        if wrong or len(set(self.tokens)) == size:
            raise ValueError(
                f"Forbid: tokens={self.tokens} with {size} tokens in all: give ids in "
                f"0..{size - 1}, and leave at least one."
            )
        ids = jax.lax.broadcasted_iota(jnp.int32, logits.shape, logits.ndim - 1)
        for token in set(self.tokens):
            logits = jnp.where(ids == token, -jnp.inf, logits)
        return logits


def _keep(logits: jax.Array, smallest: jax.Array, count: jax.Array) -> jax.Array:
    """The ``count`` (*B, 1) largest, whose smallest is given; of those equal to it the first."""
    smallest, count = (jnp.broadcast_to(x, logits.shape) for x in (smallest, count))
    above, equal = logits > smallest, logits == smallest
    spare = count - jnp.sum(above, axis=-1, keepdims=True, dtype=jnp.int32)
    rank = jnp.cumsum(equal, axis=-1, dtype=jnp.int32)
    return jnp.where(above | (equal & (rank <= spare)), logits, -jnp.inf)


def _check_share(name: str, p: float) -> None:
    if not 0 < p <= 1:
        raise ValueError(f"{name}: p must lie in (0, 1], got {p!r}: it is a share of probability.")

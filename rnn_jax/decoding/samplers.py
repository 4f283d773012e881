"""From logits to a token: the most probable one, or one drawn from a filtered distribution.

A *choice* is called as ``choose(logits, key) -> token``: logits (*B, V), token (*B,). It is equal
to another when their filters are, and works in float32 or wider.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from rnn_jax.ops.linear import wider
from rnn_jax.ops.types import shard_like

Filter = Callable[[jax.Array], jax.Array]


def _filtered(logits: jax.Array, filters: tuple[Filter, ...]) -> jax.Array:
    logits = logits.astype(wider(logits.dtype, jnp.float32))
    for one in filters:
        logits = one(logits)
    return logits


def _is_filter(one: object) -> bool:
    return callable(one) and not isinstance(one, type)


def _check_filters(choice: "Greedy | Sample") -> None:
    if not isinstance(choice.filters, tuple) or not all(map(_is_filter, choice.filters)):
        raise ValueError(
            f"{type(choice).__name__}: filters must be a tuple of filters, got {choice.filters!r}: "
            f"for one filter write (Temperature(0.7),)."
        )


@dataclass(frozen=True)
class Greedy:
    """The most probable token; of equal ones the first.

        token = argmax_v logits_v

    Args:
        filters: What is applied before; only ``Forbid`` can matter.

    Example:
        >>> Greedy()(jnp.array([[0.0, 2.0, 1.0], [3.0, 3.0, 1.0]])).tolist()
        [1, 0]
    """

    filters: tuple[Filter, ...] = ()
    needs_key: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_filters(self)

    def __call__(self, logits: jax.Array, key: jax.Array | None = None) -> jax.Array:
        return jnp.argmax(_filtered(logits, self.filters), axis=-1)


@dataclass(frozen=True)
class Sample:
    """A token drawn from the softmax of the filtered logits.

        token ~ softmax(filter_n(... filter_1(logits)))

    Rows of one call draw independently. Filters act in their order: a temperature before ``TopP``
    or ``MinP`` changes what these keep, one after them does not.

    Args:
        filters: Applied from first to last; none for the model's own distribution.

    Example:
        >>> from rnn_jax.decoding import Temperature, TopK
        >>> choose = Sample((Temperature(0.7), TopK(2)))
        >>> choose(jnp.array([0.0, 9.0, -9.0]), jax.random.key(0)).tolist()
        1
    """

    filters: tuple[Filter, ...] = ()
    needs_key: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_filters(self)

    def __call__(self, logits: jax.Array, key: jax.Array) -> jax.Array:
        logits = _filtered(logits, self.filters)
        noise = jax.random.gumbel(key, logits.shape, logits.dtype)
        return jnp.argmax(logits + shard_like(noise, logits), axis=-1)

"""A loss as a sum and a count, from which every mean is made, exactly."""

from math import log
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.drivers.checks import known
from rnn_jax.losses.checks import real_steps
from rnn_jax.ops.linear import wider
from rnn_jax.ops.masks import select


class Sum(NamedTuple):
    """The sum of a loss over real tokens, and their number.

    Sums of batches, of shards and of windows add up (``merge``; ``jax.lax.psum`` of a Sum inside
    ``shard_map``), means do not: the mean of the means of ragged shards is another number.
    """

    total: jax.Array  # () summed loss, in nats where it is a log-likelihood
    # mypy: every tuple has a method of this name, which nobody asks of a Sum
    count: jax.Array  # type: ignore[assignment]  # () number of real tokens, integer

    @property
    def mean(self) -> jax.Array:
        """Loss per real token; 0, with zero gradient, where there is none."""
        return self.share(self.count)

    @property
    def perplexity(self) -> jax.Array:
        """``exp(mean)``: among how many equally probable tokens one would choose."""
        return jnp.exp(self.mean)

    @property
    def bits(self) -> jax.Array:
        """``mean / log(2)``: bits per token; per character where tokens are characters."""
        return self.mean / log(2)

    def share(self, count: Any) -> jax.Array:
        """This sum's part of the mean over ``count`` tokens, of which it has only some.

            share = total / max(count, 1)

        The shares of all shards, or of all windows or micro-batches of one update, add up to the
        mean over all their tokens, and so do the gradients. On a mesh:

            part = losses.cross_entropy(...)                        # of this shard's rows
            loss = part.share(jax.lax.psum(part.count, "data"))     # sums to the mean

        inside ``jax.shard_map`` with its default check the gradient with respect to replicated
        parameters is already the sum over shards; under ``jax.pmap``, and with the check off, take
        the ``psum`` of the gradients, never their mean.

        Args:
            count: Number of real tokens of all the sums together, (), integer.
        """
        count = jnp.asarray(count)
        return self.total / jnp.maximum(count, jnp.ones_like(count)).astype(self.total.dtype)


def tally(values: jax.Array, *, lengths: Any = None, mask: Any = None) -> Sum:
    """Add up the losses of real tokens (or rows) and count them.

        total = sum(values over real entries),   count = number of real entries

    Args:
        values: Loss of each token (T, *B), or of each row (*B,) from a sequence loss.
        lengths: Real steps of each row (*B,), where values are (T, *B).
        mask: Bool in the shape of values, True = real.

    Returns:
        ``Sum``, in float32 or wider; what the padding holds, NaN too, changes nothing.

    Raises:
        ValueError: If lengths or mask do not fit.

    Example:
        >>> part = tally(jnp.array([[1.0, 2.0], [3.0, jnp.nan]]), lengths=jnp.array([2, 1]))
        >>> part.total.item(), part.count.item(), part.mean.item()
        (6.0, 3, 2.0)
    """
    values = jnp.asarray(values)
    values = values.astype(wider(values.dtype, jnp.float32))
    real = real_steps(values, lengths, mask) if values.ndim else jnp.ones((), bool)
    total = jnp.sum(select(real, values, jnp.zeros((), values.dtype)))
    return Sum(total, jnp.sum(real, dtype=jnp.int32))


def merge(*sums: Sum) -> Sum:
    """The sum over several batches: totals and counts added.

    Over a long evaluation add Python numbers, ``total += float(part.total)``, which are float64.

    Raises:
        ValueError: If there is none.

    Example:
        >>> a, b = tally(jnp.array([1.0, 2.0])), tally(jnp.array([6.0]))
        >>> merge(a, b).mean.item()
        3.0
    """
    if not sums:
        raise ValueError("merge: there is nothing to merge; give at least one Sum.")
    return jax.tree.map(lambda *leaves: sum(leaves[1:], leaves[0]), *sums)


def check_probability(name: str, value: Any) -> None:
    """Check that a setting lies in [0, 1), where its value is known.

    Raises:
        ValueError: Naming it.

    Example:
        >>> check_probability("label_smoothing", 0.1)
    """
    if known(value) and not 0 <= float(value) < 1:
        raise ValueError(f"{name} must lie in [0, 1), got {value}.")

"""From a sequence of vectors to one: last, mean, max, or attention."""

from typing import Literal, get_args

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax.models.bridges import mean_over_time
from rnn_jax.ops import length_mask, select

Kind = Literal["last", "mean", "max", "attention"]


def check_pooling(owner: str, kind: str) -> None:
    """Check that a pooling is one of ``Kind``.

    Raises:
        ValueError: Naming the owner and what was given.

    Example:
        >>> check_pooling("Classifier", "mean")
    """
    if kind not in get_args(Kind):
        raise ValueError(f"{owner}: pooling must be one of {get_args(Kind)}, got {kind!r}.")


class Pooling(nnx.Module):
    """One vector of a sequence, over its real steps; zero for a row without any.

        last        y_T of the row
        mean, max   over time
        attention   sum_t a_t y_t,  a = softmax(tanh(y w + b) u)

    Args:
        kind: Which.
        size: O of the vectors.
        rngs: Its stream ``params`` draws the parameters of attention.

    Example:
        >>> pool = Pooling("mean", 2, rngs=nnx.Rngs(0))
        >>> pool(jnp.array([[[1.0, 2.0], [3.0, 4.0]]]), jnp.array([1])).tolist()
        [[1.0, 2.0]]

    References:
        Yang et al., Hierarchical attention networks for document classification, 2016 (attention).
    """

    def __init__(self, kind: Kind, size: int, *, rngs: nnx.Rngs) -> None:
        check_pooling("Pooling", kind)
        self.kind = kind
        if kind == "attention":
            self.hidden = nnx.Linear(size, size, rngs=rngs)
            self.score = nnx.Linear(size, 1, use_bias=False, rngs=rngs)

    def __call__(self, ys: jax.Array, lengths: jax.Array | None = None) -> jax.Array:
        """Vectors (B, O) of ys (B, T, O)."""
        if lengths is None:
            lengths = jnp.full(ys.shape[0], ys.shape[1])
        valid = length_mask(jnp.asarray(lengths), ys.shape[1]).T  # (B, T)
        ys = select(valid, ys, jnp.zeros((), ys.dtype))
        if self.kind == "last":
            last = jnp.maximum(jnp.asarray(lengths) - 1, 0)
            return jnp.take_along_axis(ys, last[:, None, None], axis=1)[:, 0]
        if self.kind == "max":
            highest = jnp.max(select(valid, ys, jnp.full((), -jnp.inf, ys.dtype)), axis=1)
            return jnp.where(valid.any(1)[:, None], highest, 0)
        if self.kind == "mean":
            return mean_over_time(ys, lengths)
        return jnp.einsum("bt,bto->bo", self.weights(ys, valid), ys)

    def weights(self, ys: jax.Array, valid: jax.Array) -> jax.Array:
        """Attention (B, T) over the real steps of ys (B, T, O): which words decide."""
        scores = self.score(jnp.tanh(self.hidden(ys)))[..., 0]
        # finite in place of -inf: a row of padding alone would have a NaN gradient
        weights = jax.nn.softmax(jnp.where(valid, scores, -1e30), axis=1)
        return jnp.where(valid, weights, 0)

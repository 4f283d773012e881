"""Neural autoregressive distribution estimator (Larochelle and Murray 2011): labels that depend.

    p(y) = prod_d p(y_d | y_1 .. y_{d-1}),   p(y_d = 1 | ...) = sigmoid(b_d + v_d . h_d)
    h_d = sigmoid(c + sum_{j<d} w_j y_j)

Exact, at the cost of one pass over the labels: the sum inside h_d grows by one term at a time. With
b and c from a recurrent network it is the output of the RNN-NADE (Boulanger-Lewandowski 2012).
"""

from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.losses.checks import as_scores
from rnn_jax.ops.linear import wider
from rnn_jax.ops.types import vary_like


def nade_logits(b: jax.Array, c: jax.Array, w: jax.Array, v: jax.Array, labels: Any) -> jax.Array:
    """Logits of each label given those before it; ``bernoulli_nll`` makes the exact loss of them.

        -log p(y) = bernoulli_nll(nade_logits(b, c, w, v, y), y)

    Args:
        b: Biases of the labels (T, *B, D).
        c: Biases of the hidden units (T, *B, H).
        w: Weights of the labels in the hidden units (D, H).
        v: Weights of the hidden units in the logits (D, H).
        labels: y (T, *B, D), bool, or numbers 0 and 1.

    Returns:
        (T, *B, D) in float32 or wider.

    Raises:
        ValueError: If shapes or dtypes do not fit.

    Example:
        >>> b, c, w = jnp.zeros((5, 2, 3)), jnp.zeros((5, 2, 4)), jnp.ones((3, 4))
        >>> logits = nade_logits(b, c, w, w, jnp.ones((5, 2, 3), bool))
        >>> [round(logit, 3) for logit in logits[0, 0].tolist()]  # they know more and more labels
        [2.0, 2.924, 3.523]

    References:
        Larochelle and Murray, The neural autoregressive distribution estimator, AISTATS 2011.
        Boulanger-Lewandowski, Bengio and Vincent, Modeling temporal dependencies in
        high-dimensional sequences, 2012, arXiv:1206.6392.
    """
    b, c, w, v = _checked(b, c, w, v)
    labels = jnp.asarray(labels).astype(b.dtype)
    if labels.shape != b.shape:
        raise ValueError(f"labels has shape {labels.shape}, but b {b.shape}: give as many.")

    @jax.checkpoint  # keep the sums alone: the hidden units of a label come from them
    def label(sums: jax.Array, given: Any) -> tuple[jax.Array, jax.Array]:
        b_d, w_d, v_d, y_d = given
        logit = b_d + jax.nn.sigmoid(sums) @ v_d
        return _with_label(sums, y_d, w_d), logit

    each = jnp.moveaxis(b, -1, 0), w, v, jnp.moveaxis(labels, -1, 0)
    _, logits = jax.lax.scan(label, c, each, unroll=min(4, len(w)))
    return jnp.moveaxis(logits, 0, -1)


def nade_sample(
    key: jax.Array, b: jax.Array, c: jax.Array, w: jax.Array, v: jax.Array
) -> jax.Array:
    """Draws labels, one after the other.

    Args:
        key: Random key.
        b: Biases of the labels (*B, D).
        c: Biases of the hidden units (*B, H).
        w: Weights of the labels in the hidden units (D, H).
        v: Weights of the hidden units in the logits (D, H).

    Returns:
        (*B, D) bool.

    Raises:
        ValueError: If shapes or dtypes do not fit.

    Example:
        >>> b, c, w = jnp.full((9, 3), 50.0), jnp.zeros((9, 4)), jnp.ones((3, 4))
        >>> bool(nade_sample(jax.random.key(0), b, c, w, w).all())
        True
    """
    b, c, w, v = _checked(b, c, w, v)

    def label(sums: jax.Array, given: Any) -> tuple[jax.Array, jax.Array]:
        b_d, w_d, v_d, noise = given
        # P(noise < logit) = sigmoid(logit) for noise of the logistic distribution.
        y_d = noise < b_d + jax.nn.sigmoid(sums) @ v_d
        return _with_label(sums, y_d.astype(sums.dtype), w_d), y_d

    logits = jnp.moveaxis(b, -1, 0)
    noise = jax.random.logistic(key, logits.shape, logits.dtype)
    return jnp.moveaxis(jax.lax.scan(label, c, (logits, w, v, noise))[1], 0, -1)


def _with_label(sums: jax.Array, y_d: jax.Array, w_d: jax.Array) -> jax.Array:
    return sums + y_d[..., None] * jnp.broadcast_to(w_d, sums.shape)


def _checked(b: Any, c: Any, w: Any, v: Any) -> tuple[jax.Array, ...]:
    """All in one dtype; the weights as different from shard to shard as the biases."""
    b, c = as_scores("b", b, "(*B, D)"), as_scores("c", c, "(*B, H)")
    w, v = as_scores("w", w, "(D, H)"), as_scores("v", v, "(D, H)")
    if b.shape[:-1] != c.shape[:-1] or not w.shape == v.shape == (b.shape[-1], c.shape[-1]):
        raise ValueError(
            f"b has shape {b.shape}, c {c.shape}, w {w.shape} and v {v.shape}: they must be "
            "(*B, D), (*B, H), (D, H) and (D, H)."
        )
    dtype = wider(b.dtype, c.dtype, w.dtype, v.dtype)
    found = [x.astype(dtype) for x in (b, c, w, v)]
    return *found[:2], *vary_like(found[2:], found[1])

"""Training with a large vocabulary by a sample of it (Jean et al. 2015)."""

from dataclasses import dataclass
from math import log
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec

from rnn_jax.losses.checks import as_labels, as_scores, real_steps
from rnn_jax.ops.checks import check_sizes
from rnn_jax.ops.linear import wider
from rnn_jax.ops.masks import select
from rnn_jax.ops.types import explicit_sharding
from rnn_jax.typing import Array


@dataclass(frozen=True, kw_only=True)
class LogUniform:
    """Words drawn as Zipf's law has them, numbered by falling frequency.

        q(w) = log((w + 2) / (w + 1)) / log(V + 1)

    Args:
        vocab_size: V.

    Raises:
        ValueError: For an empty vocabulary.

    Example:
        >>> words = LogUniform(vocab_size=9)
        >>> bool(jnp.isclose(jnp.exp(words.log_prob(jnp.arange(9))).sum(), 1))
        True
        >>> words.draw(jax.random.key(0), 5).shape
        (5,)
    """

    vocab_size: int

    def __post_init__(self) -> None:
        check_sizes(self)

    def draw(self, key: jax.Array, num_samples: int) -> jax.Array:
        """(num_samples,) int32, independent: words may repeat."""
        uniform = jax.random.uniform(key, (num_samples,), jnp.float32)
        words = jnp.exp(uniform * log(self.vocab_size + 1)).astype(jnp.int32) - 1
        return jnp.clip(words, 0, self.vocab_size - 1)

    def log_prob(self, words: jax.Array) -> jax.Array:
        """log q of each word, float32."""
        place = words.astype(jnp.float32) + 1
        return jnp.log(jnp.log1p(1 / place) / log(self.vocab_size + 1))


def sampled_token_losses(
    embedding: jax.Array,
    hs: jax.Array,
    labels: jax.Array,
    samples: jax.Array,
    log_q: jax.Array,
    *,
    b: jax.Array | None = None,
    lengths: Any = None,
    mask: Any = None,
) -> jax.Array:
    """Cross entropy against a sample of the vocabulary, for training only.

        s_w = h . embedding_w + b_w
        loss = log(exp(s_label) + sum_{w in samples, w != label} exp(s_w) / (K q(w))) - s_label

    The sum estimates the softmax's denominator without bias, so ``exp(loss)`` has the mean
    ``1 / p(label)``, and the loss grows to the full one as K grows. Only K + 1 rows of the matrix
    take part. Evaluate with the full ``cross_entropy``.

    Args:
        embedding: Output matrix (V, H), one row for each word, as ``tied_logits`` has it.
        hs: Hidden states (T, *B, H).
        labels: Right words (T, *B); anything on padding.
        samples: Words (K,) drawn independently from q, such as ``LogUniform(...).draw(key, K)``;
            the same ones for all tokens.
        log_q: log q of the samples (K,).
        b: (V,), or None.
        lengths: Real steps of each row (*B,).
        mask: (T, *B) bool, True = real.

    Returns:
        (T, *B) in float32 or wider, 0 on padding.

    Raises:
        ValueError: If shapes or dtypes do not fit, or a real label or a sample is known to be no
            word.

    Example:
        >>> words = LogUniform(vocab_size=7)
        >>> samples = words.draw(jax.random.key(0), 5)
        >>> loss = sampled_token_losses(
        ...     jnp.ones((7, 4)),
        ...     jnp.ones((3, 2, 4)),
        ...     jnp.zeros((3, 2), int),
        ...     samples,
        ...     words.log_prob(samples),
        ... )
        >>> loss.shape
        (3, 2)

    ``tf.nn.sampled_softmax_loss`` also divides the label's own term by its expected count, which
    makes the estimate of the denominator biased.

    References:
        Jean, Cho, Memisevic and Bengio, On using very large target vocabulary for neural machine
        translation, 2015, arXiv:1412.2007.
    """
    hs = as_scores("hs", hs, "(T, *B, H)")
    if jnp.shape(embedding)[1:] != hs.shape[-1:]:
        raise ValueError(
            f"embedding has shape {jnp.shape(embedding)}, but hs of shape {hs.shape} need (V, "
            f"{hs.shape[-1]})."
        )
    if jnp.shape(samples) != jnp.shape(log_q) or jnp.ndim(samples) != 1:
        raise ValueError(
            f"samples has shape {jnp.shape(samples)} and log_q {jnp.shape(log_q)}: both must be "
            "(K,), one log q for each sample."
        )
    if b is not None and jnp.shape(b) != (len(embedding),):
        raise ValueError(
            f"b has shape {jnp.shape(b)}, but embedding has {len(embedding)} words: it must be "
            f"({len(embedding)},)."
        )
    real = real_steps(hs[..., 0], lengths, mask)
    labels, good = as_labels(labels, real, len(embedding))
    samples, _ = as_labels(
        samples, jnp.ones(jnp.shape(log_q), bool), len(embedding), name="samples"
    )
    dtype = wider(hs.dtype, embedding.dtype)
    hs = select(real, hs, jnp.zeros((), hs.dtype)).astype(dtype)
    own = jnp.sum(hs * _rows(embedding, labels).astype(dtype), axis=-1)
    others = jnp.dot(hs, embedding[samples].astype(dtype).T)
    if b is not None:
        own = own + _rows(b, labels).astype(dtype)
        others = others + jnp.broadcast_to(b[samples].astype(dtype), others.shape)
    weight = log_q.astype(dtype) + log(max(len(log_q), 1))
    others = others - jnp.broadcast_to(weight, others.shape)
    hit = labels[..., None] == jnp.broadcast_to(samples.astype(labels.dtype), others.shape)
    others = jnp.where(hit, jnp.full_like(others, -jnp.inf), others)
    logits = jnp.concatenate([own[..., None], others], axis=-1)
    loss = jax.nn.logsumexp(logits, axis=-1) - own
    loss = select(good, loss, jnp.full((), jnp.inf, dtype))
    return select(real, loss, jnp.zeros((), dtype))


def _rows(table: Array, ids: Array) -> Array:
    """``table[ids]``, also where ids are sharded on a mesh of Explicit axes."""
    sharding = explicit_sharding(ids)
    if sharding is None:
        return table[ids]
    rest = (None,) * (ids.ndim - len(sharding.spec) + table.ndim - 1)
    spec = PartitionSpec(*sharding.spec, *rest)
    return table.at[ids].get(out_sharding=NamedSharding(sharding.mesh, spec))

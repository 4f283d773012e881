"""The neural cache (Grave et al. 2017): what came after a similar state may come again."""

from math import log
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.decoding.checks import check_count
from rnn_jax.ops.linear import wider
from rnn_jax.ops.masks import select


class Cache(NamedTuple):
    """The last outputs of a recurrent network, and the token that followed each."""

    hidden: jax.Array  # (W, *B, H), oldest first
    tokens: jax.Array  # (W, *B); -1 where nothing has been stored yet


def empty_cache(
    window: int, batch_shape: tuple[int, ...], hidden_size: int, dtype: Any = jnp.float32
) -> Cache:
    """A cache of the last ``window`` steps, before the first one.

    Raises:
        ValueError: If the window is not positive.

    Example:
        >>> empty_cache(3, (2,), 4).tokens.tolist()
        [[-1, -1], [-1, -1], [-1, -1]]
    """
    check_count("window", window)
    tokens = jnp.full((window, *batch_shape), -1, jnp.int32)
    return Cache(jnp.zeros((window, *batch_shape, hidden_size), dtype), tokens)


def cache_log_probs(
    cache: Cache,
    hidden: jax.Array,
    tokens: jax.Array,
    log_probs: jax.Array,
    *,
    theta: float,
    share: float,
) -> tuple[jax.Array, Cache]:
    """Log-probabilities of tokens under a mixture of the model and a cache of its own past.

        p_cache(x_{t+1}) = sum_{s in window before t, x_{s+1} = x_{t+1}} a_ts,
        a_t = softmax_s(theta * h_t . h_s),    p = (1 - share) * p_model + share * p_cache

    Nothing is trained. While the cache is empty the model stands alone. A long text is read chunk
    by chunk, with the cache carried along; the result does not depend on where it is cut.

    Args:
        cache: Of the steps before; ``empty_cache`` to begin with.
        hidden: Outputs h_t of the network (T, *B, H).
        tokens: What follows each of them, x_{t+1} (T, *B).
        log_probs: ln p of these tokens under the model (T, *B).
        theta: How sharply the cache prefers similar outputs; 0 counts all of the window alike.
        share: Weight of the cache, in [0, 1).

    Returns:
        ln p of the mixture (T, *B), in float32 or wider, and the cache after the chunk.

    Raises:
        ValueError: If share lies elsewhere, or shapes do not fit.

    Example:
        >>> h, token = jnp.eye(2)[jnp.array([0, 1, 0])], jnp.array([5, 6, 5])
        >>> model = jnp.log(jnp.full(3, 0.1))
        >>> found, _ = cache_log_probs(empty_cache(8, (), 2), h, token, model, theta=9.0, share=0.5)
        >>> [round(p, 3) for p in jnp.exp(found).tolist()]  # the third has been seen after the same
        [0.1, 0.05, 0.55]

    References:
        Grave, Joulin and Usunier, Improving neural language models with a continuous cache, 2017,
        arXiv:1612.04426.
    """
    if not 0 <= share < 1:
        raise ValueError(f"share is {share!r}: it is a share of probability, give 0 <= share < 1.")
    if hidden.shape[:-1] != tokens.shape or log_probs.shape != tokens.shape:
        raise ValueError(
            f"hidden {hidden.shape}, tokens {tokens.shape} and log_probs {log_probs.shape} do not "
            "fit: give (T, *B, H), (T, *B) and (T, *B)."
        )
    if cache.hidden.shape[1:] != hidden.shape[1:]:
        raise ValueError(
            f"cache holds {cache.hidden.shape[1:]}, but hidden has {hidden.shape[1:]} at each step."
        )
    log_probs = log_probs.astype(wider(log_probs.dtype, jnp.float32))
    window, steps, dtype = len(cache.tokens), len(tokens), log_probs.dtype
    keys = jnp.concatenate([cache.hidden, hidden.astype(cache.hidden.dtype)])
    values = jnp.concatenate([cache.tokens, tokens.astype(cache.tokens.dtype)])
    t, s = jnp.arange(steps)[:, None], jnp.arange(window + steps)[None]
    near = jnp.logical_and(s >= t, s < t + window)  # the window before step t: it slides along
    batch_axes = tuple(range(2, values.ndim + 1))
    visible = jnp.logical_and(
        jnp.broadcast_to(jnp.expand_dims(near, batch_axes), (steps, *values.shape)),
        jnp.broadcast_to(values >= 0, (steps, *values.shape)),
    )
    scores = theta * jnp.einsum("t...h,s...h->ts...", keys[window:], keys).astype(dtype)
    scores = jnp.where(visible, scores, -jnp.inf)
    same = jnp.broadcast_to(values, scores.shape) == values[window:][:, None]
    any_seen = jnp.any(visible, axis=1)
    norm = jnp.where(any_seen, jax.nn.logsumexp(scores, axis=1), 0)
    cached = jax.nn.logsumexp(jnp.where(same, scores, -jnp.inf), axis=1) - norm
    log_share = log(share) if share else -jnp.inf
    mixed = jnp.logaddexp(log(1 - share) + log_probs, log_share + cached)
    return select(any_seen, mixed, log_probs), Cache(keys[steps:], values[steps:])

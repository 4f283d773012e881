"""Sequences of tags from a linear-chain CRF: the best one, or one drawn; and legal transitions."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.losses import logspace
from rnn_jax.losses.crf import Chain, CRFParams, as_chain, onward, rows
from rnn_jax.ops.masks import select
from rnn_jax.ops.types import shard_like, vary_like
from rnn_jax.typing import Array


class Path(NamedTuple):
    """Tags with their score."""

    tags: jax.Array  # (T, *B) int32, 0 on padding
    score: jax.Array  # (*B,) score(y), not normalised


def crf_viterbi(params: CRFParams, emissions: jax.Array, *, lengths: Any = None) -> Path:
    """The sequence of tags with the highest score.

        d_1[j] = start[j] + e_1[j],   d_t[j] = max_i (d_{t-1}[i] + transitions[i, j]) + e_t[j]
        y_T = argmax (d_T + end),     y_t = argmax_i (d_t[i] + transitions[i, y_{t+1}])

    Of equal scores the lowest tag wins, the last step deciding first.

    Args:
        params: ``CRFParams``; -inf forbids.
        emissions: Scores e (T, *B, V).
        lengths: Real steps of each row (*B,).

    Returns:
        ``Path``. The score minus ``crf_log_partition`` is the log-probability. A row without steps
        scores 0; one where everything is forbidden -inf, and its tags mean nothing.

    Raises:
        ValueError: If shapes or dtypes do not fit.

    Example:
        >>> from rnn_jax.losses import crf_init
        >>> params = crf_init(2)._replace(transitions=jnp.array([[0.0, -9.0], [-9.0, 0.0]]))
        >>> found = crf_viterbi(params, jnp.array([[3.0, 0.0], [0.0, 1.0], [3.0, 0.0]]))
        >>> found.tags.tolist(), found.score.item()
        ([0, 0, 0], 6.0)

    References:
        Viterbi, Error bounds for convolutional codes, 1967, doi:10.1109/TIT.1967.1054010.
    """
    chain = as_chain(params, emissions, lengths)
    scores, offset = _filter(chain, _best)
    last = scores[-1] + rows(chain.params.end, scores[-1])
    best = jnp.max(last, axis=-1) + offset
    best = jnp.where(logspace.is_zero(best), jnp.full_like(best, -jnp.inf), best)
    best = select(chain.real[0], best, jnp.zeros((), best.dtype))
    return Path(_trace_back(chain, scores, jnp.zeros_like(scores)), best)


def crf_sample(
    params: CRFParams, emissions: jax.Array, key: jax.Array, *, lengths: Any = None
) -> jax.Array:
    """Draw a sequence of tags from the CRF's distribution, exactly.

    Sums over the past go forward, then tags are drawn backwards, each given the one after it.

    Args:
        params, emissions, lengths: As ``crf_viterbi``.
        key: A random key; give several to ``jax.vmap`` for several sequences.

    Returns:
        (T, *B) int32, 0 on padding.

    Raises:
        ValueError: If shapes or dtypes do not fit.

    Example:
        >>> from rnn_jax.losses import crf_init
        >>> crf_sample(crf_init(2), jnp.array([[99.0, 0.0], [0.0, 99.0]]), jax.random.key(0))
        Array([0, 1], dtype=int32)
    """
    chain = as_chain(params, emissions, lengths)
    scores, _ = _filter(chain, _all)
    noise = jax.random.gumbel(key, scores.shape, scores.dtype)
    return _trace_back(chain, scores, shard_like(vary_like(noise, scores), scores))


def _best(scores: Array) -> Array:
    return jnp.max(scores, axis=-2)


def _all(scores: Array) -> Array:
    return logspace.log_sum_over(scores, -2)


@partial(jax.jit, static_argnames="over_past")
def _filter(chain: Chain, over_past: Callable[[Array], Array]) -> tuple[Array, Array]:
    """Scores (T, *B, V) of each tag after each step, lifted, and the last one's offset (*B,)."""
    params, emissions, real = chain

    def step(carry: Any, at: tuple[Array, Array]) -> tuple[Any, Array]:
        (a,), offset = carry
        e, valid = at
        new = (over_past(onward(params, a)) + e,)
        carry = select(valid, logspace.lifted(new, offset), carry)
        return carry, carry[0][0]

    first = (emissions[0] + rows(params.start, emissions[0]),)
    start = logspace.lifted(first, jnp.zeros_like(emissions[0, ..., 0]))
    (_, offset), others = jax.lax.scan(step, start, (emissions[1:], real[1:]))
    return jnp.concatenate([start[0][0][None], others]), offset


@jax.jit
def _trace_back(chain: Chain, scores: Array, noise: Array) -> Array:
    """From the last real step to the first the argmax given what follows; noise makes it a draw."""
    params, emissions, real = chain

    def choose(score: Array) -> Array:
        return jnp.argmax(score, axis=-1).astype(jnp.int32)

    def step(after: Array, at: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        score, noise, valid = at
        following = jax.nn.one_hot(after, score.shape[-1], dtype=score.dtype)
        into = jnp.dot(following, params.transitions.T, precision="highest")
        tag = select(valid, choose(score + into + noise), after)
        return tag, tag

    last = choose(scores[-1] + rows(params.end, scores[-1]) + noise[-1])
    _, tags = jax.lax.scan(step, last, (scores[:-1], noise[:-1], real[1:]), reverse=True)
    tags = jnp.concatenate([tags, last[None]])
    return select(real, tags, jnp.zeros((), tags.dtype))


def bio_allowed(tags: Sequence[str]) -> CRFParams:
    """Which starts and transitions are legal among BIO tags, to forbid the others.

    I-x may follow only B-x and I-x, and may not be first.

    Args:
        tags: Their names in the order of their numbers: "O", "B-x", "I-x".

    Returns:
        ``CRFParams`` of bool; forbid by ``jax.tree.map(lambda ok, p: jnp.where(ok, p, -jnp.inf),
        allowed, params)``.

    Raises:
        ValueError: For another name.

    Example:
        >>> allowed = bio_allowed(["O", "B-PER", "I-PER"])
        >>> allowed.start.tolist(), allowed.transitions.astype(int).tolist()
        ([True, True, False], [[1, 1, 0], [1, 1, 1], [1, 1, 1]])
    """
    for tag in tags:
        if tag != "O" and tag[:2] not in ("B-", "I-"):
            raise ValueError(f'tags: {tag!r} is none of "O", "B-x" and "I-x".')
    inside = [tag.startswith("I-") for tag in tags]
    transitions = [[b[:2] != "I-" or a[:2] != "O" and a[2:] == b[2:] for b in tags] for a in tags]
    start = jnp.logical_not(jnp.array(inside))
    return CRFParams(jnp.array(transitions), start, jnp.ones_like(start))

"""Linear-chain conditional random field: tags that know their neighbours (Lafferty et al. 2001)."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.losses import logspace
from rnn_jax.losses.checks import as_labels, as_scores, real_steps
from rnn_jax.ops.linear import wider
from rnn_jax.ops.masks import select
from rnn_jax.ops.types import vary_like
from rnn_jax.typing import Array


class CRFParams(NamedTuple):
    """Scores of a chain of tags; -inf forbids, with zero gradient."""

    transitions: jax.Array  # (V, V) from the tag of the row to the tag of the column
    start: jax.Array  # (V,) of the first tag
    end: jax.Array  # (V,) of the last tag


class Chain(NamedTuple):
    """A checked call."""

    params: CRFParams  # finite, typed like the emissions
    emissions: Array  # (T, *B, V) finite, 0 on padding
    real: Array  # (T, *B) bool


def crf_init(num_tags: int, dtype: Any = jnp.float32) -> CRFParams:
    """Parameters of a chain without preferences: all zero, so tags are independent.

    Raises:
        ValueError: For less than one tag.

    Example:
        >>> crf_init(3).transitions.shape
        (3, 3)
    """
    if not isinstance(num_tags, int) or num_tags < 1:
        raise ValueError(f"num_tags must be a whole number >= 1, got {num_tags!r}.")
    zeros = jnp.zeros((num_tags,), dtype)
    return CRFParams(jnp.zeros((num_tags, num_tags), dtype), zeros, zeros)


def crf_log_likelihood(
    params: CRFParams, emissions: jax.Array, tags: jax.Array, *, lengths: Any = None
) -> jax.Array:
    """Log-probability of a sequence of tags under a linear-chain CRF.

        score(y) = start[y_1] + sum_t e_t[y_t] + sum_t transitions[y_t, y_{t+1}] + end[y_T]
        log p(y) = score(y) - log sum_{y'} exp(score(y'))

    Args:
        params: ``CRFParams``; -inf forbids a transition, a start or an end.
        emissions: Scores e (T, *B, V).
        tags: (T, *B), integer; anything on padding.
        lengths: Real steps of each row (*B,).

    Returns:
        (*B,) in float32 or wider, never above 0; the loss is its negative. A row without steps has
        0 (its one sequence is certain). Forbidden tags give -inf with zero gradient.

    Raises:
        ValueError: If shapes or dtypes do not fit, or a real tag is known to be outside 0..V-1
            (traced, such a row gives -inf).

    Example:
        >>> tags = jnp.array([[0, 1], [1, 1], [2, -1]])
        >>> found = crf_log_likelihood(
        ...     crf_init(4), jnp.zeros((3, 2, 4)), tags, lengths=jnp.array([3, 2])
        ... )
        >>> jnp.exp(-found).round().tolist()  # of 4**3, of 4**2 sequences
        [64.0, 16.0]

    References:
        Lafferty, McCallum and Pereira, Conditional random fields, 2001 (ICML).
        Huang, Xu and Yu, Bidirectional LSTM-CRF models for sequence tagging, 2015,
        arXiv:1508.01991.
    """
    chain = as_chain(params, emissions, lengths)
    tags, good = as_labels(tags, chain.real, chain.emissions.shape[-1], name="tags")
    total = _log_partition(chain)
    good = jnp.logical_and(jnp.all(good, axis=0), jnp.logical_not(logspace.is_zero(total)))
    return -logspace.negative_log(_score(chain, tags) - total, good)


def crf_log_partition(params: CRFParams, emissions: jax.Array, *, lengths: Any = None) -> jax.Array:
    """``log sum_y exp(score(y))`` over all sequences of tags; its gradient are the marginals.

    Args:
        params, emissions, lengths: As ``crf_log_likelihood``.

    Returns:
        (*B,); 0 for a row without steps, -inf with zero gradient where all is forbidden.

    Raises:
        ValueError: As ``crf_log_likelihood``.

    Example:
        >>> found = crf_log_partition(crf_init(4), jnp.zeros((3, 2, 4)))
        >>> jnp.exp(found).round().tolist()
        [64.0, 64.0]
    """
    found = _log_partition(as_chain(params, emissions, lengths))
    return jnp.where(logspace.is_zero(found), jnp.full_like(found, -jnp.inf), found)


def crf_marginals(params: CRFParams, emissions: jax.Array, *, lengths: Any = None) -> jax.Array:
    """Probability of every tag at every step: the log-partition's gradient in the emissions.

        p(y_t = v) = d log Z / d e_t[v]

    Args:
        params, emissions, lengths: As ``crf_log_likelihood``.

    Returns:
        (T, *B, V) in float32 or wider; each real step sums to 1, padding is 0, and so are rows
        where all is forbidden.

    Raises:
        ValueError: As ``crf_log_likelihood``.

    Example:
        >>> crf_marginals(crf_init(2), jnp.zeros((3, 2)))[0].tolist()
        [0.5, 0.5]
    """
    emissions = as_scores("emissions", emissions, "(T, *B, V)")
    return jax.grad(lambda e: jnp.sum(crf_log_partition(params, e, lengths=lengths)))(emissions)


def as_chain(params: CRFParams, emissions: Any, lengths: Any) -> Chain:
    """Check the arguments, clean the padding, and make everything finite.

    Raises:
        ValueError: Naming what does not fit.

    Example:
        >>> as_chain(crf_init(2), jnp.zeros((3, 2)), None).real.tolist()
        [True, True, True]
    """
    emissions = as_scores("emissions", emissions, "(T, *B, V)")
    size = emissions.shape[-1]
    if not isinstance(params, CRFParams):
        raise ValueError(
            f"params is {type(params).__name__}, but must be CRFParams: make them by "
            f"losses.crf_init({size})."
        )
    for name, shape in {"transitions": (size, size), "start": (size,), "end": (size,)}.items():
        found = jnp.shape(getattr(params, name))
        if found != shape:
            raise ValueError(
                f"params.{name} has shape {found}, but emissions of shape {emissions.shape} have "
                f"{size} tags: it must be {shape}, as crf_init({size}) makes it."
            )
    real = real_steps(emissions[..., 0], lengths, of="steps of emissions")
    dtype = emissions.dtype
    for leaf in params:
        dtype = wider(dtype, jnp.asarray(leaf).dtype)
    emissions = select(real, emissions, jnp.zeros((), emissions.dtype))
    params = jax.tree.map(lambda p: logspace.finite(jnp.asarray(p).astype(dtype)), params)
    return Chain(vary_like(params, emissions), logspace.finite(emissions.astype(dtype)), real)


def rows(vector: Array, like: Array) -> Array:
    """A vector (V,) for every row of (*B, V).

    Example:
        >>> rows(jnp.ones(2), jnp.zeros((3, 2))).shape
        (3, 2)
    """
    return jnp.broadcast_to(vector, like.shape)


def onward(params: CRFParams, before: Array) -> Array:
    """``before_i + transitions_ij``: (*B, V) -> (*B, V, V).

    Example:
        >>> onward(crf_init(2), jnp.array([1.0, 2.0], jnp.float32)).tolist()
        [[1.0, 1.0], [2.0, 2.0]]
    """
    shape = (*before.shape, before.shape[-1])
    return jnp.broadcast_to(before[..., None], shape) + jnp.broadcast_to(params.transitions, shape)


@jax.jit
def _log_partition(chain: Chain) -> Array:
    params, emissions, real = chain
    first = (emissions[0] + rows(params.start, emissions[0]),)

    def step(carry: Any, at: tuple[Array, Array]) -> tuple[Any, None]:
        (a,), offset = carry
        e, valid = at
        new = logspace.log_sum_over(onward(params, a), -2) + e
        return select(valid, logspace.lifted((new,), offset), carry), None

    start = logspace.lifted(first, jnp.zeros_like(emissions[0, ..., 0]))
    ((a,), offset), _ = jax.lax.scan(step, start, (emissions[1:], real[1:]))
    found = logspace.log_sum_over(a + rows(params.end, a), -1) + offset
    return select(real[0], found, jnp.zeros((), found.dtype))


@jax.jit
def _score(chain: Chain, tags: Array) -> Array:
    """Score of tags (T, *B), clean on padding; 0 for a row without steps."""
    params, emissions, real = chain
    is_last = jnp.concatenate([jnp.logical_and(real[:-1], ~real[1:]), real[-1:]])
    chosen = jax.nn.one_hot(tags, emissions.shape[-1], dtype=emissions.dtype)
    scores = logspace.at(emissions, tags)
    ends = jnp.dot(chosen, params.end, precision="highest")
    scores = scores + select(is_last, ends, jnp.zeros((), scores.dtype))
    leaving = jnp.dot(chosen[:-1], params.transitions, precision="highest")
    moves = logspace.at(leaving, tags[1:])
    starts = jnp.dot(chosen[:1], params.start, precision="highest")
    scores = scores + jnp.concatenate([starts, moves])
    return jnp.sum(select(real, scores, jnp.zeros((), scores.dtype)), axis=0)

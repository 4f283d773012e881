"""Prefixes of CTC labels and their probabilities: one frame for one row."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.decoding.beam_rows import full


class Prefixes(NamedTuple):
    """The K best prefixes of one row; those of probability 0 are none. In a batch (B, K, ...)."""

    labels: jax.Array  # (K, L) only the first ``lengths`` mean something
    lengths: jax.Array  # (K,)
    blank: jax.Array  # (K,) log-probability of the paths that end in a blank
    label: jax.Array  # (K,) of those that end in the last label
    model: jax.Array  # (K,) what language model and bonus have added
    common: jax.Array  # (K, K) labels from the first on that two prefixes share


def first(anchor: jax.Array, size: int, max_labels: int) -> Prefixes:
    """Before the first frame: the empty prefix, with probability 1, for each row of ``anchor``.

    Example:
        >>> jnp.exp(first(jnp.zeros((1, 2)), 2, 4).blank).tolist()
        [[1.0, 0.0]]
    """
    dtype = anchor.dtype
    zero, none = full(anchor, (1,), 0, dtype), full(anchor, (size - 1,), -jnp.inf, dtype)
    return Prefixes(
        labels=full(anchor, (size, max_labels), 0, jnp.int32),
        lengths=full(anchor, (size,), 0, jnp.int32),
        blank=jnp.concatenate([zero, none], axis=1),
        label=full(anchor, (size,), -jnp.inf, dtype),
        model=full(anchor, (size,), 0, dtype),
        common=full(anchor, (size, size), 0, jnp.int32),
    )


def grow(
    blank: int, prefixes: Prefixes, frame: jax.Array, gains: jax.Array
) -> tuple[Prefixes, jax.Array, jax.Array, jax.Array]:
    """One frame: every prefix stays or takes one label more; the K best of all these.

    Args:
        blank: The class that stands for no label.
        prefixes: Of one row.
        frame: Log-probabilities of its classes, (V,).
        gains: What each next label adds to the score of each prefix, (K, V).

    Returns:
        The new prefixes, which old one each came from (K,), the label that it took (K,), -1 for
        none, and whether a NaN was among the numbers, ().
    """
    size, (vocab_size,) = prefixes.lengths.shape[0], frame.shape
    total = jnp.logaddexp(prefixes.blank, prefixes.label)
    last = _last(prefixes)
    stay_blank = total + frame[blank]
    stay_label = prefixes.label + jnp.where(last >= 0, frame[last], -jnp.inf)
    longer = _extend(blank, prefixes, frame, total, last)

    # A longer prefix that is there already: its probability goes where it is.
    parents = _parents(prefixes, total)
    has_parent = jnp.any(parents, axis=0)
    parent = jnp.argmax(parents, axis=0)
    stay_label = jnp.logaddexp(stay_label, jnp.where(has_parent, longer[parent, last], -jnp.inf))
    longer = longer.at[jnp.where(has_parent, parent, size), last].set(-jnp.inf, mode="drop")

    staying = jnp.logaddexp(stay_blank, stay_label) + prefixes.model
    growing = longer + jnp.broadcast_to(prefixes.model[:, None], longer.shape) + gains
    ranks = jnp.concatenate([staying, growing.reshape(-1)])
    best, index = jax.lax.top_k(ranks, size)
    stays = index < size
    origin = jnp.where(stays, index, (index - size) // vocab_size)
    token = jnp.where(stays, 0, (index - size) % vocab_size)
    dead = best == -jnp.inf
    kept, lengths = prefixes.labels[origin], prefixes.lengths[origin]
    places = jax.lax.broadcasted_iota(jnp.int32, kept.shape, 1)
    here = jnp.where(stays, -1, lengths)  # where the new label goes
    labels = jnp.where(
        places == jnp.broadcast_to(here[:, None], kept.shape),
        jnp.broadcast_to(token[:, None], kept.shape),
        kept,
    )
    lengths = jnp.where(stays, lengths, lengths + 1)
    gained = jnp.where(stays, 0, gains[origin, token])
    new = Prefixes(
        labels=labels,
        lengths=lengths,
        blank=jnp.where(stays & jnp.logical_not(dead), stay_blank[origin], -jnp.inf),
        label=jnp.where(
            dead, -jnp.inf, jnp.where(stays, stay_label[origin], longer[origin, token])
        ),
        model=jnp.where(dead, 0, prefixes.model[origin] + gained),
        common=_common(labels, lengths, prefixes.common[origin][:, origin]),
    )
    return new, origin, jnp.where(stays, -1, token), jnp.any(jnp.isnan(ranks))


def _last(prefixes: Prefixes) -> jax.Array:
    """The last label of each prefix, -1 where there is none."""
    place = jnp.maximum(prefixes.lengths - 1, 0)
    found = jax.vmap(lambda labels, i: labels[i])(prefixes.labels, place)
    return jnp.where(prefixes.lengths > 0, found, -1)


def _extend(
    blank: int, prefixes: Prefixes, frame: jax.Array, total: jax.Array, last: jax.Array
) -> jax.Array:
    """Log-probability (K, V) of writing each class behind each prefix at this frame."""
    shape = (*total.shape, *frame.shape)
    classes = jax.lax.broadcasted_iota(jnp.int32, shape, 1)
    # The last label again is a new one only behind a blank.
    again = classes == jnp.broadcast_to(last[:, None], shape)
    before = jnp.where(
        again,
        jnp.broadcast_to(prefixes.blank[:, None], shape),
        jnp.broadcast_to(total[:, None], shape),
    )
    room = prefixes.lengths < prefixes.labels.shape[1]
    allowed = (classes != blank) & jnp.broadcast_to(room[:, None], shape)
    return jnp.where(allowed, before + jnp.broadcast_to(frame[None], shape), -jnp.inf)


def _parents(prefixes: Prefixes, total: jax.Array) -> jax.Array:
    """Whether prefix k is prefix j without its last label, (K, K); impossible ones are not."""
    shape = prefixes.common.shape
    one = jnp.broadcast_to(prefixes.lengths[:, None], shape)
    other = jnp.broadcast_to(prefixes.lengths[None], shape)
    alive = total > -jnp.inf
    both = jnp.broadcast_to(alive[:, None], shape) & jnp.broadcast_to(alive[None], shape)
    return both & (one + 1 == other) & (prefixes.common == one)


def _common(labels: jax.Array, lengths: jax.Array, before: jax.Array) -> jax.Array:
    """How many labels the new prefixes share, from how many those share that they came from.

    Each has at most one label more, so they share at most one more; it need only be looked at.
    """
    place = jnp.minimum(before, labels.shape[1] - 1)
    here = jax.vmap(lambda labels, i: labels[i])(labels, place)
    shape = before.shape
    shorter = jnp.minimum(
        jnp.broadcast_to(lengths[:, None], shape), jnp.broadcast_to(lengths[None], shape)
    )
    return before + ((before < shorter) & (here == here.T)).astype(before.dtype)

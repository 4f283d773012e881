"""Teacher forcing: a decoder reads given tokens. One loop, which scheduled sampling shares."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.decoding.base import Step
from rnn_jax.decoding.checks import check_range, check_step, check_tokens
from rnn_jax.decoding.rules import check_chosen
from rnn_jax.drivers.checks import check_marks
from rnn_jax.drivers.common import cast_like
from rnn_jax.ops.masks import length_mask, select
from rnn_jax.ops.types import (
    batch_like,
    explicit_sharding,
    shard_like,
    vary_like,
    varying_axes,
)
from rnn_jax.typing import Params, PyTree, State

Choose = Callable[..., jax.Array]  # from logits (*B, V) and a key or None to tokens (*B,)


def teacher_forced(
    step: Step,
    params: Params,
    state: State,
    tokens: jax.Array,
    *,
    lengths: jax.Array | None = None,
) -> tuple[State, jax.Array]:
    """Let a decoder read given tokens, and say at each what may follow.

        s_t, logits_t = step(params, s_{t-1}, token_t)

    The generic loop, for any step: attention, stop outputs, countdowns. Where the step is a cell
    with an embedding and a head, ``drivers.scan`` over the embedded tokens gives the same numbers
    faster: it encodes all inputs at once and defers the weights' gradient.

    Args:
        step: ``step(params, state, token) -> (state, logits)``.
        params: Its parameters.
        state: State to begin with, leaves (*B, ...).
        tokens: What is read, (T, *B), the start symbol first; targets are these shifted by one.
        lengths: Real steps of each row, (*B,); after them the state is held and logits are zero.
            Tokens there are not read: any integer may stand there, -1 too.

    Returns:
        The final state, leaves (*B, ...), and logits (T, *B, V).

    Raises:
        ValueError: If tokens are no integers or outside the vocabulary, or state, lengths or what
            the step gives do not fit them.

    Example:
        >>> from rnn_jax import cells, decoding
        >>> step = decoding.TokenStep(cell=cells.GRU(input_size=4, hidden_size=3))
        >>> params = step.init(jax.random.key(0), vocab_size=7)
        >>> tokens = jnp.array([[0, 0], [3, 5], [6, 1]])
        >>> state, logits = teacher_forced(step, params, step.initial_state(params, (2,)), tokens)
        >>> logits.shape
        (3, 2, 7)

    References:
        Williams and Zipser, A learning algorithm for continually running fully recurrent neural
        networks, 1989, doi:10.1162/neco.1989.1.2.270.
    """
    feed = prepare(step, params, state, tokens, lengths)
    state, seen = run(step, feed)
    return state, seen.logits


class Feed(NamedTuple):
    """A checked call: everything typed like the tokens."""

    params: Params
    state: State  # leaves (*B, ...)
    tokens: jax.Array  # (T, *B), in the vocabulary on padding too
    valid: jax.Array | None  # (T, *B) bool, True = real


def typed(params: Params, state: State, like: jax.Array) -> tuple[Params, State]:
    """Params and state as arrays of the type that a loop over ``like`` (T, *B) gives them.

    Example:
        >>> typed((), [1.0], jnp.zeros(3))[1][0].shape
        ()
    """
    params, state = jax.tree.map(jnp.asarray, (params, state))
    return vary_like(params, like), batch_like(state, like, like.ndim - 1)


def like_state(token: jax.Array, params: Params, state: State) -> jax.Array:
    """Tokens (*B,) of the sharding and varying axes of the state: ``start`` is often a constant.

    Example:
        >>> like_state(jnp.array([1, 2]), (), jnp.zeros((2, 3))).tolist()
        [1, 2]
    """
    for leaf in jax.tree.leaves(params):
        token = vary_like(token, leaf)
    for leaf in jax.tree.leaves(state):
        if jnp.ndim(leaf) >= token.ndim and (varying_axes(leaf) or explicit_sharding(leaf)):
            token = batch_like(token, leaf[None], token.ndim)
    return token


def prepare(
    step: Step, params: Params, state: State, tokens: Any, lengths: jax.Array | None
) -> Feed:
    """Check the arguments of a forced run, clean its padding, type its state.

    Example:
        >>> def step(params, state, token):
        ...     return state, jnp.zeros((2, 4))
        >>> feed = prepare(step, (), (), [[0, 1], [2, -1]], jnp.array([2, 1]))
        >>> feed.tokens.tolist()
        [[0, 1], [2, 0]]
    """
    tokens = check_tokens("tokens", tokens)
    if tokens.ndim < 1:
        raise ValueError("tokens is a single number: give (T, *B), time first.")
    lengths = jnp.asarray(lengths) if isinstance(lengths, (list, tuple)) else lengths
    check_marks(tokens.shape, lengths, None, None)
    valid = None if lengths is None else length_mask(lengths, tokens.shape[0])
    if valid is not None:
        tokens = jnp.where(valid, tokens, 0)
    for leaf in jax.tree.leaves((params, state)):
        tokens = vary_like(tokens, leaf)
    params, state = typed(params, state, tokens)
    vocab_size = check_step(step, params, state, tokens[0])
    check_range("tokens", tokens, vocab_size)
    return Feed(params, state, tokens, valid)


class Own(NamedTuple):
    """Where a decoder reads what it chose itself."""

    choose: Choose
    places: jax.Array  # (T, *B) bool, True = its own; at step 0 there is none
    key: jax.Array | None


class Seen(NamedTuple):
    """What a run shows, leaves (T, *B, ...), zero on padding."""

    logits: jax.Array  # (T, *B, V)
    chosen: Any  # (T, *B), from the logits of the same step
    observed: PyTree  # what was asked for of the states


def run(
    step: Step,
    feed: Feed,
    own: Own | None = None,
    observe: Callable[[State], PyTree] | None = None,
) -> tuple[State, Seen]:
    """The loop: the final state, and what was seen at each step.

    Example:
        >>> def step(params, state, token):
        ...     return state + token, jnp.zeros((2, 4))
        >>> feed = prepare(step, (), jnp.array([0, 0]), [[0, 1], [2, 3]], None)
        >>> state, seen = run(step, feed)
        >>> state.tolist()
        [2, 4]
    """
    num_steps = feed.tokens.shape[0]

    def body(carry: Any, at: Any) -> tuple[Any, Any]:
        state, chosen = carry
        t, token, valid, places = at
        if own is not None:
            token = jnp.where(places, chosen, token)
        new, logits = step(feed.params, state, token)
        new = cast_like(new, state)
        if own is not None:
            key = None if own.key is None else jax.random.fold_in(own.key, t)
            # integers carry no gradient: what was chosen is a constant
            chosen = check_chosen(own.choose(logits, key), token)
        seen = Seen(logits, chosen, None if observe is None else observe(new))
        if valid is not None:
            new, seen = select(valid, new, state), select(valid, seen, _zeros(seen))
        return (new, chosen), seen

    places = None if own is None else shard_like(own.places, feed.tokens)
    chosen = None if own is None else feed.tokens[0]
    steps = jnp.arange(num_steps, dtype=jnp.uint32)
    over = (steps, feed.tokens, feed.valid, places)
    (state, _), seen = jax.lax.scan(body, (feed.state, chosen), over)
    return state, seen


def _zeros(tree: PyTree) -> PyTree:
    return jax.tree.map(lambda leaf: jnp.zeros((), leaf.dtype), tree)

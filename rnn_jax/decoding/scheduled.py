"""Scheduled sampling, and free running inside training: a decoder reads its own tokens."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.decoding.base import Step
from rnn_jax.decoding.checks import check_count, check_draws, check_tokens
from rnn_jax.decoding.rules import check_rules
from rnn_jax.decoding.samplers import Greedy, Sample
from rnn_jax.decoding.teacher import Choose, Own, like_state, prepare, run
from rnn_jax.drivers.checks import known
from rnn_jax.ops.linear import wider
from rnn_jax.typing import Params, State

COINS = 2**32 - 1  # folded into the key for the coins; steps, which draw tokens, count from 0


def scheduled_sampling(
    step: Step,
    params: Params,
    state: State,
    tokens: jax.Array,
    *,
    rate: jax.Array | float,
    key: jax.Array,
    choose: Choose | None = None,
    lengths: jax.Array | None = None,
) -> tuple[State, jax.Array]:
    """Teacher forcing in which each token gives way, with probability ``rate``, to the decoder's.

        s_t, logits_t = step(params, s_{t-1}, u_t)
        u_t = token_t, or with probability rate the token chosen from logits_{t-1};   u_0 = token_0

    A coin is thrown for every step and row. What the decoder chose is a constant: gradients flow
    through the states and not through the choice, as in the paper. rate = 0 is ``teacher_forced``,
    rate = 1 is ``free_running``.

    Args:
        step: ``step(params, state, token) -> (state, logits)``.
        params: Its parameters.
        state: State to begin with, leaves (*B, ...).
        tokens: The teacher's, (T, *B), the start symbol first.
        rate: Probability of the decoder's own token, 0..1, a scalar; of a schedule
            ``LinearSchedule(slope=1e-4)(update)``. Traced, it acts as if clipped to 0..1.
        key: Throws the coins and draws the tokens. Inside ``shard_map`` give each shard its own
            (``jax.random.fold_in(key, jax.lax.axis_index(name))``).
        choose: How the decoder chooses: ``Sample()``, the paper's and the default, or ``Greedy()``.
        lengths: Real steps of each row, (*B,); after them the state is held and logits are zero.

    Returns:
        The final state, leaves (*B, ...), and logits (T, *B, V), as ``teacher_forced``.

    Raises:
        ValueError: If rate is outside 0..1, key is no key, or as for ``teacher_forced``.

    Example:
        >>> from rnn_jax import cells, decoding
        >>> step = decoding.TokenStep(cell=cells.GRU(input_size=4, hidden_size=3))
        >>> params = step.init(jax.random.key(0), vocab_size=7)
        >>> tokens, state = jnp.array([[0, 0], [3, 5], [6, 1]]), step.initial_state(params, (2,))
        >>> rate = decoding.InverseSigmoidSchedule(scale=100.0)(500)
        >>> state, logits = scheduled_sampling(
        ...     step, params, state, tokens, rate=rate, key=jax.random.key(1)
        ... )
        >>> logits.shape
        (3, 2, 7)

    References:
        Bengio, Vinyals, Jaitly and Shazeer, Scheduled sampling for sequence prediction with
        recurrent neural networks, 2015, arXiv:1506.03099.
    """
    choose = Sample() if choose is None else choose
    if key is None:
        raise ValueError("scheduled_sampling throws coins: give key=jax.random.key(0).")
    check_draws(key)
    check_rules(choose)
    rate = check_rate(rate)
    feed = prepare(step, params, state, tokens, lengths)
    coins = jax.random.uniform(jax.random.fold_in(key, COINS), feed.tokens.shape, rate.dtype)
    state, seen = run(step, feed, Own(choose, _not_first(coins < rate), key))
    return state, seen.logits


class FreeRun(NamedTuple):
    """What ``free_running`` returns."""

    state: State  # after all steps, leaves (*B, ...)
    logits: jax.Array  # (T, *B, V), differentiable
    tokens: jax.Array  # (T, *B), what was chosen from them; the last was not read


def free_running(
    step: Step,
    params: Params,
    state: State,
    start: jax.Array,
    *,
    num_steps: int,
    choose: Choose | None = None,
    key: jax.Array | None = None,
) -> FreeRun:
    """Let a decoder read what it chooses for a fixed number of steps, inside training.

        s_t, logits_t = step(params, s_{t-1}, token_{t-1}),   token_t = choose(logits_t)

    One loop of known length that can be differentiated: gradients flow through logits and states,
    the chosen tokens are constants. To decode, with stop rules, there is ``decode``; with the same
    key it chooses the same tokens.

    Args:
        step: ``step(params, state, token) -> (state, logits)``.
        params: Its parameters.
        state: State to begin with, leaves (*B, ...).
        start: The first token that is read, (*B,).
        num_steps: T.
        choose: ``Greedy()``, the default, or ``Sample(...)``.
        key: For choices that draw.

    Returns:
        Final state, logits (T, *B, V), and the chosen tokens (T, *B).

    Raises:
        ValueError: If num_steps < 1, a key is missing, or as for ``teacher_forced``.

    Example:
        >>> from rnn_jax import cells, decoding
        >>> step = decoding.TokenStep(cell=cells.GRU(input_size=4, hidden_size=3))
        >>> params = step.init(jax.random.key(0), vocab_size=7)
        >>> state = step.initial_state(params, (2,))
        >>> run = free_running(step, params, state, jnp.array([0, 0]), num_steps=5)
        >>> run.logits.shape, bool((run.tokens == run.logits.argmax(-1)).all())
        ((5, 2, 7), True)
    """
    choose = Greedy() if choose is None else choose
    check_count("num_steps", num_steps)
    check_rules(choose)
    check_draws(key, choose=choose)
    start = like_state(check_tokens("start", start), params, state)
    tokens = jnp.broadcast_to(start[None], (num_steps, *start.shape))
    feed = prepare(step, params, state, tokens, None)
    own = Own(choose, _not_first(jnp.ones(tokens.shape, bool)), key)
    state, seen = run(step, feed, own)
    return FreeRun(state, seen.logits, seen.chosen)


def check_rate(rate: Any) -> jax.Array:
    """The rate as a scalar.

    Raises:
        ValueError: If it is no scalar, or known and outside 0..1.

    Example:
        >>> float(check_rate(0.25))
        0.25
    """
    try:
        rate = jnp.asarray(rate)
    except (TypeError, ValueError):
        raise ValueError(
            f"rate is {rate!r}: give a number in 0..1; a schedule gives one for the number of the "
            f"update, schedule(update)."
        ) from None
    if rate.ndim:
        raise ValueError(f"rate has shape {rate.shape}: give one number for all rows and steps.")
    if known(rate) and not 0 <= float(rate) <= 1:
        raise ValueError(
            f"rate is {float(rate)}: it is the probability of the decoder's own token, in 0..1; a "
            f"schedule gives one: LinearSchedule(slope=1e-4)(update)."
        )
    is_float = jnp.issubdtype(rate.dtype, jnp.floating)
    return rate.astype(wider(rate.dtype, jnp.float32) if is_float else jnp.float32)


def _not_first(places: jax.Array) -> jax.Array:
    """At the first step the decoder has chosen nothing yet."""
    return places.at[0].set(False)

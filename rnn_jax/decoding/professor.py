"""Professor forcing: a decoder that runs freely should behave as one that is taught."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.decoding.base import Step
from rnn_jax.decoding.checks import check_draws
from rnn_jax.decoding.rules import check_rules
from rnn_jax.decoding.samplers import Sample
from rnn_jax.decoding.teacher import Choose, Feed, Own, prepare, run
from rnn_jax.ops.linear import wider
from rnn_jax.ops.masks import select
from rnn_jax.typing import Params, State


class Behaviours(NamedTuple):
    """What ``behaviours`` returns; zero on padding."""

    teacher: jax.Array  # (T, *B, H + V) hidden state and softmax, reading the teacher's tokens
    free: jax.Array  # (T, *B, H + V) the same, reading its own
    logits: jax.Array  # (T, *B, V) of the taught run, for its own loss


def behaviours(
    step: Step,
    params: Params,
    state: State,
    tokens: jax.Array,
    *,
    hidden: Callable[[State], jax.Array],
    key: jax.Array | None = None,
    choose: Choose | None = None,
    lengths: jax.Array | None = None,
) -> Behaviours:
    """Run a decoder twice, taught and free, and record how it behaves.

        b_t = [hidden(s_t), softmax(logits_t)]

    Both runs begin with the same state and first token and have the same lengths. Gradients flow
    through states and outputs of both; the tokens that the free run chose are constants.

    Args:
        step: ``step(params, state, token) -> (state, logits)``.
        params: Its parameters.
        state: State to begin with, leaves (*B, ...).
        tokens: The teacher's, (T, *B), the start symbol first.
        hidden: From the state to what is shown of it, (*B, H); ``lambda state: state.h``.
        key: Draws the free run's tokens.
        choose: ``Sample()``, the paper's and the default, or another choice.
        lengths: Real steps of each row, (*B,).

    Returns:
        ``Behaviours``: teacher and free (T, *B, H + V), logits (T, *B, V).

    Raises:
        ValueError: If ``hidden`` gives no (*B, H), or as for ``scheduled_sampling``.

    Example:
        >>> from rnn_jax import cells, decoding
        >>> step = decoding.TokenStep(cell=cells.GRU(input_size=4, hidden_size=3))
        >>> params = step.init(jax.random.key(0), vocab_size=7)
        >>> tokens, state = jnp.array([[0, 0], [3, 5], [6, 1]]), step.initial_state(params, (2,))
        >>> seen = behaviours(
        ...     step, params, state, tokens, hidden=lambda state: state.h, key=jax.random.key(1)
        ... )
        >>> seen.free.shape, bool((seen.free[0] == seen.teacher[0]).all())
        ((3, 2, 10), True)
    """
    choose = Sample() if choose is None else choose
    check_rules(choose)
    check_draws(key, choose=choose)
    feed = prepare(step, params, state, tokens, lengths)
    _check_hidden(hidden, feed)
    places = jnp.ones(feed.tokens.shape, bool).at[0].set(False)
    _, taught = run(step, feed, None, hidden)
    _, free = run(step, feed, Own(choose, places, key), hidden)

    def joined(hidden: jax.Array, logits: jax.Array) -> jax.Array:
        dtype = wider(hidden.dtype, logits.dtype, jnp.float32)
        shares = jax.nn.softmax(logits.astype(dtype))
        if feed.valid is not None:
            shares = select(feed.valid, shares, jnp.zeros((), dtype))
        return jnp.concatenate([hidden.astype(dtype), shares], axis=-1)

    teacher = joined(taught.observed, taught.logits)
    return Behaviours(teacher, joined(free.observed, free.logits), taught.logits)


def _check_hidden(hidden: Any, feed: Feed) -> None:
    batch_shape = feed.tokens.shape[1:]
    if not callable(hidden):
        raise ValueError(f"hidden is {hidden!r}: give a function, lambda state: state.h.")
    shown: Any = jax.eval_shape(hidden, feed.state)
    shape = getattr(shown, "shape", ())
    if len(shape) != len(batch_shape) + 1 or shape[:-1] != batch_shape:
        raise ValueError(
            f"hidden gave {jax.tree.map(jnp.shape, shown)} for rows {batch_shape}: give one array "
            f"{(*batch_shape, 'H')}, such as lambda state: state.h."
        )


class ProfessorLosses(NamedTuple):
    """What ``professor_losses`` returns."""

    discriminator: jax.Array  # (*B,) C_d; no gradient reaches the decoder
    free: jax.Array  # (*B,) C_f; no gradient reaches the discriminator
    teacher: jax.Array  # (*B,) C_t, optional; no gradient reaches the discriminator
    accuracy: jax.Array  # () share of the 2 B behaviours that the discriminator tells rightly


def professor_losses(
    discriminator: Any,
    params: Params,
    seen: Behaviours,
    *,
    lengths: jax.Array | None = None,
) -> ProfessorLosses:
    """The three losses of professor forcing, with D = p(taught) of the discriminator.

        C_d = -ln D(taught) - ln(1 - D(free))      trains the discriminator
        C_f = -ln D(free)                          makes free runs look taught
        C_t = -ln(1 - D(taught))                   makes taught runs look free; optional

    Each stops the gradients that are not its own, so one gradient of their sum, with the decoder's
    negative log-likelihood, trains both networks. The paper trains the discriminator only while it
    is not perfect, and the decoder by it only while it is good: multiply by ``professor_gates``.

    Args:
        discriminator: A ``Discriminator``, or another with the same ``apply``.
        params: Its parameters.
        seen: What ``behaviours`` gave.
        lengths: Real steps of each row, (*B,), as given there.

    Returns:
        ``ProfessorLosses``: three losses (*B,), to be averaged, and the accuracy.

    Example:
        >>> from rnn_jax import decoding
        >>> judge = decoding.Discriminator(behaviour_size=5, hidden_size=4)
        >>> seen = Behaviours(jnp.ones((3, 2, 5)), jnp.zeros((3, 2, 5)), jnp.zeros((3, 2, 4)))
        >>> losses = professor_losses(judge, judge.init(jax.random.key(0)), seen)
        >>> on = professor_gates(losses.accuracy)
        >>> total = on.discriminator * losses.discriminator + on.decoder * losses.free
        >>> total.shape
        (2,)

    References:
        Lamb et al., Professor forcing: a new algorithm for training recurrent networks, 2016,
        arXiv:1610.09038.
    """
    both = jnp.stack([seen.teacher, seen.free], axis=1)
    if lengths is not None:
        lengths = jnp.stack([jnp.asarray(lengths)] * 2)
    judged = discriminator.apply(params, jax.lax.stop_gradient(both), lengths=lengths)
    felt = discriminator.apply(jax.lax.stop_gradient(params), both, lengths=lengths)
    right = jnp.stack([judged[0] > 0, judged[1] <= 0])
    return ProfessorLosses(
        discriminator=jax.nn.softplus(-judged[0]) + jax.nn.softplus(judged[1]),
        free=jax.nn.softplus(-felt[1]),
        teacher=jax.nn.softplus(felt[0]),
        accuracy=jnp.mean(right, dtype=judged.dtype),
    )


class ProfessorGates(NamedTuple):
    """What ``professor_gates`` returns: 1.0 where a loss counts, else 0.0."""

    discriminator: jax.Array  # of C_d
    decoder: jax.Array  # of C_f and C_t


def professor_gates(
    accuracy: jax.Array | float, lowest: float = 0.75, highest: float = 0.99
) -> ProfessorGates:
    """The paper's rule: which losses count at this accuracy of the discriminator.

        C_d counts where accuracy < highest;   C_f and C_t count where accuracy > lowest

    Data-parallel training averages the accuracy over the shards first.

    Raises:
        ValueError: If not 0 <= lowest < highest <= 1.

    Example:
        >>> [tuple(map(float, professor_gates(a))) for a in (0.5, 0.9, 1.0)]
        [(1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    """
    if not 0 <= lowest < highest <= 1:
        raise ValueError(
            f"lowest={lowest} and highest={highest} must be shares with 0 <= lowest < highest <= 1."
        )
    accuracy = jnp.asarray(accuracy)
    on = [(accuracy < highest), (accuracy > lowest)]
    return ProfessorGates(*(gate.astype(accuracy.dtype) for gate in on))

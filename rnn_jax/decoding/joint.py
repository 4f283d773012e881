"""Joint CTC and attention: a decoder's step that also asks whether the frames can spell the rest.

The CTC network scores *prefixes*: psi(g) is the probability of all labellings that begin with g.
Its increments log psi(g c) - log psi(g) stand beside the decoder's log-probabilities, so that
``beam_search`` runs both in one pass.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.decoding.base import Step
from rnn_jax.decoding.beam_fusion import weighted
from rnn_jax.decoding.beam_rows import full, merge, split
from rnn_jax.decoding.beam_rules import log_probabilities
from rnn_jax.decoding.ctc_frames import check_frames, log_frames, recur
from rnn_jax.decoding.penalties import check_weight
from rnn_jax.ops.linear import wider
from rnn_jax.ops.masks import select
from rnn_jax.ops.types import shard_like
from rnn_jax.typing import Params, State


class JointParams(NamedTuple):
    """Parameters of a joint step."""

    decoder: Params
    frames: jax.Array  # (B, T, V) log-probabilities of the CTC network, shared by a row's beams


class JointState(NamedTuple):
    """State of a joint step: the decoder's, and the forward variables of what it has written.

    Their place t is the log-probability of the paths over the first t frames that spell the labels
    written so far and end in the last of them, or in a blank.
    """

    decoder: State
    written: jax.Array  # (B,) labels so far
    last: jax.Array  # (B,) the last of them
    label: jax.Array  # (B, T + 1)
    blank: jax.Array  # (B, T + 1)


def joint_params(
    params: Params, logits: jax.Array, lengths: Any = None, *, blank: int = 0
) -> JointParams:
    """Parameters of a joint step: the decoder's, and a CTC network's logits.

    Args:
        params: The decoder's parameters.
        logits: Of the CTC network, (T, B, V); V the decoder's vocabulary.
        lengths: Frames of each row, (B,); None for T. What stands on padding is not read.
        blank: CTC's blank, as in ``joint_step``.

    Raises:
        ValueError: If shapes, dtypes, lengths or the blank do not fit.

    Example:
        >>> joint_params((), jnp.zeros((5, 2, 4))).frames.shape
        (2, 5, 4)
    """
    logits, lengths, batch_shape = check_frames(logits, lengths, blank)
    if len(batch_shape) != 1:
        raise ValueError(
            f"logits has batch axes {batch_shape}, but a joint step has one: reshape to "
            f"{logits.shape}, (T, B, V)."
        )
    return JointParams(params, log_frames(logits, lengths, blank).swapaxes(0, 1))


def joint_state(state: State, params: JointParams, *, blank: int = 0) -> JointState:
    """Where a joint step begins: nothing written, all frames so far blank.

    Args:
        state: The decoder's first state, leaves (B, ...).
        params: From ``joint_params``.
        blank: CTC's blank.

    Raises:
        ValueError: If ``params`` are not from ``joint_params``.

    Example:
        >>> params = joint_params((), jnp.zeros((3, 2, 4)))
        >>> (64 * jnp.exp(joint_state((), params).blank[0])).round().tolist()
        [64.0, 16.0, 4.0, 1.0]
    """
    if not isinstance(params, JointParams):
        raise ValueError(f"params is a {type(params).__name__}: give what joint_params gave.")
    blanks = jnp.cumsum(params.frames[:, :, blank], axis=1)
    zero, none = jnp.zeros_like(blanks[:, :1]), jnp.full_like(blanks, -jnp.inf)
    nobody = full(blanks, (), 0, jnp.int32)
    return JointState(
        decoder=state,
        written=nobody - 1,  # the first token read is the start symbol
        last=nobody,
        label=jnp.concatenate([none, none[:, :1]], axis=1),
        blank=jnp.concatenate([zero, blanks], axis=1),
    )


def joint_step(step: Step, weight: float, *, end: int, blank: int = 0) -> Step:
    """A decoder's step joined with a CTC network's prefix scores.

        score(c) = (1 - weight) * log p(c | g) + weight * (log psi(g c) - log psi(g))
        psi(g c) = sum_t phi_{t-1} p_t[c],   psi(g end) = the probability of g itself

    with phi_t the probability of having spelled g after t frames, where c is g's last label only if
    the t-th was a blank. Over a sequence that ends the increments add up to the CTC
    log-probability of its labels; one that is cut has that of its prefix. Both networks share one
    vocabulary: the decoder never writes the blank, and the CTC network's column of ``end`` counts
    as a label that is never written (give it logit -inf if the network was not trained with it).

    Search with ``beam_search(joint_step(...), joint_params(...), joint_state(...))``. The batch of
    a step may be the rows of ``joint_params`` any number of times, a row's beams side by side. Each
    step sums over all frames for all tokens, (B*K, T, V).

    Args:
        step: The decoder, ``step(params, state, token) -> (state, logits)``.
        weight: Of the CTC network, in 0..1; the papers use 0.1 to 0.5.
        end: The end symbol.
        blank: CTC's blank.

    Raises:
        ValueError: If the weight lies outside 0..1, or the end symbol is the blank.

    Example:
        >>> from rnn_jax import decoding
        >>> def step(params, state, token):
        ...     return state, jnp.zeros((*token.shape, 3))
        >>> logits = 9.0 * jax.nn.one_hot(jnp.array([[1], [0], [1]]), 3)
        >>> params = decoding.joint_params((), logits)
        >>> beams = decoding.beam_search(
        ...     decoding.joint_step(step, 0.5, end=2),
        ...     params,
        ...     decoding.joint_state((), params),
        ...     beam_size=4,
        ...     start=2,
        ...     end=2,
        ...     max_length=4,
        ... )
        >>> beams.tokens[:, 0, 0].tolist()
        [1, 1, 2, 2]

    References:
        Watanabe et al., Hybrid CTC/attention architecture for end-to-end speech recognition, 2017,
        doi:10.1109/JSTSP.2017.2763455.
        Hori, Watanabe and Hershey, Joint CTC/attention decoding for end-to-end speech recognition,
        2017, doi:10.18653/v1/P17-1048.
    """
    check_weight("weight", weight)
    if weight > 1:
        raise ValueError(f"weight={weight!r} must lie in 0..1: it is the share of the CTC network.")
    if end == blank:
        raise ValueError(
            f"end={end} is the blank too: the end symbol needs a number of its own in the "
            f"vocabulary that both networks share."
        )
    return _Joint(step, weight, end, blank)


@dataclass(frozen=True)
class _Joint:
    step: Step
    weight: float
    end: int
    blank: int
    normalize = False  # not a field: for beam_search

    def __call__(self, params: Any, state: Any, token: jax.Array) -> tuple[JointState, jax.Array]:
        if not isinstance(params, JointParams) or not isinstance(state, JointState):
            kinds = f"params of {type(params).__name__} and a state of {type(state).__name__}"
            raise ValueError(f"{kinds}: wrap the decoder's by joint_params and joint_state.")
        decoder, logits = self.step(params.decoder, state.decoder, token)
        num_rows, _, vocab_size = params.frames.shape
        if token.shape[0] % num_rows or logits.shape[-1] != vocab_size:
            raise ValueError(
                f"step gives logits of shape {logits.shape}, the CTC network's have {num_rows} "
                f"rows and {vocab_size} classes: both must share the vocabulary, and rows come in "
                f"multiples of {num_rows}."
            )
        if not 0 <= self.end < vocab_size or not 0 <= self.blank < vocab_size:
            raise ValueError(
                f"end={self.end} and blank={self.blank} must lie in 0..{vocab_size - 1}."
            )
        dtype = wider(logits.dtype, params.frames.dtype)
        token = token.astype(jnp.int32)
        label, blank, prefix = self._read(params.frames, state, token)
        written = state.written + 1
        state = JointState(decoder, written, token, label, blank)
        gains = self._gains(params.frames, state, prefix)
        own = weighted(1 - self.weight, log_probabilities(logits, dtype, True))
        classes = jax.lax.broadcasted_iota(jnp.int32, own.shape, 1)
        own = jnp.where(classes == self.blank, -jnp.inf, own)
        return state, own + weighted(self.weight, gains.astype(dtype))

    def _read(
        self, frames: jax.Array, state: JointState, token: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Forward variables with one label more, and log psi; nothing more at the start symbol."""
        num_rows = frames.shape[0]
        classes = split(token, num_rows)
        spoken = merge(jax.vmap(lambda frame, c: frame[:, c].T)(frames, classes))  # (B*K, T)
        silent = _beside(frames[:, :, self.blank], token.shape[0])
        again = (state.written > 0) & (state.last == token)
        before = _before(state, jnp.broadcast_to(again[:, None], spoken.shape))
        label = recur(spoken, before)
        blank = recur(silent, label[:, :-1])
        prefix = jax.nn.logsumexp(spoken + before, axis=1)
        begun = state.written >= 0
        zero = jnp.zeros_like(prefix)
        return select(begun, (label, blank, prefix), (state.label, state.blank, zero))

    def _gains(self, frames: jax.Array, state: JointState, prefix: jax.Array) -> jax.Array:
        """``log psi(g c) - log psi(g)`` of every token c, (B*K, V); never above 0."""
        num_rows = frames.shape[0]
        spelled = split(_before(state, jnp.zeros_like(state.label[:, 1:], dtype=bool)), num_rows)
        shape = (*spelled.shape, frames.shape[2])
        paths = jnp.broadcast_to(frames[:, None], shape) + jnp.broadcast_to(
            spelled[..., None], shape
        )
        psi = merge(jax.nn.logsumexp(paths, axis=2))
        # The last label again needs a blank in between.
        places = split(state.last, num_rows)
        spoken = merge(jax.vmap(lambda frame, c: frame[:, c].T)(frames, places))
        again = jax.nn.logsumexp(spoken + state.blank[:, :-1], axis=1)
        classes = shard_like(jax.lax.broadcasted_iota(jnp.int32, psi.shape, 1), psi)
        repeats = classes == jnp.broadcast_to(state.last[:, None], psi.shape)
        repeats = repeats & jnp.broadcast_to((state.written > 0)[:, None], psi.shape)
        psi = jnp.where(repeats, jnp.broadcast_to(again[:, None], psi.shape), psi)
        whole = jnp.logaddexp(state.label[:, -1], state.blank[:, -1])
        psi = jnp.where(classes == self.end, jnp.broadcast_to(whole[:, None], psi.shape), psi)
        prefix = jnp.broadcast_to(prefix[:, None], psi.shape)
        possible = jnp.logical_not(psi == -jnp.inf)
        gains = jnp.where(possible, psi - jnp.where(possible, prefix, 0), -jnp.inf)
        return jnp.minimum(gains, 0)  # by rounding it could be


def _beside(x: jax.Array, size: int) -> jax.Array:
    """Rows (B, T) for each of their beams, (B*K, T)."""
    return merge(jnp.broadcast_to(x[:, None], (x.shape[0], size // x.shape[0], x.shape[1])))


def _before(state: JointState, again: jax.Array) -> jax.Array:
    """Log-probability (B*K, T) of what is spelled before each frame, where a label may follow."""
    label, blank = state.label[:, :-1], state.blank[:, :-1]
    return jnp.where(again, blank, jnp.logaddexp(label, blank))

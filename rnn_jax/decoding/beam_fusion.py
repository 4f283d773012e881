"""Shallow fusion: a decoder and a language model that choose together."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from rnn_jax.decoding.base import Step
from rnn_jax.decoding.beam_rules import gives_logits, log_probabilities
from rnn_jax.decoding.penalties import check_weight
from rnn_jax.ops.linear import wider
from rnn_jax.typing import Params, State


@dataclass(frozen=True)
class _Fused:
    step: Step
    lm_step: Step
    weight: float
    normalize = False  # not a field: for beam_search

    def __call__(self, params: Params, state: State, token: jax.Array) -> tuple[State, jax.Array]:
        for name, pair in {"params": params, "state": state}.items():
            if not isinstance(pair, (tuple, list)) or len(pair) != 2:
                raise ValueError(
                    f"{name} of a fused step must be a pair, (of the decoder, of the language "
                    f"model), got a {type(pair).__name__}."
                )
        own, logits = self.step(params[0], state[0], token)
        other, lm_logits = self.lm_step(params[1], state[1], token)
        if logits.shape != lm_logits.shape:
            raise ValueError(
                f"step gives logits of shape {logits.shape}, the language model of shape "
                f"{lm_logits.shape}: both must know the same tokens by the same numbers."
            )
        dtype = wider(logits.dtype, lm_logits.dtype, jnp.float32)
        scores = log_probabilities(logits, dtype, gives_logits(self.step))
        return (own, other), scores + weighted(
            self.weight, log_probabilities(lm_logits, dtype, True)
        )


def shallow_fusion(step: Step, lm_step: Step, weight: float) -> Step:
    """A step whose scores are those of a decoder and, with a weight, of a language model.

        score(token) = log p(token) + weight * log p_lm(token)

    Params and state of the new step are pairs, (of the decoder, of the language model). The scores
    are no log-probabilities of anything, and ``beam_search`` adds them as they are. The result is
    equal to another of equal parts, so nothing is traced twice.

    Args:
        step: The decoder, ``step(params, state, token) -> (state, logits)``.
        lm_step: The language model, over the same tokens.
        weight: Of the language model, >= 0; 0.1 to 0.5 is usual.

    Raises:
        ValueError: If the weight is negative or, when called, params or state are no pair or the
            vocabularies differ in size.

    Example:
        >>> from rnn_jax import decoding
        >>> def step(params, state, token):
        ...     return state, params[token]
        >>> fused = decoding.shallow_fusion(step, step, 0.5)
        >>> tables = jnp.array([[0.0, 1.0, 2.0]] * 3), jnp.array([[0.0, 9.0, 0.0]] * 3)
        >>> decoding.beam_search(
        ...     fused,
        ...     tables,
        ...     ((), ()),
        ...     beam_size=2,
        ...     start=jnp.array([0]),
        ...     end=0,
        ...     max_length=2,
        ... ).tokens[:, 0, 0].tolist()
        [1, 1]

    References:
        Gulcehre et al., On using monolingual corpora in neural machine translation, 2015,
        arXiv:1503.03535.
    """
    check_weight("weight", weight)
    return _Fused(step, lm_step, weight)


def weighted(weight: float, log_probs: jax.Array) -> jax.Array:
    """``weight * log_probs``, where a weight of 0 leaves nothing, not even of -inf.

    Example:
        >>> weighted(0.0, jnp.array([-jnp.inf, -1.0])).tolist()
        [0.0, 0.0]
    """
    return weight * log_probs if weight else jnp.zeros_like(log_probs)

"""The language model of ``ctc_prefix_beam``, and whether it fits."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.decoding.base import Step
from rnn_jax.decoding.checks import check_range, check_step, check_tokens
from rnn_jax.decoding.penalties import check_weight
from rnn_jax.ops.types import batch_like
from rnn_jax.typing import Params, State


class LanguageModel(NamedTuple):
    """A language model beside a CTC network, over the same classes (the blank's is not read)."""

    step: Step
    params: Params
    state: State  # where to begin, leaves (*B, ...)
    start: jax.Array  # (*B,) the token to feed first
    weight: float = 0.5  # of its log-probabilities
    end: int | None = None  # if given, the probability of ending there counts at last


def check_model(
    model: LanguageModel, batch_shape: tuple[int, ...], logits: jax.Array
) -> tuple[Params, State, jax.Array]:
    """Params, state and start of a language model that fits, with one batch axis.

    Raises:
        ValueError: If it is none, its weight is negative, or its rows or tokens are not those of
            the logits.
    """
    if not isinstance(model, LanguageModel):
        raise ValueError(
            f"language_model is a {type(model).__name__}: give decoding.LanguageModel(step, "
            f"params, state, start, weight)."
        )
    check_weight("weight", model.weight)
    start = check_tokens("start", model.start)
    if start.shape != batch_shape:
        raise ValueError(
            f"the language model's start has shape {start.shape}, but logits has batch axes "
            f"{batch_shape}: give one token for each row."
        )
    vocab_size = logits.shape[-1]
    known = check_step(model.step, model.params, model.state, start)
    if known != vocab_size:
        raise ValueError(
            f"the language model knows {known} tokens, but logits has {vocab_size} classes: both "
            f"must know the same by the same numbers, the blank among them."
        )
    check_range("start", start, vocab_size)
    if model.end is not None:
        check_range("end", check_tokens("end", model.end), vocab_size)

    def flat(x: Any) -> jax.Array:
        x = jnp.asarray(x)
        return batch_like(x.reshape(-1, *x.shape[len(batch_shape) :]), logits, 1)

    return model.params, jax.tree.map(flat, model.state), flat(start)

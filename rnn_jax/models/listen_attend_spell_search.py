"""The search of listen, attend and spell: greedy or by a beam, with CTC beside it if asked for."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax import decoding
from rnn_jax.models.pure import Pure
from rnn_jax.models.speech import Hypotheses, time_first
from rnn_jax.ops.types import batch_like
from rnn_jax.typing import Params


class SpellerSearch(NamedTuple):
    """All of a search that is static."""

    pure: Pure[Any]
    max_length: int
    beam_size: int
    num_best: int
    length_penalty: decoding.LengthPenalty
    ctc_weight: float


@partial(jax.jit, static_argnums=0)
def transcribe(
    search: SpellerSearch, params: Params, features: jax.Array, lengths: jax.Array | None
) -> Hypotheses:
    """The best labels of frames (B, T, F), without the symbol for the end.

    Example:
        >>> from flax import nnx
        >>> from rnn_jax.models import ListenAttendSpell, ListenAttendSpellConfig, take_apart
        >>> config = ListenAttendSpellConfig(
        ...     input_size=3, hidden_size=4, num_layers=1, vocab_size=5, decoder_size=4
        ... )
        >>> pure, params = take_apart(ListenAttendSpell(config, rngs=nnx.Rngs(0)))
        >>> search = SpellerSearch(pure, 4, 2, 2, decoding.NoPenalty(), 0.0)
        >>> found = jax.eval_shape(
        ...     lambda params, xs: transcribe(search, params, xs, None), params, jnp.ones((2, 6, 3))
        ... )
        >>> found.tokens.shape
        (2, 2, 4)
    """
    model = search.pure(params)
    start, end = model.config.start, model.config.end
    encoded = model.listener(features, lengths=lengths)
    first = batch_like(jnp.full(features.shape[:1], start), time_first(encoded.ys), 1)
    step: Any = search.pure.step
    read: Any = params
    state: Any = model.attend(encoded)
    if search.ctc_weight:
        step = decoding.joint_step(step, search.ctc_weight, end=end, blank=start)
        logits = time_first(model.ctc(encoded.ys))
        read = decoding.joint_params(params, logits, encoded.lengths, blank=start)
        state = decoding.joint_state(state, read, blank=start)
    beams = decoding.beam_search(
        step,
        read,
        state,
        beam_size=search.beam_size,
        start=first,
        end=end,
        max_length=search.max_length,
        length_penalty=search.length_penalty,
        num_best=search.num_best,
        normalize=not search.ctc_weight,
    )
    tokens, sizes = jnp.moveaxis(beams.tokens, 0, -1), beams.lengths  # (B, K, U), (B, K)
    places = jnp.arange(search.max_length)
    ended = (tokens == end) & (places == sizes[..., None] - 1)
    sizes = sizes - ended.any(-1)
    return Hypotheses(jnp.where(places < sizes[..., None], tokens, start), sizes, beams.scores)

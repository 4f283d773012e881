"""One search for all recognisers of speech."""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax.data.batch import PairBatch
from rnn_jax.models.ctc_recogniser import CTCRecogniser
from rnn_jax.models.listen_attend_spell import ListenAttendSpell
from rnn_jax.models.pure import Pure
from rnn_jax.models.speech import Hypotheses
from rnn_jax.models.speech_convolutions import shorter
from rnn_jax.typing import Params


def recognise(
    pure: Pure[Any],
    params: Params,
    features: jax.Array,
    lengths: jax.Array | None = None,
    *,
    beam_size: int = 1,
) -> Hypotheses:
    """The most probable labels of speech by whichever model it is, each in its own way.

    - CTC: the best path for ``beam_size=1``, else a prefix beam.
    - Listen, attend and spell: a beam, with CTC's prefix scores if it was trained with CTC and at
      the same share; at most as many labels as the listener has steps, and the end.
    - Transducer: greedily, whatever ``beam_size``.

    Args:
        pure, params: The model, taken apart.
        features: Frames (B, T, F).
        lengths: Frames of each row, (B,).
        beam_size: Hypotheses that go on, and that are returned where there are so many.

    Example:
        >>> from flax import nnx
        >>> from rnn_jax.models import CTCRecogniserConfig, take_apart
        >>> config = CTCRecogniserConfig(input_size=3, hidden_size=4, num_layers=1, vocab_size=5)
        >>> pure, params = take_apart(CTCRecogniser(config, rngs=nnx.Rngs(0)))
        >>> recognise(pure, params, jnp.ones((2, 6, 3))).tokens.shape
        (2, 1, 6)
    """
    model: Any = pure(params)
    if isinstance(model, ListenAttendSpell):
        return model.hypotheses(
            features,
            lengths=lengths,
            max_length=shorter(features.shape[1], model.config.reduction) + 1,
            beam_size=beam_size,
            ctc_weight=model.config.ctc_weight,
        )
    if isinstance(model, CTCRecogniser) and beam_size > 1:
        return model.hypotheses(features, lengths=lengths, beam_size=beam_size)
    best = model.transcribe(features, lengths=lengths)
    return Hypotheses(*(leaf[:, None] for leaf in best))


def recognise_all(
    pure: Pure[Any], params: Params, batches: Iterable[PairBatch], *, beam_size: int = 1
) -> list[list[tuple[float, np.ndarray]]]:
    """The hypotheses for every recording of a corpus, best first.

    Args:
        pure, params: The model, taken apart.
        batches: Of features, such as ``PairBatches.in_order()``; rows may come in any order.
        beam_size: As for ``recognise``.

    Returns:
        For each recording, in the order of the data, (score, labels) of each hypothesis found.

    Example:
        >>> from flax import nnx
        >>> from rnn_jax.data.buckets import PairBatches
        >>> from rnn_jax.models import CTCRecogniserConfig, take_apart
        >>> config = CTCRecogniserConfig(input_size=3, hidden_size=4, num_layers=1, vocab_size=5)
        >>> pure, params = take_apart(CTCRecogniser(config, rngs=nnx.Rngs(0)))
        >>> batches = PairBatches([np.ones((6, 3))], [[]], batch_size=2, num_buckets=1)
        >>> [len(found) for found in recognise_all(pure, params, batches.in_order())]
        [1]
    """
    found: dict[int, list[tuple[float, np.ndarray]]] = {}
    for rows in batches:
        features, lengths = jnp.asarray(rows.source), jnp.asarray(rows.source_lengths)
        best = recognise(pure, params, features, lengths, beam_size=beam_size)
        for place, *columns in zip(rows.indices.tolist(), *map(np.asarray, best)):
            found[place] = [(float(s), row[:n]) for row, n, s in zip(*columns) if s != -np.inf]
    return [found[place] for place in sorted(found) if place >= 0]

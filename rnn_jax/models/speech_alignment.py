"""Where in the speech each label is, as a recogniser sees it; for pictures."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.losses import ctc_loss
from rnn_jax.models.ctc_recogniser import CTCRecogniser
from rnn_jax.models.listen_attend_spell import ListenAttendSpell
from rnn_jax.models.pure import Pure
from rnn_jax.models.speech import time_first
from rnn_jax.models.transducer import Transducer
from rnn_jax.typing import Params


@partial(jax.jit, static_argnums=0)
def speech_alignment(
    pure: Pure[Any], params: Params, features: jax.Array, labels: jax.Array
) -> jax.Array:
    """A weight for each label and each of the encoder's steps, of one recording.

    - Listen, attend and spell: the attention's weights when each label is written, the mean over
      heads. Each label's sum to 1.
    - CTC: the probability that a step is this label, given frames and labels: gamma of the
      forward-backward algorithm. A step's sum to 1 less the blank's. (Equal neighbours count as
      different labels here, so no blank need stand between them.)
    - Transducer: the probability of writing the label at a step once those before it are written.

    Args:
        pure, params: The model, taken apart.
        features: Frames (T, F), all real.
        labels: (U,), no start, end or blank among them.

    Returns:
        (U, T').

    Example:
        >>> from flax import nnx
        >>> from rnn_jax.models import CTCRecogniserConfig, take_apart
        >>> config = CTCRecogniserConfig(input_size=3, hidden_size=4, num_layers=1, vocab_size=5)
        >>> pure, params = take_apart(CTCRecogniser(config, rngs=nnx.Rngs(0)))
        >>> weights = speech_alignment(pure, params, jnp.ones((6, 3)), jnp.array([2, 4]))
        >>> weights.shape, bool((weights.sum(0) <= 1).all())
        ((2, 6), True)
    """
    model: Any = pure(params)
    if isinstance(model, CTCRecogniser):
        return _ctc(model, features, labels)
    if isinstance(model, ListenAttendSpell):
        return _attention(pure, params, model, features, labels)
    if isinstance(model, Transducer):
        return _transducer(model, features, labels)
    raise ValueError(f"speech_alignment: {type(model).__name__} is no recogniser of speech.")


def _ctc(model: CTCRecogniser, features: jax.Array, labels: jax.Array) -> jax.Array:
    """Label u becomes class u + 1: the loss then knows equal labels apart. By its gradient,
    d loss / d logits = softmax(logits) - gamma."""
    logits = model(features[None]).ys[0]
    places = jnp.concatenate([jnp.full_like(labels[:1], model.config.blank), labels])
    own = logits[:, places].astype(jnp.float32)  # (T', 1 + U)
    row = jnp.arange(1, len(labels) + 1)[None]

    def loss(own: jax.Array) -> jax.Array:
        return ctc_loss(own[:, None], row.T).sum()

    gamma = jax.nn.softmax(own) - jax.grad(loss)(own)
    return gamma[:, 1:].T


def _attention(
    pure: Pure[Any],
    params: Params,
    model: ListenAttendSpell,
    features: jax.Array,
    labels: jax.Array,
) -> jax.Array:
    read = jnp.concatenate([jnp.full_like(labels[:1], model.config.start), labels[:-1]])

    def step(state: Any, token: jax.Array) -> tuple[Any, jax.Array]:
        state, _ = pure.step(params, state, token[None])
        return state, state.cell.weights[0].mean(0)  # (N, T') of one row

    weights: jax.Array = jax.lax.scan(step, model.start(features[None]), read)[1]
    return weights


def _transducer(model: Transducer, features: jax.Array, labels: jax.Array) -> jax.Array:
    read = jnp.concatenate([jnp.full_like(labels[:1], model.config.blank), labels[:-1]])
    frames = model.from_frames(model.encoder(features[None]).ys)[0]
    _, predicted = model.predict(read[None])
    logits = model.joint(frames[None], time_first(predicted))  # (U, T', V)
    p = jax.nn.softmax(logits)
    return jnp.take_along_axis(p, labels[:, None, None], axis=-1)[..., 0]

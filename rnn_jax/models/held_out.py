"""What a language model reaches on a text it was not trained on, in nats per token."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax import decoding
from rnn_jax.data.streams import Piece, full_pass
from rnn_jax.models.dynamic_evaluation import dynamic_evaluation, gradient_scale
from rnn_jax.models.language_model import LanguageModel
from rnn_jax.models.pure import Pure
from rnn_jax.typing import Params, State

_ROWS = 32  # of the training text, whose gradients are squared


def held_out_loss(
    pure: Pure[LanguageModel], params: Params, tokens: np.ndarray, *, rows: int = 16
) -> float:
    """Nats per token over all of a text, exactly, the state carried along ``rows`` streams.

    Args:
        pure: A language model, see ``take_apart``.
        params: Its parameters.
        tokens: (1 + M,); the first is context only.
        rows: Streams that the text is cut into. Their first tokens have little context, so more
            streams give a slightly higher loss, in less time.

    Example:
        >>> from flax import nnx
        >>> from rnn_jax.models import LanguageModelConfig, take_apart
        >>> config = LanguageModelConfig(vocab_size=5, embedding_size=2, hidden_size=3)
        >>> pure, params = take_apart(LanguageModel(config, rngs=nnx.Rngs(0)))
        >>> zero = jax.tree.map(jnp.zeros_like, params)
        >>> round(held_out_loss(pure, zero, np.array([0, 1, 2, 3])), 4)  # ln 5
        1.6094
    """
    state, totals = pure(params).initial_state(rows), []
    for piece in full_pass(tokens, rows, 64):
        found, state = _measured(pure, params, state, piece)
        totals.append(found.total)
    return float(np.sum(jax.device_get(totals), dtype=float)) / (tokens.size - 1)


def dynamic_loss(
    pure: Pure[LanguageModel],
    params: Params,
    tokens: np.ndarray,
    train: np.ndarray,
    *,
    rate: float,
    decay: float,
    segment: int = 20,
) -> float:
    """Nats per token of a model that goes on learning as it reads: ``dynamic_evaluation``.

    The RMS rule, in one stream; the size of the gradients is that on the last part of ``train``.

    Args:
        pure: A language model, see ``take_apart``.
        params: Its parameters.
        tokens: (1 + M,); the first is context only.
        train: (N,), text that the model was trained on.
        rate: eta.
        decay: lambda.
        segment: Tokens between two updates.

    Example:
        >>> from flax import nnx
        >>> from rnn_jax.models import LanguageModelConfig, take_apart
        >>> config = LanguageModelConfig(vocab_size=5, embedding_size=2, hidden_size=3)
        >>> pure, params = take_apart(LanguageModel(config, rngs=nnx.Rngs(0)))
        >>> ones = np.ones(200, np.int32)
        >>> learning = dynamic_loss(pure, params, ones, ones, rate=0.01, decay=0.0)
        >>> learning < held_out_loss(pure, params, ones)
        True
    """

    def pieces(tokens: np.ndarray, rows: int) -> Piece:
        read = full_pass(tokens, rows, segment)
        return jax.tree.map(lambda *leaves: np.stack(leaves), *read)

    model, run = pure(params), partial(_measure, pure)
    seen = train[-(200 * _ROWS * segment + 1) :]
    scale = gradient_scale(run, params, model.initial_state(_ROWS), pieces(seen, _ROWS))
    found, _ = dynamic_evaluation(
        run, params, model.initial_state(1), pieces(tokens, 1), rate=rate, decay=decay, scale=scale
    )
    return float(found.mean)


def cached_loss(
    pure: Pure[LanguageModel],
    params: Params,
    tokens: np.ndarray,
    *,
    theta: float,
    share: float,
    window: int,
) -> float:
    """Nats per token with a cache of what followed similar outputs: ``decoding.cache_log_probs``.

    Args:
        pure: A language model, see ``take_apart``.
        params: Its parameters.
        tokens: (1 + M,); the first is context only. They are read in one stream.
        theta: How sharply similar outputs are preferred.
        share: Weight of the cache.
        window: Tokens that it holds.

    Example:
        >>> from flax import nnx
        >>> from rnn_jax.models import LanguageModelConfig, take_apart
        >>> config = LanguageModelConfig(vocab_size=5, embedding_size=2, hidden_size=3)
        >>> pure, params = take_apart(LanguageModel(config, rngs=nnx.Rngs(0)))
        >>> zero, ones = jax.tree.map(jnp.zeros_like, params), np.ones(3, np.int32)
        >>> found = cached_loss(pure, zero, ones, theta=1.0, share=0.5, window=9)
        >>> round(found, 4)  # -(ln 0.2 + ln(0.5 * 0.2 + 0.5)) / 2: the cache is empty at first
        1.0601
    """

    @jax.jit
    def step(params: Params, carry: Any, piece: Piece) -> Any:
        (state, cache), model = carry, pure(params)
        ys, _, state = model.hidden(jnp.asarray(piece.inputs), state)
        hidden, targets = jnp.moveaxis(ys, 1, 0), jnp.asarray(piece.targets).T
        log_probs = decoding.token_log_prob(model.project(hidden), targets)
        log_probs, cache = decoding.cache_log_probs(
            cache, hidden, targets, log_probs, theta=theta, share=share
        )
        real = jnp.arange(len(targets)) < piece.lengths
        return (state, cache), -jnp.sum(log_probs[:, 0], where=real)

    model, totals = pure(params), []
    size = model.config.cells[-1].output_size
    carry = model.initial_state(1), decoding.empty_cache(window, (1,), size)
    for piece in full_pass(tokens, 1, 64):
        carry, nats = step(params, carry, piece)
        totals.append(nats)
    return float(np.sum(jax.device_get(totals), dtype=float)) / (tokens.size - 1)


def _measure(pure: Pure[LanguageModel], params: Params, state: State, piece: Piece) -> Any:
    inputs, targets, lengths = map(jnp.asarray, piece)
    return pure(params).loss(inputs, targets, state, lengths=lengths)


_measured = jax.jit(_measure, static_argnums=0)

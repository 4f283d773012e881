"""The recurrent neural network transducer: labels as the frames arrive, without attention."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax import decoding, layers
from rnn_jax.bridge.nnx import Layer
from rnn_jax.losses import Sum, tally, transducer_loss
from rnn_jax.models.chains import layer_chain
from rnn_jax.models.pure import Pure, take_apart
from rnn_jax.models.rows import embed
from rnn_jax.models.speech import (
    SpeechEncoder,
    SpeechEncoderConfig,
    Transcript,
    time_first,
)
from rnn_jax.models.speech_labels import check_labels, check_symbols
from rnn_jax.typing import Params, State


@dataclass(frozen=True, kw_only=True)
class TransducerConfig(SpeechEncoderConfig):
    """Sizes and choices of ``Transducer``: those of ``SpeechEncoderConfig`` and

    Args:
        vocab_size: V, blank among them.
        blank: The class that goes to the next frame; the prediction network begins with it.
        embedding_size: E of a label's vector.
        prediction_size: Units of each layer of the prediction network.
        num_prediction_layers: How many it has.
        joint_size: J, hidden units where frames and labels meet.

    Example:
        >>> TransducerConfig(input_size=40, vocab_size=30, reductions=(1, 2)).reduction
        2
    """

    vocab_size: int
    blank: int = 0
    embedding_size: int = 64
    prediction_size: int = 256
    num_prediction_layers: int = 1
    joint_size: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        check_symbols(self, "blank")

    def prediction(self) -> layers.Stack:
        """The recurrent layers over labels."""
        sizes = (self.prediction_size,) * self.num_prediction_layers
        made = layer_chain(self.cell, self.embedding_size, sizes)
        return layers.Stack(layers=made, dropout=self.dropout)


class Transducer(nnx.Module):
    """An encoder of frames, a network that predicts labels from labels, and a joint of both.

        p(k | t, u) = softmax(tanh(e_t @ w_e + g_u @ w_g + b) @ w + b_o)
        e = encoder(x),   g_0 .. g_U = RNN(embedding[blank, label_1 .. label_U])

    At each frame it writes labels until it writes blank. The prediction network's state depends on
    the labels alone, so both networks run once and the loss sums over all alignments.

    Args:
        config: Sizes and choices.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> config = TransducerConfig(
        ...     input_size=3, hidden_size=4, num_layers=1, vocab_size=5, prediction_size=4
        ... )
        >>> model = Transducer(config, rngs=nnx.Rngs(0))
        >>> features, labels = jnp.ones((2, 6, 3)), jnp.array([[1, 4], [2, 0]])
        >>> pure, params = take_apart(model)
        >>> @jax.jit
        ... def run(params, features, labels, lengths, sizes):
        ...     return pure(params).loss(features, labels, lengths=lengths, label_lengths=sizes)
        >>> loss = run(params, features, labels, jnp.array([6, 4]), jnp.array([2, 1]))
        >>> loss.count.item()
        2

    References:
        Graves, Sequence transduction with recurrent neural networks, 2012, arXiv:1211.3711.
        Graves, Mohamed and Hinton, Speech recognition with deep recurrent neural networks, 2013,
        arXiv:1303.5778 (the joint network).
    """

    def __init__(self, config: TransducerConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.encoder = SpeechEncoder(config, rngs=rngs)
        self.embedding = nnx.Embed(config.vocab_size, config.embedding_size, rngs=rngs)
        self.prediction = Layer(config.prediction(), rngs=rngs)
        self.from_frames = nnx.Linear(config.output_size, config.joint_size, rngs=rngs)
        self.from_labels = nnx.Linear(
            config.prediction().output_size, config.joint_size, use_bias=False, rngs=rngs
        )
        self.output = nnx.Linear(config.joint_size, config.vocab_size, rngs=rngs)

    def predict(
        self, tokens: jax.Array, state: State | None = None, *, key: jax.Array | None = None
    ) -> tuple[State, jax.Array]:
        """Read tokens (B, U), blank first: the state after them, and vectors (B, U, J)."""
        out = self.prediction(embed(self.embedding.embedding[...], tokens), state, rngs=key)
        return out.state, self.from_labels(out.ys)

    def joint(self, frames: jax.Array, predicted: jax.Array) -> jax.Array:
        """Logits (..., V) where frames and predicted labels (..., J) meet."""
        return self.output(jnp.tanh(frames + predicted))

    def loss(
        self,
        features: jax.Array,
        labels: jax.Array,
        *,
        lengths: jax.Array | None = None,
        label_lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> Sum:
        """Negative log-likelihood of labels (B, U) given frames (B, T, F), a count of rows.

        A row without frames but with labels is impossible: it costs inf, with zero gradient.
        """
        config = self.config
        found = check_labels(labels, label_lengths, config.vocab_size, {"blank": config.blank})
        key_e, key_p = (None, None) if key is None else jax.random.split(key)
        encoded = self.encoder(features, lengths=lengths, key=key_e)
        tokens = jnp.pad(found.clean, ((0, 0), (1, 0)), constant_values=config.blank)
        _, predicted = self.predict(tokens, key=key_p)
        frames = time_first(self.from_frames(encoded.ys))
        logits = self.joint(frames[:, None], time_first(predicted)[None])
        losses = transducer_loss(
            logits,
            found.given.T,
            lengths=encoded.lengths,
            label_lengths=found.lengths,
            blank=config.blank,
        )
        return tally(losses)

    def step(self, state: State, token: jax.Array) -> tuple[State, jax.Array]:
        """The prediction network reads one token (B,): its state after it, and a vector (B, J)."""
        state, predicted = self.predict(token[:, None], state)
        return state, predicted[:, 0]

    def transcribe(
        self,
        features: jax.Array,
        *,
        lengths: jax.Array | None = None,
        max_length: int | None = None,
        max_symbols: int = 8,
    ) -> Transcript:
        """The labels of frames (B, T, F), greedily, in one program.

        Args:
            features: Frames.
            lengths: Frames of each row, (B,).
            max_length: Most labels of a row; None for ``max_symbols`` at each step.
            max_symbols: Most labels at one step of the encoder.
        """
        pure, params = take_apart(self)
        return _transcribe(_Search(pure, max_length, max_symbols), params, features, lengths)


@dataclass(frozen=True)
class _Join:
    """The joint network as ``decoding.transducer_greedy`` takes it."""

    pure: Pure[Transducer]

    def __call__(self, params: Params, frame: jax.Array, predicted: jax.Array) -> jax.Array:
        return self.pure(params).joint(frame, predicted)


class _Search(NamedTuple):
    """All that is static."""

    pure: Pure[Transducer]
    max_length: int | None
    max_symbols: int


@partial(jax.jit, static_argnums=0)
def _transcribe(
    search: _Search, params: Params, features: jax.Array, lengths: jax.Array | None
) -> Transcript:
    model = search.pure(params)
    encoded = model.encoder(features, lengths=lengths)
    state = model.prediction.layer.initial_state(model.prediction.get_params(), features.shape[:1])
    found = decoding.transducer_greedy(
        search.pure.step,
        _Join(search.pure),
        params,
        state,
        time_first(model.from_frames(encoded.ys)),
        lengths=encoded.lengths,
        blank=model.config.blank,
        max_length=search.max_length,
        max_symbols=search.max_symbols,
    )
    return Transcript(found.tokens.T, found.lengths, found.scores)

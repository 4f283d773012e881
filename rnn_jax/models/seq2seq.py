"""Sequence to sequence: a sentence read, another written."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax.losses import Sum, cross_entropy
from rnn_jax.models.bridges import Bridge, carry_last, mean_over_time
from rnn_jax.models.checks import check_tokens
from rnn_jax.models.decoder import Decoder, DecoderOutput, DecoderState
from rnn_jax.models.encoder import Encoder, EncoderOutput
from rnn_jax.models.rows import real_tokens, shift
from rnn_jax.models.search import Found, Search, search
from rnn_jax.models.seq2seq_config import Seq2SeqConfig


class Seq2Seq(nnx.Module):
    """Translates: an encoder reads a sentence, a decoder writes another.

        y_1 .. y_S = RNN(source),   s_0 = bridge(y)
        p(w_t | w_1 .. w_{t-1}, source) = softmax of the decoder's logits: see ``Decoder``

    Sutskever's is ``bidirectional=False, reverse_source=True, bridge="last", feed=False``, Cho's
    ``feed=True`` without attention, Bahdanau's attention with ``order="before"``, Luong's with
    ``order="after"``.

    Rows of targets are tokens and an end symbol, which ``target_lengths`` count; what the decoder
    reads is the start symbol and the target without its last: ``loss`` and ``alignments`` see to
    it. Padding may be any number.

    To let the decoder read its own words in training (scheduled sampling) give
    ``decoding.scheduled_sampling`` the ``step`` of ``take_apart``, the state of ``start`` and
    ``target_inputs(target)``, time first.

    Args:
        config: Sizes and choices.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> from rnn_jax import attention
        >>> from rnn_jax.models import take_apart
        >>> config = Seq2SeqConfig(
        ...     source_vocab_size=9, target_vocab_size=7, hidden_size=4, attention=attention.General
        ... )
        >>> model = Seq2Seq(config, rngs=nnx.Rngs(0))
        >>> source, lengths = jnp.array([[3, 4, 5], [6, 0, 0]]), jnp.array([3, 1])
        >>> target, target_lengths = jnp.array([[5, 6, 4, 2], [3, 2, 0, 0]]), jnp.array([4, 2])
        >>> pure, params = take_apart(model)
        >>> loss = jax.jit(lambda params, *batch, **of: pure(params).loss(*batch, **of))
        >>> sizes = {"source_lengths": lengths, "target_lengths": target_lengths}
        >>> loss(params, source, target, **sizes).count.item()
        6
        >>> found = model.translate(source, lengths, max_length=5)  # beam_size=5 for a beam
        >>> found.tokens.shape, found.scores.shape
        ((2, 5), (2,))

    References:
        Sutskever, Vinyals and Le, Sequence to sequence learning with neural networks, 2014,
        arXiv:1409.3215.
        Cho et al., Learning phrase representations using RNN encoder-decoder for statistical
        machine translation, 2014, arXiv:1406.1078.
        Bahdanau, Cho and Bengio, Neural machine translation by jointly learning to align and
        translate, 2015, arXiv:1409.0473.
        Luong, Pham and Manning, Effective approaches to attention-based neural machine translation,
        2015, arXiv:1508.04025.
    """

    def __init__(self, config: Seq2SeqConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.encoder = Encoder(config.encoder, config.reverse_source, rngs=rngs)
        self.decoder = Decoder(config.decoder, rngs=rngs)
        if config.bridge in ("mean", "learned"):
            self.bridge = Bridge(self.encoder.output_size, config.decoder.cells, rngs=rngs)

    def encode(
        self,
        source: jax.Array,
        source_lengths: jax.Array | None = None,
        *,
        key: jax.Array | None = None,
    ) -> EncoderOutput:
        """Read the source (B, S), of which source_lengths (B,) are real."""
        return self.encoder(source, source_lengths, key=key)

    def start(
        self,
        source: jax.Array,
        source_lengths: jax.Array | None = None,
        *,
        key: jax.Array | None = None,
    ) -> DecoderState:
        """The decoder's state when the source (B, S) has been read and nothing is written."""
        config, encoded = self.config, self.encode(source, source_lengths, key=key)

        def begin(states: Any) -> Any:
            if config.bridge == "last":
                return carry_last(encoded.states, states, config.decoder.cells)
            if config.bridge == "mean":
                return self.bridge(mean_over_time(encoded.ys, source_lengths), states)
            return self.bridge(encoded.last, states)

        attends = config.attention is not None
        return self.decoder.start(
            source.shape[0],
            memory=encoded.ys if attends else None,
            lengths=source_lengths if attends else None,
            context=encoded.last if config.feed and not attends else None,
            begin=None if config.bridge == "zero" else begin,
        )

    def step(self, state: DecoderState, token: jax.Array) -> tuple[DecoderState, jax.Array]:
        """One token (B,): the state after it and logits (B, V) of the next one."""
        return self.decoder.step(state, token)

    def decode(
        self,
        source: jax.Array,
        target_inputs: jax.Array,
        *,
        source_lengths: jax.Array | None = None,
        target_lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> DecoderOutput:
        """The decoder's outputs and attention for given inputs (B, T), start symbol first."""
        keys: Any = (None, None) if key is None else jax.random.split(key)
        state = self.start(source, source_lengths, key=keys[0])
        return self.decoder(state, target_inputs, lengths=target_lengths, key=keys[1])

    def __call__(
        self,
        source: jax.Array,
        target_inputs: jax.Array,
        *,
        source_lengths: jax.Array | None = None,
        target_lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> jax.Array:
        """Logits (B, T, V) of what follows each of the inputs (B, T), start symbol first."""
        found = self.decode(
            source,
            target_inputs,
            source_lengths=source_lengths,
            target_lengths=target_lengths,
            key=key,
        )
        return self.decoder.project(found.ys)

    def target_inputs(self, target: jax.Array) -> jax.Array:
        """What the decoder reads to write the target (B, T): start, then all but the last."""
        return shift(target, self.config.start)

    def loss(
        self,
        source: jax.Array,
        target: jax.Array,
        *,
        source_lengths: jax.Array | None = None,
        target_lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> Sum:
        """Cross entropy of the targets (B, T), end symbol included; with a key, dropout acts."""
        logits = self(
            source,
            self.target_inputs(target),
            source_lengths=source_lengths,
            target_lengths=target_lengths,
            key=key,
        )
        return cross_entropy(
            jnp.moveaxis(logits, 1, 0),
            target.T,
            lengths=target_lengths,
            label_smoothing=0.0 if key is None else self.config.label_smoothing,
        )

    def alignments(
        self,
        source: jax.Array,
        target: jax.Array,
        *,
        source_lengths: jax.Array | None = None,
        target_lengths: jax.Array | None = None,
    ) -> jax.Array:
        """What was attended to for each token of the target: (B, T, S), of several heads N also."""
        if self.config.attention is None:
            raise ValueError("alignments: the model has no attention: see Seq2SeqConfig.")
        found = self.decode(
            source,
            self.target_inputs(target),
            source_lengths=source_lengths,
            target_lengths=target_lengths,
        )
        assert found.weights is not None
        return found.weights

    def translate(
        self,
        source: jax.Array,
        source_lengths: jax.Array | None = None,
        *,
        max_length: int,
        beam_size: int = 1,
        length_penalty: Any = None,
        coverage_penalty: Any = None,
        choose: Callable[..., jax.Array] | None = None,
        key: jax.Array | None = None,
    ) -> Found:
        """Translate sources (B, S): greedily, by beam, or drawn; the options are ``Search``'s.

        It is one compiled program. For more (several best, a prefix, no repeats) give
        ``decoding.beam_search`` the ``step`` of ``take_apart`` and the state of ``start``.
        """
        source = real_tokens(source, source_lengths, "source")
        check_tokens(source, "source", vocab_size=self.config.source_vocab_size)
        how = Search(
            start=self.config.start,
            end=self.config.end,
            max_length=max_length,
            beam_size=beam_size,
            length_penalty=length_penalty,
            coverage_penalty=coverage_penalty,
            choose=choose,
        )
        return search(self, how, source, source_lengths, key)

"""Speech to text by connectionist temporal classification."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax import decoding
from rnn_jax.losses import Sum, ctc_loss, tally
from rnn_jax.models.pure import Pure, take_apart
from rnn_jax.models.speech import (
    Encoded,
    Hypotheses,
    SpeechEncoder,
    SpeechEncoderConfig,
    Transcript,
    time_first,
)
from rnn_jax.models.speech_labels import check_labels, check_symbols
from rnn_jax.typing import Params


@dataclass(frozen=True, kw_only=True)
class CTCRecogniserConfig(SpeechEncoderConfig):
    """Sizes and choices of ``CTCRecogniser``: those of ``SpeechEncoderConfig`` and

    Args:
        vocab_size: V, blank among them.
        blank: The class that stands for no label.
        zero_infinity: Leave rows out of the loss whose labels need more steps than there are;
            False makes the loss inf (with zero gradient of such rows).

    Example:
        >>> CTCRecogniserConfig(input_size=40, vocab_size=30, reductions=(2,)).reduction
        2
    """

    vocab_size: int
    blank: int = 0
    zero_infinity: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_symbols(self, "blank")


class CTCRecogniser(nnx.Module):
    """Recurrent layers that read frames from both ends, and at each step a label or blank.

        p(k | t) = softmax(RNN(x)_t @ w + b),   p(labels) = sum over all alignments prod_t p(. | t)

    Args:
        config: Sizes and choices.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> config = CTCRecogniserConfig(input_size=3, hidden_size=4, num_layers=1, vocab_size=5)
        >>> model = CTCRecogniser(config, rngs=nnx.Rngs(0))
        >>> features, labels = jnp.ones((2, 6, 3)), jnp.array([[1, 4], [2, 0]])
        >>> pure, params = take_apart(model)
        >>> @jax.jit
        ... def run(params, features, labels, lengths, sizes):
        ...     return pure(params).loss(features, labels, lengths=lengths, label_lengths=sizes)
        >>> loss = run(params, features, labels, jnp.array([6, 4]), jnp.array([2, 1]))
        >>> loss.count.item()
        2
        >>> model.transcribe(features, lengths=jnp.array([6, 4])).tokens.shape
        (2, 6)

    References:
        Graves, Fernandez, Gomez and Schmidhuber, Connectionist temporal classification, 2006,
        doi:10.1145/1143844.1143891.
        Graves, Mohamed and Hinton, Speech recognition with deep recurrent neural networks, 2013,
        arXiv:1303.5778.
    """

    def __init__(self, config: CTCRecogniserConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        self.encoder = SpeechEncoder(config, rngs=rngs)
        self.output = nnx.Linear(config.output_size, config.vocab_size, rngs=rngs)

    def __call__(
        self,
        features: jax.Array,
        *,
        lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> Encoded:
        """Logits (B, T', V) of frames (B, T, F), and how many steps of each row are real."""
        encoded = self.encoder(features, lengths=lengths, key=key)
        return encoded._replace(ys=self.output(encoded.ys))

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

        With ``zero_infinity`` rows without any alignment are in neither the total nor the count,
        so B - count says how many there are.
        """
        config = self.config
        found = check_labels(labels, label_lengths, config.vocab_size, {"blank": config.blank})
        logits, lengths = self(features, lengths=lengths, key=key)
        losses = ctc_loss(
            time_first(logits),
            found.given.T,
            lengths=lengths,
            label_lengths=found.lengths,
            blank=config.blank,
        )
        return tally(losses, mask=losses != jnp.inf if config.zero_infinity else None)

    def transcribe(
        self,
        features: jax.Array,
        *,
        lengths: jax.Array | None = None,
        beam_size: int | None = None,
        language_model: decoding.LanguageModel | None = None,
        label_bonus: float = 0.0,
    ) -> Transcript:
        """The labels of frames (B, T, F): of the most probable path, or found by a prefix beam.

        Args:
            features: Frames.
            lengths: Frames of each row, (B,).
            beam_size: Prefixes kept at each step, summing their paths; None for the best path.
            language_model: Scores the prefixes of the beam too.
            label_bonus: What each label adds to the beam's score.

        Raises:
            ValueError: If something for a beam is given without one, or as
                ``decoding.ctc_prefix_beam``.
        """
        if beam_size is None and (language_model is not None or label_bonus):
            raise ValueError(
                "language_model and label_bonus rank the prefixes of a beam, but beam_size is "
                "None: give one, such as 8."
            )
        if beam_size is None:
            pure, params = take_apart(self)
            logits, lengths = _time_first_logits(pure, params, features, lengths)
            tokens, sizes, scores = decoding.ctc_greedy(logits, lengths, blank=self.config.blank)
            return Transcript(tokens.T, sizes, scores)
        return self.hypotheses(
            features,
            lengths=lengths,
            beam_size=beam_size,
            num_best=1,
            language_model=language_model,
            label_bonus=label_bonus,
        ).best

    def hypotheses(
        self,
        features: jax.Array,
        *,
        lengths: jax.Array | None = None,
        beam_size: int,
        num_best: int | None = None,
        language_model: decoding.LanguageModel | None = None,
        label_bonus: float = 0.0,
    ) -> Hypotheses:
        """The ``num_best`` most probable labels, ``beam_size`` unless given; see ``transcribe``."""
        pure, params = take_apart(self)
        logits, lengths = _time_first_logits(pure, params, features, lengths)
        beams = decoding.ctc_prefix_beam(
            logits,
            lengths,
            beam_size=beam_size,
            num_best=beam_size if num_best is None else num_best,
            blank=self.config.blank,
            language_model=language_model,
            label_bonus=label_bonus,
        )
        return Hypotheses(jnp.moveaxis(beams.tokens, 0, -1), beams.lengths, beams.scores)


@partial(jax.jit, static_argnums=0)
def _time_first_logits(
    pure: Pure[CTCRecogniser], params: Params, features: jax.Array, lengths: jax.Array | None
) -> Encoded:
    """Logits, time first, and their lengths."""
    logits, lengths = pure(params)(features, lengths=lengths)
    return Encoded(time_first(logits), lengths)

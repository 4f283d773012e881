"""Listen, attend and spell: speech to text by a pyramid, attention and a speller."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from rnn_jax import decoding
from rnn_jax.attention import Memory
from rnn_jax.bridge.nnx import RNN
from rnn_jax.losses import Sum, cross_entropy, ctc_loss
from rnn_jax.models.listen_attend_spell_config import ListenAttendSpellConfig
from rnn_jax.models.listen_attend_spell_search import SpellerSearch, transcribe
from rnn_jax.models.pure import take_apart
from rnn_jax.models.rows import embed
from rnn_jax.models.speech import Encoded, Hypotheses, SpeechEncoder, Transcript, time_first
from rnn_jax.models.speech_labels import check_labels
from rnn_jax.ops import drop, keep_mask
from rnn_jax.ops.types import batch_like
from rnn_jax.typing import State


class SpellerState(NamedTuple):
    """What the speller carries from label to label; batch axis first, for a beam to gather."""

    cell: State  # an AttentiveState; its ``weights`` (B, N, S) say where it looks
    memory: Memory  # the listener's outputs, prepared
    keep: tuple[jax.Array, jax.Array] | None  # dropout masks (B, E), (B, O); None in evaluation


class ListenAttendSpell(nnx.Module):
    """A listener that halves time as it goes up, and a speller that attends to it.

        h = listen(x),   s_i = RNN(s_{i-1}, [y_{i-1}, c_{i-1}]),   c_i = attend(s_i, h)
        p(y_i | x, y_<i) = softmax(tanh([s_i, c_i] @ w_1 + b_1) @ w_2 + b_2)

    Args:
        config: Sizes and choices.
        rngs: Its stream ``params`` draws the parameters.

    Example:
        >>> from rnn_jax.models import take_apart
        >>> config = ListenAttendSpellConfig(
        ...     input_size=3, hidden_size=4, num_layers=1, vocab_size=5, decoder_size=4
        ... )
        >>> pure, params = take_apart(ListenAttendSpell(config, rngs=nnx.Rngs(0)))
        >>> @jax.jit
        ... def run(params, features, labels, lengths, sizes):
        ...     return pure(params).loss(features, labels, lengths=lengths, label_lengths=sizes)
        >>> features, labels = jnp.ones((2, 6, 3)), jnp.array([[2, 4], [3, 0]])
        >>> loss = run(params, features, labels, jnp.array([6, 4]), jnp.array([2, 1]))
        >>> loss.count.item()  # the symbols for the end count
        5

    References:
        Chan, Jaitly, Le and Vinyals, Listen, attend and spell, 2015, arXiv:1508.01211.
        Kim, Hori and Watanabe, Joint CTC-attention based end-to-end speech recognition using
        multi-task learning, 2017, arXiv:1609.06773 (``ctc_weight``).
        Bengio, Vinyals, Jaitly and Shazeer, Scheduled sampling for sequence prediction with
        recurrent neural networks, 2015, arXiv:1506.03099 (``sampling_rate``).
    """

    def __init__(self, config: ListenAttendSpellConfig, *, rngs: nnx.Rngs) -> None:
        self.config = config
        speller = config.speller
        self.listener = SpeechEncoder(config, rngs=rngs)
        self.embedding = nnx.Embed(config.vocab_size, config.embedding_size, rngs=rngs)
        self.speller = RNN(speller, rngs=rngs)
        self.hidden = nnx.Linear(speller.output_size, config.decoder_size, rngs=rngs)
        self.output = nnx.Linear(config.decoder_size, config.vocab_size, rngs=rngs)
        if config.ctc_weight:
            self.ctc = nnx.Linear(config.output_size, config.vocab_size, rngs=rngs)

    def start(
        self,
        features: jax.Array,
        lengths: jax.Array | None = None,
        *,
        key: jax.Array | None = None,
    ) -> SpellerState:
        """Listen to frames (B, T, F): the state from which ``step`` spells, ``start`` first."""
        key_l, key_s = (None, None) if key is None else jax.random.split(key)
        return self.attend(self.listener(features, lengths=lengths, key=key_l), key=key_s)

    def attend(self, encoded: Encoded, *, key: jax.Array | None = None) -> SpellerState:
        """The state from which ``step`` spells what the listener heard."""
        cell, params, config = self.speller.cell, self.speller.get_params(), self.config
        heard = time_first(encoded.ys)
        memory = cell.attention.prepare(params.attention, heard, encoded.lengths)
        rows, rate, keep = encoded.ys.shape[0], config.decoder_dropout, None
        if key is not None and rate:
            key_e, key_o = jax.random.split(key)
            keep = (
                keep_mask(key_e, rate, (rows, config.embedding_size)),
                keep_mask(key_o, rate, (rows, cell.output_size)),
            )
        begin = cell.initial_state(cell.bind(params, memory), (rows,))
        begin, keep = batch_like((begin, keep), heard, 1)  # sharded as the batch is
        return SpellerState(begin, memory, keep)

    def spell(
        self, state: SpellerState, tokens: jax.Array, *, lengths: jax.Array | None = None
    ) -> tuple[SpellerState, jax.Array]:
        """Read tokens (B, U): the state after them, and logits (B, U, V) of what follows each."""
        rate, keep = self.config.decoder_dropout, state.keep
        memory: Any = state.memory
        xs = embed(self.embedding.embedding[...], tokens)
        if keep is not None:
            xs = drop(xs, keep[0][:, None], rate)
        cell, ys = self.speller(xs, state.cell, lengths=lengths, context=memory)
        if keep is not None:
            ys = drop(ys, keep[1][:, None], rate)
        return state._replace(cell=cell), self.output(jnp.tanh(self.hidden(ys)))

    def step(self, state: SpellerState, token: jax.Array) -> tuple[SpellerState, jax.Array]:
        """One token (B,): the state after it and logits (B, V) of the next one."""
        state, logits = self.spell(state, token[:, None])
        return state, logits[:, 0]

    def loss(
        self,
        features: jax.Array,
        labels: jax.Array,
        *,
        lengths: jax.Array | None = None,
        label_lengths: jax.Array | None = None,
        key: jax.Array | None = None,
        sampling_rate: jax.Array | float = 0.0,
    ) -> Sum:
        """Cross entropy of labels (B, U) and end given frames (B, T, F), a count of tokens.

            total = (1 - w) * sum of cross entropies + w * sum of CTC's losses,   w = ctc_weight

        Rows whose labels need more steps than CTC has count nothing there; rows without frames and
        labels, which fill up a batch, count nothing at all.

        Args:
            features: Frames.
            labels: What was said, neither start nor end among them.
            lengths: Frames of each row, (B,).
            label_lengths: Labels of each row, (B,).
            key: Draws dropout and samples, and turns label smoothing on; None for evaluation.
            sampling_rate: Probability that the speller reads what it sampled itself in place of
                the label, 0..1: a schedule's value.
        """
        config = self.config
        found = check_labels(
            labels, label_lengths, config.vocab_size, {"start": config.start, "end": config.end}
        )
        keys: Any = (None,) * 3 if key is None else jax.random.split(key, 3)
        encoded = self.listener(features, lengths=lengths, key=keys[0])
        state = self.attend(encoded, key=keys[1])
        tokens = jnp.pad(found.clean, ((0, 0), (1, 0)), constant_values=config.start)
        targets = jnp.pad(found.given, ((0, 0), (0, 1)), constant_values=config.end)
        token_lengths = None
        if found.lengths is not None:
            token_lengths = found.lengths + 1
            if lengths is not None:
                empty = (jnp.asarray(lengths) == 0) & (found.lengths == 0)
                token_lengths = jnp.where(empty, 0, token_lengths)
            at_end = jnp.arange(targets.shape[1]) == found.lengths[:, None]
            targets = jnp.where(at_end, config.end, targets)
        if isinstance(sampling_rate, (int, float)) and sampling_rate == 0:
            _, by_row = self.spell(state, tokens, lengths=token_lengths)
            logits = time_first(by_row)
        else:
            pure, params = take_apart(self)
            _, logits = decoding.scheduled_sampling(
                pure.step, params, state, tokens.T, rate=sampling_rate, key=keys[2],
                lengths=token_lengths,
            )  # fmt: skip
        smoothing = 0.0 if key is None else config.label_smoothing
        loss = cross_entropy(logits, targets.T, lengths=token_lengths, label_smoothing=smoothing)
        if not config.ctc_weight:
            return loss
        by_ctc = ctc_loss(
            time_first(self.ctc(encoded.ys)),
            found.given.T,
            lengths=encoded.lengths,
            label_lengths=found.lengths,
            blank=config.start,
            zero_infinity=True,
        )
        w = config.ctc_weight
        return loss._replace(total=(1 - w) * loss.total + w * by_ctc.sum())

    def transcribe(
        self,
        features: jax.Array,
        *,
        lengths: jax.Array | None = None,
        max_length: int,
        beam_size: int = 1,
        length_penalty: decoding.LengthPenalty | None = None,
        ctc_weight: float = 0.0,
    ) -> Transcript:
        """The most probable labels of frames (B, T, F), greedily or by a beam, in one program.

        Args:
            features: Frames.
            lengths: Frames of each row, (B,).
            max_length: Most labels of a row, the symbol for the end among them.
            beam_size: Hypotheses of a row; 1 is greedy.
            length_penalty: Of the beam search, which ``scores`` then contain; None for none.
            ctc_weight: Share of CTC's prefix scores in the search, 0..1, for a model trained with
                CTC. It keeps the speller from skipping and from saying things twice.

        Raises:
            ValueError: If CTC is asked for and the model has none, or as ``decoding.beam_search``.
        """
        return self.hypotheses(
            features,
            lengths=lengths,
            max_length=max_length,
            beam_size=beam_size,
            num_best=1,
            length_penalty=length_penalty,
            ctc_weight=ctc_weight,
        ).best

    def hypotheses(
        self,
        features: jax.Array,
        *,
        lengths: jax.Array | None = None,
        max_length: int,
        beam_size: int,
        num_best: int | None = None,
        length_penalty: decoding.LengthPenalty | None = None,
        ctc_weight: float = 0.0,
    ) -> Hypotheses:
        """The ``num_best`` most probable labels, ``beam_size`` unless given; see ``transcribe``."""
        if ctc_weight and not self.config.ctc_weight:
            raise ValueError(
                f"ctc_weight is {ctc_weight}, but the model has no CTC output: make it with "
                "ListenAttendSpellConfig(ctc_weight=...) above 0 and train it."
            )
        pure, params = take_apart(self)
        penalty = length_penalty or decoding.NoPenalty()
        kept = beam_size if num_best is None else num_best
        search = SpellerSearch(pure, max_length, beam_size, kept, penalty, ctc_weight)
        return transcribe(search, params, features, lengths)

"""Listen, attend and spell: learned by heart, the same step by step, blind to padding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnn_jax import decoding
from rnn_jax.losses import ctc_loss
from rnn_jax.models import ListenAttendSpell, ListenAttendSpellConfig, listen_attend_spell_search
from tests.models.speaking import INPUT_SIZE, is_said, speak
from tests.models.training import fit

SPOKEN = speak([2, 3, 4, 2], [4, 4, 3], [5])
SIZES = {"input_size": INPUT_SIZE, "hidden_size": 8, "num_layers": 2, "reductions": (1, 2)}
SIZES |= {"vocab_size": 6, "embedding_size": 6, "decoder_size": 16, "attention_size": 6}


def make(seed=0, **options) -> ListenAttendSpell:
    config = ListenAttendSpellConfig(**(SIZES | {"num_heads": 2} | options))
    return ListenAttendSpell(config, rngs=nnx.Rngs(seed))


def learn(steps, *, sampling_rate=0.0, **options) -> ListenAttendSpell:
    def loss(model, key):
        return model.loss(
            SPOKEN.features, SPOKEN.labels, key=key, sampling_rate=sampling_rate, **SPOKEN.options
        )

    model, value = fit(make(**options), loss, steps)
    assert value < 0.5
    return model


def say(model, **options):
    return model.transcribe(SPOKEN.features, lengths=SPOKEN.lengths, max_length=7, **options)


@pytest.mark.slow
def test_it_learns_three_utterances_and_says_them():
    small = {"num_layers": 1, "reductions": (2,)}
    assert is_said(say(learn(100, **small), beam_size=3), SPOKEN)
    traces = listen_attend_spell_search.transcribe._cache_size()
    say(make(1, **small), beam_size=3)
    assert listen_attend_spell_search.transcribe._cache_size() == traces, "nothing compiled twice"


@pytest.mark.slow
def test_a_pyramid_learns_with_ctc_and_its_own_samples():
    options = {"ctc_weight": 0.3, "label_smoothing": 0.01, "decoder_dropout": 0.05}
    model = learn(120, sampling_rate=0.2, **options)
    assert is_said(say(model), SPOKEN)
    assert is_said(say(model, beam_size=3, ctc_weight=0.3), SPOKEN)


def test_rows_steps_and_sums_agree():
    model = make(ctc_weight=0.25, num_layers=1, reductions=(2,), decoder_dropout=0.2)
    one, other = SPOKEN.row(1), SPOKEN.row(2)

    def step(_, state, token):
        return model.step(state, token)

    @jax.jit
    def run(key):
        options = {name: marks[1:] for name, marks in SPOKEN.options.items()}
        whole = model.loss(SPOKEN.features[1:], SPOKEN.labels[1:], **options)
        rest = model.loss(other.features, other.labels)
        encoded, tokens = model.listener(one.features), jnp.array([[0, 4, 4, 3]])
        forced, stepped = [], []
        for drop in (None, key):
            state = model.attend(encoded, key=drop)
            forced.append(model.spell(state, tokens)[1][0])
            stepped.append(decoding.teacher_forced(step, (), state, tokens.T)[1][:, 0])
        by_ctc = ctc_loss(model.ctc(encoded.ys).swapaxes(0, 1), one.labels.T)
        return whole, rest, forced, stepped, by_ctc[0]

    whole, rest, forced, stepped, by_ctc = run(jax.random.key(0))
    np.testing.assert_allclose(forced, stepped, atol=1e-5)
    assert abs(forced[0] - forced[1]).max() > 1e-3, "dropout acts, with one mask for all steps"
    logits = np.asarray(forced[0], np.float64)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    by_hand = -0.75 * log_p[range(4), [4, 4, 3, 1]].sum() + 0.25 * by_ctc
    assert whole.count == 4 + 2 and np.isfinite(by_ctc)
    np.testing.assert_allclose(whole.total - rest.total, by_hand, rtol=1e-4)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"end": 0}, "ListenAttendSpellConfig: end and start are both 0"),
        ({"ctc_weight": 1.5}, "ctc_weight is CTC's share of the loss, in 0..1, got 1.5"),
        ({"label_smoothing": 1.0}, r"label_smoothing must lie in \[0, 1\), got 1.0"),
        ({"num_heads": 0}, "num_heads must be a whole number >= 1, got 0"),
    ],
)
def test_bad_configurations_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_bad_calls_are_refused():
    model = make()
    with pytest.raises(ValueError, match=r"labels\[2, 0\] is 1, .* without 0 \(start\), 1 \(end\)"):
        model.loss(SPOKEN.features, jnp.array([[2], [3], [1]]), lengths=SPOKEN.lengths)
    with pytest.raises(ValueError, match="ctc_weight is 0.3, but the model has no CTC output"):
        model.transcribe(SPOKEN.features, max_length=5, ctc_weight=0.3)

"""Speech to labels by CTC: learned by heart, blind to padding, exact in its lengths."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnn_jax import cells, layers
from rnn_jax.models import (
    CTCRecogniser,
    CTCRecogniserConfig,
    SpeechEncoder,
    SpeechEncoderConfig,
    take_apart,
)
from tests.models.speaking import INPUT_SIZE, is_said, speak
from tests.models.training import fit

SPOKEN = speak([1, 2, 3, 1], [3, 3, 2], [4])
SIZES = {"input_size": INPUT_SIZE, "hidden_size": 10, "num_layers": 1, "vocab_size": 5}


def make(**options) -> CTCRecogniser:
    return CTCRecogniser(CTCRecogniserConfig(**(SIZES | options)), rngs=nnx.Rngs(0))


def test_it_learns_three_utterances_and_says_them():
    def loss(model, key):
        return model.loss(SPOKEN.features, SPOKEN.labels, key=key, **SPOKEN.options)

    model, value = fit(make(cell=cells.GRU, dropout=0.1), loss, 100)
    assert value < 0.1
    for beam_size in (None, 3):
        said = model.transcribe(SPOKEN.features, lengths=SPOKEN.lengths, beam_size=beam_size)
        assert is_said(said, SPOKEN)


def test_lengths_are_exact_and_rows_are_alone():
    config = SpeechEncoderConfig(
        input_size=6, hidden_size=3, num_layers=2, reductions=(1, 3), channels=(2,), cell=cells.GRU
    )
    encoder = SpeechEncoder(config, rngs=nnx.Rngs(0))
    lengths = jnp.arange(18)
    rng = np.random.default_rng(0)
    xs = rng.normal(size=(18, 17, 6)).astype(np.float32)
    xs[np.arange(17) >= lengths[:, None]] = np.nan
    ys, found = jax.jit(lambda xs, lengths: encoder(xs, lengths=lengths))(xs, lengths)
    assert (
        found.tolist() == [-(-n // 6) for n in range(18)] == encoder.new_lengths(lengths).tolist()
    )
    assert ys.shape == (18, 3, 6) and jnp.isfinite(ys).all()
    assert (ys[np.arange(3) >= found[:, None]] == 0).all()
    # an even number of frames in an odd batch, where "SAME" would look at other frames
    alone = jax.jit(lambda xs: encoder(xs).ys[0])(xs[14:15, :14])
    np.testing.assert_allclose(ys[14], alone, atol=1e-6)


def test_the_pyramid_is_that_of_listen_attend_and_spell():
    config = SpeechEncoderConfig(
        input_size=5, hidden_size=3, num_layers=4, reductions=(1, 2, 2, 2), dropout=0.1
    )
    listener = layers.listener(input_size=5, hidden_size=3, num_layers=4, dropout=0.1)
    assert config.layers(5) == listener


def test_the_loss_of_a_batch_is_that_of_its_rows_and_leaves_the_impossible_out():
    (pure, params), row = take_apart(make(reductions=(4,))), SPOKEN.row(2)

    @jax.jit
    def run(params):
        def whole(params):
            found = pure(params).loss(SPOKEN.features, SPOKEN.labels, **SPOKEN.options)
            return found.total, found.count

        def alone(params):
            return pure(params).loss(row.features, row.labels).total

        first = jax.value_and_grad(whole, has_aux=True)(params)
        return first, jax.value_and_grad(alone)(params), pure(params)(row.features).ys[0, 0]

    ((total, count), gradient), (alone, expected), logits = run(params)
    assert count == 1, "12 and 8 frames make 3 and 2 steps, too few for 1 2 3 1 and 3 _ 3 2"
    for found, wanted in ((total, alone), (gradient, expected)):
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-6), found, wanted)
    p = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(np.exp(-alone), p[4], rtol=1e-5)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"blank": 5}, "CTCRecogniserConfig: blank must be one of the vocabulary, 0..4, got 5"),
        ({"reductions": (2, 2)}, r"reductions=\(2, 2\) names 2 layers, but num_layers=1"),
        ({"reductions": (0,)}, r"reductions must be whole numbers >= 1, got \(0,\)"),
        ({"dropout": 1.0}, r"dropout is the probability of dropping, in \[0, 1\), got 1.0"),
    ],
)
def test_bad_configurations_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_bad_batches_are_refused():
    model, (features, labels, lengths, _) = make(), SPOKEN
    with pytest.raises(ValueError, match=r"labels\[1, 3\] is -1, but labels are 0..4 without 0"):
        model.loss(features, labels, lengths=lengths)
    with pytest.raises(ValueError, match=r"lengths go from 3 to 12, but there are 11 frames"):
        model.loss(features[:, :11], labels, **SPOKEN.options)
    with pytest.raises(ValueError, match=r"features has shape \(3, .*features \(B, T, 5\)"):
        model(features[..., :4])
    with pytest.raises(ValueError, match="label_bonus rank the prefixes of a beam, but beam_size"):
        model.transcribe(features, label_bonus=1.0)

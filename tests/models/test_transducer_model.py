"""The transducer model: learned by heart, blind to padding, its two networks met at every place."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnn_jax.models import Transducer, TransducerConfig
from tests.models.speaking import INPUT_SIZE, is_said, speak
from tests.models.training import fit

SPOKEN = speak([1, 2, 3, 1], [3, 3, 2], [4])
SIZES = {"input_size": INPUT_SIZE, "hidden_size": 10, "num_layers": 1, "vocab_size": 5}
SIZES |= {"embedding_size": 4, "prediction_size": 8, "joint_size": 10}


def make(**options) -> Transducer:
    return Transducer(TransducerConfig(**(SIZES | options)), rngs=nnx.Rngs(0))


@pytest.mark.slow
def test_it_learns_three_utterances_and_says_them():
    def loss(model, key):
        return model.loss(SPOKEN.features, SPOKEN.labels, key=key, **SPOKEN.options)

    model, value = fit(make(bidirectional=False, dropout=0.1), loss, 120)
    assert value < 0.3
    said = model.transcribe(SPOKEN.features, lengths=SPOKEN.lengths)
    assert is_said(said, SPOKEN)
    assert (said.scores < 0).all() and -said.scores.mean() > value, "one alignment of many"


def test_rows_are_alone_and_the_loss_is_that_of_the_lattice():
    model, rows = make(bidirectional=False), [SPOKEN.row(1), SPOKEN.row(2)]

    @jax.jit
    def run():
        options = {name: marks[1:] for name, marks in SPOKEN.options.items()}
        whole = model.loss(SPOKEN.features[1:], SPOKEN.labels[1:], **options)
        alone = [model.loss(row.features, row.labels).total for row in rows]
        _, predicted = model.predict(jnp.array([[0, 3, 3, 2]]))
        frames = model.from_frames(model.encoder(rows[0].features).ys)
        return whole, alone, predicted, model.joint(frames[0][:, None], predicted[0])

    whole, alone, predicted, logits = run()
    assert whole.count == 2
    np.testing.assert_allclose(whole.total, sum(alone), rtol=1e-5)

    state, stepped = None, []
    for token in (0, 3, 3, 2):
        state, y = model.step(state, jnp.array([token]))
        stepped.append(y)
    np.testing.assert_allclose(jnp.stack(stepped, 1), predicted, atol=1e-6)

    # every path: a frame's labels, then blank
    logits = np.asarray(logits, np.float64)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    a = np.zeros(p.shape[:2])
    a[0, 0] = 1
    for t in range(a.shape[0]):
        for u in range(a.shape[1]):
            a[t, u] += a[t - 1, u] * p[t - 1, u, 0] if t else 0
            a[t, u] += a[t, u - 1] * p[t, u - 1, [3, 3, 2][u - 1]] if u else 0
    np.testing.assert_allclose(np.exp(-alone[0]), a[-1, -1] * p[-1, -1, 0], rtol=1e-5)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"blank": 5}, "TransducerConfig: blank must be one of the vocabulary, 0..4, got 5"),
        ({"joint_size": 0}, "TransducerConfig: joint_size must be a whole number >= 1, got 0"),
        ({"num_prediction_layers": 0}, "num_prediction_layers must be a whole number >= 1, got 0"),
    ],
)
def test_bad_configurations_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_a_label_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"labels\[0, 1\] is 0, but labels are 0..4 without 0"):
        make().loss(SPOKEN.features[:1], jnp.array([[1, 0]]))

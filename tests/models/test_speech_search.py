"""One search for all recognisers, and where they hear each label."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnn_jax import models
from tests.models.speaking import INPUT_SIZE, speak

SPOKEN = speak([2, 3], [4], [3, 3])
SMALL = {"input_size": INPUT_SIZE, "hidden_size": 4, "num_layers": 1, "reductions": (2,)}
SMALL |= {"vocab_size": 6}
SPELLER = {"embedding_size": 3, "decoder_size": 5, "attention_size": 3, "num_heads": 2}


def make(kind, **options):
    config = getattr(models, f"{kind}Config")(**SMALL, **options)
    return models.take_apart(getattr(models, kind)(config, rngs=nnx.Rngs(0)))


def test_ctc_hears_a_label_where_its_paths_go():
    pure, params = make("CTCRecogniser")
    features = jnp.nan_to_num(SPOKEN.features[0])  # 6 frames, 3 steps
    weights = models.speech_alignment(pure, params, features, jnp.array([2, 3]))
    logits = np.asarray(pure(params)(features[None]).ys[0], np.float64)
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    sums, places = np.zeros((2, len(p))), [0, 2, 3]
    whole = 0.0
    for path in product(range(3), repeat=len(p)):  # 0 is blank
        labels = [k for k, before in zip(path, (0, *path)) if k and k != before]
        if labels == [1, 2]:
            weight = np.prod([p[t, places[k]] for t, k in enumerate(path)])
            whole += weight
            for t, k in enumerate(path):
                if k:
                    sums[k - 1, t] += weight
    np.testing.assert_allclose(weights, sums / whole, atol=1e-5)


@pytest.mark.slow
def test_the_others_hear_labels_as_they_write_them():
    pure, params = make("ListenAttendSpell", ctc_weight=0.3, **SPELLER)
    features, labels = jnp.nan_to_num(SPOKEN.features[1]), jnp.array([4, 2])
    weights = models.speech_alignment(pure, params, features, labels)
    state, expected = pure(params).start(features[None]), []
    for token in (0, 4):
        state, _ = pure(params).step(state, jnp.array([token]))
        expected.append(state.cell.weights[0].mean(0))
    np.testing.assert_allclose(weights, jnp.stack(expected), atol=1e-5)

    pure, params = make("Transducer", embedding_size=3, prediction_size=4, joint_size=4)
    weights = models.speech_alignment(pure, params, features, labels)
    model = pure(params)
    frames = model.from_frames(model.encoder(features[None]).ys)[0]
    state = None
    for row, (token, label) in enumerate([(0, 4), (4, 2)]):
        state, predicted = model.predict(jnp.array([[token]]), state)
        for step, frame in enumerate(frames):
            p = jax.nn.softmax(model.joint(frame, predicted[0, 0]))[label]
            np.testing.assert_allclose(weights[row, step], p, atol=1e-5)
    with pytest.raises(ValueError, match="Linear is no recogniser"):
        pure, params = models.take_apart(nnx.Linear(2, 3, rngs=nnx.Rngs(0)))
        models.speech_alignment(pure, params, features, labels)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["CTCRecogniser", "ListenAttendSpell"])
def test_the_best_of_several_is_what_is_transcribed(kind):
    options = {} if kind == "CTCRecogniser" else SPELLER | {"ctc_weight": 0.3}
    pure, params = make(kind, **options)
    lengths = SPOKEN.lengths
    found = models.recognise(pure, params, SPOKEN.features, lengths, beam_size=3)
    scores = np.asarray(found.scores)
    assert found.tokens.shape[:2] == (3, 3) and (np.diff(scores) <= 0).all()
    labellings = {tuple(t[:n].tolist()) for t, n in zip(found.tokens[0], found.lengths[0])}
    assert len(labellings) == 3, "all are different"
    options = {"beam_size": 3}
    if kind == "ListenAttendSpell":
        options |= {"max_length": 3 + 1, "ctc_weight": 0.3}
    best = pure(params).transcribe(SPOKEN.features, lengths=lengths, **options)
    for one, other in zip(found.best, best):
        np.testing.assert_array_equal(one, other)


def test_rows_that_fill_up_a_batch_cost_nothing():
    pure, params = make("ListenAttendSpell", ctc_weight=0.3, **SPELLER)

    one = SPOKEN.row(1)
    rows = jnp.stack([SPOKEN.lengths, SPOKEN.lengths.at[1].set(0)])
    sizes = jnp.stack([SPOKEN.label_lengths, SPOKEN.label_lengths.at[1].set(0)])

    @jax.jit
    def run(params, rows, sizes):
        def loss(given):
            options = {"lengths": given[0], "label_lengths": given[1]}
            return pure(params).loss(SPOKEN.features, SPOKEN.labels, **options)

        return jax.lax.map(loss, (rows, sizes)), pure(params).loss(one.features, one.labels)

    both, alone = run(params, rows, sizes)
    whole, filled = (jax.tree.map(lambda leaf, i=i: leaf[i], both) for i in (0, 1))
    assert (whole.count, filled.count) == (5 + 3, 4 + 2)
    np.testing.assert_allclose(whole.total - filled.total, alone.total, rtol=1e-5)

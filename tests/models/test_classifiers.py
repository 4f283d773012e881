"""Many to one and aligned many to many: classifier, video classifier, tagger."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnn_jax import cells
from rnn_jax.models import (
    Classifier,
    ClassifierConfig,
    Pooling,
    ReaderConfig,
    VideoClassifier,
    VideoClassifierConfig,
)
from tests.models.training import fit

READER = ReaderConfig(vocab_size=6, embedding_size=5, hidden_size=6, cell=cells.GRU)
TOKENS = jnp.array([[1, 2, 3, 4], [4, 3, 2, 1], [2, 2, 0, 0], [3, 0, 0, 0]])
LENGTHS = jnp.array([4, 4, 2, 1])
LABELS = jnp.array([0, 1, 2, 0])


def classifier(**options) -> Classifier:
    config = ClassifierConfig(num_classes=3, reader=READER, **options)
    return Classifier(config, rngs=nnx.Rngs(0))


def test_a_classifier_learns_its_batch():
    model, loss = fit(classifier(), lambda m, k: m.loss(TOKENS, LABELS, lengths=LENGTHS), 60)
    assert loss < 0.05
    logits = jax.jit(lambda: model(TOKENS, lengths=LENGTHS))()
    assert (logits.argmax(-1) == LABELS).all()


@pytest.mark.parametrize("pooling", ["last", "mean", "max", "attention"])
def test_pooling_reads_real_steps_only(pooling):
    """Each row against NumPy; a row of nothing gives zeros and no NaN in the gradient."""
    pool = Pooling(pooling, 3, rngs=nnx.Rngs(0))
    ys, lengths = np.random.default_rng(0).normal(size=(3, 5, 3)), np.array([5, 2, 0])
    real = np.arange(5)[None, :, None] < lengths[:, None, None]
    poisoned = jnp.asarray(np.where(real, ys, np.nan), jnp.float32)

    @jax.jit
    def run(lengths):
        def squares(ys):
            found = pool(ys, lengths)
            return jnp.square(found).sum(), found

        return jax.value_and_grad(squares, has_aux=True)(poisoned)

    (value, found), gradient = run(lengths)
    assert jnp.isfinite(value) and jnp.isfinite(gradient).all()
    for row in (0, 1):
        y = np.asarray(ys[row, : lengths[row]], np.float64)
        if pooling == "attention":
            hidden = np.tanh(y @ np.asarray(pool.hidden.kernel[...]) + pool.hidden.bias[...])
            weights = np.exp(hidden @ np.asarray(pool.score.kernel[...]))
            expected = (weights * y).sum(0) / weights.sum()
        else:
            expected = {"last": y[-1], "mean": y.mean(0), "max": y.max(0)}[pooling]
        np.testing.assert_allclose(found[row], expected, atol=1e-5)
    assert (found[2] == 0).all()


def test_padding_of_a_classifier_changes_nothing_and_dropout_wants_a_key():
    reader = ReaderConfig(vocab_size=6, embedding_size=3, hidden_size=4, word_dropout=0.5)
    model = Classifier(ClassifierConfig(num_classes=3, reader=reader), rngs=nnx.Rngs(0))

    @jax.jit
    def run():
        keyed = [model(TOKENS, lengths=LENGTHS, key=jax.random.key(k)) for k in (0, 1)]
        padded = jnp.where(TOKENS == 0, -1, TOKENS)
        return model(padded, lengths=LENGTHS), model(TOKENS[2:3, :2]), *keyed

    found, alone, a, b = run()
    np.testing.assert_allclose(found[2], alone[0], atol=1e-6)
    assert (a != b).any() and (a != found).any()


def test_a_video_classifier_learns_which_way_a_dot_moves():
    """Right, left, down, up; every frame alone looks alike in all classes."""
    videos, labels = [], []
    for label, start in product(range(4), range(3)):
        step = ((0, 1), (0, -1), (1, 0), (-1, 0))[label]
        frames = np.zeros((5, 6, 6, 1), np.float32)
        for t in range(5):
            frames[t, (start + 1 + t * step[0]) % 6, (start + 2 + t * step[1]) % 6] = 1
        videos.append(frames)
        labels.append(label)
    videos, labels = jnp.array(np.stack(videos)), jnp.array(labels)
    config = VideoClassifierConfig(
        num_classes=4, frame_shape=(6, 6), conv_sizes=(8,), feature_size=16, hidden_size=16
    )
    model = VideoClassifier(config, rngs=nnx.Rngs(0))
    model, loss = fit(model, lambda m, k: m.loss(videos, labels), 100, rate=0.02)
    assert loss < 0.1
    assert (jax.jit(model)(videos).argmax(-1) == labels).all()


def test_padding_of_a_video_changes_nothing():
    config = VideoClassifierConfig(
        num_classes=2, frame_shape=(5, 6), conv_sizes=(3,), feature_size=5, hidden_size=4
    )
    model = VideoClassifier(config, rngs=nnx.Rngs(0))
    frames = jax.random.normal(jax.random.key(0), (2, 4, 5, 6, 1))
    poisoned = frames.at[1, 2:].set(jnp.nan)

    @jax.jit
    def run():
        def last(f):
            logits = model(f, lengths=jnp.array([4, 2]))
            return logits.sum(), logits[1]

        (_, padded), gradient = jax.value_and_grad(last, has_aux=True)(poisoned)
        return padded, gradient, model(frames[1:, :2])[0]

    padded, gradient, alone = run()
    assert (gradient[1, 2:] == 0).all() and jnp.isfinite(gradient).all()
    np.testing.assert_allclose(padded, alone, atol=1e-6)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="vocab_size=None and input_size=None: give one"):
        ReaderConfig()
    with pytest.raises(ValueError, match="pooling must be one of .* got 'sum'"):
        classifier(pooling="sum")
    with pytest.raises(ValueError, match="num_classes must be a whole number >= 1, got 0"):
        ClassifierConfig(num_classes=0, reader=READER)
    model = classifier()
    with pytest.raises(ValueError, match="tokens holds 9, but the vocabulary has 6"):
        model(jnp.array([[9]]))
    with pytest.raises(ValueError, match="tokens is a list: give an array"):
        model([[1, 2]], lengths=[2])
    with pytest.raises(ValueError, match=r"lengths has shape \(3,\), but tokens .* \(4,\)"):
        model(TOKENS, lengths=jnp.array([1, 2, 3]))
    with pytest.raises(ValueError, match=r"label_smoothing must lie in \[0, 1\), got 1.5"):
        classifier(label_smoothing=1.5)
    sizes = {"num_classes": 2, "frame_shape": (5, 6)}
    model = VideoClassifier(VideoClassifierConfig(**sizes), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"frames has shape \(2, 4, 4, 1\)"):
        model(jnp.ones((2, 4, 4, 1)))
    with pytest.raises(ValueError, match="conv_sizes=\\(\\)"):
        VideoClassifierConfig(**sizes, conv_sizes=())
    assert hash(VideoClassifierConfig(num_classes=2, frame_shape=[5, 6], conv_sizes=[3]))

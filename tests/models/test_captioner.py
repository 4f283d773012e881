"""The captioner learns what images show, and looks where it says it looks."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from rnn_jax import cells
from rnn_jax.models import Captioner, CaptionerConfig, take_apart
from tests.models.training import fit, outline

IMAGES = jax.random.normal(jax.random.key(1), (3, 8, 8, 1), jnp.float32)
CAPTIONS, LENGTHS = jnp.array([[3, 4, 5, 2], [5, 2, -1, -1], [3, 3, 2, -1]]), jnp.array([4, 2, 3])
SIZES = {"vocab_size": 7, "num_channels": 1, "conv_sizes": (4, 6), "embedding_size": 5}
FEATURES = jax.random.normal(jax.random.key(2), (3, 4, 6), jnp.float32)
PLACES = jnp.array([4, 2, 3])


def make(**options) -> Captioner:
    return Captioner(CaptionerConfig(**({"hidden_size": 8} | SIZES | options)), rngs=nnx.Rngs(0))


def of_features(**options) -> Captioner:
    return make(feature_size=6, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"gated": True, "attention_penalty": 0.01, "tied": True},
        pytest.param(
            {"mode": "inject", "cell": cells.Elman, "hidden_size": 16}, marks=pytest.mark.slow
        ),
        pytest.param({"mode": "first", "num_layers": 2}, marks=pytest.mark.slow),
        pytest.param({"hard": True, "entropy_penalty": 0.01}, marks=pytest.mark.slow),
    ],
)
def test_it_learns_three_images_by_heart_and_describes_them(options):
    def loss(model, key):
        return model.loss(IMAGES, CAPTIONS, lengths=LENGTHS, key=key)

    model, _ = fit(make(**options), loss, 100, 0.03)
    assert jax.jit(lambda: loss(model, None).mean)() < 0.05
    found = model.caption(IMAGES, max_length=5, beam_size=1 if "mode" in options else 3)
    assert (found.lengths == LENGTHS).all()
    for row, length in enumerate(LENGTHS.tolist()):
        assert (found.tokens[row, :length] == CAPTIONS[row, :length]).all()


def test_injection_is_the_lectures_formula():
    model = of_features(mode="inject", cell=cells.Elman)
    params = model.decoder.layer.get_params()[0].cell
    w_xh, w_ih, w_hh = params.w_x[:5], params.w_x[5:], params.w_h
    table = np.asarray(model.decoder.embedding.embedding[...])
    logits = jax.jit(model)(FEATURES, jnp.array([[1, 4]] * 3), feature_lengths=PLACES)
    for row, places in enumerate(PLACES.tolist()):
        v, h = np.asarray(FEATURES[row, :places]).mean(0), np.zeros(8)
        for t, word in enumerate((1, 4)):
            h = np.tanh(h @ w_hh + table[word] @ w_xh + v @ w_ih)
            expected = h @ model.decoder.output.kernel[...] + model.decoder.output.bias[...]
            np.testing.assert_allclose(logits[row, t], expected, atol=1e-5)


def test_show_and_tell_reads_the_image_like_a_word():
    model = of_features(mode="first")
    model.norm.scale[...] = jnp.full(5, 3.0, jnp.float32)

    @jax.jit
    def both(inputs):
        v = FEATURES.mean(1) @ model.to_embedding.kernel[...]
        deviations = v.std(-1, keepdims=True)
        normal = 3 * (v - v.mean(-1, keepdims=True)) / deviations
        xs = jnp.concatenate([normal[:, None], model.decoder.embedding(inputs)], 1)
        ys = model.decoder.read(model.decoder.start(3), xs).ys[:, 1:]
        return model(FEATURES, inputs), model.decoder.project(ys)

    found, expected = both(jnp.array([[1, 3, 4], [1, 2, 2], [1, 5, 6]]))
    np.testing.assert_allclose(found, expected, atol=1e-4)  # epsilon 1e-6


def test_the_penalty_counts_real_places_and_words_and_padding_is_nothing():
    pure, params = take_apart(of_features(attention_penalty=0.5, gated=True))

    @jax.jit
    def run(params, features, captions, lengths, places):
        def loss(params, key=None):
            return pure(params).loss(
                features, captions, lengths=lengths, feature_lengths=places, key=key
            )

        weights = pure(params).alignments(
            features, captions, lengths=lengths, feature_lengths=places
        )
        key = jax.random.key(0)
        gradient = jax.grad(lambda params: loss(params, key).total)(params)
        return loss(params), loss(params, key), weights, gradient

    row = slice(1, 2)
    hostile = FEATURES.at[1, 2:].set(jnp.nan)
    plain, penalised, weights, gradient = run(
        params, hostile[row], CAPTIONS[row], LENGTHS[row], PLACES[row]
    )
    np.testing.assert_allclose(weights[0, :2].sum(-1), 1, rtol=1e-6)
    missed = 1 - np.asarray(weights[0, :2, :2], np.float64).sum(0)
    np.testing.assert_allclose(
        penalised.total - plain.total, 0.5 * np.square(missed).sum(), rtol=1e-4
    )
    clean = run(params, FEATURES[row], CAPTIONS[row], LENGTHS[row], PLACES[row])
    jax.tree.map(np.testing.assert_array_equal, (penalised, gradient), (clean[1], clean[3]))


def test_hard_attention_learns_without_bias():
    """One word, all places: the draws' mean gradient is exactly that of the expected loss."""
    pure, params = take_apart(of_features(hard=True))
    features, caption = FEATURES[:1], jnp.array([[4]])

    def seen(params, key):
        model = pure(params)
        found = model.decode(features, jnp.array([[1]]), key=key)
        log_p = jax.nn.log_softmax(model.decoder.project(found.ys))[0, 0, 4]
        return found.weights[0, 0].argmax(), found.state.layer.attention.log_prob[0], log_p

    def loss(params, key, baseline):
        return pure(params).loss(features, caption, key=key, baseline=baseline).total

    keys = jax.random.split(jax.random.key(3), 64)
    drawn = jax.jit(jax.vmap(lambda key: seen(params, key)[0]))(keys)
    keys = jnp.stack([keys[int(jnp.argmax(drawn == place))] for place in range(4)])
    assert sorted(set(drawn.tolist())) == [0, 1, 2, 3]

    @jax.jit
    def both(params):
        def expected(params):
            _, log_prob, log_p = jax.vmap(lambda key: seen(params, key))(keys)
            return -jnp.sum(jnp.exp(log_prob) * log_p), jnp.exp(log_prob)

        exact, p = jax.grad(expected, has_aux=True)(params)
        by_draw = jax.vmap(jax.grad(loss), (None, 0, None))(params, keys, -0.7)
        return exact, jax.tree.map(lambda g: jnp.tensordot(p, g, 1), by_draw), p

    exact, mean, p = both(params)
    np.testing.assert_allclose(p.sum(), 1, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), exact, mean)
    attention = exact["decoder"]["layer"]["params"]["attention"]
    assert max(abs(leaf).max() for leaf in jax.tree.leaves(attention)) > 1e-4


def test_the_cnn_is_frozen_as_the_docstring_says():
    _, params = outline(make)
    frozen = jax.tree_util.tree_map_with_path(lambda path, _: "cnn" in str(path[0]), params)
    labels = jax.tree.map(lambda is_frozen: "frozen" if is_frozen else "trained", frozen)
    optimizer = optax.multi_transform(
        {"trained": optax.sgd(1.0), "frozen": optax.set_to_zero()}, labels
    )

    updates, _ = optimizer.update(jax.tree.map(np.ones_like, params), optimizer.init(params))
    for path, leaf in jax.tree_util.tree_leaves_with_path(updates):
        assert (leaf == (0 if "cnn" in jax.tree_util.keystr(path) else -1)).all()
    assert len(jax.tree.leaves(updates["cnn"])) == 4


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="hard, gated are for mode=.attend., but mode is 'first'"):
        make(mode="first", hard=True, gated=True)
    with pytest.raises(ValueError, match="entropy_penalty=0.1 is about hard attention"):
        make(entropy_penalty=0.1)
    with pytest.raises(ValueError, match="mode must be one of .* got 'see'"):
        make(mode="see")
    with pytest.raises(ValueError, match=r"conv_sizes=\(\)"):
        make(conv_sizes=())
    with pytest.raises(ValueError, match=r"images has shape \(3, 8, 8, 2\).*1\)"):
        make().features(jnp.ones((3, 8, 8, 2)))
    with pytest.raises(ValueError, match=r"features has shape \(3, 8, 8, 1\)"):
        of_features().features(IMAGES)
    with pytest.raises(ValueError, match="lengths go from 5 to 5, but features has 4 steps"):
        of_features().features(FEATURES[:1], jnp.array([5]))
    with pytest.raises(ValueError, match="lengths go from 5 to 5, but features has 4 steps"):
        of_features().caption(FEATURES[:1], jnp.array([5]), max_length=2)
    with pytest.raises(ValueError, match='looks at nothing in mode="first"'):
        make(mode="first").alignments(IMAGES, CAPTIONS)

"""Classifiers and taggers with their words: what decides, in which order, at which length."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnn_jax import cells, layers, losses, models
from rnn_jax.data.vocabulary import Words
from rnn_jax.models import ClassifierConfig, LettersConfig, ReaderConfig, TaggerConfig

WORDS = Words(("a", "b", "c"))
READER = ReaderConfig(vocab_size=WORDS.size, embedding_size=3, hidden_size=2, cell=cells.Elman)


def classifier(**options):
    config = ClassifierConfig(num_classes=2, reader=READER, **options)
    return models.Classifier(config, rngs=nnx.Rngs(0))


def test_attention_is_what_the_class_is_made_of():
    model = classifier()
    tokens, lengths = jnp.array([[4, 5, 6, 6], [6, 5, 0, 0]]), jnp.array([4, 2])

    @jax.jit
    def run():
        ys = model.reader(tokens, lengths=lengths)
        return model.weights(tokens, lengths=lengths), ys, model(tokens, lengths=lengths)

    weights, ys, logits = map(np.asarray, run())
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
    assert (weights[1, 2:] == 0).all() and (weights[0] > 0).all()
    seen = np.einsum("bt,bto->bo", weights, ys)
    kernel, bias = (np.asarray(p[...]) for p in (model.output.kernel, model.output.bias))
    np.testing.assert_allclose(logits, seen @ kernel + bias, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="pooling='mean'"):
        classifier(pooling="mean").weights(tokens)


def test_a_plane_is_the_mean_over_its_places():
    grid = layers.Grid(cell=layers.Elman2D(input_size=2, hidden_size=3))
    model = models.PlaneClassifier(grid, 4, 0.5, rngs=nnx.Rngs(0))
    images = jax.random.normal(jax.random.key(0), (3, 4, 5, 2), jnp.float32)
    ways = jax.jit(lambda: (model(images), model(images, key=jax.random.key(1))))()
    ys = grid.apply(model.layer.get_params(), jnp.moveaxis(images, 0, 2)).ys
    kernel, bias = (np.asarray(p[...]) for p in (model.output.kernel, model.output.bias))
    expected = np.asarray(ys).mean((0, 1)) @ kernel + bias
    np.testing.assert_allclose(ways[0], expected, rtol=1e-5, atol=1e-6)
    assert not np.allclose(ways[0], ways[1])


@pytest.mark.slow
def test_texts_keep_their_order_and_are_cut_off():
    pure, params = models.take_apart(classifier())
    judge = models.TextClassifier(pure, params, WORDS, ["no", "yes"], max_length=3)
    texts = ["a b c a", "b", "c c", "a b c", "a"]
    chances = judge(texts, batch_size=2)
    for text, found in zip(texts, chances):
        alone = jax.nn.softmax(pure(params)(jnp.asarray(WORDS.encode(text)[None, :3])))[0]
        np.testing.assert_allclose(found, alone, rtol=1e-5)
    np.testing.assert_array_equal(chances[0], chances[3])
    assert [len(row) for row in judge.attention(texts)] == [3, 1, 2, 3, 1]


def test_words_are_read_plain_and_letters_as_they_stand(tmp_path):
    sentences = [["Ab", "7"], ["ab", "AB", "12", "x"]]
    tagger = models.WordTagger.of(sentences, ["O", "B-x"], min_count=2)
    assert tagger.words.words == ("ab",) and tagger.letters.symbols == "127ABabx"
    encoded = tagger.encode(["aB", "9", "bb" * 20])
    np.testing.assert_array_equal(encoded[:, 0], [4, 3, 3])
    np.testing.assert_array_equal(encoded[0, 1:4], [9, 8, 0])
    assert encoded.shape == (3, 21) and (encoded[2, 1:] == 10).all()
    tagger.save(tmp_path)
    again = models.WordTagger.load(tmp_path, tagger.tags)
    np.testing.assert_array_equal(again.encode(sentences[1]), tagger.encode(sentences[1]))

    reader = ReaderConfig(vocab_size=5, embedding_size=3, hidden_size=2, cell=cells.Elman)
    letters = LettersConfig(vocab_size=12, embedding_size=2, output_size=2)
    config = TaggerConfig(num_tags=2, reader=reader, letters=letters)
    pure, params = models.take_apart(models.Tagger(config, rngs=nnx.Rngs(1)))
    found = tagger(pure, params, sentences)
    assert [len(tags) for tags in found] == [2, 4]
    (batch,) = tagger.batches(sentences, [["O", "B-x"], ["B-x"] * 4], batch_size=2).in_order()
    assert batch.target.tolist()[0][:2] == [0, 1] and batch.source.shape == (2, 8, 21)
    model, xs = pure(params), jnp.asarray(tagger.encode(sentences[1]))[:, None]
    scores = jnp.moveaxis(model(xs[:, 0, :1].T, xs[:, 0, 1:][None]), 1, 0)
    best, _ = losses.crf_viterbi(model.chain, scores)
    assert found[1] == [tagger.tags[tag] for tag in best[:, 0]]

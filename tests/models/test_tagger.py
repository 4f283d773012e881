"""The tagger: a chain learns what single decisions cannot, padding changes nothing."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnn_jax.models import LettersConfig, ReaderConfig, Tagger, TaggerConfig
from tests.models.training import fit

READER = ReaderConfig(vocab_size=8, embedding_size=5, hidden_size=4)
WORDS = jnp.array([[1, 2, 3, 4], [4, 3, 0, 0], [5, 0, 0, 0]])
TAGS = jnp.array([[0, 1, 2, 0], [2, 1, -1, -1], [1, -1, -1, -1]])
LENGTHS = jnp.array([4, 2, 1])
LETTERS = LettersConfig(vocab_size=5, embedding_size=2, output_size=3)


def tagger(**options) -> Tagger:
    return Tagger(TaggerConfig(num_tags=3, reader=READER, **options), rngs=nnx.Rngs(0))


@pytest.mark.parametrize("crf", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_it_learns_its_batch(crf):
    model, loss = fit(tagger(crf=crf), lambda m, _: m.loss(WORDS, TAGS, lengths=LENGTHS), 60)
    assert loss < 0.1
    found = jax.jit(lambda: model.tags(WORDS, lengths=LENGTHS))()
    assert (found == jnp.where(TAGS < 0, 0, TAGS)).all()


def test_the_loss_of_the_chain_is_that_of_all_its_paths():
    model = tagger(letters=LETTERS)
    rng = np.random.default_rng(0)
    bias = jnp.asarray(rng.normal(size=3), jnp.float32)
    for name in ("transitions", "start", "end"):
        param = getattr(model, name)
        param.set_value(jnp.asarray(rng.normal(size=param[...].shape), param[...].dtype))
    letters = jnp.asarray(rng.integers(0, 5, (3, 4, 2)))
    longer = jnp.pad(letters, [(0, 0), (0, 0), (0, 2)])

    @jax.jit
    def run():
        scores = model(WORDS, letters, lengths=LENGTHS)
        loss = model.loss(WORDS, TAGS, letters, lengths=LENGTHS)
        padded = model(WORDS, longer, lengths=LENGTHS)
        found = [model.tags(WORDS, letters, lengths=LENGTHS, bias=b) for b in (None, bias)]
        return scores, loss, found, padded

    scores, loss, found, padded = run()
    scores = np.asarray(scores, np.float64)
    chain = [np.asarray(leaf, np.float64) for leaf in model.chain]

    def score(row, tags):
        steps = sum(scores[row, t, tag] for t, tag in enumerate(tags))
        moves = sum(chain[0][a, b] for a, b in zip(tags, tags[1:]))
        return steps + moves + chain[1][tags[0]] + chain[2][tags[-1]]

    total = 0.0
    best = np.zeros((2, 3, 4), int)
    for row, length in enumerate(LENGTHS.tolist()):
        paths = list(product(range(3), repeat=length))
        of_paths = np.array([score(row, path) for path in paths])
        right = [int(tag) for tag in TAGS[row, :length]]
        total += np.log(np.exp(of_paths).sum()) - score(row, right)
        best[0, row, :length] = paths[of_paths.argmax()]
        biased = [of + sum(bias[tag] for tag in path) for of, path in zip(of_paths, paths)]
        best[1, row, :length] = paths[np.argmax(biased)]
    np.testing.assert_allclose(loss.total, total, rtol=1e-5)
    assert loss.count == 7
    assert (np.asarray(found) == best).all() and (best[0] != best[1]).any()
    np.testing.assert_allclose(padded, scores, atol=1e-6)


def test_traits_stand_beside_words_and_letters():
    model = tagger(letters=LETTERS, trait_vocab_sizes=(3, 2), trait_embedding_size=4)
    rng = np.random.default_rng(0)
    letters = jnp.asarray(rng.integers(0, 5, (3, 4, 2)))
    traits = np.stack([rng.integers(0, count, (3, 4)) for count in (3, 2)], axis=-1)
    tables = [np.asarray(table.embedding[...]) for table in model.traits]
    rows = [table[of] for table, of in zip(tables, np.moveaxis(traits, -1, 0))]

    @jax.jit
    def run(rows):
        extra = jnp.concatenate([model.letters(letters), *rows], axis=-1)
        by_hand = model.output(model.reader(WORDS, extra, lengths=LENGTHS))
        return model(WORDS, letters, traits=jnp.asarray(traits), lengths=LENGTHS), by_hand

    np.testing.assert_allclose(*run(rows), rtol=1e-6)
    for given, message in (
        (None, "traits is not given, but the model reads traits"),
        (jnp.zeros((3, 4, 1), int), r"traits has shape \(3, 4, 1\), but TaggerConfig has 2"),
        (jnp.full((3, 4, 2), 2), "traits holds 2, but the vocabulary has 2 entries"),
    ):
        with pytest.raises(ValueError, match=message):
            model(WORDS, letters, traits=given)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="letters is given, but the model does not read letters"):
        tagger()(WORDS, jnp.ones((3, 4, 2), int))
    model = tagger(letters=LETTERS)
    with pytest.raises(ValueError, match=r"letters has shape \(3, 3, 2\), but inputs has \(3, 4\)"):
        model(WORDS, jnp.ones((3, 3, 2), int))
    with pytest.raises(ValueError, match="letters is not given, but the model reads letters"):
        model(WORDS)
    with pytest.raises(ValueError, match=r"letters has shape \(3, 4\)"):
        model(WORDS, WORDS)

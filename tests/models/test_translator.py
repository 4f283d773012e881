"""A translator gives each line what the model alone gives it, in order, empty lines too."""

import dataclasses
from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnn_jax import attention, decoding
from rnn_jax.data import vocabulary
from rnn_jax.data.batch import PairBatch
from rnn_jax.models import Seq2Seq, Seq2SeqConfig
from rnn_jax.models.search import Search, n_best, search
from rnn_jax.models.translator import Translator

SOURCES, TARGETS = vocabulary.Characters("abc"), vocabulary.Characters("xyz")


@pytest.fixture(scope="module")
def translator():
    config = Seq2SeqConfig(
        source_vocab_size=SOURCES.size, target_vocab_size=TARGETS.size, embedding_size=4,
        hidden_size=5, attention=partial(attention.Additive, score_size=4),
    )  # fmt: skip
    return Translator(Seq2Seq(config, rngs=nnx.Rngs(3)), SOURCES, TARGETS)


def test_every_line_gets_its_own_best_translations(translator):
    lines = ["abc", "", "ca", "abccb?"]
    found = translator(lines, beam_size=3, num_best=2, batch_size=2)
    assert found[1] == [("", 0.0)]
    row = jnp.asarray(vocabulary.row(SOURCES, "ca"))[None]
    options = {"beam_size": 3, "length_penalty": decoding.GNMT(0.6), "max_length": 2 * 4 + 10}
    how = Search(start=1, end=2, forbidden=(0, 1, 3), **options)
    best = n_best(translator.model, how, jnp.pad(row, ((0, 0), (0, 1))), jnp.array([3]), 2)
    texts = [vocabulary.sentence(TARGETS, tokens) for tokens in best.tokens[0]]
    assert [one.text for one in found[2]] == texts and texts[0] != texts[1]
    np.testing.assert_allclose([one.score for one in found[2]], best.scores[0], rtol=1e-5)
    one = search(translator.model, how, row, jnp.array([3]), None)
    np.testing.assert_allclose(one.scores, best.scores[:, 0], rtol=1e-5)
    with pytest.raises(ValueError, match=r"num_best 4 is not in 1..3"):
        translator(["a"], beam_size=3, num_best=4)


def test_the_mark_of_an_unknown_word_is_never_written(translator):
    """Though the model would write nothing else."""
    config = translator.model.config
    model = Seq2Seq(dataclasses.replace(config, tied=True), rngs=nnx.Rngs(3))
    model.decoder.bias[...] = jnp.zeros(TARGETS.size).at[jnp.array([0, 1, 3])].set(50.0)
    row = jnp.asarray(vocabulary.row(SOURCES, "abc"))[None]
    free = model.translate(row, jnp.array([4]), max_length=5)
    assert set(free.tokens.ravel().tolist()) <= {0, 1, 3}
    greedy, beam = (
        Translator(model, SOURCES, TARGETS)(["abc", "c"], beam_size=n, alpha=0.0) for n in (1, 2)
    )
    for ((text, score),) in (*greedy, *beam):
        assert set(text) <= set("xyz") and -40 < score < 0  # ln p of what is left: 50 a token else


def test_it_shows_sentences_and_draws_what_was_attended_to(translator, tmp_path):
    pytest.importorskip("matplotlib")
    rows = np.array([[4, 5, 6, 2], [6, 2, 0, 0]], np.int32)
    lengths = np.array([4, 2], np.int32)
    said = translator.show(PairBatch(rows, lengths, rows, lengths, lengths), tmp_path)
    how = Search(start=1, end=2, max_length=8, forbidden=(0, 1, 3))
    best = search(translator.model, how, jnp.asarray(rows), jnp.asarray(lengths), None)
    written = [vocabulary.sentence(TARGETS, tokens) for tokens in best.tokens]
    assert said == f"    abc -> {written[0]}\n    c -> {written[1]}"
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["alignment_1.png", "alignment_2.png"]

"""Beam search: what is refused, what is impossible, what is no number, and who comes first."""

import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import decoding
from tests.decoding import beam_cases as cases

TABLE = jnp.log(jnp.array([[0.2, 0.5, 0.3], [0.1, 0.3, 0.6], [0.5, 0.25, 0.25]]))


def step(params, state, token):
    return state, params[token]


def run(table=TABLE, rows=2, **options):
    options = dict(beam_size=2, start=jnp.full(rows, 1), end=0, max_length=4) | options
    return decoding.beam_search(
        options.pop("step", step), table, options.pop("state", ()), **options
    )


REFUSED = {
    "beam_size must be a whole number >= 1, got 0": dict(beam_size=0),
    "beam_size=10 is more than the 3^2 = 9": dict(beam_size=10, max_length=2),
    "num_best=3 is more than beam_size=2": dict(num_best=3),
    "max_length=1 is below the prefix of 2": dict(max_length=1, prefix=jnp.ones((2, 2), int)),
    "max_length must be a whole number >= 1, got 0": dict(max_length=0),
    "min_length=5 must lie in 0..max_length=4": dict(min_length=5),
    "block_ngrams must be a whole number >= 1, got 0": dict(block_ngrams=0),
    "chunk must be a whole number >= 1, got -1": dict(chunk=-1),
    "start has tokens from 3 to 3": dict(start=jnp.full(2, 3)),
    "end has tokens from 7 to 7": dict(end=7),
    "end is [0, 2]: give one whole number": dict(end=[0, 2]),
    "early_stop must be": dict(early_stop="soon"),
    "prefix has shape (1, 3)": dict(prefix=jnp.ones((1, 3), int)),
    "prefix has tokens from 3 to 3": dict(prefix=jnp.full((1, 2), 3)),
    "prefix_lengths was given without": dict(prefix_lengths=jnp.ones(2, int)),
    "prefix_lengths go from 1 to 2, but there are 1 tokens of prefix": dict(
        prefix=jnp.ones((1, 2), int), prefix_lengths=jnp.array([1, 2])
    ),
    "needs alignment=": dict(coverage_penalty=decoding.Coverage()),
    "coverage_penalty is 0.2: give": dict(coverage_penalty=0.2, alignment=lambda s: s),
    "but the state holds no array": dict(
        coverage_penalty=decoding.Coverage(), alignment=lambda s: s
    ),
    "end is None: give one whole number": dict(end=None),
    "params of a fused step must be a pair": dict(step=decoding.shallow_fusion(step, step, 1)),
    "serve a coverage penalty": dict(source_lengths=jnp.ones(2, int)),
    "length_penalty is <class": dict(length_penalty=decoding.GNMT),
    "has no leaf with a batch axis": dict(start=1),
    "the batch axes are (2,): they lead every leaf": dict(state=jnp.zeros((3, 1))),
    "know 1 token": dict(step=lambda p, s, t: (s, jnp.zeros((*t.shape, 1)))),
    "alignment gave shape (4, 3, 5) for 4 hypotheses": dict(
        state=jnp.zeros((2, 3, 5)), coverage_penalty=decoding.Coverage(), alignment=lambda s: s
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_bad_input_is_refused(message):
    with pytest.raises(ValueError) as caught:
        run(**REFUSED[message])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: decoding.GNMT(-1.0), "alpha=-1.0 must be a finite number >= 0"),
        (lambda: decoding.Average(float("nan")), "alpha=nan"),
        (lambda: decoding.WordReward(float("inf")), "reward=inf"),
        (lambda: decoding.Coverage(-0.1), "beta=-0.1"),
        (lambda: decoding.Coverage(floor=0.0), "floor=0.0 must lie in (0, 1]"),
        (lambda: decoding.shallow_fusion(step, step, -1.0), "weight=-1.0"),
    ],
)
def test_bad_weights_are_refused(make, message):
    with pytest.raises(ValueError) as caught:
        make()
    assert message in str(caught.value)


def test_forbidden_tokens_are_never_chosen():
    """Logits of -inf: of a token, of the end symbol, and after 2 of everything."""
    table = TABLE.at[1, 0].set(-jnp.inf).at[2].set(-jnp.inf)
    found = cases.read(run(table, num_best=2), 1)
    assert [f.tokens for f in found] == [(1, 1, 1, 2), (1, 1, 1, 1)]
    nothing = run(table.at[1].set(-jnp.inf), num_best=2)
    assert (nothing.scores == -jnp.inf).all() and (nothing.lengths == 0).all()
    assert (nothing.tokens == 0).all()


def test_nan_is_loud_in_its_row_and_silent_in_others():
    tables = cases.make(2, 4)
    options = dict(beam_size=3, num_best=2, max_length=6, start=1, end=0)
    good = decoding.beam_search(cases.step, tables, cases.begin(2), **options)
    for value in (jnp.nan, jnp.inf):
        poisoned = tables._replace(logits=tables.logits.at[0, ::2, 3].set(value))
        bad = decoding.beam_search(cases.step, poisoned, cases.begin(2), **options)
        assert jnp.isnan(bad.scores[0]).all() and jnp.isnan(bad.log_probs[0]).all()
        assert (bad.lengths[0] == 0).all() and (bad.tokens[:, 0] == 0).all()
        assert cases.read(bad, 1) == cases.read(good, 1)


def test_equals_keep_their_order():
    """Where all tokens are as likely: by the step at which they end, by beam, by token."""
    beams = run(jnp.zeros((3, 3)), beam_size=3, num_best=3, max_length=2)
    assert [f.tokens for f in cases.read(beams, 0)] == [(0,), (1, 0), (1, 1)]


def test_rows_with_two_batch_axes():
    tables = cases.make(6, 3)
    options = dict(beam_size=2, num_best=2, max_length=5, end=0)
    flat = decoding.beam_search(cases.step, tables, cases.begin(6), start=1, **options)
    state = cases.State(*(leaf.reshape(2, 3, *leaf.shape[1:]) for leaf in cases.begin(6)))
    square = decoding.beam_search(cases.step, tables, state, start=jnp.full((2, 3), 1), **options)
    assert square.tokens.shape == (5, 2, 3, 2) and square.scores.shape == (2, 3, 2)
    np.testing.assert_array_equal(square.tokens.reshape(5, 6, 2), flat.tokens)
    np.testing.assert_array_equal(square.scores.reshape(6, 2), flat.scores)


def test_shallow_fusion_adds_the_language_model():
    """Exhaustive: every sequence's score is the sum of two models' scores."""
    decoder, model = cases.make(2, 3, seed=3), cases.make(2, 3, seed=4)
    fused = decoding.shallow_fusion(cases.step, cases.step, 0.4)
    assert fused == decoding.shallow_fusion(cases.step, cases.step, 0.4)
    beams = decoding.beam_search(
        fused, (decoder, model), (cases.begin(2),) * 2, beam_size=27, start=1, end=0, max_length=3,
        num_best=6, length_penalty=decoding.Average(),
    )  # fmt: skip
    for row in range(2):
        wanted = []
        for tokens in cases.sequences(3, 3):
            own, other = (cases.score_of(t, row, tokens).log_prob for t in (decoder, model))
            total = own + 0.4 * other
            wanted.append(cases.Found(total / len(tokens), total, tokens))
        cases.assert_found(cases.read(beams, row), sorted(wanted, reverse=True)[:6])

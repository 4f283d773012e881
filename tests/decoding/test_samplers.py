"""Filters against their definitions in NumPy, ties included; draws against exact probabilities."""

from math import log

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax.decoding import Forbid, Greedy, MinP, Sample, Temperature, TopK, TopP


def softmax(logits):
    weights = np.exp(logits - np.max(logits))
    return weights / weights.sum()


def by_rank(logits):
    """Ids from the most to the least probable, of equal ones the first first."""
    return sorted(range(len(logits)), key=lambda v: (-logits[v], v))


def top_k(logits, k):
    return set(by_rank(logits)[:k])


def top_p(logits, p):
    kept, total, probabilities = set(), 0.0, softmax(logits)
    for v in by_rank(logits):
        if total >= p:
            break
        kept.add(v)
        total += probabilities[v]
    return kept


def min_p(logits, p):
    return {v for v in range(len(logits)) if logits[v] - max(logits) >= log(p)}


# Half of the rows on a coarse grid, so that many are equal; one with excluded tokens.
_DRAW = np.random.default_rng(0)
LOGITS = np.concatenate([
    _DRAW.normal(size=(30, 7)), _DRAW.integers(0, 3, size=(30, 7)) * log(2),
    np.array([[0, 0, 0, 0, 0, 0, 0], [1, -np.inf, 1, 0, -np.inf, 0, -np.inf]]),
])  # fmt: skip

FILTERS = [
    *((TopK(k), top_k, k) for k in (1, 2, 4, 7)),
    *((TopP(p), top_p, p) for p in (1e-9, 0.1, 0.33, 0.6, 0.97)),
    *((MinP(p), min_p, p) for p in (0.01, 0.25, 0.5, 1.0)),
]


@pytest.mark.parametrize(("given", "definition", "value"), FILTERS, ids=lambda x: str(x)[:12])
def test_filters_keep_what_their_definition_says(given, definition, value):
    found = np.asarray(given(jnp.asarray(LOGITS)))
    for row, logits in zip(found, LOGITS):
        kept = definition(logits, value) - {v for v in range(7) if logits[v] == -np.inf}
        assert {v for v in range(7) if row[v] > -np.inf} == kept, logits
        assert all(row[v] == logits[v] for v in kept)


def test_everything_and_nothing():
    logits = jnp.asarray(LOGITS)
    assert (TopP(1.0)(logits) == logits).all() and (TopK(7)(logits) == logits).all()
    assert (Greedy()(logits) == Sample((TopK(1),))(logits, jax.random.key(0))).all()
    assert Greedy()(logits).tolist() == [np.argmax(row) for row in LOGITS]
    assert (Greedy((Forbid((0, 2)),))(logits[-1:]) == 3).all()


def test_draws_have_the_exact_distribution():
    """20 000 draws; 4.5 standard deviations, for all tokens and samplers at once."""
    count, logits = 20_000, LOGITS[2]
    for filters in [
        (),
        (Temperature(0.5),),
        (Temperature(2.0), TopP(0.6)),
        (TopK(3), MinP(0.2), Forbid((1,))),
    ]:
        rows = jnp.broadcast_to(jnp.asarray(logits), (count, 7))
        drawn = Sample(filters)(rows, jax.random.key(len(filters)))
        expected = logits
        for one in filters:
            expected = np.asarray(one(jnp.asarray(expected)))
        expected = softmax(expected)
        shares = np.bincount(np.asarray(drawn), minlength=7) / count
        spread = np.sqrt(expected * (1 - expected) / count)
        assert (abs(shares - expected) <= 4.5 * spread + 1e-12).all(), filters
    # by hand: temperature 1/2 squares the probabilities
    squared = softmax(logits) ** 2
    np.testing.assert_allclose(softmax(2 * logits), squared / squared.sum(), atol=1e-12)


def test_rows_draw_independently():
    drawn = Sample()(jnp.zeros((4000, 2)), jax.random.key(1))
    pairs = np.bincount(np.asarray(2 * drawn[::2] + drawn[1::2]), minlength=4) / 2000
    np.testing.assert_allclose(pairs, 0.25, atol=0.045)


def test_half_precision_is_sampled_in_float32():
    assert jax.eval_shape(TopK(2), jnp.zeros(4, jnp.float32)).dtype == jnp.float32
    logits = jnp.zeros((1000, 300), jnp.bfloat16)
    drawn = Sample()(logits, jax.random.key(0))
    assert len(np.unique(drawn)) > 270  # noise in bfloat16 would tie and favour the first


def test_equal_by_value():
    assert hash(Sample((TopK(3), TopP(0.9)))) == hash(Sample((TopK(3), TopP(0.9))))
    assert Greedy() == Greedy() and Sample() != Greedy()


@pytest.mark.parametrize("make", [
    lambda: Temperature(0.0), lambda: Temperature(-1.0), lambda: Temperature(float("nan")),
    lambda: TopK(0), lambda: TopK(2.0), lambda: TopP(0.0), lambda: TopP(1.1), lambda: MinP(-0.1),
    lambda: MinP(float("nan")), lambda: Sample(TopK(3)), lambda: Sample([TopK(3)]),
    lambda: Sample((TopK,)), lambda: Forbid(3), lambda: Forbid([3]),
    lambda: TopK(8)(jnp.zeros(7)), lambda: Forbid((7,))(jnp.zeros(7)),
    lambda: Forbid((0, 1))(jnp.zeros(2)),
])  # fmt: skip
def test_bad_choices_are_refused(make):
    with pytest.raises(ValueError, match=r"\d|nan|Sample"):
        make()

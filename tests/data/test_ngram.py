"""Witten-Bell n-grams against the recursion of the paper, written with dictionaries."""

import math
from collections import Counter

import numpy as np
import pytest

from rnn_jax.data.ngram import bits, witten_bell


def brute_force(train, held_out, order, vocab_size):
    count, followers = Counter(), {}
    for length in range(order):
        for i in range(length, len(train)):
            context = tuple(train[i - length : i])
            count[context, train[i]] += 1
            followers.setdefault(context, []).append(train[i])

    def probability(symbol, context):
        shorter = probability(symbol, context[1:]) if context else 1 / vocab_size
        if context not in followers:
            return shorter
        types, total = len(set(followers[context])), len(followers[context])
        return (count[context, symbol] + types * shorter) / (total + types)

    text = [*train, *held_out]
    nats = [
        -math.log(probability(text[i], tuple(text[max(0, i - order + 1) : i])))
        for i in range(len(train), len(text))
    ]
    return sum(nats) / len(nats)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(3))
def test_witten_bell_equals_the_recursion(order, seed):
    rng = np.random.default_rng(seed)
    train = rng.integers(0, 4, 60).tolist()
    held_out = rng.integers(0, 6, 25).tolist()  # 4 and 5 never occur in training
    got = witten_bell(np.array(train), np.array(held_out), order, vocab_size=7)
    assert got == pytest.approx(brute_force(train, held_out, order, 7), rel=1e-12)


def test_probabilities_sum_to_one_over_the_vocabulary():
    train = np.random.default_rng(5).integers(0, 3, 40)
    total = sum(math.exp(-witten_bell(train, np.array([c]), 3, vocab_size=5)) for c in range(5))
    assert total == pytest.approx(1.0, rel=1e-12)


def test_unigram_by_hand():
    # a a b: p(a) = (2 + 2 / 4) / (3 + 2), p(unseen) = (0 + 2 / 4) / 5
    got = witten_bell(np.array([0, 0, 1]), np.array([0, 3]), 1, vocab_size=4)
    assert got == pytest.approx(-(math.log(0.5) + math.log(0.1)) / 2, rel=1e-12)


def test_large_vocabularies_do_not_overflow():
    train = np.arange(2000) * 50
    got = witten_bell(train, np.array([0]), 8, vocab_size=100_000)
    assert math.isfinite(got)


def test_order_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"order 0 must lie in 1\.\.3"):
        witten_bell(np.arange(3), np.arange(3), 0, 3)


def test_bits():
    assert bits(math.log(2)) == 1.0

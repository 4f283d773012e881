"""Sampled softmax: its expectation by enumeration, and its limit, the full softmax."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import losses
from tests.losses.reference import check_types_on_a_mesh

V, H = 6, 3
RANDOM = np.random.default_rng(0)
TABLE, B = jnp.asarray(RANDOM.standard_normal((V, H))), jnp.asarray(RANDOM.standard_normal(V))
HS, LABELS = RANDOM.standard_normal((4, 2, H)), RANDOM.integers(0, V, (4, 2))
WORDS = losses.LogUniform(vocab_size=V)
LENGTHS = np.array([4, 2])


def sampled(samples, log_q, hs=HS, b=B):
    return losses.sampled_token_losses(TABLE, hs, LABELS, samples, log_q, b=b, lengths=LENGTHS)


def full():
    logits = losses.tied_logits(TABLE, jnp.asarray(HS), B)
    return losses.token_losses(logits, LABELS, lengths=LENGTHS)


def test_expectation_over_all_samples():
    """E[exp(loss)] = 1 / p over all V^2 pairs of draws, each with its probability."""
    log_q = WORDS.log_prob(jnp.arange(V)).astype(jnp.float64)
    q = np.exp(log_q) / np.exp(log_q).sum()
    pairs = jnp.stack(jnp.meshgrid(jnp.arange(V), jnp.arange(V), indexing="ij"), -1).reshape(-1, 2)
    each = jax.jit(jax.vmap(lambda pair: sampled(pair, jnp.log(q)[pair])))(pairs)
    weights = (q[:, None] * q).reshape(-1, 1, 1)
    np.testing.assert_allclose((weights * np.exp(each)).sum(0), np.exp(full()), rtol=1e-12)
    assert ((weights * each).sum(0)[:2] < full()[:2]).all()


def test_each_word_once_is_the_full_softmax():
    poisoned = HS.copy()
    poisoned[2:, 1] = np.nan
    found = sampled(jnp.arange(V), jnp.full(V, -jnp.log(V)), poisoned)
    np.testing.assert_allclose(found, full(), rtol=1e-12)


def test_draws_follow_log_uniform():
    """Chi-square, 5 degrees of freedom: above 25.7 in 1 of 10 000 seeds."""
    counts = np.bincount(WORDS.draw(jax.random.key(0), 5000), minlength=V)
    expected = 5000 * np.exp(WORDS.log_prob(jnp.arange(V)))
    assert ((counts - expected) ** 2 / expected).sum() < 25.7


def test_types_agree_on_a_mesh():
    samples = jnp.array([0, 2])
    check_types_on_a_mesh(
        lambda **a: losses.sampled_token_losses(
            TABLE, samples=samples, log_q=WORDS.log_prob(samples), b=B, **a
        ),
        {
            "hs": (np.zeros((3, 8, H)), 1),
            "labels": (np.zeros((3, 8), int), 1),
            "lengths": (np.full(8, 2), 0),
        },
    )


def test_bad_input():
    with pytest.raises(ValueError, match="samples.* is 6, but classes are 0..5"):
        sampled(jnp.array([6]), jnp.zeros(1))
    with pytest.raises(ValueError, match=r"embedding has shape \(6, 3\).*need \(V, 2\)"):
        sampled(jnp.array([0]), jnp.zeros(1), HS[..., :2])
    with pytest.raises(ValueError, match=r"samples has shape \(2,\) and log_q \(1,\)"):
        sampled(jnp.array([0, 1]), jnp.zeros(1))
    with pytest.raises(ValueError, match=r"b has shape \(2,\).*it must be \(6,\)"):
        sampled(jnp.array([0]), jnp.zeros(1), b=jnp.zeros(2))  # its rows would be clipped
    with pytest.raises(ValueError, match="vocab_size must be a whole number >= 1, got 0"):
        losses.LogUniform(vocab_size=0)

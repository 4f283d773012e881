"""NADE against its definition in NumPy loops, and against all vectors that there are."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import losses
from tests.losses.reference import check_types_on_a_mesh

RANDOM = np.random.default_rng(0)
D, H = 5, 3
B, C = RANDOM.standard_normal((2, 4, D)), RANDOM.standard_normal((2, 4, H))
W, V = RANDOM.standard_normal((2, D, H))
ALL = np.array(list(product([0, 1], repeat=D)))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def probability(y, b, c, w=W):
    """By the definition: every hidden vector from the beginning."""
    p = 1.0
    for d in range(D):
        on = sigmoid(b[d] + V[d] @ sigmoid(c + sum(w[j] * y[j] for j in range(d))))
        p *= on if y[d] else 1 - on
    return p


def nll(b, c, w, v, y):
    return losses.bernoulli_nll(losses.nade_logits(b, c, w, v, y), y)


def test_it_is_the_definition_and_a_distribution():
    labels = RANDOM.integers(0, 2, B.shape)

    def expected(w):
        rows = zip(labels.reshape(-1, D), B.reshape(-1, D), C.reshape(-1, H))
        return -np.log([probability(y, b, c, w) for y, b, c in rows]).reshape(2, 4)

    def total(w):
        found = nll(B, C, w, V, labels)
        return found.sum(), found

    gradient, found = jax.jit(jax.grad(total, has_aux=True))(W)
    np.testing.assert_allclose(found, expected(W), rtol=1e-12)
    for d in range(D):
        for k in range(H):
            step = 1e-6 * (np.arange(D * H) == d * H + k).reshape(D, H)
            slope = (expected(W + step).sum() - expected(W - step).sum()) / 2e-6
            np.testing.assert_allclose(gradient[d, k], slope, rtol=1e-6, atol=1e-8)
    b, c = (np.tile(x[0, 0], (len(ALL), 1)) for x in (B, C))
    np.testing.assert_allclose(np.exp(-nll(b, c, W, V, ALL)).sum(), 1, rtol=1e-12)


def test_draws_have_its_probabilities():
    b, c = (jnp.tile(x[0, 0], (40_000, 1)) for x in (B, C))
    drawn = np.asarray(jax.jit(losses.nade_sample)(jax.random.key(0), b, c, W, V))
    counts = np.bincount(drawn @ 2 ** np.arange(D)[::-1], minlength=len(ALL))
    expected = np.array([probability(y, B[0, 0], C[0, 0]) for y in ALL])
    spread = np.sqrt(expected * (1 - expected) / len(drawn))
    assert (abs(counts / len(drawn) - expected) < 4.5 * spread).all()


def test_types_agree_on_a_mesh():
    y = np.ones((2, 8, D), bool)
    check_types_on_a_mesh(
        lambda b, c, y: losses.nade_logits(b, c, W, V, y),
        {"b": (np.zeros((2, 8, D)), 1), "c": (np.zeros((2, 8, H)), 1), "y": (y, 1)},
    )


def test_bad_input():
    with pytest.raises(ValueError, match=r"w \(3, 5\) and v \(5, 3\)"):
        losses.nade_logits(B, C, W.T, V, B)
    with pytest.raises(ValueError, match=r"labels has shape \(4, 5\), but b \(2, 4, 5\)"):
        losses.nade_logits(B, C, W, V, B[0])

"""Densities and multi-label likelihoods against PyTorch's formulas in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import losses
from tests.losses.reference import check_types_on_a_mesh, softmax

RANDOM = np.random.default_rng(0)
LENGTHS = np.array([3, 1])
REAL = np.arange(3)[:, None] < LENGTHS
MEANS, LOG_SCALES = RANDOM.standard_normal((2, 3, 2, 4, 5))
LOGITS, TARGETS = RANDOM.standard_normal((3, 2, 4)), RANDOM.standard_normal((3, 2, 5))


def normal(x, mean, scale):
    return np.exp(-(((x - mean) / scale) ** 2) / 2) / (scale * np.sqrt(2 * np.pi))


def check(loss, expected, arrays):
    """Values with NaN on padding, and a gradient that is zero there and finite."""
    poisoned = [np.where(REAL.reshape(3, 2, *(1,) * (a.ndim - 2)), a, np.nan) for a in arrays]

    def total(*arrays):
        found = loss(*arrays, lengths=LENGTHS)
        return found.sum(), found

    places = tuple(range(len(arrays)))
    gradient, found = jax.jit(jax.grad(total, places, has_aux=True))(*poisoned)
    np.testing.assert_allclose(found, np.where(REAL, expected, 0), rtol=1e-12)
    for leaf in gradient:
        assert np.isfinite(leaf).all() and not leaf[~REAL].any() and leaf[REAL].any()


def test_gaussian():
    mean, log_scale = MEANS[:, :, 0], LOG_SCALES[:, :, 0]
    expected = -np.log(normal(TARGETS, mean, np.exp(log_scale))).sum(-1)
    check(losses.gaussian_nll, expected, (mean, log_scale, TARGETS))


def test_mixture():
    each = normal(TARGETS[:, :, None], MEANS, np.exp(LOG_SCALES)).prod(-1)
    expected = -np.log((softmax(LOGITS) * each).sum(-1))
    check(losses.mixture_nll, expected, (LOGITS, MEANS, LOG_SCALES, TARGETS))


def test_bernoulli():
    p, y = 1 / (1 + np.exp(-LOGITS)), RANDOM.uniform(size=(3, 2, 4))
    check(losses.bernoulli_nll, -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(-1), (LOGITS, y))
    sure = losses.bernoulli_nll(jnp.array([[500.0, -500.0]]), jnp.array([[True, False]]))
    wrong = losses.bernoulli_nll(jnp.array([[500.0, -500.0]]), jnp.array([[0, 1]]))
    assert sure[0] < 1e-200 and wrong.tolist() == [1000]


def test_types_agree_on_a_mesh():
    wide = np.zeros((3, 8, 2, 4))
    check_types_on_a_mesh(
        losses.mixture_nll,
        {
            "means": (wide, 1),
            "log_scales": (wide, 1),
            "logits": (wide[..., 0], 1),
            "targets": (wide[:, :, 0], 1),
            "lengths": (np.full(8, 2), 0),
        },
    )


def test_bad_input():
    with pytest.raises(ValueError, match=r"means \(3, 2, 4, 5\), log_scales \(3, 2, 5\)"):
        losses.gaussian_nll(MEANS, TARGETS, TARGETS)
    with pytest.raises(ValueError, match=r"logits has shape \(3, 2, 5\), means \(3, 2, 4, 5\)"):
        losses.mixture_nll(TARGETS, MEANS, LOG_SCALES, TARGETS)
    with pytest.raises(ValueError, match="logits has dtype int64"):
        losses.bernoulli_nll(LOGITS.astype(int), LOGITS)

"""The transducer's loss against the enumeration of all alignments and a published example."""

from functools import partial
from itertools import combinations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import losses
from tests.losses.reference import check_types_on_a_mesh, softmax


@partial(jax.jit, static_argnames=("blank",))
def value_and_gradient(logits, labels, lengths, label_lengths, **options):
    def total(logits):
        found = losses.transducer_loss(
            logits, labels, lengths=lengths, label_lengths=label_lengths, **options
        )
        return jnp.where(jnp.isinf(found), 0, found).sum(), found

    gradient, found = jax.grad(total, has_aux=True)(logits)
    return found, gradient


def enumerated(logits, labels, blank):
    """-log p and its gradient by all alignments: which of the T + U steps write a label."""
    num_steps, size = len(logits), len(labels)
    p, total, through = softmax(logits), 0.0, np.zeros_like(logits)
    for writes in combinations(range(num_steps + size), size):
        t = u = 0
        visited, probability = [], 1.0
        for step in range(num_steps + size):
            if t == num_steps:
                probability = 0.0  # a label after the last blank
                break
            symbol = labels[u] if step in writes else blank
            visited.append((t, u, symbol))
            probability *= p[t, u, symbol]
            t, u = (t, u + 1) if step in writes else (t + 1, u)
        total += probability
        for place in visited:
            through[place] += probability
    shares = through / total
    return -np.log(total), p * shares.sum(-1, keepdims=True) - shares


def test_published_example():
    """The numbers of warp-transducer's first test, and their gradient by the enumeration."""
    logits = np.array(
        [
            [[0.1, 0.6, 0.1, 0.1, 0.1], [0.1, 0.1, 0.6, 0.1, 0.1], [0.1, 0.1, 0.2, 0.8, 0.1]],
            [[0.1, 0.6, 0.1, 0.1, 0.1], [0.1, 0.1, 0.2, 0.1, 0.1], [0.7, 0.1, 0.2, 0.1, 0.1]],
        ]
    )
    found, gradient = value_and_gradient(
        logits[:, :, None], np.array([[1], [2]]), np.array([2]), np.array([2])
    )
    np.testing.assert_allclose(found, [4.495666], atol=1e-6)
    loss, d_logits = enumerated(logits, [1, 2], 0)
    np.testing.assert_allclose(found, [loss], rtol=1e-13)
    np.testing.assert_allclose(gradient[:, :, 0], d_logits, atol=1e-14)
    published = [-0.13116688, -0.3999269, 0.17703125, 0.17703125, 0.17703125]
    np.testing.assert_allclose(gradient[0, 0, 0], published, atol=1e-7)


@pytest.mark.parametrize("blank", [0, 2])
def test_equals_enumeration(blank):
    """All rows in one batch, whose padding is NaN."""
    a, b = sorted({0, 1, 2} - {blank})
    rows = [(3, (a, b)), (3, ()), (1, (a, a)), (2, (b,)), (3, (b, b)), (0, ()), (0, (a,))]
    logits = np.random.default_rng(0).standard_normal((3, 3, len(rows), 3)) * 2
    labels = np.full((2, len(rows)), -1)
    poisoned = np.full_like(logits, np.nan)
    for i, (n, row) in enumerate(rows):
        labels[: len(row), i] = row
        poisoned[:n, : len(row) + 1, i] = logits[:n, : len(row) + 1, i]
    lengths = np.array([n for n, _ in rows])
    label_lengths = np.array([len(row) for _, row in rows])
    found, gradient = value_and_gradient(poisoned, labels, lengths, label_lengths, blank=blank)
    assert found[-1] == jnp.inf and not gradient[:, :, -2:].any() and found[-2] == 0
    assert not gradient[np.isnan(poisoned)].any()
    for i, (n, row) in enumerate(rows[:-2]):
        size = len(row) + 1
        loss, d_logits = enumerated(logits[:n, :size, i], row, blank)
        np.testing.assert_allclose(found[i], loss, rtol=1e-13, err_msg=str(rows[i]))
        np.testing.assert_allclose(gradient[:n, :size, i], d_logits, atol=1e-14)


@pytest.mark.slow
def test_float32_and_bfloat16_over_many_steps(optimized):
    random = np.random.default_rng(1)
    logits = jnp.asarray(random.standard_normal((80, 21, 2, 6)) * 3, jnp.bfloat16)
    labels = random.integers(1, 6, (20, 2))
    rest = labels, np.array([80, 50]), np.array([20, 15])
    exact, d_exact = value_and_gradient(logits.astype(jnp.float64), *rest)
    single, d_single = value_and_gradient(logits.astype(jnp.float32), *rest)
    half, _ = value_and_gradient(logits, *rest)
    np.testing.assert_allclose(single, exact, rtol=1e-6)
    np.testing.assert_allclose(d_single, d_exact, atol=1e-5)
    np.testing.assert_array_equal(half, single)


def test_traced_blank_among_labels_and_certainty():
    logits = np.zeros((2, 2, 2, 3)) + np.array([40.0, 0, 0])
    logits[1, 0, 0] = [0, 40, 0]
    logits[:, :, 1] = 0
    found, gradient = value_and_gradient(
        logits.astype(np.float32), np.array([[1, 0]]), np.array([2, 2]), np.array([1, 1])
    )
    assert 0 <= found[0] < 1e-6 and found[1] == jnp.inf and not gradient[:, :, 1].any()


def test_types_agree_on_a_mesh():
    check_types_on_a_mesh(
        losses.transducer_loss,
        {
            "logits": (np.zeros((4, 3, 8, 3)), 2),
            "labels": (np.ones((2, 8), int), 1),
            "lengths": (np.full(8, 3), 0),
            "label_lengths": (np.full(8, 1), 0),
        },
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [[1, 2], [1, 2]]}, r"labels has shape \(2, 2\).*need \(1, 2\)"),
        ({"labels": [[1, 0]]}, r"labels\[0, 1\] is 0, but classes are 0..2 without 0, the blank"),
        ({"lengths": [5, 1]}, "lengths go from 1 to 5, but there are 4 frames"),
        ({"label_lengths": [2, 1]}, "label_lengths go from 1 to 2, but there are 1 positions"),
        ({"blank": -1}, r"blank is -1, but classes are 0..2"),
        ({"logits": np.zeros((4, 3))}, r"logits has shape \(4, 3\)"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        losses.transducer_loss(**{"logits": jnp.zeros((4, 2, 2, 3)), "labels": [[1, 2]]} | change)

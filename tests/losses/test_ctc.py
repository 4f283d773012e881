"""CTC against the enumeration of all paths, PyTorch, and itself in other precisions and shapes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import losses
from tests.cells.reference import SOURCES, numbers
from tests.losses.reference import check_types_on_a_mesh, collapse, paths, softmax


@partial(jax.jit, static_argnames=("blank", "zero_infinity"))
def value_and_gradient(logits, labels, lengths, label_lengths, **options):
    def total(logits):
        found = losses.ctc_loss(
            logits, labels, lengths=lengths, label_lengths=label_lengths, **options
        )
        return jnp.where(jnp.isinf(found), 0, found).sum(), found

    gradient, found = jax.grad(total, has_aux=True)(logits)
    return found, gradient


def enumerated(logits, labels, blank):
    """-log p and its gradient by all V**T paths: softmax minus the share of paths through it."""
    p = softmax(logits)
    total, through = 0.0, np.zeros_like(p)
    for path in paths(*logits.shape):
        if collapse(path, blank) == tuple(labels):
            steps = np.arange(len(path)), np.array(path, int)
            probability = p[steps].prod()
            total += probability
            through[steps] += probability
    return -np.log(total), p - through / total


@pytest.mark.parametrize("blank", [0, 2])
def test_equals_enumeration(blank):
    """All rows in one batch: label lengths 0 to 3, repetitions, all frame counts."""
    a, b = sorted({0, 1, 2} - {blank})
    rows = [(4, ()), (4, (a,)), (4, (a, b)), (4, (a, a)), (3, (b, a, b)), (2, (b,)), (1, (a,)),
            (4, (b, b)), (4, (a, b, b)), (0, ())]  # fmt: skip
    logits = np.random.default_rng(0).standard_normal((4, len(rows), 3)) * 2
    labels = np.full((3, len(rows)), -1)
    for i, (_, row) in enumerate(rows):
        labels[: len(row), i] = row
    lengths = np.array([n for n, _ in rows])
    label_lengths = np.array([len(row) for _, row in rows])
    found, gradient = value_and_gradient(logits, labels, lengths, label_lengths, blank=blank)
    for i, (n, row) in enumerate(rows):
        loss, d_logits = enumerated(logits[:n, i], row, blank)
        np.testing.assert_allclose(found[i], loss, rtol=1e-13, atol=1e-14, err_msg=str(rows[i]))
        np.testing.assert_allclose(gradient[:n, i], d_logits, atol=1e-14, err_msg=str(rows[i]))
        assert not gradient[n:, i].any()


@pytest.mark.parametrize("source", SOURCES)
def test_equals_torch(source):
    case = numbers("torch_losses", "ctc", source)
    arrays = [case[k] for k in ("logits", "labels", "lengths", "label_lengths")]
    found, gradient = value_and_gradient(*arrays)
    np.testing.assert_allclose(found, case["losses"], rtol=1e-12)
    np.testing.assert_allclose(gradient[:, :3], case["gradient"][:, :3], atol=1e-13)
    assert found[3] == jnp.inf and not gradient[:, 3].any()


def test_impossible_is_inf_without_gradient():
    """Two equal neighbours need a blank between: [2, 2, 2] needs 5 frames."""
    logits = np.random.default_rng(1).standard_normal((5, 6, 4))
    labels = np.tile(np.array([[2], [2], [2]]), (1, 6))
    lengths, label_lengths = np.array([4, 5, 0, 4, 3, 4]), np.array([3, 3, 1, 0, 2, 3])
    labels[:, 5] = 0  # blank among the labels, unknown while tracing
    logits[2, 4] = [-np.inf, 0, 0, 0]  # no blank to be had where one is needed
    logits[:, 4, 2], logits[1, 4] = 0, [-np.inf, 0, 0, 0]
    found, gradient = value_and_gradient(logits, labels, lengths, label_lengths)
    assert [bool(x) for x in jnp.isinf(found)] == [True, False, True, False, True, True]
    assert np.isfinite(gradient).all()
    assert not gradient[:, np.array([0, 2, 4, 5])].any()
    zeroed, d_zeroed = value_and_gradient(
        logits, labels, lengths, label_lengths, zero_infinity=True
    )
    np.testing.assert_array_equal(zeroed, jnp.where(jnp.isinf(found), 0, found))
    np.testing.assert_array_equal(d_zeroed, gradient)


def test_more_labels_than_frames_and_no_labels():
    logits = jnp.zeros((2, 3))
    assert losses.ctc_loss(logits, jnp.array([1, 2, 1])) == jnp.inf
    none = losses.ctc_loss(logits, jnp.zeros((0,), int))
    np.testing.assert_allclose(none, 2 * np.log(3), rtol=1e-12)


def test_never_below_zero():
    """The confident case of optax's -8e-8, many of them."""
    random = np.random.default_rng(2)
    labels = random.integers(1, 4, (4, 200))
    path = np.stack([labels, np.zeros_like(labels)], 1).reshape(8, 200)
    logits = (np.eye(4)[path] * random.uniform(12, 40, (8, 200, 1))).astype(np.float32)
    found = losses.ctc_loss(logits, labels)
    assert found.dtype == jnp.float32 and (found >= 0).all() and found.max() < 1e-3
    probabilities = jax.nn.log_softmax(jnp.asarray(logits))
    np.testing.assert_allclose(losses.ctc_loss(probabilities, labels), found, atol=1e-6)


def test_padding_changes_nothing():
    random = np.random.default_rng(3)
    logits, labels = random.standard_normal((5, 3, 4)), random.integers(1, 4, (3, 3))
    lengths, label_lengths = np.array([5, 3, 0]), np.array([2, 1, 0])
    found, gradient = value_and_gradient(logits, labels, lengths, label_lengths)
    poisoned = np.where(np.arange(5)[:, None, None] < lengths[:, None], logits, np.nan)
    labels[2], labels[1, 1:], labels[0, 2] = -1, 0, 99
    again, d_again = value_and_gradient(poisoned, labels, lengths, label_lengths)
    np.testing.assert_array_equal(found, again)
    np.testing.assert_array_equal(gradient, d_again)


def test_float32_over_200_frames():
    """From bfloat16 logits, which are computed with in float32."""
    random = np.random.default_rng(4)
    logits = jnp.asarray(random.standard_normal((200, 3, 30)) * 3, jnp.bfloat16)
    labels = random.integers(1, 30, (40, 3))
    rest = labels, np.array([200, 150, 90]), np.array([40, 20, 35])
    exact, d_exact = value_and_gradient(logits.astype(jnp.float64), *rest)
    single, d_single = value_and_gradient(logits.astype(jnp.float32), *rest)
    np.testing.assert_allclose(single, exact, rtol=1e-6)
    np.testing.assert_allclose(d_single, d_exact, atol=1e-5)
    half = jax.eval_shape(value_and_gradient, logits, *rest)
    assert [x.dtype for x in half] == [jnp.float32, jnp.bfloat16]


def test_types_agree_on_a_mesh():
    check_types_on_a_mesh(
        losses.ctc_loss,
        {
            "logits": (np.zeros((4, 8, 3)), 1),
            "labels": (np.ones((2, 8), int), 1),
            "lengths": (np.full(8, 3), 0),
            "label_lengths": (np.full(8, 1), 0),
        },
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [[1, 0]]}, r"labels\[0, 1\] is 0, but classes are 0..2 without 0, the blank"),
        ({"labels": [[1, 3]]}, r"labels\[0, 1\] is 3, but classes are 0..2"),
        ({"labels": [1, 2]}, r"labels has shape \(2,\).*\(U, 2\)"),
        ({"lengths": [5, 1]}, "lengths go from 1 to 5, but there are 4 frames of logits"),
        ({"label_lengths": [0, 2]}, "label_lengths go from 0 to 2, but there are 1 positions"),
        ({"blank": 3}, r"blank is 3, but classes are 0..2"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        losses.ctc_loss(**{"logits": jnp.zeros((4, 2, 3)), "labels": [[1, 2]]} | change)

"""Cross entropy against PyTorch and plain NumPy; sums that add up; padding, types, bad input."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import losses
from tests.cells.reference import SOURCES, numbers
from tests.losses.reference import check_types_on_a_mesh, softmax
from tests.static import temp_bytes

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.standard_normal((5, 4, 6))
LABELS = RANDOM.integers(0, 6, (5, 4))
LENGTHS = np.array([5, 0, 3, 1])
REAL = np.arange(5)[:, None] < LENGTHS


def readout(w, hs):
    return jnp.dot(hs, w)


def value_and_gradient(logits, labels, **options):
    def mean(logits):
        found = losses.cross_entropy(logits, labels, **options)
        return found.mean, found

    return jax.value_and_grad(mean, has_aux=True)(jnp.asarray(logits))


@pytest.mark.parametrize("source", SOURCES)
def test_equals_torch_with_smoothing_and_ignored_labels(source):
    case = numbers("torch_losses", "cross_entropy", source)
    (mean, found), gradient = value_and_gradient(
        case["logits"], case["labels"], lengths=case["lengths"], label_smoothing=0.1
    )
    np.testing.assert_allclose(mean, case["mean"], rtol=1e-12)
    np.testing.assert_allclose(gradient, case["gradient"], atol=1e-14)
    assert int(found.count) == case["lengths"].sum()


@pytest.mark.parametrize("prior", [None, np.array([0.5, 0.1, 0.1, 0.1, 0.2, 0.0])])
def test_equals_numpy(prior):
    q = np.full(6, 1 / 6) if prior is None else prior
    target = 0.8 * np.eye(6)[LABELS] + 0.2 * q
    expected = np.where(REAL, -(target * np.log(softmax(LOGITS))).sum(-1), 0)
    found = losses.token_losses(LOGITS, LABELS, lengths=LENGTHS, label_smoothing=0.2, prior=prior)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_one_sum_gives_mean_perplexity_and_bits():
    probabilities = softmax(LOGITS)
    p = np.take_along_axis(probabilities, LABELS[..., None], -1)[..., 0][REAL]
    found = losses.cross_entropy(LOGITS, LABELS, lengths=LENGTHS)
    np.testing.assert_allclose(found.mean, -np.log(p).mean(), rtol=1e-12)
    np.testing.assert_allclose(found.perplexity, np.prod(p) ** (-1 / p.size), rtol=1e-12)
    np.testing.assert_allclose(found.bits, -np.log2(p).mean(), rtol=1e-12)


def test_ragged_batches_merge_to_the_whole_and_means_do_not():
    whole = losses.cross_entropy(LOGITS, LABELS, lengths=LENGTHS)
    parts = [
        losses.cross_entropy(LOGITS[:, rows], LABELS[:, rows], lengths=LENGTHS[rows])
        for rows in (slice(0, 2), slice(2, 4))
    ]
    merged = losses.merge(*parts)
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-14)
    assert merged.count == whole.count == 9
    assert abs((parts[0].mean + parts[1].mean) / 2 - whole.mean) > 1e-3
    np.testing.assert_allclose(sum(p.share(whole.count) for p in parts), whole.mean, rtol=1e-14)


def test_padding_changes_nothing():
    poisoned = np.where(REAL[..., None], LOGITS, np.nan)
    labels = np.where(REAL, LABELS, -1)
    expected, d_expected = value_and_gradient(LOGITS, LABELS, lengths=LENGTHS)
    found, d_found = value_and_gradient(poisoned, labels, mask=jnp.asarray(REAL))
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(d_found, d_expected)
    assert not d_found[~REAL].any()


def test_nothing_but_padding():
    (mean, found), gradient = value_and_gradient(LOGITS, LABELS, lengths=np.zeros(4, int))
    assert (mean, found.count, found.perplexity) == (0, 0, 1)
    assert not gradient.any()


def test_no_batch_axis_and_low_precision():
    logits = jnp.asarray(LOGITS[:, 0], jnp.bfloat16)
    found = losses.cross_entropy(logits, LABELS[:, 0])
    exact = losses.cross_entropy(logits.astype(jnp.float32), LABELS[:, 0])
    assert found.total.dtype == jnp.float32 and found.total == exact.total


def test_forbidden_tokens_and_labels_unknown_while_tracing():
    logits = jnp.asarray(LOGITS).at[..., 3].set(-jnp.inf)
    labels = np.where(LABELS == 3, 2, LABELS)
    (mean, _), gradient = value_and_gradient(logits, labels)
    assert np.isfinite(mean) and np.isfinite(gradient).all() and not gradient[..., 3].any()
    prior = jnp.array([0.5, 0.1, 0.1, 0.0, 0.2, 0.1])  # smoothing gives nothing to it either
    smooth = losses.token_losses(logits, labels, label_smoothing=0.1, prior=prior)
    others, places = np.delete(LOGITS, 3, -1), labels - (labels > 3)
    wanted = losses.token_losses(
        others, places, label_smoothing=0.1, prior=np.delete(np.asarray(prior), 3)
    )
    np.testing.assert_allclose(smooth, wanted, rtol=1e-13)
    nothing = jax.value_and_grad(lambda x: losses.token_losses(x, labels[:, 0]).sum())
    loss, gradient = nothing(logits[:, 0].at[1].set(-jnp.inf))
    assert loss == jnp.inf and np.isfinite(gradient).all() and not gradient[1].any()
    labels[2, 1] = 6

    @jax.jit
    def traced(labels):
        return jax.value_and_grad(lambda x: losses.cross_entropy(x, labels).mean)(logits)

    mean, gradient = traced(labels)
    assert mean == jnp.inf and not gradient[2, 1].any() and np.isfinite(gradient).all()


@pytest.mark.parametrize("chunk_size", [2, 9])
def test_chunked_equals_whole(chunk_size):
    hs, w = RANDOM.standard_normal((5, 4, 3)), jnp.asarray(RANDOM.standard_normal((3, 6)))
    hs[~REAL] = np.nan
    options = {"lengths": LENGTHS, "label_smoothing": 0.1}

    def whole(w, hs):
        return losses.cross_entropy(readout(w, hs), LABELS, **options).mean

    def chunked(w, hs):
        found = losses.chunked_cross_entropy(
            readout, w, hs, np.where(REAL, LABELS, -1), chunk_size=chunk_size, **options
        )
        return found.mean

    clean = np.where(REAL[..., None], hs, 0)
    expected = jax.value_and_grad(whole, (0, 1))(w, clean)
    found = jax.jit(jax.value_and_grad(chunked, (0, 1)))(w, hs)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-14), found, expected)


def test_chunked_holds_few_logits(optimized):
    steps, classes = 64, 4096
    hs = jax.ShapeDtypeStruct((steps, 2, 8), jnp.float32)
    labels = jax.ShapeDtypeStruct((steps, 2), jnp.int32)
    w = jax.ShapeDtypeStruct((8, classes), jnp.float32)

    def whole(w, hs, labels):
        return losses.cross_entropy(readout(w, hs), labels).mean

    def chunked(w, hs, labels):
        return losses.chunked_cross_entropy(readout, w, hs, labels, chunk_size=4).mean

    big, small = (temp_bytes(jax.grad(f), w, hs, labels) for f in (whole, chunked))
    assert small < big / 4, (small, big)


def test_types_agree_on_a_mesh():
    logits, labels, lengths = np.zeros((3, 8, 4)), np.zeros((3, 8), int), np.full(8, 2)
    arrays = {"logits": (logits, 1), "labels": (labels, 1), "lengths": (lengths, 0)}
    check_types_on_a_mesh(lambda **a: losses.cross_entropy(**a, label_smoothing=0.1).total, arrays)
    w = jnp.ones((4, 6))
    check_types_on_a_mesh(
        lambda logits, labels, lengths=None: (
            losses.chunked_cross_entropy(
                readout, w, logits, labels, lengths=lengths, chunk_size=2
            ).total
        ),
        arrays,
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": LABELS + 1}, r"is 6, but classes are 0..5"),
        ({"labels": np.where(REAL, LABELS, -1)}, r"is -1, but classes are 0..5"),
        ({"labels": LABELS[:, :2]}, r"labels has shape \(5, 2\).*\(5, 4\)"),
        ({"labels": LABELS * 1.0}, "labels has dtype float64"),
        ({"logits": LABELS}, "logits has dtype int64"),
        ({"logits": np.zeros((5, 0, 6))}, r"logits has shape \(5, 0, 6\)"),
        ({"lengths": [6, 0, 3, 1]}, r"lengths go from 0 to 6, but there are 5 steps"),
        ({"lengths": [6, 0]}, r"lengths has shape \(2,\)"),
        ({"mask": REAL * 1}, "mask has dtype int64"),
        ({"mask": REAL.T}, r"mask has shape \(4, 5\)"),
        ({"label_smoothing": 1.0}, r"label_smoothing must lie in \[0, 1\), got 1.0"),
        ({"prior": np.ones(5)}, r"prior has shape \(5,\), but there are 6 classes"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        losses.cross_entropy(**{"logits": LOGITS, "labels": LABELS} | change)
    with pytest.raises(ValueError, match="at least one Sum"):
        losses.merge()

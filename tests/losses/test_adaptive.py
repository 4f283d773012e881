"""Adaptive softmax against PyTorch's with copied weights; tied weights by two separate ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import losses
from tests.cells.reference import SOURCES, draw, numbers
from tests.losses.reference import check_types_on_a_mesh

SOFTMAX = losses.AdaptiveSoftmax(
    input_size=8, vocab_size=10, cutoffs=(3, 6), div_value=2, bias=True
)
PARAMS = draw(jax.eval_shape(SOFTMAX.init, jax.random.key(0)), 0)


@pytest.mark.parametrize("source", SOURCES)
def test_equals_torch(source):
    case = numbers("torch_losses", "adaptive", source)
    params = losses.AdaptiveSoftmaxParams(
        w=jnp.asarray(case["head.weight"].T),
        b=jnp.asarray(case["head.bias"]),
        tails=tuple(
            losses.TailParams(
                w_p=jnp.asarray(case[f"tail.{i}.0.weight"].T),
                w=jnp.asarray(case[f"tail.{i}.1.weight"].T),
            )
            for i in range(2)
        ),
    )
    shapes = jax.eval_shape(SOFTMAX.init, jax.random.key(0))
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, shapes)
    hs, labels = jnp.asarray(case["hs"]), case["labels"]
    np.testing.assert_allclose(SOFTMAX.log_probs(params, hs), case["log_probs"], rtol=1e-12)
    np.testing.assert_array_equal(SOFTMAX.predict(params, hs), case["best"])

    def mean(hs):
        found = SOFTMAX.token_losses(params, hs, labels)
        return losses.tally(found).mean, found

    gradient, found = jax.jit(jax.grad(mean, has_aux=True))(hs)
    np.testing.assert_allclose(found, -case["output"], rtol=1e-12)
    np.testing.assert_allclose(gradient, case["gradient"], atol=1e-14)


def test_padding_and_traced_labels_that_are_no_words():
    hs = np.random.default_rng(0).standard_normal((3, 2, 8))
    labels, lengths = np.array([[0, 9], [4, 12], [-1, -1]]), np.array([2, 2])
    hs[2] = np.nan

    def total(hs, labels):
        found = SOFTMAX.token_losses(PARAMS, hs, labels, lengths=lengths)
        return jnp.where(jnp.isinf(found), 0, found).sum(), found

    gradient, found = jax.jit(jax.grad(total, has_aux=True))(hs, labels)
    expected = -SOFTMAX.log_probs(PARAMS, hs)
    np.testing.assert_allclose(found[:2, 0], [expected[0, 0, 0], expected[1, 0, 4]], rtol=1e-12)
    assert found[1, 1] == jnp.inf and not found[2].any()
    assert np.isfinite(gradient).all() and not gradient[1, 1].any() and not gradient[2].any()


def test_types_agree_on_a_mesh():
    check_types_on_a_mesh(
        lambda **a: SOFTMAX.token_losses(PARAMS, **a),
        {
            "hs": (np.zeros((3, 8, 8)), 1),
            "labels": (np.zeros((3, 8), int), 1),
            "lengths": (np.full(8, 2), 0),
        },
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cutoffs": (6, 3)}, r"cutoffs are \(6, 3\), but they must rise and lie in 1..9"),
        ({"cutoffs": (3, 10)}, "must rise and lie in 1..9"),
        ({"cutoffs": ()}, "must rise"),
        ({"cutoffs": 3}, "must be a tuple of whole numbers, got 3"),
        ({"cutoffs": (3.5,)}, r"must be a tuple of whole numbers, got \(3.5,\)"),
        ({"vocab_size": 10.0}, "vocab_size must be a whole number >= 1, got 10.0"),
        ({"div_value": 4}, r"div_value=4 makes projections of \(2, 0\) columns"),
    ],
)
def test_bad_choices(change, message):
    with pytest.raises(ValueError, match=message):
        losses.AdaptiveSoftmax(
            **{"input_size": 8, "vocab_size": 10, "cutoffs": (3, 6), "div_value": 2} | change
        )


def test_bad_input():
    with pytest.raises(ValueError, match="labels.* is 10, but classes are 0..9"):
        SOFTMAX.token_losses(PARAMS, jnp.zeros((2, 8)), [1, 10])
    with pytest.raises(ValueError, match=r"hs has shape \(2, 7\).*input_size=8"):
        SOFTMAX.log_probs(PARAMS, jnp.zeros((2, 7)))
    with pytest.raises(ValueError, match=r"give w_p of shape \(4, 3\)"):
        losses.tied_logits(jnp.zeros((5, 3)), jnp.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"b has shape \(3,\).*it must be \(5,\)"):
        losses.tied_logits(jnp.zeros((5, 4)), jnp.zeros((2, 4)), jnp.zeros(3))
    with pytest.raises(ValueError, match=r"w_p has shape \(3, 3\).*need 4 rows"):
        losses.tied_logits(jnp.zeros((5, 3)), jnp.zeros((2, 4)), w_p=jnp.zeros((3, 3)))


def test_tied_gradient_sums_both_uses():
    random = np.random.default_rng(0)
    table, w_p = (jnp.asarray(random.standard_normal(s)) for s in [(6, 3), (3, 3)])
    b, tokens = jnp.asarray(random.standard_normal(6)), random.integers(0, 6, (5, 2))

    def loss(look_up, read_out):
        logits = losses.tied_logits(read_out, jnp.tanh(look_up[tokens[:-1]]), b, w_p)
        return losses.cross_entropy(logits, tokens[1:]).mean

    by_hand = jnp.tanh(table[tokens[:-1]]) @ w_p @ table.T + b.reshape(1, 1, 6)
    found = loss(table, table)
    np.testing.assert_allclose(found, losses.cross_entropy(by_hand, tokens[1:]).mean, rtol=1e-13)
    tied = jax.grad(lambda table: loss(table, table))(table)
    np.testing.assert_allclose(tied, sum(jax.grad(loss, (0, 1))(table, table)), atol=1e-15)

"""The gradient of weights as a product of transposed rows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import ops
from rnn_jax.ops.row_products import product_by_rows, row_product, transposing

X, W = (jax.random.normal(jax.random.key(i), s) for i, s in enumerate([(5, 2, 3), (3, 4)]))
D = jax.random.normal(jax.random.key(2), (5, 2, 4))


@pytest.mark.parametrize("transpose", [True, False])
def test_it_sums_over_all_rows(transpose):
    expected = np.einsum("tbi,tbj->ij", *(np.asarray(a, np.float64) for a in (X, D)))
    found = row_product(X, D, W, transpose)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    narrow = row_product(X, D, W.astype(jnp.bfloat16), transpose)
    assert narrow.dtype == D.dtype
    np.testing.assert_allclose(narrow, expected, rtol=2e-2, atol=2e-2)


def test_its_derivatives_are_those_of_a_product():
    """To second order, in reverse, under vmap."""

    def bend(product):
        def slope(x, w):
            return jax.grad(lambda x, w: jnp.sum(jnp.sin(product(x, w))), (0, 1))(x, w)

        loss = lambda x, w: sum(jnp.sum(jnp.cos(leaf)) for leaf in slope(x, w))
        first, second = slope(X, W), jax.grad(loss, (0, 1))(X, W)
        mapped = jax.vmap(slope, (1, None))(X, W)
        return first, second, mapped

    for ours, plain in zip(
        jax.tree.leaves(bend(product_by_rows)), jax.tree.leaves(bend(jnp.matmul)), strict=True
    ):
        np.testing.assert_allclose(ours, plain, rtol=1e-5, atol=1e-6)


def test_matmul_uses_it_where_asked_even_inside_jit():
    slope = jax.jit(lambda w: jax.grad(lambda w: ops.matmul(X, w).sum())(w))
    forward = jax.jit(lambda w: jax.jvp(lambda w: ops.matmul(X, w), (w,), (w,))[1])
    with transposing(True):
        assert "optimization_barrier" in str(jax.make_jaxpr(slope)(W))
    assert "optimization_barrier" not in str(jax.make_jaxpr(slope)(W))
    np.testing.assert_allclose(forward(W), X @ W, rtol=1e-6)

"""Clipped gradients: values, higher derivatives where nothing is clipped, odd trees."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.test_util import check_grads

from rnn_jax import ops


def test_values_are_clipped_number_by_number():
    x = jnp.array([1.0, 2.0, 3.0])
    weights = jnp.array([-5.0, 0.5, jnp.inf])
    d = jax.grad(lambda x: jnp.vdot(weights, ops.clip_gradient_value(x, 2.0)))(x)
    assert d.tolist() == [-2.0, 0.5, 2.0]
    z, weight = jnp.zeros(1, complex), jnp.array([5.0 + 0.5j])
    d = jax.grad(lambda z: (weight * ops.clip_gradient_value(z, 2.0)).real.sum())(z)
    assert abs(d.real).tolist() == [2.0] and abs(d.imag).tolist() == [0.5]


def test_norms_are_over_all_leaves_of_a_row():
    """Rows of norm 5 and 0.5; a leaf without gradient, a complex one and a whole-numbered one."""
    tree = {
        "a": jnp.zeros((2, 1)),
        "b": jnp.zeros(2, complex),
        "c": jnp.ones(2),
        "n": jnp.arange(2),
    }
    weights = jnp.array([[3.0], [0.3]]), jnp.array([4.0j, 0.4j])

    def f(a, b):
        out = ops.clip_gradient_norm({**tree, "a": a, "b": b}, 1.0, 1)
        assert out["n"] is tree["n"]
        return (weights[0] * out["a"]).sum() + (weights[1] * out["b"]).real.sum()

    d_a, d_b = jax.jit(jax.grad(f, (0, 1)))(tree["a"], tree["b"])
    np.testing.assert_allclose(d_a, [[0.6], [0.3]], rtol=1e-15)
    np.testing.assert_allclose(abs(d_b), [0.8, 0.4], rtol=1e-15)
    jitted = jax.jit(jax.vmap(lambda a, b: jax.grad(f, (0, 1))(a, b)))
    mapped = jitted(jnp.stack([tree["a"]] * 2), jnp.stack([tree["b"]] * 2))
    np.testing.assert_allclose(mapped[0][1], d_a)


def test_a_zero_gradient_has_no_nan_and_derivatives_of_both_orders_exist():
    x = jnp.array([0.3, -0.4])
    for clip in (
        lambda x: ops.clip_gradient_value(x, 10.0),
        lambda x: ops.clip_gradient_norm(x, 10.0, 0),
    ):
        d = jax.grad(lambda x, c=clip: (0 * c(x)).sum())(x)
        assert d.tolist() == [0.0, 0.0]
        check_grads(lambda x, c=clip: jnp.sin(c(x)), (x,), order=2, modes=("fwd", "rev"))
        clip_all = jax.jacrev(jax.grad(lambda x, c=clip: (0 * c(x)).sum()))(x)
        assert bool((clip_all == 0).all())

"""Clipped Adam against its definition written out in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnn_jax.train import clipped_adam


@pytest.mark.parametrize(("steps", "warmup"), [(12, 4), (6, 0), (6, 100), (1, 1)])
def test_clipped_adam_equals_the_formulas(steps, warmup):
    peak, clip = 0.1, 2.0
    adam = clipped_adam(peak, steps, warmup, clip)
    rng = np.random.default_rng(0)
    params = {"w": jnp.zeros(3), "b": jnp.zeros(())}
    state = adam.init(params)
    update = jax.jit(adam.update)
    w, m, v = np.zeros(4), np.zeros(4), np.zeros(4)
    warmup = min(warmup, steps // 2)
    for t in range(steps):
        gradient = rng.normal(size=4) * 3
        tree = {"w": jnp.asarray(gradient[:3]), "b": jnp.asarray(gradient[3])}
        updates, state = update(tree, state)
        params = optax.apply_updates(params, updates)

        gradient *= min(1, clip / np.linalg.norm(gradient))
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        m_hat, v_hat = m / (1 - 0.9 ** (t + 1)), v / (1 - 0.999 ** (t + 1))
        if t < warmup:
            rate = peak * t / warmup
        else:
            cosine = 0.5 * (1 + np.cos(np.pi * (t - warmup) / (steps - warmup)))
            rate = peak * (0.01 + 0.99 * cosine)
        w -= rate * m_hat / (np.sqrt(v_hat) + 1e-8)
    np.testing.assert_allclose(params["w"], w[:3], rtol=1e-5)
    np.testing.assert_allclose(params["b"], w[3], rtol=1e-5)

"""Dropout masks: rates, scaling, broadcasting."""

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax import ops


def test_masks_have_the_rate_and_scaling_keeps_the_mean():
    """100000 draws, 5 standard errors."""
    keep = ops.keep_mask(jax.random.key(0), 0.3, (100000,))
    assert abs(np.asarray(keep).mean() - 0.7) < 5 * np.sqrt(0.21 / 100000)
    x = jnp.full((2, 100000), 3.0)
    y = ops.drop(x, keep, 0.3)
    assert bool((y == jnp.where(keep, 3.0 / 0.7, 0.0)[None]).all()), "one mask for both rows"
    assert abs(np.asarray(y).mean() - 3.0) < 5 * 3 / 0.7 * np.sqrt(0.21 / 100000)


def test_the_ends_of_the_range():
    key = jax.random.key(0)
    assert bool(ops.keep_mask(key, 0.0, (1000,)).all())
    assert not bool(ops.keep_mask(key, 1.0, (1000,)).any())
    x = jnp.array([1.0, jnp.nan])
    assert ops.drop(x, jnp.array([True, False]), 0.0).tolist() == [1.0, 0.0]
    assert ops.drop(x.astype(jnp.bfloat16), jnp.array([True, False]), 0.5).dtype == jnp.bfloat16

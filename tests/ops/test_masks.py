"""Masks of NumPy's lengths, whose int64 JAX does not have unless it is asked for."""

import jax
import numpy as np

from rnn_jax.ops.masks import length_mask


def test_numpy_lengths_without_64_bits():
    with jax.enable_x64(False):  # warnings are errors
        mask = length_mask(np.array([1, 3, 0]), 3)
    assert mask.astype(int).tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]

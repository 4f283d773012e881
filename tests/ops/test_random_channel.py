"""A filter is a smooth curve over the bands, the same at every frame."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.fft import dct

from rnn_jax.ops import LogMel, RandomChannel, SpeechAugment


def test_the_cepstrum_of_the_change_is_normal_with_falling_variance():
    xs = np.random.default_rng(0).normal(size=(2, 4000, 16))
    ys = RandomChannel(strength=0.5, order=3)(jax.random.key(0), jnp.asarray(xs))
    change = np.asarray(ys) - xs
    np.testing.assert_allclose(change[0], change[1], atol=1e-12)
    found = dct(change[0], axis=-1) / 16  # of a sum of cosines: their coefficients, and c_0
    np.testing.assert_allclose(found[:, [0, 4, 5, 15]], 0, atol=1e-12)
    deviation = 0.5 / np.sqrt([1, 2, 3])
    np.testing.assert_allclose(found[:, 1:4].std(0), deviation, rtol=0.05)
    np.testing.assert_allclose(found[:, 1:4].mean(0), 0, atol=0.03)
    np.testing.assert_allclose(np.corrcoef(found[:, 1:4].T), np.eye(3), atol=0.06)


def test_augmentation_filters_each_row_and_bad_numbers_are_refused():
    log_mel, xs = (
        LogMel(sample_rate=8000, num_bands=16, low_hz=60.0, fft_size=512),
        jnp.zeros((3, 4, 16)),
    )
    augment = SpeechAugment(log_mel=log_mel, channel=0.2)
    ys = np.asarray(augment(jax.random.key(1), xs, jnp.array([4, 2, 4])))
    assert np.abs(ys[0, 0] - ys[1, 0]).max() > 0.01 and (ys[0, 0] == ys[0, 1]).all()
    for wrong in {"strength": -1.0}, {"strength": 0.1, "order": 0}:
        with pytest.raises(ValueError, match="RandomChannel: strength="):
            RandomChannel(**wrong)
    with pytest.raises(ValueError, match="strength=-0.1"):
        SpeechAugment(log_mel=log_mel, channel=-0.1)

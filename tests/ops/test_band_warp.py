"""Bands are read where another speaker's formants are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax.ops import BandWarp, LogMel, SpeechAugment


def test_bands_are_read_at_frequencies_times_the_factor():
    warp = BandWarp(num_bands=20, low_hz=60.0, high_hz=4000.0, most=0.2)
    key, xs = jax.random.key(1), np.random.default_rng(0).normal(size=(3, 5, 20))
    ys = warp(key, jnp.asarray(xs))
    factors = np.asarray(jax.random.uniform(key, (5,), ys.dtype, 0.8, 1.2))
    assert np.ptp(factors) > 0.1, "every row has its own"
    mel = lambda hz: 2595 * np.log10(1 + hz / 700)
    centres = np.linspace(mel(60.0), mel(4000.0), 22)[1:-1]
    hz = 700 * (10 ** (centres / 2595) - 1)
    for row, factor in enumerate(factors):
        for step in range(3):
            expected = np.interp(mel(factor * hz), centres, xs[step, row])
            np.testing.assert_allclose(ys[step, row], expected, atol=1e-5)


def test_a_tone_comes_to_lie_where_a_lower_one_is():
    log_mel = LogMel(sample_rate=8000, num_bands=30, low_hz=60.0, fft_size=512)
    warp = BandWarp(num_bands=30, low_hz=60.0, high_hz=4000.0, most=0.2)
    time = np.arange(2000) / 8000
    high, low = (log_mel(jnp.asarray(np.sin(2 * np.pi * hz * time))).ys[5] for hz in (1500, 1250))
    read = np.interp(warp.places(jnp.asarray(1.2)), np.arange(30), high)
    assert read.argmax() == low.argmax() != high.argmax()


def test_bad_choices_are_refused():
    with pytest.raises(ValueError, match="most=0.7 must lie in 0..0.5"):
        BandWarp(num_bands=20, high_hz=4000.0, most=0.7)
    with pytest.raises(ValueError, match="xs has 4 bands, but num_bands=20"):
        BandWarp(num_bands=20, high_hz=4000.0)(jax.random.key(0), jnp.ones((2, 4)))


def test_augmentation_is_the_warp_and_then_the_masks():
    log_mel = LogMel(sample_rate=8000, num_bands=20, low_hz=60.0, fft_size=512)
    augment = SpeechAugment(log_mel=log_mel, band_warp=0.2, band_masks=(1, 6), time_masks=(1, 9))
    xs, lengths = np.random.default_rng(0).normal(size=(4, 30, 20)), jnp.array([30, 20, 10, 0])
    key = jax.random.key(2)
    ys = np.asarray(augment(key, jnp.asarray(xs), lengths))
    warp = BandWarp(num_bands=20, low_hz=60.0, high_hz=4000.0, most=0.2)
    warped = np.swapaxes(warp(jax.random.split(key)[0], jnp.asarray(np.swapaxes(xs, 0, 1))), 0, 1)
    for row, n in enumerate(lengths.tolist()):
        hidden = (ys[row] == 0)[:n]
        assert (ys[row, n:] == 0).all() and hidden.all(1).sum() <= n * 0.2
        if n:
            assert hidden.all(0).sum() <= 6 and not hidden.all()
        np.testing.assert_allclose(ys[row, :n][~hidden], warped[row, :n][~hidden], atol=1e-6)
    assert (ys == 0).sum() > 30 * 20 * 2, "something is hidden beside the padding"

"""Copies of recordings: what is faster is shorter and higher; the noise is as loud as was said."""

import numpy as np
import pytest

from rnn_jax.data.audio_features import features, spoken_features
from rnn_jax.data.error_rates import error_rates
from rnn_jax.data.errors import InputError
from rnn_jax.data.speech import Utterances
from rnn_jax.data.speech_perturb import perturbed
from rnn_jax.ops import LogMel

TONE = np.sin(2 * np.pi * 500 * np.arange(8000) / 8000).astype(np.float32)
TWO = Utterances([TONE, TONE[:4000]], ["a", "b"], [8000, 4000], ["x", "y"], ["s", "t"])


def highest(samples):
    """The frequency, Hz, that has the most power."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 65536))
    return power.argmax() * 8000 / 65536


def test_copies_are_shorter_as_they_are_higher():
    more = perturbed(TWO, 3, noise_db=(60.0, 60.0))
    assert more.texts == ["a", "b"] * 4 and more.speakers == ["s", "t"] * 4
    assert len(set(more.names)) == 8 and more.samples[0] is TONE
    speeds = np.array([8000, 4000] * 3) / more.lengths[2:]
    assert np.ptp(speeds) > 0.1 and (abs(speeds - 1) <= 0.21).all()
    pitches = [highest(samples) for samples in more.samples[2:]]
    np.testing.assert_allclose(pitches, 500 * speeds, rtol=0.003)
    again = perturbed(TWO.select([1]), 3, noise_db=(60.0, 60.0), seed=1)
    assert again.lengths.tolist() != more.lengths[1::2].tolist()
    same = perturbed(TWO, 2, noise_db=(60.0, 60.0))
    np.testing.assert_array_equal(same.samples[5], more.samples[5])
    assert perturbed(TWO, 0) is TWO


def test_noise_lies_so_many_decibels_below():
    more = perturbed(TWO, 1, speed=0.0, noise_db=(20.0, 20.0))
    noise = more.samples[2] - TONE
    assert more.samples[2].dtype == np.float32
    np.testing.assert_allclose(10 * np.log10(np.mean(TONE**2) / np.mean(noise**2)), 20, atol=0.2)
    with pytest.raises(ValueError, match=r"speed=0.9 lie in 0..0.5"):
        perturbed(TWO, 1, speed=0.9)


def edits(a, b):
    """Least edits from a to b, by the recursion of the definition."""
    if not a or not b:
        return len(a) + len(b)
    if a[0] == b[0]:
        return edits(a[1:], b[1:])
    return 1 + min(edits(a[1:], b), edits(a, b[1:]), edits(a[1:], b[1:]))


def test_error_rates_are_edits_over_lengths():
    pytest.importorskip("jiwer")
    said = ["one two six", "no", "a b"]
    found = ["one to six six", "", "a b"]
    rates = error_rates(said, found)
    words = sum(edits(a.split(), b.split()) for a, b in zip(said, found))
    characters = sum(map(edits, said, found))
    assert rates.words == words / 6 and rates.characters == characters / sum(map(len, said))
    assert rates.sentences == 2 / 3 and str(rates).endswith("33.3% all right")
    with pytest.raises(ValueError, match="3 references and 1 hypotheses"):
        error_rates(said, found[:1])


def test_level_keeps_the_spectrum_and_bands_do_not():
    log_mel = LogMel(sample_rate=8000, num_bands=20, low_hz=60.0, fft_size=512)
    plain = features(TWO.samples, log_mel, normalize=False)
    for row, raw in zip(spoken_features(TWO, log_mel, "level"), plain):
        np.testing.assert_allclose(row, (raw - raw.mean()) / raw.std(), atol=1e-4)
    for row in spoken_features(TWO, log_mel):
        np.testing.assert_allclose(row.mean(0), 0, atol=1e-3)
    short = Utterances([TONE[:100]], ["a"], [100], ["x.wav"], ["s"])
    with pytest.raises(InputError, match="x.wav has 100 samples, but a frame has 200"):
        spoken_features(short, log_mel)


def test_below_the_peak_neither_gain_nor_silence_around_nor_faint_noise_matters():
    log_mel = LogMel(sample_rate=8000, num_bands=20, low_hz=60.0, fft_size=512)
    rng, ramp = np.random.default_rng(0), np.minimum(np.arange(2400) / 800, 1)
    word = 0.1 * ramp * rng.standard_normal(2400)

    def heard(samples):
        part = Utterances([samples], ["a"], [len(samples)], ["x.wav"], ["s"])
        return spoken_features(part, log_mel, "peak")[0]

    silence = np.zeros(4000)
    room = np.concatenate([silence, word, silence])
    faint = 1e-5 * rng.standard_normal(room.shape)  # 80 dB below
    rows = [heard(5 * room), heard(room + faint)]
    for row in rows:
        np.testing.assert_allclose(row, heard(room), atol=2e-2)
    [raw] = features([room], log_mel, normalize=False)
    decibel = (raw - np.percentile(raw, 99.5)) * 10 / np.log(10)
    loud = np.flatnonzero((decibel > -25).any(1))
    expected = 1.5 + np.maximum(decibel, -38)[loud[0] - 3 : loud[-1] + 4] / 10 * np.log(10) / 2.5
    np.testing.assert_allclose(rows[0], expected, atol=1e-3)
    assert 30 < len(rows[0]) < 40 < len(raw) and rows[0].min() < -1.9

"""Log-mel features against torchaudio's numbers, and against the sums of their definition."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import ops

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "torchaudio.npz")
CASES = {  # as in tests/golden/make_torchaudio.py
    "htk": ops.LogMel(sample_rate=8000, num_bands=15, fft_size=200),
    "slaney": ops.LogMel(
        sample_rate=8000, num_bands=20, low_hz=0, high_hz=3800, scale="slaney", unit_area=True
    ),
    "emphasis": ops.LogMel(
        sample_rate=8000,
        window_ms=20,
        hop_ms=7.5,
        fft_size=512,
        num_bands=23,
        low_hz=100,
        unit_area=True,
        pre_emphasis=0.97,
    ),
}
SMALL = ops.LogMel(
    sample_rate=100, window_ms=90, hop_ms=40, num_bands=3, low_hz=5, pre_emphasis=0.5
)


@pytest.mark.parametrize("case", CASES)
def test_equals_torchaudio(case):
    log_mel = CASES[case]
    np.testing.assert_allclose(log_mel.filters, GOLDEN[f"{case}_filters"], rtol=0, atol=1e-12)
    ys, lengths = log_mel(jnp.asarray(GOLDEN["samples"]))
    assert lengths is None
    np.testing.assert_allclose(ys, GOLDEN[f"{case}_ys"], rtol=0, atol=1e-10)


def test_float32_is_near():
    single, _ = CASES["htk"](jnp.asarray(GOLDEN["samples"], jnp.float32))
    assert single.dtype == jnp.float32
    np.testing.assert_allclose(single, GOLDEN["htk_ys"], rtol=0, atol=1e-3)  # of ln, some small


def by_definition(samples, log_mel):
    """The equations with loops over frames, frequencies and bands."""
    emphasised = samples - log_mel.pre_emphasis * np.append(samples[:1], samples[:-1])
    size, fft = log_mel.window_size, log_mel.transform_size
    n = np.arange(size)
    hann = np.sin(np.pi * n / size) ** 2
    ys = []
    for begin in range(0, samples.size - size + 1, log_mel.hop_size):
        frame = hann * emphasised[begin : begin + size]
        waves = np.exp(-2j * np.pi * np.outer(np.arange(fft // 2 + 1), n) / fft)
        power = np.abs(waves @ frame) ** 2
        ys.append(np.log(np.maximum(power @ np.array(log_mel.filters), log_mel.floor)))
    return np.reshape(ys, (-1, log_mel.num_bands))


def test_a_padded_batch_is_each_row_alone_whatever_the_padding_holds():
    assert (SMALL.window_size, SMALL.hop_size, SMALL.transform_size) == (9, 4, 16)
    lengths = np.array([[23, 0], [9, 8], [12, 13]])
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((23, 3, 2))
    padded = np.where(np.arange(23)[:, None, None] < lengths, samples, np.nan)
    ys, new = jax.jit(lambda x: SMALL(x, lengths=jnp.asarray(lengths)))(jnp.asarray(padded))
    assert ys.shape == (4, 3, 2, 3)
    np.testing.assert_array_equal(new, [[4, 0], [1, 0], [1, 2]])
    for row in np.ndindex(3, 2):
        want = by_definition(samples[: lengths[row], *row], SMALL)
        assert len(want) == new[row] == SMALL.new_lengths(int(lengths[row]))
        np.testing.assert_allclose(ys[: new[row], *row], want, rtol=0, atol=1e-12)
        assert not np.any(ys[new[row] :, *row])


def test_padding_has_no_gradient():
    def total(samples):
        return SMALL(samples, lengths=jnp.array([15, 0]))[0].sum()

    samples = jnp.where(jnp.arange(20)[:, None] < 15, jnp.ones((20, 2)), jnp.nan)
    samples = samples * jnp.arange(20.0)[:, None]
    gradient = jax.jit(jax.grad(total))(samples)
    assert np.isfinite(gradient).all() and gradient[:13, 0].any()
    assert not gradient[13:].any() and not gradient[:, 1].any()  # 13: the second frame's end


def test_frames_are_counted_exactly():
    for num_samples, frames in {0: 0, 8: 0, 9: 1, 12: 1, 13: 2}.items():
        ys, _ = jax.eval_shape(SMALL, jnp.zeros(num_samples))
        assert ys.shape == (frames, 3) and SMALL.new_lengths(num_samples) == frames


def test_silence_has_the_floor():
    np.testing.assert_allclose(SMALL(jnp.zeros(20))[0], np.log(1e-10))


def test_dither_needs_a_key():
    loud = ops.LogMel(sample_rate=100, window_ms=80, hop_ms=40, num_bands=3, low_hz=5, dither=0.1)
    quiet = jnp.zeros(80)
    noisy, other = (loud(quiet, key=jax.random.key(seed))[0] for seed in range(2))
    # The mean power of white noise in a band: its variance times the window's energy and weights.
    want = 0.01 * 8 * 3 / 8 * np.array(loud.filters).sum(0)
    np.testing.assert_allclose(np.exp(noisy).mean(0), want, rtol=0.5)  # of 19 frames
    assert not np.array_equal(noisy, other)
    np.testing.assert_allclose(loud(quiet)[0], np.log(1e-10))


def test_the_scales_know_known_places():
    assert ops.hz_to_mel(0.0) == ops.hz_to_mel(0.0, "slaney") == 0
    assert ops.hz_to_mel(700.0) == pytest.approx(2595 * np.log10(2))
    assert ops.hz_to_mel(6400.0, "slaney") == pytest.approx(15 + 27)
    for scale in ("htk", "slaney"):
        for hz in (10.0, 999.0, 1001.0, 7000.0):
            assert ops.mel_to_hz(ops.hz_to_mel(hz, scale), scale) == pytest.approx(hz, rel=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_rate": 0}, "sample_rate must be a whole number >= 1, got 0"),
        ({"hop_ms": 0.01}, "hop_ms=0.01 must be at least one sample of 0.0625 ms"),
        ({"pre_emphasis": 2}, "pre_emphasis=2 must lie in 0..1"),
        ({"floor": 0.0}, "floor=0.0 > 0"),
        (
            {"high_hz": 9000.0},
            r"high_hz=9000.0 must rise within 0..8000, half of sample_rate=16000",
        ),
        ({"scale": "bark"}, "'htk' or 'slaney', got 'bark'"),
        ({"num_bands": 400}, r"bands \[0, .* would be empty: take a larger fft_size than 512"),
        ({"fft_size": 256}, r"fft_size=256 must be at least the window's 400"),
    ],
)
def test_a_bad_choice_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ops.LogMel(**options)


def test_bad_samples_are_refused():
    with pytest.raises(ValueError, match="int16 of shape .*divide 16-bit samples by 32768"):
        SMALL(jnp.zeros(9, jnp.int16))
    with pytest.raises(ValueError, match=r"lengths must lie in 0\.\.9"):
        SMALL(jnp.zeros((9, 1)), lengths=jnp.array([10]))

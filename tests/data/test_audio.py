"""Recordings of every awkward kind, written by the tests; features of many against each alone."""

import builtins

import numpy as np
import pytest

from rnn_jax import ops
from rnn_jax.data import InputError, audio
from rnn_jax.data.audio_features import features

soundfile = pytest.importorskip("soundfile", reason="recordings need soundfile")

RNG = np.random.default_rng(0)
TONE = (0.5 * np.sin(2 * np.pi * 440 * np.arange(2000) / 8000)).astype(np.float32)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_what_was_written_is_read(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, TONE, 8000, subtype="PCM_16")
    assert audio.audio_info(path) == (8000, 1, 2000)
    samples, notes = audio.read_audio(path, 8000)
    assert notes == () and samples.dtype == np.float32
    np.testing.assert_allclose(samples, TONE, rtol=0, atol=1 / 32768)


@pytest.mark.parametrize(("rate", "count"), [(16000, 4000), (11025, 2757), (4000, 1000)])
def test_a_tone_stays_a_tone_when_resampled(tmp_path, rate, count):
    path = tmp_path / "a.wav"
    soundfile.write(path, TONE, 8000)
    samples, notes = audio.read_audio(path, rate)
    assert notes == (f"resampled from 8000 to {rate} Hz",)
    want = 0.5 * np.sin(2 * np.pi * 440 * np.arange(count) / rate)
    assert samples.shape == want.shape and samples.dtype == np.float32
    inner = slice(count // 10, -count // 10)  # the filter sees silence beyond the ends
    np.testing.assert_allclose(samples[inner], want[inner], atol=0.01)
    files = audio.AudioFiles([path], rate)
    assert files.lengths.tolist() == [count] == [len(files[0])]


def test_channels_are_averaged_and_it_is_said(tmp_path):
    for name in "abcde":
        soundfile.write(tmp_path / f"{name}.wav", np.stack([TONE, 0 * TONE], axis=1), 8000)
    samples, notes = audio.read_audio(tmp_path / "a.wav")
    assert notes == ("2 channels averaged",)
    np.testing.assert_allclose(samples, TONE / 2, rtol=0, atol=1 / 32768)
    files = audio.AudioFiles(sorted(tmp_path.iterdir()), 16000)
    resampled, averaged = files.notes
    assert resampled.startswith("resampled from 8000 to 16000 Hz: 5 of 5 recordings, ")
    assert averaged.endswith("c.wav and 2 more") and "channels averaged: 5 of 5" in averaged
    assert [row.shape for row in files[1:3]] == [(4000,), (4000,)]


def test_unusable_recordings_are_named_with_a_remedy(tmp_path):
    empty, text, broken, nan = (tmp_path / f"{name}.wav" for name in ("e", "t", "b", "n"))
    soundfile.write(empty, TONE[:0], 8000)
    text.write_text("no sound")
    broken.touch()
    soundfile.write(nan, np.full(4, np.nan), 8000, subtype="FLOAT")
    for path, message in {
        empty: r"e.wav holds no samples; take it out",
        text: r"cannot read .*t.wav: .*convert it, for instance with `ffmpeg",
        broken: r"cannot read .*b.wav: .*convert it",
        nan: r"n.wav holds samples that are NaN",
        tmp_path / "x.wav": r"no such file: .*x.wav",
        tmp_path: r"cannot read",
    }.items():
        with pytest.raises(InputError, match=message):
            audio.read_audio(path)
    with pytest.raises(InputError, match="e.wav holds no samples"):
        audio.AudioFiles([empty], 8000)
    with pytest.raises(ValueError, match="rates 0 and 8000 Hz must be positive"):
        audio.resample(TONE, 0, 8000)


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, RNG.standard_normal(20000) / 8, 8000)
    path.write_bytes(path.read_bytes()[:20000])
    assert audio.audio_info(path).num_samples == 20000
    with pytest.raises(
        InputError, match=r"a.flac(: | is cut off: it holds \d+ samples of the 20000)"
    ):
        audio.read_audio(path)


def test_without_soundfile_the_extra_is_named(monkeypatch):
    imported = builtins.__import__

    def missing(error):
        def find(name, *args, **kwargs):
            if name == "soundfile":
                raise error
            return imported(name, *args, **kwargs)

        return find

    for error, message in {
        ModuleNotFoundError("no"): r"needs the package soundfile, .*install -e '.\[experiments\]'",
        OSError("sndfile library not found"): "cannot be imported: sndfile library not found",
    }.items():
        monkeypatch.setattr(builtins, "__import__", missing(error))
        with pytest.raises(InputError, match=message):
            audio.read_audio("a.wav")


def test_features_of_many_are_those_of_each_alone():
    log_mel = ops.LogMel(sample_rate=1000, num_bands=5, low_hz=40, pre_emphasis=0.9)
    rows = [RNG.standard_normal(n).astype(np.float32) for n in (90, 31, 31, 90, 31)]
    found = features(rows, log_mel, stack=3, stride=2, batch_size=3, num_shapes=2)
    for samples, got in zip(rows, found):
        alone, _ = ops.stack_frames(ops.standardize(log_mel(samples)[0]), 3, 2)
        assert got.dtype == np.float32 and got.base is None
        np.testing.assert_allclose(got, alone, rtol=0, atol=1e-4)
    assert features([], log_mel) == []

"""What is spoken, by whom, and that it is spoken once and the same; every source by its name."""

import builtins
import hashlib
import re
import time

import numpy as np
import pytest

from rnn_jax.data import InputError, speech_spoken, speech_texts
from rnn_jax.data.speech_sources import load_speech
from rnn_jax.data.speech_spoken import VOICES, Job, Spoken, load_spoken, speak

SMALL = Spoken(kind="digits", num_train=6, num_validation=2, num_test=2)


def test_ordinals_are_said_as_one_says_them():
    said = [speech_texts.say_ordinal(n) for n in (1, 2, 5, 8, 9, 12, 13, 30, 40, 99)]
    first = ["first", "second", "fifth", "eighth", "ninth", "twelfth", "thirteenth", "thirtieth"]
    assert said == [*first, "fortieth", "ninety ninth"]


@pytest.mark.parametrize("kind", ["digits", "dates", "words"])
def test_texts_are_plain_words_and_varied(kind):
    texts = [speech_texts.draw(kind, np.random.default_rng(i)) for i in range(300)]
    assert all(re.fullmatch("[a-z]+( [a-z]+)*", text) for text in texts)
    assert len(set(texts)) > 200
    if kind != "dates":
        counts = np.bincount([len(text.split()) for text in texts])
        assert counts[0] == 0 and counts[1:].min() > 30


def test_a_digit_by_itself_is_one_of_ten():
    said = [speech_texts.draw("digit", np.random.default_rng(i)) for i in range(100)]
    assert set(said) == set(speech_texts.SMALL[:10])
    with pytest.raises(ValueError, match="got 'songs'"):
        speech_texts.draw("songs", np.random.default_rng(0))


def test_voices_of_the_parts_are_disjoint_and_the_test_is_fixed():
    assert len(sum(VOICES.values(), [])) == len(set().union(*VOICES.values()))
    one, other = Spoken(seed=1, num_train=40), Spoken(seed=2, num_train=50)
    assert one.jobs("test") == other.jobs("test")
    assert one.jobs("train") != other.jobs("train")[:40]
    assert Spoken(seed=2, num_train=40).jobs("train") == other.jobs("train")[:40]
    for part, voices in VOICES.items():
        assert {job.voice.partition("+")[2] for job in one.jobs(part)} <= set(voices)


def made_up(jobs):
    """A voice that needs no espeak-ng: each job a tone of its own length."""
    return [np.full(2000 + 100 * len(job.text), 3000, np.int16) for job in jobs], 22050


def test_spoken_once_then_read_and_spoken_anew_when_damaged(tmp_path, monkeypatch):
    monkeypatch.setattr(speech_spoken, "speak", made_up)
    first = load_spoken(SMALL, tmp_path)
    assert [part.size for part in (first.train, first.validation, first.test)] == [6, 2, 2]
    for text, samples, length in zip(first.train.texts, first.train.samples, first.train.lengths):
        assert len(samples) == length == -(-(2000 + 100 * len(text)) * 8000 // 22050)
        np.testing.assert_allclose(samples[200:-200], 3000 / 32768, rtol=0.01)
    assert set(first.test.speakers) <= set(VOICES["test"])
    (file,) = tmp_path.glob("*.npz")
    assert file.with_suffix(".sha256").read_text() == hashlib.sha256(file.read_bytes()).hexdigest()

    def nobody(jobs):
        raise AssertionError("it is in the cache")

    monkeypatch.setattr(speech_spoken, "speak", nobody)
    again = load_spoken(SMALL, tmp_path)
    assert again.digest == first.digest and again.notes == ()
    np.testing.assert_array_equal(again.test.samples[1], first.test.samples[1])

    file.write_bytes(file.read_bytes()[:-1])
    monkeypatch.setattr(speech_spoken, "speak", made_up)
    mended = load_spoken(SMALL, tmp_path)
    assert mended.notes == (f"{file} was damaged: spoken anew",)
    assert mended.digest == first.digest and load_spoken(SMALL, tmp_path).notes == ()
    with pytest.raises(InputError, match="cannot write .*; free some space, or set XDG_CACHE_HOME"):
        load_spoken(SMALL, file / "no" / "folder")


def test_espeak_speaks_the_same_in_every_process_and_knows_its_voices():
    pytest.importorskip("espeakng_loader", reason="needs espeak-ng")
    jobs = [Job("one", f"gmw/en+{voice}", 190, 50) for part in VOICES.values() for voice in part]
    jobs += [Job("one", accent, 190, 50) for accent in speech_spoken.ACCENTS]
    first, rate = speak(jobs)
    time.sleep(1.1)  # espeak-ng would seed its noise by the second
    again, _ = speak(jobs)
    assert rate == 22050 and all(len(row) > 2000 for row in first)
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert len({row.tobytes() for row in first}) > len(jobs) - 3  # a voice is a voice
    with pytest.raises(InputError, match=r"has no voice gmw/en\+nobody; .*or give recordings"):
        speak([Job("one", "gmw/en+nobody", 160, 50)])


def test_without_espeak_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr(speech_spoken, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"espeak-ng \(GPL-3\), needs the package espeakng_loader"):
        speak([])


def test_every_source_has_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr(speech_spoken, "speak", made_up)
    monkeypatch.setattr(speech_spoken, "resample", lambda row, *_: row[::3])  # quickly
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    corpus = load_speech("builtin:words")
    assert corpus.train.size == 2000 and (tmp_path / "cache" / "rnn_jax").is_dir()
    with pytest.raises(InputError, match="no built-in speech 'songs': digits, dates, words, digit"):
        load_speech("builtin:songs")
    with pytest.raises(InputError, match="no such file or folder"):
        load_speech(tmp_path / "x.tsv")
    with pytest.raises(InputError, match="no transcripts"):
        load_speech(tmp_path)
    with pytest.raises(InputError, match="is no folder"):
        load_speech("strings:nowhere")
    with pytest.raises(InputError, match="sample_rate: 0 Hz"):
        load_speech(sample_rate=0)
    imported = builtins.__import__

    def missing(name, *args, **kwargs):
        if name == "tensorflow_datasets":
            raise ModuleNotFoundError(name)
        return imported(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(InputError, match="tfds:librispeech needs the package tensorflow-datasets"):
        load_speech("tfds:librispeech")

"""Speech of TFDS on a small data set that is made here, without TensorFlow."""

import numpy as np
import pytest

from rnn_jax.data import InputError, tfds_source
from rnn_jax.data.speech_tfds import load_tfds

SPLITS = {"train_a": 3, "train_b": 2, "dev_a": 1, "silent": 1}


def define(tfds):
    class RnnTinySpeech(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            names = {
                "speech": tfds.features.Tensor(shape=(None,), dtype=np.int16),
                "text": tfds.features.Text(),
                "speaker_id": tfds.features.Scalar(np.int64),
            }
            features = tfds.features.FeaturesDict(names)
            return tfds.core.DatasetInfo(builder=self, features=features, disable_shuffling=True)

        def _split_generators(self, dl_manager):
            return {name: self._generate_examples(count) for name, count in SPLITS.items()}

        def _generate_examples(self, count):
            for i in range(count):
                speech = np.full(160 + i, 8192, np.int16)
                yield i, {"speech": speech, "text": f"nüt {i}", "speaker_id": 7}


def test_speech_of_tfds(tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    define(tfds)
    tfds.disable_progress_bar()
    monkeypatch.setattr(tfds_source, "reachable", lambda: True)
    with pytest.raises(InputError, match="is not prepared"):
        load_tfds("rnn_tiny_speech", 16000, data_dir=tmp_path)
    corpus = load_tfds("rnn_tiny_speech", 16000, data_dir=tmp_path, download=True)
    assert corpus.train.texts == ["nüt 0", "nüt 1", "nüt 2", "nüt 0", "nüt 1"]
    assert (corpus.validation.size, corpus.test.size, corpus.notes) == (1, 0, ())
    assert corpus.train.lengths.tolist() == [160, 161, 162, 160, 161]
    assert corpus.train.speakers[0] == "7" and len(set(corpus.train.names)) == 5
    (row,) = corpus.train.samples[4:]
    assert row.dtype == np.float32 and row.shape == (161,)
    np.testing.assert_array_equal(row, 0.25)
    slower = load_tfds("rnn_tiny_speech", 8000, data_dir=tmp_path)
    assert slower.notes == ("resampled from 16000 to 8000 Hz",)
    assert slower.train.lengths.tolist() == [len(row) for row in slower.train.samples[:]]

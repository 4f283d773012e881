"""Labelled and tagged text from TFDS, on small data sets that are made here."""

import pytest

from rnn_jax.data import InputError, tfds_source
from rnn_jax.data.labelled import load_labelled
from rnn_jax.data.tagged import load_tagged


def define(tfds):
    """Registers two data sets; TFDS knows them by the names of their classes."""

    class Small(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = tfds.features.FeaturesDict(self.features(tfds.features))
            return tfds.core.DatasetInfo(builder=self, features=features, disable_shuffling=True)

        def _split_generators(self, dl_manager):
            return {name: self._generate_examples(name) for name in ("train", "dev", "test")}

        def _generate_examples(self, split):
            for k in range(20 if split == "train" else 2):
                yield k, self.row(k)

    class RnnTinyReviews(Small):
        def features(self, kinds):
            return {"text": kinds.Text(), "label": kinds.ClassLabel(names=["neg", "pos"])}

        def row(self, k):
            return {"text": f"Übung {k}<br />gut", "label": k % 2}

    class RnnTinyNames(Small):
        def features(self, kinds):
            tags = kinds.Sequence(kinds.ClassLabel(names=["O", "B-X"]))
            return {"tokens": kinds.Sequence(kinds.Text()), "ner": tags}

        def row(self, k):
            return {"tokens": ["in", f"Köln{k}"], "ner": [0, 1]}


@pytest.mark.slow
def test_data_sets_with_labels(tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    define(tfds)
    tfds.disable_progress_bar()
    monkeypatch.setattr(tfds_source, "reachable", lambda: True)
    places = {}
    for name in ("rnn_tiny_reviews", "rnn_tiny_names"):
        found = tfds_source.builder(name, tmp_path, download=True)
        places[name] = f"tfds:{found.data_path}"
    reviews = load_labelled(places["rnn_tiny_reviews"])
    assert reviews.classes == ("neg", "pos")
    assert reviews.train.texts[:2] == ["übung 0 gut", "übung 1 gut"]
    assert reviews.train.labels.tolist() == [0, 1] * 10 and len(reviews.validation.texts) == 2
    names = load_tagged(places["rnn_tiny_names"])
    assert names.train.words[1] == ["in", "Köln1"] and names.train.tags[1] == ["O", "B-X"]
    assert len(names.test.words) == 2
    with pytest.raises(InputError, match="tokens and ner are needed"):
        load_tagged(places["rnn_tiny_reviews"])
    with pytest.raises(InputError, match="one Text and one ClassLabel are needed"):
        load_labelled(places["rnn_tiny_names"])


def test_a_data_set_that_is_not_there_is_named():
    for load in (load_labelled, load_tagged):
        with pytest.raises(InputError, match="is neither"):
            load("tfds:no/such/folder/at/all")
        with pytest.raises(InputError, match="brings its own parts"):
            load("tfds:imdb_reviews", "a", "b")

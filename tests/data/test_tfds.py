"""TFDS without TensorFlow, on small data sets that are made here; what is absent is said."""

import sys

import numpy as np
import pytest

from rnn_jax.data import InputError, tfds_source
from rnn_jax.data.corpora import load_pairs, load_tokens
from rnn_jax.data.pairs import Pairs
from rnn_jax.data.tfds_text import Texts, pairs, texts


def define(tfds):
    """Registers two data sets; TFDS knows them by the names of their classes."""

    class RnnTinyPairs(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = tfds.features.Translation(languages=("de", "en"))
            info = {"supervised_keys": ("de", "en"), "disable_shuffling": True}
            return tfds.core.DatasetInfo(builder=self, features=features, **info)

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples(40), "test": self._generate_examples(3)}

        def _generate_examples(self, count):
            for i in range(count):
                yield i, {"de": f"nu\u0308n  {i}" if i else "", "en": f"nine {i}"}

    class RnnTinyTexts(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            names = {"title": tfds.features.Text(), "body": tfds.features.Text()}
            features = tfds.features.FeaturesDict(
                {**names, "number": tfds.features.Scalar(np.int32)}
            )
            return tfds.core.DatasetInfo(builder=self, features=features)

        def _split_generators(self, dl_manager):
            return {"whole": self._generate_examples()}

        def _generate_examples(self):
            yield 0, {"title": "Über", "body": "zwei\nZeilen ", "number": 1}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    tfds = pytest.importorskip("tensorflow_datasets")
    define(tfds)
    place = tmp_path_factory.mktemp("tfds")
    tfds.disable_progress_bar()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tfds_source, "reachable", lambda: True)
        for name in ("rnn_tiny_pairs", "rnn_tiny_texts"):
            tfds_source.builder(name, place, download=True)
    return place


def test_pairs_by_name_and_by_folder(data_dir):
    found = pairs("rnn_tiny_pairs", "train", data_dir=data_dir)
    assert found == Pairs(
        [f"nün {i}" for i in range(1, 40)], [f"nine {i}" for i in range(1, 40)], 1
    )
    folder = str(data_dir / "rnn_tiny_pairs" / "1.0.0")
    assert pairs(folder, "train[1:3]", ("en", "de"), form="none") == Pairs(
        ["nine 1", "nine 2"], ["nu\u0308n 1", "nu\u0308n 2"]
    )
    builder = tfds_source.builder(folder)
    assert tfds_source.splits(builder) == ("train[:95%]", "train[95%:]", "test")
    assert [len(tfds_source.rows(builder, s)) for s in tfds_source.splits(builder)] == [38, 2, 3]
    assert "tensorflow" not in sys.modules


def test_a_corpus_of_a_data_set(data_dir):
    corpus = load_pairs("tfds:rnn_tiny_pairs:en-de", count=9, data_dir=data_dir)
    assert corpus.train.targets == [f"nün {i}" for i in range(1, 9)] and corpus.train.dropped == 1
    assert corpus.validation.sources == ["nine 38", "nine 39"] and corpus.test.size == 2
    with pytest.raises(InputError, match=r"texts \['de', 'en'\]: say which feature"):
        load_tokens("words", "tfds:rnn_tiny_pairs", data_dir=data_dir)


def test_texts_are_read_when_they_are_indexed(data_dir):
    found = texts("rnn_tiny_texts", "whole", "body", data_dir)
    assert isinstance(found, Texts) and len(found) == 1
    assert found[0] == found[-1] == "zwei\nZeilen " and found[:5] == list(found)
    with pytest.raises(IndexError):
        found[1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda d: texts("rnn_tiny_texts", "whole", None, d),
            r"texts \['title', 'body'\]: say which",
        ),
        (lambda d: texts("rnn_tiny_texts", "whole", "number", d), r"no text 'number' but \['titl"),
        (lambda d: pairs("rnn_tiny_pairs", "train", ("de", "fr"), data_dir=d), "no text 'fr' but"),
        (lambda d: pairs("rnn_tiny_pairs", "dev", data_dir=d), "Unknown split 'dev'"),
        (lambda d: tfds_source.builder("", d), "tfds: names no data set; give tfds:NAME"),
        (lambda d: tfds_source.builder("rnn_tiny_pears", d), "has no .*; like it: rnn_tiny_pairs"),
        (lambda d: tfds_source.builder("opus/no_such", d), "its configurations: medical, law"),
        (
            lambda d: tfds_source.builder(str(d)),
            "has no dataset_info.json: give that of one version",
        ),
        (
            lambda d: tfds_source.builder("lm1b", d),
            r"not prepared: .*lm1b/1.1.0\. Nothing is downl",
        ),
        (
            lambda d: tfds_source.splits(tfds_source.builder("rnn_tiny_texts", d)),
            r"no split 'train' but \['whole'\]",
        ),
    ],
)
def test_what_is_wrong_is_said(data_dir, call, message):
    with pytest.raises(InputError, match=message):
        call(data_dir)


def test_no_download_without_network(data_dir, monkeypatch):
    monkeypatch.setattr(tfds_source, "reachable", lambda: False)
    with pytest.raises(
        InputError, match=r"reaches no network: .*'lm1b', file_format='array_record'"
    ):
        tfds_source.builder("lm1b", data_dir, download=True)


def test_other_formats_are_refused(data_dir):
    class Found:
        class info:
            file_format = type("Format", (), {"value": "tfrecord"})

    with pytest.raises(InputError, match="is prepared as tfrecord, which is not read here"):
        tfds_source._readable(Found, "old")


@pytest.mark.parametrize("name", ["librispeech", "wmt14_translate/de-en"])
def test_what_needs_tensorflow_says_so(data_dir, name, capsys):
    if "tensorflow" in sys.modules:
        pytest.skip("TensorFlow is here")
    with pytest.raises(InputError, match=f"{name} needs the package tensorflow-cpu"):
        tfds_source.builder(name, data_dir)
    assert capsys.readouterr().out == ""  # where TFDS has a banner


def test_without_the_package_its_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(InputError, match=r"tensorflow-datasets, .* -e '\.\[experiments\]'"):
        tfds_source.builder("lm1b")


def test_splits_that_are_there_are_taken():
    def splits(*names):
        info = type("Info", (), {"splits": dict.fromkeys(names), "name": "x"})
        return tfds_source.splits(type("Found", (), {"info": info}))

    assert splits("test", "train", "validation") == ("train", "validation", "test")
    assert splits("train", "dev") == ("train[:95%]", "train[95%:]", "dev")
    assert splits("train") == ("train[:90%]", "train[90%:95%]", "train[95%:]")

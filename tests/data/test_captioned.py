"""Images with captions from files: what goes where, how they are cut, what is said of bad ones."""

import numpy as np
import pytest

from rnn_jax.data import InputError, tfds_source
from rnn_jax.data.captioned import load_captioned
from rnn_jax.data.photos import squared
from rnn_jax.data.vocabulary import Words

Image = pytest.importorskip("PIL.Image")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Forty images of one grey each, which their captions tell, two for each."""
    place = tmp_path_factory.mktemp("photos")
    lines = []
    for k in range(40):
        Image.new("L" if k % 2 else "RGB", (30, 20), (5 * k,) * (1 if k % 2 else 3)).save(
            place / f"{k}.png"
        )
        lines += [f"{k}.png#0\tGrey no. {k}", f"{k}.png#1\tIt's grey{k}!"]
    (place / "captions.txt").write_text("\n".join(lines) + "\n\n")
    return place


def test_a_folder_is_split_by_image_and_read_when_asked_for(folder):
    corpus = load_captioned(str(folder), size=8)
    seen = []
    for part in (corpus.train, corpus.validation, corpus.test):
        assert len(part.images) == len(part.captions) and not part.scenes
        for image, (first, second) in zip(part.images, part.captions):
            k = int(image[0, 0, 0]) // 5
            assert image.shape == (8, 8, 3) and (image == 5 * k).all()
            assert (first, second) == (f"grey no . {k}", f"it's grey{k} !")
            seen.append(k)
    assert sorted(seen) == list(range(40)) and len(corpus.train.images) > 25
    images, texts = corpus.train.pairs()
    assert len(images) == len(texts) == 2 * len(corpus.train.images)
    words = Words.of(texts)
    batches = corpus.train.batches(words, 4, max_length=3, seed=0)  # the first captions have 4
    assert batches.dropped == len(texts) / 2
    batch = batches.batch(0)
    for image, tokens, place in zip(batch.source, batch.target, batch.indices):
        assert words.decode(tokens[:3]) == texts[place] == f"it's grey{image[0, 0, 0] // 5} !"
    few = corpus.train.first(2)
    assert few.captions == corpus.train.captions[:2] and len(few.images) == 2
    blind = load_captioned(str(folder), size=8, blind=True)
    assert not blind.test.images[0].any() and blind.test.captions == corpus.test.captions
    assert blind.digest == corpus.digest
    pytest.importorskip("sacrebleu")  # of the floor
    assert corpus.floor(corpus.train).startswith("always 'grey no . ")


def test_the_middle_square_is_kept():
    image = np.zeros((4, 10, 3), np.uint8)
    image[:, 3:7] = 200
    assert (squared(image, 4) == 200).all()
    assert (squared(image.swapaxes(0, 1), 2) == 200).all()


def test_bad_files_are_named(folder, tmp_path):
    text = tmp_path / "c.txt"
    for line, message in (
        ("0.png a dog", "line 1 of .*c.txt is no NAME, tab and caption: '0.png a dog'"),
        ("0.png\t ", "line 1 of .* is no NAME"),
        ("no.png\ta dog", "has no file 'no.png'"),
        ("0.png\ta dog", "1 images with captions do not fill three parts"),
    ):
        text.write_text(line + "\n")
        with pytest.raises(InputError, match=message):
            load_captioned(str(folder), str(text))
    with pytest.raises(InputError, match="captions: builtin brings its own"):
        load_captioned("builtin", str(text))
    with pytest.raises(InputError, match="no such file"):
        load_captioned(str(tmp_path / ".."), str(tmp_path / "none"))
    (tmp_path / "x.png").write_text("no image")
    text.write_text("x.png\ta dog\n")
    with pytest.raises(InputError, match="1 images"):
        load_captioned(str(tmp_path), str(text))
    with pytest.raises(InputError, match="is neither"):
        load_captioned("tfds:no/such/folder/at/all")


@pytest.mark.slow
def test_the_built_in_scenes_share_no_hand():
    pytest.importorskip("sklearn")
    corpus = load_captioned(count=20)
    assert [len(part.scenes) for part in (corpus.train, corpus.validation, corpus.test)] == [
        20,
        2,
        2,
    ]
    for image, (text,), scene in zip(*corpus.train):
        assert scene.image is image and scene.caption == text
    assert str(corpus) == "20 images with 20 captions to train on, 2 to validate, 2 to test"
    assert load_captioned(count=20).digest == corpus.digest != load_captioned(count=21).digest


def define(tfds):
    """Registers a data set of the form of coco_captions, under the name of its class."""

    class Image(tfds.features.Tensor):  # TFDS encodes true ones by TensorFlow alone
        """Known by its name."""

    class RnnTinyCaptions(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            kinds = tfds.features
            said = kinds.Sequence({"id": np.int64, "text": kinds.Text()})
            features = kinds.FeaturesDict(
                {"image": Image(shape=(6, 4, 3), dtype=np.uint8), "captions": said}
            )
            return tfds.core.DatasetInfo(builder=self, features=features, disable_shuffling=True)

        def _split_generators(self, dl_manager):
            return {name: self._generate_examples() for name in ("train", "val", "test")}

        def _generate_examples(self):
            for k in range(20):
                said = [{"id": j, "text": f"Grau {k}, mal {j}"} for j in range(2)]
                yield k, {"image": np.full((6, 4, 3), 10 * k, np.uint8), "captions": said}


@pytest.mark.slow
def test_a_data_set_of_captions(tmp_path, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    define(tfds)
    tfds.disable_progress_bar()
    monkeypatch.setattr(tfds_source, "reachable", lambda: True)
    found = tfds_source.builder("rnn_tiny_captions", tmp_path, download=True)
    monkeypatch.setattr(tfds_source, "builder", lambda name: found)
    corpus = load_captioned("tfds:rnn_tiny_captions", size=4)
    assert corpus.train.captions[1] == ["grau 1 , mal 0", "grau 1 , mal 1"]
    assert (corpus.train.images[7] == 70).all() and corpus.train.images[7].shape == (4, 4, 3)
    assert [len(part.images) for part in (corpus.train, corpus.validation, corpus.test)] == [
        19,
        1,
        20,
    ]

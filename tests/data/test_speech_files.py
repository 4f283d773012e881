"""Corpora from small files that the tests write: LibriSpeech's layout, manifests, FSDD's names."""

import json

import numpy as np
import pytest

from rnn_jax.data import InputError, speech_files, speech_fsdd
from rnn_jax.data.buckets import PairBatches
from rnn_jax.data.speech import Utterances, split

soundfile = pytest.importorskip("soundfile", reason="recordings need soundfile")


def write(path, num_samples, rate=8000, value=0.25):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(num_samples, value), rate)


def librispeech(folder):
    for part, speaker, texts in (
        ("train-clean", 84, ("GO DO", "YOU HEAR", "")),
        ("dev-clean", 85, ("AND",)),
        ("test-clean", 86, ("BUT",)),
    ):
        chapter = folder / part / str(speaker) / "7"
        lines = [f"{speaker}-7-{i:04d} {text}" for i, text in enumerate(texts)]
        for i in range(len(texts)):
            write(chapter / f"{speaker}-7-{i:04d}.flac", 100 * (speaker + i))
        (chapter / f"{speaker}-7.trans.txt").write_text("\n".join([*lines, ""]))
    return folder / "train-clean" / "84" / "7"


def test_librispeech_layout(tmp_path):
    chapter = librispeech(tmp_path)
    write(chapter / "84-7-0009.flac", 100)
    with (chapter / "84-7.trans.txt").open("a") as file:
        file.write("84-7-0011 NOBODY\n84-7-0012 SPEAKS\n")
    corpus = speech_files.load_files(tmp_path, 16000)
    assert corpus.train.texts == ["GO DO", "YOU HEAR"] and corpus.train.speakers == ["84", "84"]
    assert corpus.validation.texts == ["AND"] and corpus.test.names == ["86-7-0000"]
    assert corpus.train.lengths.tolist() == [16800, 17000] == list(map(len, corpus.train.samples))
    np.testing.assert_allclose(corpus.train.samples[0][1000:-1000], 0.25, atol=0.01)
    assert corpus.notes[:3] == (
        "left out, transcripts without recording: 2, 84-7-0011, 84-7-0012",
        "left out, recordings without transcript: 1, 84-7-0009.flac",
        "left out, empty transcripts: 1, 84-7-0002",
    )
    assert corpus.notes[3].startswith("resampled from 8000 to 16000 Hz: 4 of 4 recordings, ")
    assert str(corpus).startswith("train 2 utterances, 0.0 h; validation 1 utterance")
    # A folder within it names no part: it is split.
    inner = speech_files.read_folder(tmp_path / "train-clean")[0]
    assert {entry.part for entry in inner} == {""}


def test_a_folder_without_pairs_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"no transcripts \*.trans.txt in"):
        speech_files.read_folder(tmp_path)
    (tmp_path / "a.trans.txt").write_text("a-0 HELLO\n")
    write(tmp_path / "b-0.wav", 9)
    with pytest.raises(InputError, match=r"no recording of .* has a transcript; .*1, a-0; .*b-0.w"):
        speech_files.read_folder(tmp_path)
    for folder in ("x", "y"):
        write(tmp_path / folder / "c-0.wav", 9)
        (tmp_path / folder / "c.trans.txt").write_text("c-0 TWICE\n")
    with pytest.raises(InputError, match="several recordings named c-0; rename"):
        speech_files.read_folder(tmp_path)


ROWS = [
    ("a.wav", 'say "one"', "train"),
    ("b/c.wav", "two, three", "dev"),
    ("d.wav", "four", "test"),
]


def manifest(folder, suffix):
    path = folder / f"speech.{suffix}"
    if suffix == "jsonl":
        keys = ("audio_filepath", "text", "split")
        path.write_text("\n".join(json.dumps(dict(zip(keys, row))) for row in ROWS) + "\n")
    elif suffix == "tsv":
        rows = [("client_id", "path", "sentence", "split"), *(("x", *row) for row in ROWS)]
        path.write_text("\n".join("\t".join(row) for row in rows) + "\n")
    else:
        path.write_text(
            'path,text,split\na.wav,"say ""one""",train\n'
            'b/c.wav,"two, three",dev\nd.wav,four,test\n'
        )
    return path


@pytest.mark.parametrize("suffix", ["tsv", "csv", "jsonl"])
def test_manifests(tmp_path, suffix):
    for i, (name, _, _) in enumerate(ROWS):
        write(tmp_path / name, 10 + i)
    corpus = speech_files.load_files(manifest(tmp_path, suffix), 8000)
    parts = (corpus.train, corpus.validation, corpus.test)
    found = [(*part.names, *part.texts, *part.lengths) for part in parts]
    assert found == [(name, text, 10 + i) for i, (name, text, _) in enumerate(ROWS)]
    assert corpus.train.speakers == ["x" if suffix == "tsv" else ""] and corpus.notes == ()
    assert corpus.digest == speech_files.load_files(manifest(tmp_path, suffix), 8000).digest
    write(tmp_path / "a.wav", 11)
    assert corpus.digest != speech_files.load_files(manifest(tmp_path, suffix), 8000).digest


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "file\tlabel\nx.wav\ty\n", "line 2: no column 'text', there are file, label"),
        ("a.csv", "path,text\n,y\n", "line 2: the path is empty"),
        ("a.jsonl", '{"path": "x"', "line 1 is not JSON"),
        ("a.jsonl", "[1]", "line 1 is no JSON object"),
        ("a.txt", "x", r"no manifest by its name: \.tsv, \.csv"),
        ("a.wav", "RIFF", r"no manifest by its name: \.tsv, \.csv"),
        ("a.csv", "path,text\nx.wav,y\n", "without recording: 1, x.wav"),
        ("a.csv", "path,text\n", "it is empty"),
    ],
)
def test_a_bad_manifest_is_refused(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message) as error:
        speech_files.read_manifest(tmp_path / name)
    assert name in str(error.value)


def test_split_keeps_speakers_apart_and_ignores_the_order():
    names = [f"{i:03d}" for i in range(60)]
    speakers = [f"s{i % 12}" for i in range(60)]
    whole = Utterances([np.zeros(1)] * 60, names, [1] * 60, names, speakers)
    parts = split(whole, seed=1)
    assert [part.size for part in parts] == [50, 5, 5]
    assert len(set.union(*(set(part.speakers) for part in parts))) == 12
    assert sum(len(set(part.speakers)) for part in parts) == 12
    back = split(whole.select(range(59, -1, -1)), seed=1)
    assert [part.names for part in back] == [part.names for part in parts]
    assert parts[1].names != split(whole, seed=2)[1].names
    with pytest.raises(ValueError, match="2 utterances cannot be split"):
        split(whole.select([0, 1]))
    with pytest.raises(ValueError, match="1 recordings, 2 texts"):
        Utterances([np.zeros(1)], ["a", "b"], [1], ["a"], [""])


@pytest.fixture(scope="module")
def digits_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fsdd")
    for digit in range(3):
        for speaker, offset in (("ann", 0), ("bob", 1)):
            for index in range(8):
                value = (16 * digit + 2 * index + offset) / 64  # tells each recording apart
                path = folder / "recordings" / f"{digit}_{speaker}_{index}.wav"
                write(path, 10 + index, value=value)
    write(folder / "recordings" / "noise.wav", 5)
    return folder


def test_isolated_digits(digits_folder):
    corpus = speech_fsdd.load_digits(digits_folder, num_validation=1)
    assert [part.size for part in (corpus.train, corpus.validation, corpus.test)] == [12, 6, 30]
    assert {name[-1] for name in corpus.test.names} == set("01234")
    assert {name[-1] for name in corpus.validation.names} == {"5"}
    assert all(name[0] == text for name, text in zip(corpus.train.names, corpus.train.texts))
    assert corpus.notes == ("left out, not named like 7_theo_12.wav: noise.wav",)
    unseen = speech_fsdd.load_digits(digits_folder, unseen_speaker="bob")
    assert set(unseen.test.speakers) == {"bob"} and unseen.test.size == 24
    assert set(unseen.train.speakers) == {"ann"} and unseen.train.size == 24
    with pytest.raises(InputError, match="no recordings of 'eve'; there are ann, bob"):
        speech_fsdd.load_digits(digits_folder, unseen_speaker="eve")


def test_strings_join_the_recordings_of_one_speaker(digits_folder):
    corpus = speech_fsdd.load_digits(digits_folder, num_strings=40, num_validation=1)
    assert (corpus.train.size, corpus.validation.size, corpus.test.size) == (40, 200, 500)
    digits, _ = speech_fsdd.read_digits(digits_folder)
    of_name = dict(zip(digits.names, digits.samples))
    for part, allowed in ((corpus.train, "67"), (corpus.validation, "5"), (corpus.test, "01234")):
        for i in range(part.size):
            names = part.names[i].split("+")
            assert {name[-1] for name in names} <= set(allowed) and 1 <= len(names) <= 5
            assert {name.split("_")[1] for name in names} == {part.speakers[i]}
            assert part.texts[i] == "".join(name[0] for name in names)
            joined = np.concatenate([of_name[name] for name in names])
            np.testing.assert_array_equal(part.samples[i], joined)
            assert part.lengths[i] == len(joined)
    assert np.bincount(list(map(len, corpus.test.texts)))[1:].min() > 60  # 1 to 5, about equal


def test_strings_depend_on_seed_and_number_alone(digits_folder):
    first, longer, other = (
        speech_fsdd.load_digits(digits_folder, num_strings=count, seed=seed)
        for count, seed in ((10, 0), (20, 0), (10, 1))
    )
    assert longer.train.names[:10] == first.train.names != other.train.names
    assert first.test.names == longer.test.names == other.test.names
    batches = PairBatches(
        first.train.samples,
        [list(map(int, text)) for text in first.train.texts],
        batch_size=4,
        source_lengths=first.train.lengths,
    )
    seen = np.concatenate([batch.indices for batch in batches.in_order()])
    assert sorted(seen[seen >= 0]) == list(range(10))


def test_what_is_no_fsdd_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no recordings named like 7_theo_12.wav"):
        speech_fsdd.read_digits(tmp_path)
    write(tmp_path / "7_theo_1.wav", 9)
    with pytest.raises(InputError, match="of 1 recordings 0 are to train and 1 to test"):
        speech_fsdd.load_digits(tmp_path)

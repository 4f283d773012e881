"""The recogniser as a user runs it: train, resume, evaluate, transcribe, stumble."""

import io
import sys

import numpy as np
import pytest

from rnn_jax.train import cli, read_metrics

for library in ("tyro", "tqdm", "matplotlib", "jiwer", "soundfile"):
    pytest.importorskip(library)

import soundfile  # noqa: E402

from experiments import speech as script  # noqa: E402

COMMANDS = [script.train, script.evaluate, script.transcribe]
RATE = 8000


def main(*argv):
    return cli.main("speech", COMMANDS, script.PRESETS, [str(a) for a in argv])


def sing(text, rate=RATE):
    """Every letter is a tone of an eighth of a second, with a gap behind it."""
    time = np.arange(rate // 8) / rate
    tones = [np.sin(2 * np.pi * {"a": 400, "b": 900, "c": 2000}[k] * time) for k in text]
    return np.concatenate([part for tone in tones for part in (0.5 * tone, np.zeros(rate // 20))])


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """A manifest of 60 recordings of 1 to 3 letters."""
    path, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    lines = ["path\ttext\tsplit"]
    for i in range(60):
        text = "".join(rng.choice(list("abc"), rng.integers(1, 4)))
        noise = 0.01 * rng.standard_normal(len(sing(text)))
        soundfile.write(path / f"{i}.wav", sing(text) + noise, RATE)
        lines.append(f"{i}.wav\t{text}\t{'train' if i < 44 else 'dev' if i < 52 else 'test'}")
    (path / "songs.tsv").write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        ["--model", "ctc", "--copies", "1", "--band-warp", "0.05"],
        ["--model", "joint", "--cell", "lstm", "--sampling-rate", "0.1", "--heads", "1"],
        ["--model", "transducer", "--driver", "unrolled", "--precision", "bfloat16"],
    ],
)
def test_it_trains_resumes_evaluates_and_transcribes(songs, tmp_path, capsys, monkeypatch, flags):
    run = tmp_path / "run"
    flags = ["--preset", "tiny", "--run-dir", run, "--data", songs / "songs.tsv", *flags]
    flags += ["--decoder-size", 32, "--batch-size", 16, "--steps", 150, "--learning-rate", 0.02]
    flags += ["--eval-every", 75, "--num-buckets", 1, "--parallel", "none", "--dropout", "0"]
    assert main("train", *flags) == 0
    first = read_metrics(run)
    assert first[-1]["step"] == 150 and first[-1]["held_out_loss"] < 0.5
    assert main("train", *flags) == 0
    assert "150 of 150 steps are done" in capsys.readouterr().out and read_metrics(run) == first
    assert main("train", *flags, "--hidden-size", "33") == cli.MISMATCH
    assert "hidden_size 32 there, 33 here" in capsys.readouterr().err
    assert (run / "alignment.png").stat().st_size > 5000

    assert main("evaluate", "--run-dir", run) == 0
    said = capsys.readouterr().out
    assert said.startswith("test, 8 recordings: word errors ")
    assert float(said.split("character errors ")[1].split("%")[0]) < 20

    mono = sing("cab", 16000)
    mono += 0.01 * np.random.default_rng(1).standard_normal(len(mono))  # as in training
    soundfile.write(tmp_path / "loud.wav", np.stack([mono, mono], axis=1), 16000)
    many = ["--num-best", "3", "--pictures", tmp_path / "pictures"]
    assert main("transcribe", tmp_path / "loud.wav", "--run-dir", run, *many) == 0
    found = capsys.readouterr()
    rows = [line.split("\t") for line in found.out.splitlines()]
    assert rows[0][0] == str(tmp_path / "loud.wav") and rows[0][2] == "cab"
    scores = [float(score) for _, score, _ in rows]
    assert len(rows) == (1 if "transducer" in flags else 3) and scores == sorted(scores)[::-1]
    assert "loud.wav: 2 channels averaged" in found.err
    assert "loud.wav: resampled from 16000 to 8000 Hz" in found.err
    assert (tmp_path / "pictures" / "1-loud.png").stat().st_size > 5000
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{songs}/0.wav\n{songs}/1.wav\n"))
    assert main("transcribe", "--run-dir", run) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2

    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main("transcribe", "--run-dir", run) == 2
    assert "no recording is named" in capsys.readouterr().err
    (tmp_path / "torn.wav").write_bytes(b"RIFF")
    soundfile.write(tmp_path / "none.wav", np.zeros(0), RATE)
    soundfile.write(tmp_path / "short.wav", np.zeros(100), RATE)
    for name, message in (
        ("torn.wav", "cannot read"),
        ("none.wav", "holds no samples"),
        ("short.wav", "has 100 samples, but a frame has 200"),
        ("gone.wav", "no such file"),
    ):
        assert main("transcribe", tmp_path / name, "--run-dir", run) == 2
        said = capsys.readouterr()
        assert message in said.err and name in said.err and said.err.count("\n") == 1
        assert not said.out


def test_bad_input_is_one_line_and_leaves_nothing(songs, tmp_path, capsys):
    run = tmp_path / "run"
    (tmp_path / "alone.tsv").write_text("path\ttext\ngone.wav\ta\n")
    (tmp_path / "empty.tsv").write_text("")
    (tmp_path / "trained.csv").write_text(f"path,text,split\n{songs}/0.wav,a,train\n")
    for flags, message in (
        (["--data", tmp_path / "alone.tsv"], "transcripts without recording: 1, gone.wav"),
        (["--data", tmp_path / "empty.tsv"], "empty.tsv"),
        (["--data", tmp_path / "gone"], "no such file or folder"),
        (["--data", tmp_path / "trained.csv"], "no recordings in the part validation"),
        (["--data", tmp_path], "no transcripts"),
        (["--data", songs / "songs.tsv", "--unseen-speaker", "theo"], "'theo' can be left out of"),
        (["--data", songs / "songs.tsv", "--reductions", "2", "2"], "names 2 layers, but"),
        (["--data", songs / "songs.tsv", "--band-warp", "0.9"], "most=0.9 must lie in 0..0.5"),
        (["--data", songs / "songs.tsv", "--speed-change", "0.9"], "speed=0.9"),
        (["--model", "hmm"], "hmm"),
    ):
        assert main("train", "--preset", "tiny", "--run-dir", run, *flags) == 2, flags
        said = capsys.readouterr().err
        assert message in said and said.count("\n") == 1, said
    assert main("evaluate", "--run-dir", run) == 2
    assert "no run in" in capsys.readouterr().err
    assert not run.exists()


def test_a_speaker_is_left_out_of_fsdd(tmp_path):
    """All of one speaker's recordings, and no others, are the test."""
    for speaker in ("ann", "bob"):
        for i in range(8):
            soundfile.write(tmp_path / f"7_{speaker}_{i}.wav", sing("a"), RATE)
    corpus = script.load_corpus(script.Config(data=str(tmp_path), unseen_speaker="bob"))
    assert set(corpus.test.speakers) == {"bob"} and corpus.test.size == 8
    assert set(corpus.train.speakers) == {"ann"} == set(corpus.validation.speakers)
    assert (corpus.train.size, corpus.validation.size) == (6, 2)

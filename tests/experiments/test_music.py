"""Music as a user makes it: train, evaluate, a MIDI file that plays, bad input."""

import json

import numpy as np
import pytest

from rnn_jax.data import midi, rolls
from rnn_jax.train import cli, read_metrics

for library in ("tyro", "tqdm", "matplotlib", "mido"):
    pytest.importorskip(library)

from experiments import music as script  # noqa: E402

COMMANDS = [script.train, script.evaluate, script.sample]


def main(*argv):
    return cli.main("music", COMMANDS, script.PRESETS, [str(a) for a in argv])


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """A folder of MIDI files: two keys go up and down together, a third one holds."""
    folder = tmp_path_factory.mktemp("songs")
    for k in range(40):
        t = np.arange(20 + k % 3)
        low = 30 + np.abs((t + k) % 8 - 4)
        roll = np.zeros((len(t), 88))
        roll[t, low] = roll[t, low + 7] = roll[:, 60] = 1
        midi.write_midi(folder / f"{k}.mid", roll)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("output", ["independent", "nade"])
def test_it_learns_songs_and_goes_on_with_them(songs, output, tmp_path, capsys):
    run = tmp_path / "run"
    flags = ["--preset", "tiny", "--run-dir", run, "--data", songs, "--output", output]
    flags += ["--parallel", "none", "--nade-size", 16, "--dropout", 0, "--num-buckets", 1]
    assert main(*flags, "--steps", 150, "--eval-every", 75) == 0
    first = read_metrics(run)
    assert main(*flags, "--steps", 150, "--eval-every", 75) == 0 and read_metrics(run) == first
    capsys.readouterr()
    assert main("evaluate", "--run-dir", run) == 0
    scores = json.loads((run / "results.json").read_text())["test"]
    assert scores[output] < 0.5 * scores["per-note Markov"]
    assert main("sample", "--run-dir", run, "--given", 10, "--steps", 6, "--tempo", 60) == 0
    made = midi.read_midi(run / "sample.mid")
    given = rolls.load_rolls(str(songs)).test[0][:10]
    np.testing.assert_array_equal(made[:10], given)
    assert len(made) == 16 and made[10:, 60].mean() > 0.8  # the key that holds goes on
    assert rolls.spelled(made) in capsys.readouterr().out
    left = {path.name for path in run.iterdir()}
    assert {"roll.png", "sample.png", "curve.png"} <= left
    assert main("evaluate", "--run-dir", run, "--data", "chorales") == 2
    assert "is not the music of this run" in capsys.readouterr().err


@pytest.mark.slow
def test_the_tiny_preset_learns_harmony(tmp_path, capsys):
    run = tmp_path / "run"
    assert main("--preset", "tiny", "--run-dir", run, "--parallel", "none") == 0
    found = [line["held_out_loss"] for line in read_metrics(run) if "held_out_loss" in line]
    assert found[1] < found[0] < 88 * np.log(2)
    assert "the rules 2." in capsys.readouterr().out
    assert main("evaluate", "--run-dir", run) == 0
    assert "of the steps of 50 pieces that it makes are chords" in capsys.readouterr().out


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, capsys):
    run = tmp_path / "run"
    for flags, message in (
        (["--data", tmp_path / "gone.mat"], "cannot read"),
        (["--data", tmp_path], "0 .mid files, which do not fill three parts"),
        (["--data", "song.wav"], "neither a .mat file nor a folder"),
        (["--output", "rbm"], "invalid choice"),
        (["--hidden-size", 0], "--hidden-size: 0 is not in 1..inf"),
    ):
        assert main("--run-dir", run, *flags) == 2
        said = capsys.readouterr().err
        assert message in said and said.count("\n") == 1
    for command in ("evaluate", "sample"):
        assert main(command, "--run-dir", run) == 2
        assert "no run in" in capsys.readouterr().err and not run.exists()

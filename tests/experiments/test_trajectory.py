"""Trajectories as a user predicts them: made ones, a file of her own, bad input."""

import json

import numpy as np
import pytest

from rnn_jax.data import motion
from rnn_jax.train import cli, read_metrics

for library in ("tyro", "tqdm", "matplotlib"):
    pytest.importorskip(library)

from experiments import trajectory as script  # noqa: E402

TINY = ["--preset", "tiny", "--parallel", "none"]


def main(*argv):
    commands = [script.train, script.evaluate]
    return cli.main("trajectory", commands, script.PRESETS, [str(a) for a in argv])


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """One ball in a box, one long scene of its whole flight."""
    track = motion.bouncing_balls(
        np.random.default_rng(0), 1, 3000, num_balls=1, radius=0.1, speed=0.1
    )[0, :, 0]
    rows = [f"{t},ball,{x!r},{y!r}" for t, (x, y) in enumerate(track.tolist())]
    path = tmp_path_factory.mktemp("data") / "tracks.csv"
    path.write_text("\n".join(["step,object,x,y", *rows]) + "\n")
    return path


@pytest.mark.slow
def test_it_learns_where_the_walls_are(file, tmp_path, capsys):
    run = tmp_path / "run"
    flags = [*TINY, "--run-dir", run, "--data", file, "--learning-rate", 0.01, "--futures", 40]
    flags += ["--steps", 300, "--eval-every", 150]
    assert main(*flags) == 0
    scores = json.loads((run / "results.json").read_text())["test"]
    assert scores["lstm"] < scores["constant velocity"] - 1 < scores["last position"]
    far = scores["distance"]
    assert far["mean future"][-1] < 0.85 * far["constant velocity"][-1]
    assert 0.6 < scores["inside 80 %"] <= 1
    assert {"futures.png", "horizon.png", "curve.png"} <= {path.name for path in run.iterdir()}
    first, said = read_metrics(run), capsys.readouterr().out
    assert main(*flags) == 0 and read_metrics(run) == first
    capsys.readouterr()
    assert main("evaluate", "--run-dir", run) == 0
    assert capsys.readouterr().out in said
    assert main("evaluate", "--run-dir", run, "--data", "pendulum") == 2
    assert "are not the tracks of this run" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("data", ["balls", "pendulum"])
def test_the_tiny_preset_beats_constant_velocity(data, tmp_path):
    run = tmp_path / "run"
    assert main(*TINY, "--run-dir", run, "--data", data, "--cell", "gru") == 0
    scores = json.loads((run / "results.json").read_text())["test"]
    assert scores["gru"] < scores["constant velocity"] < scores["last position"]


def test_bad_input_is_one_line_and_leaves_nothing(file, tmp_path, capsys):
    run = tmp_path / "run"
    for flags, message in (
        (["--data", tmp_path / "gone.csv"], "cannot read"),
        (["--data", file, "--length", 1000], "3 windows of 1000 steps"),
        (["--past", 1], "past: 1 steps and a horizon of 8 do not fit scenes of 20"),
        (["--horizon", 13], "past: 8 steps and a horizon of 13 do not fit"),
        (["--num-balls", 30], "num_balls=30"),
        (["--cell", "jordan"], "invalid choice"),
    ):
        assert main(*TINY, "--run-dir", run, *flags) == 2
        said = capsys.readouterr().err
        assert message in said and said.count("\n") == 1
    assert main("evaluate", "--run-dir", run) == 2
    assert "no run in" in capsys.readouterr().err and not run.exists()

"""Films as a user has them watched: train, evaluate, stumble."""

import numpy as np
import pytest

from rnn_jax.train import cli, read_metrics

for library in ("tyro", "tqdm", "matplotlib", "sklearn"):
    pytest.importorskip(library)

from experiments import video as script  # noqa: E402

COMMANDS = [script.train, script.evaluate]


def main(*argv):
    return cli.main("video", COMMANDS, script.PRESETS, [str(a) for a in argv])


@pytest.mark.slow
def test_the_tiny_preset_sees_more_than_nothing_and_is_measured_on_new_digits(tmp_path, capsys):
    run = tmp_path / "run"
    assert main("--preset", "tiny", "--run-dir", run, "--parallel", "none") == 0
    found = [line["held_out_loss"] for line in read_metrics(run) if "held_out_loss" in line]
    assert found[1] < found[0] < np.log(2)
    assert {"frames.png", "curve.png"} <= {path.name for path in run.iterdir()}
    capsys.readouterr()
    assert main("evaluate", "--run-dir", run) == 0
    said = capsys.readouterr().out
    assert said.startswith("test, 16 films of digits never seen: ") and "(copied " in said
    assert "alone, 3 ahead" in said and (run / "test.png").exists()


@pytest.mark.slow
def test_it_learns_to_go_on_alone(tmp_path, capsys):
    run = tmp_path / "run"
    flags = ["--preset", "tiny", "--run-dir", run, "--parallel", "none", "--alone"]
    assert main(*flags, "--num-digits", "1", "--steps", "60", "--eval-every", "30") == 0
    found = [line["held_out_loss"] for line in read_metrics(run) if "held_out_loss" in line]
    assert found[1] < found[0]


@pytest.mark.slow
def test_motions_are_told_apart(tmp_path, capsys):
    run = tmp_path / "run"
    flags = ["--preset", "motion", "--run-dir", run, "--parallel", "none"]
    assert main(*flags, "--steps", "300", "--eval-every", "150", "--held-out", "100") == 0
    assert read_metrics(run)[-1]["held_out_loss"] < 1.8 < np.log(8)
    assert (run / "motion.png").exists()
    capsys.readouterr()
    assert main("evaluate", "--run-dir", run) == 0
    said = capsys.readouterr().out
    right, always = (float(part.split("%")[0].split()[-1]) for part in said.split("always"))
    assert (
        right > 25 > always
        and "of 100 right (always the same:" in said
        and (run / "test.png").exists()
    )


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, capsys):
    run = tmp_path / "run"
    for flags, message in (
        (["--data", tmp_path / "none"], "no such folder"),
        (["--seen", "20"], "seen: 20 of 20 frames leave none to predict"),
        (["--side", "8"], "side: digits of 8 x 8 pixels have no room to move in frames of 8"),
        (["--patch", "5"], "patch=5 pixels do not tile frames of (24, 24)"),
        (["--task", "sleep"], "invalid choice"),
    ):
        assert main("--run-dir", run, "--held-out", "2", *flags) == 2
        said = capsys.readouterr().err
        assert message in said and said.count("\n") == 1
    assert main("evaluate", "--run-dir", run) == 2
    assert "no run in" in capsys.readouterr().err and not run.exists()

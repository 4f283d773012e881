"""Images as a user has them read: train, evaluate, stumble."""

import gzip
import struct

import numpy as np
import pytest

from rnn_jax.train import cli, read_metrics

for library in ("tyro", "tqdm", "matplotlib"):
    pytest.importorskip(library)

from experiments import image_rows as script  # noqa: E402

COMMANDS = [script.train, script.evaluate]


def main(*argv):
    return cli.main("image_rows", COMMANDS, script.PRESETS, [str(a) for a in argv])


def write_idx(path, values):
    head = struct.pack(f">BBBB{values.ndim}i", 0, 0, 8, values.ndim, *values.shape)
    path.write_bytes(gzip.compress(head + values.astype(np.uint8).tobytes()))


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    """MNIST's files with 400 noisy images, each with a bright row: its class is which."""
    folder, rng = tmp_path_factory.mktemp("bars"), np.random.default_rng(0)
    labels = rng.integers(0, 4, 400)
    images = rng.integers(0, 90, (400, 4, 6))
    images[np.arange(400), labels] += 160
    write_idx(folder / "t10k-images-idx3-ubyte.gz", images)
    write_idx(folder / "t10k-labels-idx1-ubyte.gz", labels)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("order", ["rows", "permuted", "grid", "renet"])
def test_it_learns_and_is_measured_on_images_never_seen(order, bars, tmp_path, capsys):
    run = tmp_path / "run"
    flags = ["--preset", "tiny", "--run-dir", run, "--data", bars, "--order", order]
    assert main(*flags, "--hidden-size", "12", "--patch", "2", "--parallel", "none") == 0
    found = [line["held_out_loss"] for line in read_metrics(run) if "held_out_loss" in line]
    assert found[1] < found[0] < np.log(4) and found[1] < 0.8 * np.log(4)
    assert {"images.png", "curve.png"} <= {path.name for path in run.iterdir()}
    assert "304 images of 4 x 6 pixels to train on, 16 to validate, 80 to test" in (
        capsys.readouterr().out
    )
    assert main("evaluate", "--run-dir", run) == 0
    said = capsys.readouterr().out
    assert float(said.split("%")[0].split()[-1]) > 60 and "of 80 right (always the same:" in said
    assert (run / "test.png").exists()


@pytest.mark.slow
def test_the_tiny_preset_reads_the_built_in_digits(tmp_path, capsys):
    pytest.importorskip("sklearn")
    assert main("--preset", "tiny", "--run-dir", tmp_path / "run", "--parallel", "none") == 0
    assert read_metrics(tmp_path / "run")[-1]["held_out_loss"] < 1.6 < np.log(10)
    assert main("evaluate", "--run-dir", tmp_path / "run") == 0
    said = capsys.readouterr().out.split("test: ")[1]
    assert float(said.split("%")[0].split()[-1]) > 50


def test_bad_input_is_one_line_and_leaves_nothing(bars, tmp_path, capsys):
    run, other = tmp_path / "run", tmp_path / "other"
    other.mkdir()
    for data, flags, message in (
        (tmp_path / "none", "", "no such folder"),
        (other, "", "holds neither train-images-idx3-ubyte nor t10k-images-idx3-ubyte"),
        (bars, "--order grid --cell gru", "cell: gru has no form for planes"),
        (bars, "--order diagonal", "invalid choice"),
    ):
        assert main("--run-dir", run, "--data", data, *flags.split()) == 2
        said = capsys.readouterr().err
        assert message in said and said.count("\n") == 1
    assert main("evaluate", "--run-dir", run) == 2
    assert "no run in" in capsys.readouterr().err and not run.exists()

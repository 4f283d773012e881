"""The benchmarks as commands: what they write, and what they say to bad input."""

import json
from pathlib import Path

import jax
import pytest

from benchmarks import bf16_gradient, contenders, harness, scan_vs_unrolled
from benchmarks.scan_vs_unrolled import Config, benchmark, compile_within
from rnn_jax.train import cli


@pytest.fixture(autouse=True)
def _as_users_run_it(standard_promotion):
    with jax.enable_x64(False):
        yield


def run(*argv: str) -> int:
    return cli.main("python -m benchmarks.x", [benchmark], {"default": Config()}, argv)


@pytest.mark.slow
def test_smoke(tmp_path: Path, capsys, monkeypatch):
    # Peers and torch are tested by themselves; compiling them again would take most of the time.
    monkeypatch.setattr("benchmarks.peers.find_spec", lambda name: name == "flax")
    monkeypatch.setattr("benchmarks.contenders.find_spec", lambda name: None)
    argv = ["--smoke", "--cells", "lstm", "--modes", "training", "--out", str(tmp_path)]
    assert run(*argv) == 0
    said = capsys.readouterr()
    assert said.out.strip() == (tmp_path / "report.md").read_text().strip()
    assert "compiling rnn_jax unrolled" in said.err
    assert (tmp_path / "picture.png").read_bytes()[1:4] == b"PNG"
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["config"]["steps"] == 4 and document["environment"]["versions"]["jax"]
    (contest,) = document["contests"]
    assert (contest["cell"], contest["mode"]) == ("lstm", "training")
    assert contest["left_out"] == [
        "haiku is not installed",
        "equinox is not installed",
        "keras is not installed",
        "jax.experimental.rnn, which is cuDNN's LSTM, wants a GPU",
        "torch is not installed",
    ]
    rows = {row["name"]: row for row in contest["rows"]}
    assert list(rows) == [
        "rnn_jax scan",
        "rnn_jax scan, autodiff",
        "rnn_jax scan, remat sqrt",
        "rnn_jax scan, autodiff, unroll 2",
        "flax nnx.RNN",
        "flax linen.RNN",
        "rnn_jax unrolled",
        harness.CONTROL,
    ]
    for name, row in rows.items():
        assert len(row["seconds"]) == 3 and min(row["seconds"]) > 0
        assert name == harness.CONTROL or (row["error"] < 1e-6 and row["temp_bytes"] > 0)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--steps", "0"], "--steps: 0 is not in 1..inf"),
        (["--cells", "elman"], "'elman'"),
        (["--cells"], "--cells and --modes: name at least one each"),
        (["--unroll", "1"], "--unroll: (1,) holds a number below 2"),
        (["--out", "/proc/nowhere"], "--out: cannot write to /proc/nowhere"),
    ],
)
def test_bad_input_is_one_line(argv: list[str], message: str, capsys):
    assert run(*argv) == 2
    said = capsys.readouterr()
    assert not said.out and said.err.count("\n") == 1 and message in said.err


def test_compiling_stops_in_time(monkeypatch):
    tried = []

    def fake(layer, mode, case):
        tried.append(case.xs.shape[0])
        return harness.Program(layer.name, lambda: None, compile_seconds=0.1 * tried[-1] ** 2)

    monkeypatch.setattr(contenders, "jax_program", fake)
    case = contenders.make_case("lstm", 32, 1, 1, 1)
    layer = contenders.own_layer(case.cell, "full", None)
    found = compile_within(50.0, layer, "training", case)
    assert tried == [4, 8, 16]  # 25.6 s for 16 steps: 102 s are to be expected for 32
    assert found == "full: compiling takes about 102 s, the limit is 50 s"
    assert compile_within(0.0, layer, "training", case) == "full: not asked for"
    assert len(tried) == 3
    assert compile_within(200.0, layer, "training", case).compile_seconds == pytest.approx(102.4)


def test_bf16_gradient(capsys):
    commands, presets = [bf16_gradient.table], {"default": bf16_gradient.Config()}
    assert cli.main("x", commands, presets, ["--smoke", "--cells", "lstm"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line]
    assert lines[0] == "| lstm | T | w_x | w_h | b | xs |" and len(lines) == 6
    for line in lines[2:4]:  # ours, also with a float32 state
        errors = [float(cell) for cell in line.strip("| ").split(" | ")[2:]]
        assert len(errors) == 4 and max(errors) < 0.5
    assert cli.main("x", commands, presets, ["--steps", "0"]) == 2


def test_the_baseline_and_ours_are_among_the_contenders():
    case = contenders.make_case("lstm", 2, 1, 1, 1)
    names = [layer.name for layer in contenders.own_layers(case.cell, (2, 4))]
    assert names[0] == scan_vs_unrolled.OURS and names[-1] == "rnn_jax scan, autodiff, unroll 4"

"""The suite measures what is missing, reports what it has, refuses what does not fit."""

import json
from pathlib import Path

import jax
import pytest

from benchmarks import contenders, peers, suite, suite_report
from benchmarks.run import Config, run
from rnn_jax import drivers
from rnn_jax.train import cli


@pytest.fixture(autouse=True)
def _as_users_run_it(standard_promotion, monkeypatch):
    # Peers and torch are tested by themselves; compiling them again would take most of the time.
    monkeypatch.setattr("benchmarks.peers.find_spec", lambda name: False)
    monkeypatch.setattr("benchmarks.contenders.find_spec", lambda name: None)
    monkeypatch.setattr("benchmarks.suite.peak", lambda: 1e9)
    monkeypatch.setattr("benchmarks.suite.growth", lambda: {"128": 1.0, "8192": 1.5})
    with jax.enable_x64(False):
        yield


def start(*argv: str) -> int:
    return cli.main("python -m benchmarks.run", [run], {"default": Config()}, argv)


def test_what_was_measured_is_not_measured_again(tmp_path: Path, capsys, monkeypatch):
    argv = ["--cells", "elman", "--modes", "forward", "--out", str(tmp_path)]
    assert start(*argv) == 0
    said = capsys.readouterr()
    assert said.out.strip() == (tmp_path / "report.md").read_text().strip()
    assert (tmp_path / "picture.png").read_bytes()[1:4] == b"PNG"
    (contest,) = json.loads((tmp_path / "results.json").read_text())["contests"]
    # 4 steps, 2 rows, 3 + 4 features into 4 units, a product and a sum each; 10^9 a second
    assert contest["floor_seconds"] == pytest.approx(4 * 2 * 7 * 4 * 2 / 1e9)
    rows = {row["name"]: row for row in contest["rows"]}
    assert {"rnn_jax scan", suite.BY_HAND} < set(rows)
    for name in ("rnn_jax scan", suite.BY_HAND):
        assert rows[name]["error"] < 1e-6 and rows[name]["trace_seconds"] > 0
        fastest = min(rows[name]["seconds"])
        assert rows[name]["tokens_per_second"] == pytest.approx(8 / fastest)
        assert rows[name]["share_of_floor"] == pytest.approx(contest["floor_seconds"] / fastest)
    monkeypatch.setattr("benchmarks.run.contest", None)  # which a second measurement would call
    assert start(*argv) == 0
    assert capsys.readouterr().out == said.out
    # What is asked for and not there is named; no contest begins when the time is over.
    argv[1:1] = ["lstm"]
    assert start(*argv, "--minutes", "1e-9") == 0
    said = capsys.readouterr()
    assert "Measured: 1 of 2; not: tiny lstm forward." in said.out and "are over" in said.err


def test_bad_input(tmp_path: Path, capsys):
    (tmp_path / "results.json").write_text("{}")
    for argv, message in {
        ("--out", str(tmp_path)): "holds no results of this suite",
        ("--sizes", "big"): "the smoke suite has no big",
        ("--suite", "gpu"): "JAX sees no GPU here",
        ("--suite", "cpu", "--sizes", "very_long", "--cells", "gru"): "very_long is for min_gru",
    }.items():
        assert start(*argv) == 2
        assert message in capsys.readouterr().err


def test_wins_name_every_peer_that_is_faster():
    ratio = {"low": 1.1, "median": 1.2, "high": 1.3}
    rows = [
        {"name": name, "ours": ratio, "ours_verdict": verdict}
        for name, verdict in (("torch.nn.GRU", "slower"), ("rnn_jax fused", "slower"), ("flax", ""))
    ]
    said = suite_report.wins([{"entry": ["tiny", "gru", "forward"], "rows": rows}])
    assert said.count("\n- ") == 1 and "torch.nn.GRU, we take 1.20 of its time" in said


def test_a_peer_that_fails_is_left_out(monkeypatch):
    def layers(cell, platform):
        own = contenders.own_layer(cell, "rnn_jax scan", drivers.scan)
        wrong = own._replace(name="wrong", apply=lambda params, xs: own.apply(params, xs) + 1)
        broken = own._replace(name="broken", apply=lambda params, xs: xs @ xs)
        return [own, wrong, broken], ["x is not installed"]

    monkeypatch.setattr(suite, "layers", layers)
    size = suite.Size(2, 2, 3, 4)
    programs, errors, left_out = suite.compare(suite.Entry("tiny", "lstm", "forward"), size, 1)
    assert [program.name for program in programs] == ["rnn_jax scan"] and len(errors) == 1
    assert [reason[:20] for reason in left_out] == [
        "x is not installed",
        "wrong: ValueError: w",
        "broken: TypeError: d",
        "torch is not install",
    ]


def test_fewer_contenders_where_each_takes_long():
    names = ("rnn_jax scan", suite.BY_HAND, "flax nnx.RNN", "flax linen.RNN", "keras LSTM")
    found = [peers.Layer(name, None, None, None) for name in names]
    assert suite.shortened(found, 512) == (found, [])
    stay, (reason,) = suite.shortened(found, 1024)
    assert [layer.name for layer in stay] == ["rnn_jax scan", "flax nnx.RNN", "keras LSTM"]
    assert reason.startswith(f"{suite.BY_HAND}, flax linen.RNN: not measured")
    assert suite.shortened(found[:2], 1024) == (found[:2], [])

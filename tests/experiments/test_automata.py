"""Automata: exact by hand, and learnt, as a user runs them."""

import json

import pytest

from rnn_jax.train import cli

for library in ("tyro", "tqdm", "matplotlib"):
    pytest.importorskip(library)

from experiments import automata as script  # noqa: E402


def main(*argv):
    commands = [script.train, script.evaluate]
    return cli.main("automata", commands, script.PRESETS, [str(a) for a in argv])


def test_networks_by_hand_are_exact():
    config = script.Config(strings=200, longest=60)
    for machine, draw in script.MACHINES.values():
        assert script.count_right(config, machine, draw) == 200
        cell, params = machine()  # one wrong weight is noticed
        wrong = params._replace(w_y=params.w_y.at[0, 0].add(1))
        assert script.count_right(config, lambda: (cell, wrong), draw) < 200  # noqa: B023


@pytest.mark.slow
def test_networks_by_hand_are_exact_on_ten_thousand_long_strings(optimized):
    for machine, draw in script.MACHINES.values():
        assert script.count_right(script.Config(), machine, draw) == 10_000


@pytest.mark.slow
def test_the_automaton_of_reber_strings_is_learnt(tmp_path, capsys):
    run = tmp_path / "run"
    flags = ["--preset", "tiny", "--run-dir", run, "--parallel", "none", "--clusters", 15]
    assert main(*flags) == 0
    said = capsys.readouterr().out
    assert "of 50 strings: {'parity': 50, 'sum': 50, 'a^n b^n': 50}" in said
    found = json.loads((run / "automaton.json").read_text())
    assert found["right"] == [1.0, 1.0]
    # The start, and the six nodes of the grammar that something follows.
    assert len(found["outputs"]) == 7 and sorted(found["outputs"])[0] == -1
    assert (run / "automaton.png").stat().st_size > 10_000
    assert main("evaluate", "--run-dir", run, "--clusters", 9, "--length", 40) == 0
    assert "its automaton of" in capsys.readouterr().out
    assert main("evaluate", "--run-dir", run, "--clusters", 100_000) == 2
    assert "num_clusters=100000 must lie in 1.." in capsys.readouterr().err


def test_bad_input_is_one_line_and_leaves_nothing(tmp_path, capsys):
    run = tmp_path / "run"
    for flags, message in (
        (["--length", 4], "longest must be at least 5, got 4"),
        (["--longest", 2], "2 is not in 3..inf"),
        (["--language", "dyck"], "invalid choice"),
    ):
        assert main("--preset", "tiny", "--run-dir", run, *flags) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
    assert main("evaluate", "--run-dir", run) == 2
    assert "no run in" in capsys.readouterr().err
    assert not run.exists()

"""The README's tables, from results made by hand."""

import json
from pathlib import Path

import pytest

from benchmarks import goals, readme
from benchmarks.harness import CONTROL
from rnn_jax.train import cli

GIB = 2**30
ROOT = Path(__file__).parents[2]


def row(name: str, ours: float, word: str, temp: int | None) -> dict:
    """A contender that ours takes so much of the time of."""
    ratio = {"low": ours - 0.05, "median": ours, "high": ours + 0.05}
    base = {"low": 0.98, "median": 1.0, "high": 1.03}
    return {
        "name": name, "temp_bytes": temp, "ours": ratio, "ours_verdict": word, "to_baseline": base,
        "seconds": [1.0] * 11, "tokens_per_second": 10.0, "share_of_floor": 0.4,
    }  # fmt: skip


def contest(size: str, cell: str, mode: str, units: int, *rows: dict) -> dict:
    own = [row("rnn_jax scan", 1.0, "", GIB), row(CONTROL, 1.0, "same", None)]
    sizes = {"steps": 100, "batch_size": 8, "input_size": units, "hidden_size": units}
    return {"entry": [size, cell, mode], "size": sizes, "rows": [*own, *rows]}


def cpu() -> dict:
    """Two sizes of an LSTM; four of the six contests that were asked for."""
    return {
        "suite": "cpu",
        "command": "python -m benchmarks.run --suite cpu",
        "environment": {"processor": "P", "cores": 2, "device": "cpu", "commit": "abc"},
        "compile_by_steps": {"128": 2.0, "8192": 2.2},
        "wanted": [["a", "lstm", "training"]] * 6,
        "contests": [
            contest(
                "big", "lstm", "training", 512,
                row("flax nnx.RNN", 0.6, "faster", 5 * GIB), row("keras LSTM", 0.5, "faster", None),
                row("torch.nn.LSTM", 0.9, "same", None),
            ),
            contest("big", "lstm", "forward", 512, row("torch.nn.LSTM", 1.2, "slower", None)),
            contest(
                "tiny", "lstm", "training", 32,
                row("flax nnx.RNN", 0.8, "faster", 2 * GIB),
                row("torch.nn.LSTM", 2.0, "slower", None),
            ),
            contest("tiny", "min_gru", "training", 32),
        ],
    }  # fmt: skip


def test_goals():
    rows = [
        {"target": chip, "name": name, "cycles": cycles}
        for chip in ("v5e", "v6e")
        for name, cycles in (("flax", 100.0), ("scan", 55.0), ("fused", 20.0))
    ]
    bf16 = [
        {"steps": 2048, "name": "rnn_jax scan", "errors": {"w_h": 0.002, "b": 0.004}},
        {"steps": 2048, "name": "flax nnx.RNN", "errors": {"w_h": 0.1, "b": 0.2}},
        {"steps": 64, "name": "rnn_jax scan", "errors": {"w_h": 0.02}},
    ]
    found = goals.goals(
        {"cpu": cpu(), "fused_kernel": {"rows": rows}, "bf16_gradient": {"rows": bf16}}
    )
    assert [(goal.measured, goal.met) for goal in found[:2]] == [
        ("time 0.60 to 0.80, memory 0.20 to 0.50", "time in 1 of 2, memory in 1 of 2"),
        ("0.90 to 1.20; beyond the A/A spread faster in 0, slower in 1", "in 1 of 2"),
    ]
    assert [(goal.where, goal.met) for goal in found[2:4]] == [
        ("H200, training", "-"),
        ("H200, training", "-"),
    ]
    assert all(goal.measured == goals.NOT_MEASURED for goal in found[2:4])
    assert [(goal.measured, goal.met) for goal in found[4:]] == [
        ("compiled only: v5e 0.55, v6e 0.55", "no"),
        ("compiled only: v5e 0.20, v6e 0.20", "yes"),
        ("0.40 % (flax nnx 20 %)", "yes"),
        ("T=8192 takes 1.10 of T=128", "yes"),
        (goals.NOT_MEASURED, "-"),
    ]


def test_nothing_measured_says_so():
    assert {goal.met for goal in goals.goals({})} == {"-"}
    assert all("not measured" in goal.measured for goal in goals.goals({}))


def test_peers_that_are_faster_have_a_reason():
    said = readme.wins(cpu())
    assert said.count("\n- ") == 2
    assert "- torch.nn.LSTM, lstm training, tiny: T 100, B 8, H 32 (2.00): all steps are" in said
    assert "- torch.nn.LSTM, lstm forward, big: T 100, B 8, H 512 (1.20): all steps are" in said
    kinds = {
        goals.kind_of_win(name, mode, units)
        for name in ("torch.nn.LSTM", "torch.nn.GRU", "torch.nn.LSTM (cuDNN)", "flax nnx.RNN")
        for mode in ("training", "forward")
        for units in (32, 512)
    }
    assert kinds == goals.REASONS.keys()


def test_the_part_between_the_marks_is_replaced(tmp_path: Path, capsys):
    run, results, page = tmp_path / "run", tmp_path / "results", tmp_path / "README.md"
    run.mkdir()
    results.mkdir()
    (run / "results.json").write_text(json.dumps(cpu()))
    for name in ("report.md", "picture.png"):
        (run / name).write_text(name)
    page.write_text(f"before\n{readme.BEGIN}\nold\n{readme.END}\nafter\n")
    argv = ["--readme", str(page), "--results", str(results)]

    def start(*more: str) -> int:
        presets = {"default": readme.Config()}
        return cli.main("python -m benchmarks.readme", [readme.update], presets, [*argv, *more])

    assert start("--check") == 1 and "old" in page.read_text()
    assert start("--take", str(run)) == 0
    assert (results / "cpu.md").read_text() == "report.md"
    said = page.read_text()
    assert said.startswith("before\n") and said.endswith(f"{readme.END}\nafter\n")
    assert "(4 of 6 contests so far)" in said and "at least 11 interleaved rounds" in said
    big = "| big: T 100, B 8, H 512 | lstm | **0.60** (0.98-1.03) | 0.20 | 0.90 (0.98-1.03) | 40% "
    assert f"{big}| - | 1.20 (0.98-1.03) |" in said
    assert "min_gru" not in said  # no peer has it
    assert start("--check") == 0 and start() == 0 and page.read_text() == said
    page.write_text("nothing")
    assert start() == 2 and start("--take", str(results)) == 2
    assert "has no lines" in (errors := capsys.readouterr().err)
    assert "holds no results of a suite" in errors


@pytest.mark.parametrize("values", [[0.5], [0.9], [0.5, 0.9]])
def test_a_goal_is_met_by_all_or_says_by_how_many(values: list[float]):
    assert (
        goals.within(values, 0.7)
        == {1: "yes" if values[0] < 0.7 else "no", 2: "in 1 of 2"}[len(values)]
    )


def test_the_readme_says_what_the_results_say():
    asked = readme.Config(ROOT / "README.md", ROOT / "benchmarks/results", check=True)
    assert readme.update(asked) == 0, "run python -m benchmarks.readme"

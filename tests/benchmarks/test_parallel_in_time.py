"""The benchmark of the parallel drivers: what it writes, and where it says that one is faster."""

import json

import jax
import pytest

from benchmarks import parallel_in_time
from benchmarks.harness import Ratio
from rnn_jax.train import cli


def run(*argv: str) -> int:
    commands, presets = [parallel_in_time.benchmark], {"default": parallel_in_time.Config()}
    return cli.main("python -m benchmarks.x", commands, presets, argv)


@pytest.mark.slow
def test_smoke(tmp_path, capsys, standard_promotion):
    with jax.enable_x64(False):
        assert run("--smoke", "--out", str(tmp_path)) == 0
    assert capsys.readouterr().out.strip() == (tmp_path / "report.md").read_text().strip()
    assert (tmp_path / "picture.png").read_bytes()[1:4] == b"PNG"
    lines = json.loads((tmp_path / "results.json").read_text())["lines"]
    assert [line["name"] for line in lines] == ["scan", *parallel_in_time.NEWTON]
    for line in lines:
        assert line["error"] < 1e-5 and not line["fell_back"]


def test_crossover_is_where_it_stays_faster():
    def line(num_steps: int, verdict: str) -> parallel_in_time.Line:
        ratio = Ratio(0.5, 0.5, 0.5)
        return parallel_in_time.Line(
            "gru4", 1, num_steps, "newton", 1.0, ratio, verdict, 0.0, 5, False, 0.1
        )

    def said(*verdicts: str) -> str:
        lines = [line(10**k, verdict) for k, verdict in enumerate(verdicts)]
        return parallel_in_time.crossovers(lines).splitlines()[-1].split(" | ")[-1].strip(" |")

    assert said("faster", "same", "faster", "faster") == "100"
    assert said("faster", "slower") == "never here"
    assert said("faster", "faster") == "1"


def test_bad_input_is_named(capsys):
    assert run("--steps", "0") == 2
    assert "--steps and --cells: name at least one each" in capsys.readouterr().err

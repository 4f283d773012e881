"""Networks as dynamical systems: the laws, and the script as a user runs it."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax.cells.base import identity
from rnn_jax.data.chaos import mackey_glass
from rnn_jax.train import cli

for library in ("tyro", "matplotlib"):
    pytest.importorskip(library)

from experiments import dynamics as script  # noqa: E402

CONFIG = script.Config(hidden_size=12, memory_size=10, steps=400, inputs=1500)


def main(*argv):
    return cli.main("dynamics", [script.run], script.PRESETS, [str(a) for a in argv])


def test_exponents_of_linear_networks_are_the_logarithm_of_the_radius():
    radii = np.array([0.5, 0.9, 1.1])
    np.testing.assert_allclose(script.exponents(CONFIG, identity, radii), np.log(radii), atol=0.01)


@pytest.mark.slow
def test_memory_is_bounded_by_the_units_and_nearly_full_in_a_linear_reservoir():
    linear = script.memory_capacity(CONFIG, 0.9, 1.0, identity)
    assert 8 < linear < 10.1
    assert script.memory_capacity(CONFIG, 0.9, 1.0, jnp.tanh) < linear - 1


def test_mackey_glass_against_heun_in_tenths_of_the_step():
    size, x = 0.01, [1.2] * 1701
    for _ in range(100 * 520):
        now, first, last = x[-1], x[-1701], x[-1700]
        slope = lambda at, delayed: 0.2 * delayed / (1 + delayed**10) - 0.1 * at
        k = slope(now, first)
        x.append(now + size / 2 * (k + slope(now + size * k, last)))
    # Twenty times what is wrong at the start is wrong after 500: it is chaos.
    np.testing.assert_allclose(mackey_glass(20), x[1700:][50_000:52_000:100], atol=1e-3)
    with pytest.raises(ValueError, match="num_steps=0 and tau=17.0"):
        mackey_glass(0)


@pytest.mark.slow
def test_the_script(tmp_path, capsys):
    run = tmp_path / "run"
    flags = ["--preset", "tiny", "--inputs", 2000, "--reservoir-size", 200, "--run-dir", run]
    assert main(*flags) == 0
    assert "memory capacity of 10 units, linear: " in capsys.readouterr().out
    found = json.loads((run / "results.json").read_text())
    tanh = dict(zip(found["exponents"]["radius"], found["exponents"]["tanh"]))
    assert tanh[0.5] == pytest.approx(np.log(0.5), abs=0.01) and tanh[2.0] < np.log(2) - 0.3
    assert found["valid_steps"] > 50
    assert max(max(values) for values in found["memory"].values()) < 10.1
    assert (run / "dynamics.png").stat().st_size > 20_000


def test_bad_input_is_one_line(tmp_path, capsys):
    for flag, value in (("--seed", "-1"), ("--alone", "0"), ("--radius", "2")):
        assert main("--run-dir", tmp_path / "run", flag, value) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert flag in line
    assert not (tmp_path / "run").exists()

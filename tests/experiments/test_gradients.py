"""Vanishing and exploding gradients: the laws, and the script as a user runs it."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells
from rnn_jax.cells.base import identity
from rnn_jax.ops.initializers import Orthogonal
from rnn_jax.train import cli

for library in ("tyro", "matplotlib"):
    pytest.importorskip(library)

from experiments import gradients as script  # noqa: E402

CONFIG = script.Config(hidden_size=6, steps=30, rows=2)


def main(*argv):
    return cli.main("gradients", [script.run], script.PRESETS, [str(a) for a in argv])


def test_the_laws():
    """rho^t, 1 for open ReLUs, and the product of the forget gates; 1e-5: weights are float32."""
    sizes = {"input_size": 6, "hidden_size": 6}

    @jax.jit
    def log_norms():
        found = {}
        for rho in (0.9, 1.1):
            init = Orthogonal(scale=rho)
            network = cells.Elman(**sizes, activation=identity, recurrent_init=init)
            found[rho] = script.log_norms(CONFIG, network)
        for bias in (30.0, -3.0):
            lstm = cells.LSTM(**sizes, forget_bias=bias)
            found[bias] = script.log_norms(CONFIG, lstm, "c", scale=0.0)
        return found | {0.0: script.log_norms(CONFIG, cells.irnn(6, 6), scale=0.0)}

    found = {name: np.asarray(logs) for name, logs in log_norms().items()}
    steps = np.arange(1, 31)[:, None]
    for rho in (0.9, 1.1):
        np.testing.assert_allclose(found[rho], np.log(rho) * steps + [0, 0], atol=2e-5)
    np.testing.assert_allclose(found[0.0], np.zeros((30, 2)), atol=1e-5)
    # A gate that is open for ever keeps all of c, beside what comes round by h.
    assert (found[30.0] > -1e-5).all() and (found[30.0] < 2.5).all()
    assert (found[-3.0][-1] < -25).all()


@pytest.mark.slow
def test_clipping_shortens_the_jump_from_the_cliff():
    config = script.Config(updates=30)
    (far, _), (near, _) = script.descent(config, None), script.descent(config, 0.1)
    jumps = [np.linalg.norm(np.diff(way, axis=0), axis=1).max() for way in (far, near)]
    assert jumps[0] > 0.2 and jumps[1] == pytest.approx(0.1 * 0.1, rel=1e-4)
    steps = jnp.asarray(far[:1], jnp.float32)
    h = 0.0
    for _ in range(50):
        h = np.tanh(far[0, 0] * h + far[0, 1])
    assert float(script.cliff(steps[0])) == pytest.approx((h - 0.7) ** 2, rel=1e-4)


@pytest.mark.slow
def test_the_script(tmp_path, capsys):
    assert main("--preset", "tiny", "--run-dir", tmp_path / "run") == 0
    said = capsys.readouterr().out
    assert "ReLU, identity, no input           times 1.0000 a step, 1.0e+00 in all" in said
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["growth"]["0.9 Q, Q orthogonal"] == pytest.approx(0.9, rel=1e-5)
    assert (tmp_path / "run" / "gradients.png").stat().st_size > 20_000
    assert main("--preset", "tiny", "--run-dir", tmp_path / "run", "--rows", 3) == cli.MISMATCH
    assert "rows 2 there, 3 here" in capsys.readouterr().err


def test_bad_input_is_one_line(tmp_path, capsys):
    for flag, value, message in (
        ("--steps", "0", "0 is not in 1..inf"),
        ("--clip-limit", "-1", "-1.0 is not in"),
        ("--radius", "2", "--radius"),
        ("--preset", "huge", "'huge' is not one of default, tiny"),
    ):
        assert main("--run-dir", tmp_path / "run", flag, value) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
    assert not (tmp_path / "run").exists()

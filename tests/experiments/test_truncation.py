"""How far a gradient reaches: the law, the questions, the costs, and the script as it is run."""

import json

import jax
import numpy as np
import pytest

from rnn_jax import drivers
from rnn_jax.train import cli

for library in ("tyro", "matplotlib"):
    pytest.importorskip(library)

from experiments import truncation as script  # noqa: E402

CONFIG = script.Config(lags=(1, 3), reaches=(2, 3), hidden_size=4, batch_size=5, lengths=(6, 40))


def main(*argv):
    return cli.main("truncation", [script.run], script.PRESETS, [str(a) for a in argv])


def test_a_gradient_reaches_k2_steps_and_no_further():
    """d y_t / d x_{t-L} is zero exactly where L >= k2, and there alone."""
    cell = script.network(4)
    params, xs = cell.init(jax.random.key(0)), jax.random.normal(jax.random.key(1), (8, 3))

    def outputs(xs):
        return drivers.truncated(cell, params, xs, k1=1, k2=3)[1][:, 0]

    found = np.asarray(jax.jit(jax.jacobian(outputs))(xs))  # (T, T, D)
    lag = np.arange(8)[:, None] - np.arange(8)
    np.testing.assert_array_equal(np.abs(found).max(-1) > 0, (lag >= 0) & (lag < 3))


def test_questions_have_their_answers():
    for lag in CONFIG.lags:
        xs, answers = map(np.asarray, script.questions(CONFIG, jax.random.key(lag), lag))
        asked = np.argwhere(xs[..., 2] == 1)
        assert len(asked) == 2 * CONFIG.batch_size
        for t, row in asked:
            assert xs[t - lag, row, 1] == 1 and answers[t, row] == xs[t - lag, row, 0]
        assert set(np.unique(xs[..., 0])) == {-1, 1} and xs[..., 1].sum() == len(asked)


@pytest.mark.slow
def test_one_gradient_and_three_costs(optimized):
    short, long = (script.costs(CONFIG, length) for length in CONFIG.lengths)
    for found in (short, long):
        assert found["RTRL"].error < 1e-5 and found["BPTT"].error == 0
    assert long["truncated to 3"].error > 1e-3
    assert long["RTRL"].memory <= short["RTRL"].memory + 1000  # it does not grow with T
    assert long["BPTT"].memory > short["BPTT"].memory + 5 * (40 - 6) * 4 * 4


@pytest.mark.slow
def test_the_script(tmp_path, capsys):
    run = tmp_path / "run"
    assert main("--preset", "tiny", "--run-dir", run) == 0
    assert "gradient over 4 steps, right answers: " in capsys.readouterr().out
    (_, beyond), (near, far) = json.loads((run / "results.json").read_text())["right"]
    assert near > 0.97 and far > 0.97 > 0.85 > beyond
    assert (run / "truncation.png").stat().st_size > 20_000


def test_bad_input_is_one_line(tmp_path, capsys):
    for flags in (["--lags", "0"], ["--updates", "0"], ["--reach", "2"], ["--lags"]):
        assert main("--run-dir", tmp_path / "run", *flags) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "run").exists()

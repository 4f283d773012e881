"""Where networks come to rest: the laws against NumPy, and the script as a user runs it."""

import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers
from rnn_jax.cells.base import identity
from rnn_jax.models import hopfield, reservoir, rotation
from rnn_jax.train import cli

for library in ("tyro", "matplotlib"):
    pytest.importorskip(library)

from experiments import attractors as script  # noqa: E402

RANDOM = np.random.default_rng(0)


def main(*argv):
    return cli.main("attractors", [script.run], script.PRESETS, [str(a) for a in argv])


def test_hopfield_against_whole_numbers():
    patterns = RANDOM.choice([-1, 1], size=(7, 31))
    start, order = RANDOM.choice([-1, 1], size=(6, 31)), RANDOM.permutation(93) % 31
    weights = sum(np.outer(p, p) for p in patterns)
    np.fill_diagonal(weights, 0)
    rule = lambda h: np.where(h @ weights >= 0, 1, -1)
    energy = lambda h: -np.einsum("...i,ij,...j", h, weights, h) / 2 - h.sum(-1) / 2
    together, alone = [start], [start]
    for t in range(93):
        together.append(rule(together[-1]))
        alone.append(np.where(np.arange(31) == order[t], rule(alone[-1]), alone[-1]))

    @jax.jit
    def run(patterns, h, xs):
        state = cells.ElmanState(h=h), cells.GRUState(h=h)
        _, every = drivers.scan(*hopfield.all_at_once(patterns), 0 * xs[..., :1], state[0])
        return every, drivers.scan(*hopfield.one_by_one(patterns), xs, state[1])[1]

    for dtype in (jnp.float32, jnp.float64):
        if dtype == jnp.float64 and not jax.config.jax_enable_x64:
            continue
        xs = np.broadcast_to(np.eye(31)[order][:, None], (93, 6, 31))
        found = run(*(jnp.asarray(x, dtype) for x in (patterns, start, xs)))
        np.testing.assert_array_equal(found, [together[1:], alone[1:]])
    # Ties become +1, as a half more does. Synchronous states come back after one step or two.
    np.testing.assert_array_equal(together[-1], together[-3])
    at_once = hopfield.all_at_once(jnp.asarray(patterns, jnp.float32))[1]
    np.testing.assert_array_equal(
        hopfield.energy(at_once, np.array(alone)), energy(np.array(alone))
    )
    assert (np.diff(energy(np.array(alone)), axis=0) <= 0).all()
    now, before = np.array(together[1:]), np.array(together[:-1])
    pairs = -np.einsum("tbi,ij,tbj->tb", now, weights, before) - (now + before).sum(-1) / 2
    assert (np.diff(pairs, axis=0) <= 0).all()


@pytest.mark.slow
def test_memory_fails_near_0_138_patterns_a_unit():
    config = script.Config(units=600, probes=30)
    shares = [float(script.retrieved(config, int(600 * load), 0.1)) for load in (0.1, 0.138, 0.2)]
    assert shares[0] == 1 and shares[2] < 0.15 and shares[2] < shares[1]


def test_periods_of_two_units_that_turn():
    config, omegas = script.Config(turning=1500), np.array([0.01, 0.05, 0.3, 1.0])
    linear = script.rotate(config, omegas, 1.0, identity, (0.3, 0.0))
    angles = omegas[:, None] * np.arange(1, 1501)
    truth = 0.3 * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    np.testing.assert_allclose(linear, truth, atol=1e-4)  # float32, after 1500 products
    np.testing.assert_allclose(rotation.turning_periods(linear), 2 * np.pi / omegas, rtol=1e-6)
    tanh = script.rotate(config, omegas, 1.05, jnp.tanh, (0.3, 0.0))
    for omega, states, period in zip(omegas, tanh, rotation.turning_periods(tanh)):
        c, s = np.cos(omega), np.sin(omega)
        h, hs = np.array([0.3, 0.0]), []
        for _ in range(1500):
            hs.append(h := np.tanh(1.05 * h @ np.array([[c, s], [-s, c]])))
        np.testing.assert_allclose(states, hs, atol=1e-3)
        crossings = np.flatnonzero((np.array(hs)[750:-1, 1] < 0) & (np.array(hs)[751:, 1] >= 0))
        law = rotation.cycle_periods(omega, 1.05)
        if omega < 0.05 / 3:  # a point attractor: one of the four corners
            assert period == law == np.inf and np.abs(hs[-1] - hs[-2]).max() < 1e-9
        else:
            turn = np.diff(crossings[[0, -1]])[0] / (len(crossings) - 1)
            assert period == pytest.approx(turn, rel=0.02)
            assert period == pytest.approx(law, rel=0.03)  # to first order in gain - 1
            assert np.linalg.norm(hs[750:], axis=1).mean() == pytest.approx(2 * 0.05**0.5, rel=0.1)


def test_a_reservoir_is_fitted_and_goes_on_as_its_equations_say():
    cell = cells.EchoState(input_size=2, hidden_size=8, output_size=2, density=1.0, leak=0.7)
    xs = RANDOM.normal(size=(60, 2)).astype(np.float32)
    first = cell.init(jax.random.key(0))

    @jax.jit
    def run(params, xs):
        params = reservoir.fit_next(cell, params, xs, washout=10, alpha=0.1)
        state = cells.ElmanState(h=jnp.zeros(8, jnp.float32))
        return params, reservoir.go_on(cell, params, state, xs[0], 5)

    params, made = jax.tree.map(np.asarray, run(first, jnp.asarray(xs)))
    step = lambda h, x: 0.3 * h + 0.7 * np.tanh(x @ params.w_x + h @ params.w_h + params.b)
    hs, h = [], np.zeros(8)
    for x in xs:
        hs.append(h := step(h, x))
    ones = np.hstack([np.ones((49, 1)), np.array(hs)[10:-1]])
    solved = np.linalg.solve(ones.T @ ones + 0.1 * np.diag([0] + [1] * 8), ones.T @ xs[11:])
    np.testing.assert_allclose(np.vstack([params.b_out, params.w_out]), solved, atol=1e-4)
    h, y = np.zeros(8), xs[0]
    for found in made:
        h = step(h, y)
        y = h @ params.w_out + params.b_out
        np.testing.assert_allclose(found, y, atol=1e-4)
    with pytest.raises(ValueError, match="washout=59"):
        reservoir.fit_next(cell, first, jnp.asarray(xs), washout=59)


@pytest.mark.slow
def test_the_script(tmp_path, capsys):
    run = partial(
        main, "--preset", "tiny", "--inputs", 3000, "--reservoir-size", 200, "--alone", 300
    )
    assert run("--run-dir", tmp_path / "run") == 0
    assert "Lorenz's system goes on alone for" in capsys.readouterr().out
    found = json.loads((tmp_path / "run/results.json").read_text())
    assert found["rise"] <= 0 and found["found"]["from 5% wrong"][1][0] == 1
    assert found["lorenz"]["valid"] > 3 > 10 * found["lorenz"]["kept"]
    assert found["lorenz"]["exponent"] == pytest.approx(0.906, abs=0.2)  # over 54 Lyapunov times
    assert (tmp_path / "run/attractors.png").stat().st_size > 20_000


def test_bad_input_is_one_line(tmp_path, capsys):
    for flag, value in (("--units", "3"), ("--gain", "0.9"), ("--inputs", "10"), ("--rho", "2")):
        assert main("--run-dir", tmp_path / "run", flag, value) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert flag in line
    assert not (tmp_path / "run").exists()

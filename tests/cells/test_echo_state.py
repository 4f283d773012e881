"""Echo state networks against reservoirpy, against the equations in NumPy, and on NARMA10."""

import dataclasses
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers, ops
from tests.cells.reference import SOURCES, assert_close, draw_case, numbers, run

SIZES = {"input_size": 3, "hidden_size": 4, "output_size": 2, "density": 1.0}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("case", "leak"), [("plain", 1.0), ("leaky", 0.3)])
def test_equals_reservoirpy(case, leak, source):
    """Its matrices, its states, and its Ridge fitted on them in two chunks."""
    g = numbers("reservoirpy", case, source, "reservoirpy")
    cell = cells.EchoState(input_size=2, hidden_size=6, output_size=2, density=1.0, leak=leak)
    params = cells.EchoStateParams(
        *(jnp.asarray(leaf) for leaf in (g["Win"].T, g["W"].T)),
        w_back=None,
        b=jnp.asarray(g["bias"]),
        w_out=jnp.zeros((6, 2)),
        b_out=jnp.zeros(2),
    )
    _, hs = run(cells.Features(cell=cell), params, g["xs"])
    assert_close(hs, g["states"])
    stats = ops.ridge_init(6, 2, jnp.float64)
    for part in (slice(5, 9), slice(9, None)):
        stats = ops.ridge_update(stats, hs[part], jnp.asarray(g["targets"][part]))
    w, b = ops.ridge_solve(stats, 0.01)
    assert_close((w, b), (g["Wout"], g["bout"]), 1e-11)
    _, ys = run(cell, params._replace(w_out=w, b_out=b), g["xs"])
    assert_close(ys, g["ys"], 1e-11)
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), (params, g["xs"]))
    assert_close(run(cells.Features(cell=cell), *single)[1], g["states"].astype(np.float32), 1e-6)


@pytest.mark.parametrize("feedback", [False, True])
def test_equals_the_equations(feedback):
    cell = cells.EchoState(**SIZES, leak=0.4, input_scaling=0.3, feedback=feedback)
    params, state, xs = draw_case(cell)
    p, h = jax.tree.map(np.asarray, params), np.asarray(state.h)
    y, want = np.asarray(getattr(state, "y", np.zeros((2, 2)))), []
    for x in np.asarray(xs):
        drive = 0.3 * x.dot(p.w_x) + h.dot(p.w_h) + p.b + (y.dot(p.w_back) if feedback else 0)
        h = h + 0.4 * (np.tanh(drive) - h)
        y = h.dot(p.w_out) + p.b_out
        want.append(y)
    final, ys = run(cell, params, xs, state)
    assert_close((final.h, ys), (h, np.stack(want)))


def gradient(cell, params, state, xs):
    return jax.grad(lambda p: jnp.sin(run(cell, p, xs, state)[1]).sum())(params)


@pytest.mark.parametrize("feedback", [False, True])
def test_gradients_reach_the_readout_alone(feedback):
    cell = cells.EchoState(**SIZES, feedback=feedback)
    params, state, xs = draw_case(cell)
    frozen = gradient(cell, params, state, xs)._asdict()
    free = gradient(dataclasses.replace(cell, frozen=False), params, state, xs)._asdict()
    for name, found in frozen.items():
        if name in ("w_out", "b_out"):
            assert_close(found, free[name])
            assert bool((found != 0).all())
        elif found is not None:
            assert bool((found == 0).all()) and bool((free[name] != 0).all()), name


def test_reservoir_starts_as_told():
    cell = cells.EchoState(
        input_size=2, hidden_size=60, output_size=1, spectral_radius=0.7, density=0.2
    )
    params = cell.init(jax.random.key(0), jnp.float64)
    w_h = np.asarray(params.w_h)
    assert abs(abs(np.linalg.eigvals(w_h)).max() - 0.7) < 1e-12
    assert abs((w_h != 0).mean() - 0.2) < 0.03
    assert 0.9 < abs(params.w_x).max() <= 1 and 0.4 < abs(params.b).max() <= 0.5
    assert params.w_back is None and bool((params.w_out == 0).all())


def test_forgets_where_it_began():
    """The echo state property: two beginnings, the same input, one state."""
    cell = cells.EchoState(input_size=1, hidden_size=30, output_size=1, leak=0.8)
    params = cell.init(jax.random.key(0), jnp.float64)
    random = np.random.default_rng(0)
    xs, h = jnp.asarray(random.uniform(-1, 1, (300, 2, 1))), random.uniform(-1, 1, (2, 30))
    xs = xs.at[:, 1].set(xs[:, 0])
    state, _ = run(cell, params, xs, cells.ElmanState(h=jnp.asarray(h)))
    assert float(abs(state.h[0] - state.h[1]).max()) < 1e-9


def test_generates_a_sine_from_its_own_output():
    """Fitted under teacher forcing, then left alone: it goes on with the wave."""
    cell = cells.EchoState(
        input_size=1, hidden_size=40, output_size=1, spectral_radius=0.8, feedback=True
    )
    forced = cells.TeacherForced(cell=cell)
    params = cell.init(jax.random.key(1), jnp.float64)
    wave = jnp.sin(jnp.arange(400, dtype=jnp.float64) / 4)[:, None]
    xs = jnp.zeros((400, 1))
    state, hs = run(cells.Features(cell=forced), params, cells.teacher_inputs(xs, wave)[:300])
    stats = ops.ridge_update(ops.ridge_init(40, 1, jnp.float64), hs[100:], wave[100:300])
    w, b = ops.ridge_solve(stats, 1e-8)
    params = params._replace(w_out=w, b_out=b)
    _, ys = run(cell, params, xs[300:], forced.free_state(params, state))
    assert float(abs(ys - wave[300:]).max()) < 1e-2


def narma10(inputs):
    ys = np.zeros_like(inputs)
    for t in range(9, len(inputs) - 1):
        past = ys[t - 9 : t + 1].sum()
        ys[t + 1] = 0.3 * ys[t] + 0.05 * ys[t] * past + 1.5 * inputs[t - 9] * inputs[t] + 0.1
    return ys


def narma_error(size, dtype, seed=0, num_train=4000):
    """Normalised error on 2000 later steps; matrices, inputs and targets for a peer."""
    inputs = np.random.default_rng(seed).uniform(0, 0.5, num_train + 2001)
    xs, targets = inputs[:-1, None], narma10(inputs)[1:, None]
    cell = cells.EchoState(
        input_size=1, hidden_size=size, output_size=1, spectral_radius=0.95, input_scaling=0.1
    )
    params = cell.init(jax.random.key(seed), dtype)
    _, hs = run(cells.Features(cell=cell), params, jnp.asarray(xs, dtype))
    train = slice(200, num_train)
    stats = ops.ridge_init(size, 1, dtype)
    w, b = ops.ridge_solve(
        ops.ridge_update(stats, hs[train], jnp.asarray(targets[train], dtype)), 1e-8
    )
    ys = np.asarray(ops.affine(hs[num_train:], w, b))
    return nrmse(ys, targets[num_train:]), (params, xs, targets)


def nrmse(ys, targets):
    return float(np.sqrt(((ys - targets) ** 2).mean() / targets.var()))


@pytest.mark.usefixtures("optimized")
@pytest.mark.parametrize(
    ("size", "dtype", "gate"),
    [
        # where summed products would give 0.4
        pytest.param(100, jnp.float32, 0.29, marks=pytest.mark.slow),
        pytest.param(100, jnp.float64, 0.29, marks=pytest.mark.slow),
        pytest.param(500, jnp.float64, 0.12, marks=pytest.mark.slow),
        pytest.param(500, jnp.float32, 0.14, marks=pytest.mark.slow),
    ],
)
def test_narma10(size, dtype, gate):
    """The mean of three reservoirs and series: one alone at N=500 lies anywhere in 0.09..0.125."""
    assert np.mean([narma_error(size, dtype, seed)[0] for seed in range(3)]) <= gate


@pytest.mark.usefixtures("optimized")
@pytest.mark.parametrize("size", [100, pytest.param(500, marks=pytest.mark.slow)])
def test_narma10_beside_reservoirpy(size):
    """Its run with our matrices. (Its own series sums y[t-10..t-1], Atiya and Parlos y[t-9..t].)"""
    pytest.importorskip("reservoirpy")
    from reservoirpy.nodes import Reservoir, Ridge

    error, (params, xs, targets) = narma_error(size, jnp.float64)
    matrices = {"W": np.asarray(params.w_h.T), "Win": 0.1 * np.asarray(params.w_x.T)}
    hs = Reservoir(**matrices, bias=np.asarray(params.b)).run(xs)
    ys = Ridge(ridge=1e-8).fit(hs[200:4000], targets[200:4000]).run(hs[4000:])
    # alpha is 1e-8, so the systems are solved to about the root of the rounding error.
    assert abs(nrmse(ys, targets[4000:]) - error) < 1e-5


def test_doubtful_reservoirs_are_reported():
    """At the line that makes the cell, naming the values."""
    with pytest.warns(
        UserWarning, match="doubtful with spectral_radius=1.2, leak=0.5, .*tanh"
    ) as w:
        cells.EchoState(**SIZES, spectral_radius=1.2, leak=0.5)
    assert w[0].filename == __file__
    with pytest.warns(UserWarning, match="doubtful with spectral_radius=1.0, leak=1.0"):
        cells.EchoState(**SIZES, spectral_radius=1.0)
    with pytest.warns(UserWarning, match="with feedback and .*relu the outputs can grow"):
        cells.EchoState(**SIZES, feedback=True, activation=jax.nn.relu)
    for activation in (jax.nn.relu, jax.nn.softplus, cells.base.identity, jnp.square):
        with pytest.raises(ValueError, match="grow without bound with spectral_radius=1.0, leak=1"):
            cells.EchoState(**SIZES, spectral_radius=1.0, activation=activation)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cells.EchoState(**SIZES, feedback=True)
        cells.EchoState(**SIZES, spectral_radius=0.99, activation=jax.nn.relu)


def test_what_is_reported_is_true():
    """A ReLU reservoir of radius 1.5 overflows; one of tanh stays within 1 but never forgets."""
    w_h = jnp.array([[1.5]])
    zero = jnp.zeros((1, 1))
    params = cells.EchoStateParams(zero, w_h, None, jnp.zeros(1), jnp.ones((1, 1)), jnp.zeros(1))
    sizes = {"input_size": 1, "hidden_size": 1, "output_size": 1, "density": 1.0}
    start = cells.ElmanState(h=jnp.array([[0.1], [-0.1]]))
    xs = jnp.zeros((2000, 2, 1))
    relu = cells.EchoState(**sizes, activation=jax.nn.relu)
    assert bool(jnp.isinf(run(relu, params, xs, start)[0].h[0]).all())
    final = run(cells.EchoState(**sizes), params, xs, start)[0].h
    assert float(final[0, 0]) > 0.8 and float(final[1, 0]) < -0.8


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"spectral_radius": 0.0}, "spectral_radius must be > 0, got 0.0"),
        ({"spectral_radius": float("nan")}, "spectral_radius must be > 0, got nan"),
        ({"leak": 0.0}, r"leak must lie in \(0, 1\], got 0.0"),
        ({"leak": 1.5}, r"leak must lie in \(0, 1\], got 1.5"),
        ({"density": 0.0}, r"density must lie in \(0, 1\], got 0.0"),
        ({"density": 1.1}, r"density must lie in \(0, 1\], got 1.1"),
    ],
)
def test_bad_configuration(choice, message):
    with pytest.raises(ValueError, match=message):
        cells.EchoState(**(SIZES | choice))


def test_features_need_a_hidden_state():
    stacked = cells.Stacked(cells=(cells.Elman(input_size=3, hidden_size=4),))
    with pytest.raises(ValueError, match="Features: the state of TimeIndex has no h of its own"):
        cells.Features(cell=cells.TimeIndex(cell=stacked))
    lstm = cells.LSTM(input_size=3, hidden_size=4)
    features = cells.Features(cell=lstm)
    assert features.output_size == 4 and cells.is_gated(features)
    params, state, xs = draw_case(lstm)
    assert_close(drivers.scan(features, params, xs, state), run(lstm, params, xs, state))

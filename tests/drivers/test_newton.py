"""``newton`` against ``scan``: law 13, every Jacobian, damping, falling back, what it tells."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from rnn_jax import cells, drivers
from rnn_jax.drivers.newton_linear import block_recurrence, damped_recurrence
from tests.drivers.test_associative import loss_of
from tests.laws.cases import BY_LENGTH, LENGTHS, MASK, RESET, assert_same, make_case, poison
from tests.registry import CELLS

CASES = {
    "plain": {},
    "lengths": {"lengths": LENGTHS},
    "mask and reset, reverse": {"mask": MASK, "reset": RESET, "reverse": True},
}
HARDEST = "mask and reset, reverse"
ALL_CASES = ("elman", "lru", "para_lstm")  # one of each road
SLOW = (
    *(*ALL_CASES, "gru", "lstm", "indrnn", "min_gru"),
    *("stacked", "zoneout", "attentive", "conv_lstm"),
)
FAST = ("para_gru", HARDEST)


def mark(name, case):
    """One case by default, one cell of each kind in CI, every cell when asked for."""
    if (name, case) == FAST:
        return ()
    return pytest.mark.slow if name in SLOW else pytest.mark.full


@pytest.mark.parametrize(
    ("name", "case"),
    [
        pytest.param(name, case, marks=mark(name, case))
        for name in CELLS
        for case in CASES
        if case == HARDEST or name in ALL_CASES
    ],
)
def test_equals_scan(name, case):
    """Values and gradients, from a given state, with NaN on the padding."""
    cell, params, state, xs = make_case(name)
    options = dict(CASES[case])
    valid = {"lengths": BY_LENGTH, "mask": MASK}.get(next(iter(options), ""))
    if valid is not None:
        xs = poison(xs, valid)
    if cells.is_stochastic(cell) and case != "lengths":
        options["key"] = jax.random.key(2)

    @jax.jit
    def both(params, state, xs):
        roads = (drivers.newton, drivers.scan)
        return [loss_of(driver, cell, **options)(params, state, xs) for driver in roads]

    assert_same(*both(params, state, xs))


@pytest.mark.parametrize(
    ("name", "jacobian", "damped"),
    [
        pytest.param("para_gru", "block", True, marks=pytest.mark.slow),
        pytest.param("gru", "full", True, marks=pytest.mark.slow),
        pytest.param("lstm", "full", False, marks=pytest.mark.slow),
        pytest.param("lstm", "block", True, marks=pytest.mark.slow),
        pytest.param("lstm", "diagonal", False, marks=pytest.mark.slow),
        pytest.param("elman", "diagonal", True, marks=pytest.mark.slow),
        pytest.param("para_lstm", "diagonal", False, marks=pytest.mark.slow),
    ],
)
def test_every_jacobian_and_damping_reach_the_same(name, jacobian, damped):
    """And what ``newton_info`` says is so: converged without the loop, to the residual it tells."""
    cell, params, state, xs = make_case(name)
    options = {"jacobian": jacobian, "damped": damped}

    @jax.jit
    def run(params, state, xs):
        found = loss_of(lambda *args: drivers.newton(*args, **options), cell)(params, state, xs)
        want = loss_of(drivers.scan, cell)(params, state, xs)
        return found, want, drivers.newton_info(cell, params, xs, state, **options)[2]

    found, want, info = run(params, state, xs)
    assert_same(found, want)
    assert bool(info.converged) and not bool(info.fell_back)
    assert 1 < int(info.iterations) < 60 and float(info.residual.max()) < 1e-14


def test_falls_back_and_says_so():
    """Where one iteration is not enough: values, states and gradients are those of the loop."""
    cell, params, state, xs = make_case("para_gru")
    options = {"max_iterations": 1, "reset": RESET}

    @jax.jit
    def run(params, state, xs):
        found, want = (
            loss_of(lambda *args, d=driver, o=more: d(*args, **o), cell)(params, state, xs)
            for driver, more in ((drivers.newton, options), (drivers.scan, {"reset": RESET}))
        )
        return found, want, drivers.newton_info(cell, params, xs, state, **options)[2]

    found, want, info = run(params, state, xs)
    assert_same(found, want)
    assert not bool(info.converged) and bool(info.fell_back) and int(info.iterations) == 1
    assert float(info.residual.max()) > 1e-14


@pytest.mark.slow
def test_damping_does_not_diverge_where_the_plain_iteration_does():
    """A chaotic network: corrections overflow float32, damped ones stay and shrink the error.

    Neither gets to the end, so both fall back, and the outputs are those of the loop.
    """
    cell = cells.Elman(input_size=1, hidden_size=8)
    random = np.random.default_rng(0)
    w_h = jnp.asarray(4 / np.sqrt(8) * random.standard_normal((8, 8)), jnp.float32)
    ones = jnp.ones((1, 8), jnp.float32)
    params = cells.ElmanParams(w_x=ones, w_h=w_h, b=jnp.zeros(8, jnp.float32))
    xs = jnp.asarray(random.standard_normal((200, 1, 1)), jnp.float32)

    @partial(jax.jit, static_argnums=(0, 1))
    def run(damped, number):
        _, ys, info = drivers.newton_info(
            cell, params, xs, damped=damped, jacobian="full", max_iterations=number
        )
        return ys, info

    want = jax.jit(lambda: drivers.scan(cell, params, xs)[1])()
    ys, info = run(False, 20)
    assert bool(info.fell_back) and not np.isfinite(info.residual).any()
    assert_same(ys, want, 1e-6)
    found = [run(True, number) for number in (1, 20)]
    assert all(bool(info.fell_back) for _, info in found)
    assert found[1][1].residual < found[0][1].residual < 1
    assert_same(found[1][0], want, 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "jacobian"), [("para_lstm", "auto"), ("elman", "diagonal")])
def test_derivatives_of_second_order_and_forward_mode(name, jacobian):
    """Hessians, forward over reverse, by the parallel and by the sequential rule."""
    cell, params, state, xs = make_case(name, num_steps=4, num_rows=1)

    def bend(driver, **options):
        def loss(b):
            return jnp.sin(driver(cell, params._replace(b=b), xs, state, **options)[1]).sum()

        return jax.jit(jax.jacfwd(jax.grad(loss)))(params.b)

    found = bend(drivers.newton, jacobian=jacobian)
    assert_same(found, bend(drivers.scan, gradient="autodiff"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["elman", "para_lstm"])
def test_nothing_comes_across_a_reset(name):
    """NaN before it leaves what follows alone; the Jacobian across is exactly 0."""
    cell, params, state, xs = make_case(name)
    reset = jnp.zeros(xs.shape[:2], bool).at[4].set(True)

    def late(state, xs):
        return jnp.sin(drivers.newton(cell, params, xs, state, reset=reset)[1][4:]).sum()

    slope = jax.jit(jax.grad(late, (0, 1)))
    d_state, d_xs = slope(state, xs)
    assert all(bool((leaf == 0).all()) for leaf in jax.tree.leaves(d_state))
    assert bool((d_xs[:4] == 0).all()) and bool((d_xs[4:] != 0).any())
    assert_same(slope(state, xs.at[:4].set(jnp.nan))[1][4:], d_xs[4:])


@pytest.mark.slow
def test_runs_inside_shard_map():
    """With its default check, gradients included."""
    cell, params, _, xs = make_case("para_lstm", num_rows=8)
    run = loss_of(drivers.newton, cell, reset=jnp.zeros((7, 1), bool).at[3].set(True))

    def local(params, xs):
        (d_params, _, d_xs), (_, ys) = run(params, None, xs)
        return d_params, d_xs, ys

    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    rows = P(None, "data")
    sharded = jax.shard_map(local, mesh=mesh, in_specs=(P(), rows), out_specs=(P(), rows, rows))
    d_params, d_xs, ys = jax.jit(sharded)(params, xs)
    alone = jax.jit(local)
    parts = [alone(params, xs[:, row : row + 1]) for row in range(8)]
    assert_same(d_params, jax.tree.map(lambda *leaves: sum(leaves), *(p[0] for p in parts)))
    assert_same((d_xs, ys), tuple(jnp.concatenate([p[k] for p in parts], 1) for k in (1, 2)))


@pytest.mark.parametrize(
    ("size", "reverse"),
    [(2, True)]
    + [pytest.param(k, r, marks=pytest.mark.slow) for k, r in ((1, True), (2, False), (5, True))],
)
def test_linear_solvers_against_dense_matrices(size, reverse):
    """Both recurrences as one large system and one large least-squares problem."""
    random = np.random.default_rng(size)
    steps = 5
    a = random.standard_normal((steps, 2, size, size))
    b = random.standard_normal((steps, 2, size))
    found = jax.jit(block_recurrence, static_argnums=2)(a, b, reverse)
    damped = jax.jit(damped_recurrence, static_argnums=3)(a, b, jnp.array(0.3), reverse)
    order = range(steps)[::-1] if reverse else range(steps)
    for g in range(2):
        system = np.eye(steps * size)
        for before, now in zip(order, list(order)[1:]):
            rows, columns = (slice(t * size, (t + 1) * size) for t in (now, before))
            system[rows, columns] = -a[now, g]
        right = b[:, g].ravel()
        want = np.linalg.solve(system, right)
        np.testing.assert_allclose(found[:, g].ravel(), want, rtol=0, atol=1e-12 * abs(want).max())
        want = np.linalg.solve(system.T @ system + 0.3 * np.eye(len(system)), system.T @ right)
        np.testing.assert_allclose(damped[:, g].ravel(), want, rtol=0, atol=1e-11)


def test_bad_choices_and_states_are_refused():
    cell, params, state, xs = make_case("elman")
    for bad, message in (
        ({"jacobian": "half"}, 'jacobian must be "auto"'),
        ({"tolerance": 0.0}, "tolerance must be above 0"),
        ({"max_iterations": 0}, "max_iterations must be a whole number >= 1"),
    ):
        with pytest.raises(ValueError, match=message):
            drivers.newton(cell, params, xs, state, **bad)
    with pytest.raises(ValueError, match="Counter has int32 in state.*use drivers.scan"):
        drivers.newton_blocks.check_floating((jnp.zeros(2, jnp.int32),), "Counter")

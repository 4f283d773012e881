"""``associative`` against ``scan``, and its precision over a hundred thousand steps."""

from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from rnn_jax import cells, drivers
from rnn_jax.drivers.associative import linear_recurrence
from tests.laws.cases import BY_LENGTH, LENGTHS, MASK, RESET, assert_same, make_case, poison
from tests.registry import CELLS, marked

AFFINE = [name for name, cell in CELLS.items() if cells.is_affine(cell)]
# By default real, complex, partly replaced and noisy coefficients: the others are of these kinds.
KINDS = ("min_gru", "lru"), ("qrnn", "zoneout_affine", "rg_lru", "sru", "teacher_forced_jordan")
RESETS = (("lru", True),), (("min_gru", False), ("lru", False), ("qrnn", True))


def loss_of(driver, cell, **options):
    """Value and gradients of a loss in which all outputs and the final state count."""

    def loss(leaves, rebuild, state, xs):
        final, ys = driver(cell, rebuild(leaves), xs, state, **options)
        terms = [jnp.sin(leaf.real + 0.3 * leaf.imag) for leaf in [ys, *jax.tree.leaves(final)]]
        weights = [jnp.cos(jnp.arange(term.size, dtype=term.dtype)) for term in terms]
        return sum(jnp.vdot(w, t.ravel()) for w, t in zip(weights, terms)), (final, ys)

    def run(params, state, xs):
        leaves, rebuild = drivers.common.split_inexact(params)
        differentiate = jax.grad(
            lambda p, s, x: loss(p, rebuild, s, x), argnums=(0, 1, 2), has_aux=True
        )
        return differentiate(leaves, state, xs)

    return run


@pytest.mark.parametrize("name", [marked(name, *KINDS) for name in AFFINE])
def test_equals_scan(name):
    """Values and gradients, from a given state, with NaN on the padding."""
    cell, params, state, xs = make_case(name)
    key = jax.random.key(2) if cells.is_stochastic(cell) else None
    cases = {
        "plain": (xs, {"key": key}),
        "lengths and reset": (poison(xs, BY_LENGTH), {"lengths": LENGTHS, "reset": RESET}),
        "mask and reset, reverse": (
            poison(xs, MASK),
            {"mask": MASK, "reset": RESET, "reverse": True, "key": key},
        ),
    }

    @jax.jit
    def both(params, state):
        return {
            what: [
                loss_of(driver, cell, **options)(params, state, xs)
                for driver in (drivers.associative, drivers.scan)
            ]
            for what, (xs, options) in cases.items()
        }

    for what, (found, want) in both(params, state).items():
        assert_same(found, want, what=f"{what}: ")


@pytest.mark.parametrize(
    "name, reverse", [marked(c, *RESETS) for c in product(AFFINE, (False, True))]
)
def test_nothing_comes_across_a_reset(name, reverse):
    """NaN and inf before it leave what follows alone; those after it, the gradients before it."""
    cell, params, state, xs = make_case(name)
    turn = (lambda x: x[::-1]) if reverse else (lambda x: x)
    steps = jnp.arange(7)[:, None] + jnp.zeros((1, 3), int)
    reset, mask = steps == 4, (steps != 2) & (steps != 5)
    bad_state = jax.tree.map(lambda leaf: jnp.full_like(leaf, jnp.nan), state)
    bad = poison(xs, (steps != 0) & (steps != 1) & (steps != 6))

    def roads(driver, marks):
        marks = {what: turn(mark) for what, mark in marks.items()} | {"reverse": reverse}

        def run(state, before, after):
            xs = turn(jnp.concatenate([before, after]))
            final, ys = driver(cell, params, xs, state, **marks)
            return turn(ys), final

        def late(state, before, after):
            return jnp.sin(run(state, before, after)[0][4:]).sum()

        def bend(after):
            slope = jax.grad(late, 2)
            return jax.jvp(lambda x: slope(bad_state, bad[:4], x), (after,), (jnp.cos(after),))[1]

        def full(before):
            return jnp.sin(run(state, before, bad[4:])[0]).sum()

        ys, final = run(bad_state, bad[:4], xs[4:])
        slopes = jax.jvp(lambda *xs: run(bad_state, *xs), (bad[:4], xs[4:]), (xs[:4], xs[4:]))[1]
        return {
            "after it": (ys[4:], final),
            "tangents after it": (slopes[0][4:], slopes[1]),
            "gradient after it": jax.grad(late, 2)(bad_state, bad[:4], xs[4:]),
            "second order": bend(xs[4:]),
            "gradient before it": jax.grad(full)(xs[:4]),
            "zero": jax.grad(late, (0, 1))(state, xs[:4], bad[4:]),
        }

    @jax.jit
    def both():
        cases = ({"reset": reset}, {"reset": reset, "mask": mask})
        return [[roads(d, marks) for d in (drivers.associative, drivers.scan)] for marks in cases]

    for found, want in both():
        assert_same(found, want)
        assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(found))
        assert all(bool((leaf == 0).all()) for leaf in jax.tree.leaves(found["zero"]))


@pytest.mark.parametrize("name", [marked(name, *KINDS) for name in AFFINE])
def test_a_state_of_nan_is_reset(name):
    """At the first step; nothing reaches its gradient, and the parameters' are as ever."""
    cell, params, state, xs = make_case(name)
    state = jax.tree.map(lambda leaf: jnp.full_like(leaf, jnp.nan), state)
    reset = jnp.zeros(xs.shape[:2], bool).at[0].set(True)
    roads = [loss_of(d, cell, reset=reset) for d in (drivers.associative, drivers.scan)]
    found, want = jax.jit(lambda *args: [run(*args) for run in roads])(params, state, xs)
    assert_same(found, want)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(found))
    assert all(bool((leaf == 0).all()) for leaf in jax.tree.leaves(found[0][1]))


@pytest.mark.parametrize("name", ["min_gru", "lru"])
def test_other_roads_and_orders(name):
    """Two calls for one, the cell's initial state, vmap over rows and over params, Hessians."""
    cell, params, state, xs = make_case(name)

    @jax.jit
    def roads(params, state, xs):
        run = lambda *args, **options: drivers.associative(cell, *args, **options)
        first, head = run(params, xs[:3], state)
        last, tail = run(params, xs[3:], first)
        both = jax.tree.map(lambda leaf: jnp.stack([leaf, 0.5 * leaf]), params)
        rows = jax.vmap(lambda x, s: run(params, x, s), in_axes=(1, 0), out_axes=(0, 1))

        def bend(driver):
            loss = lambda b: jnp.sin(driver(cell, b, xs[:4], state)[1]).sum()
            return jax.jacfwd(jax.grad(lambda b: loss(params._replace(w_x=b))))(params.w_x)

        return {
            "scan": drivers.scan(cell, params, xs, state),
            "in two parts": (last, jnp.concatenate([head, tail])),
            "rows": rows(xs, state),
            "params": jax.vmap(lambda p: run(p, xs, state))(both),
            "initial": (run(params, xs), drivers.scan(cell, params, xs)),
            "bends": (bend(drivers.associative), bend(drivers.scan)),
        }

    found = roads(params, state, xs)
    for road in ("in two parts", "rows"):
        assert_same(found[road], found["scan"], what=road)
    assert_same(jax.tree.map(lambda leaf: leaf[0], found["params"]), found["scan"], what="params")
    for what in ("initial", "bends"):
        assert_same(*found[what], what=what)


def test_runs_inside_shard_map():
    """With its default check, gradients included."""
    cell, params, _, xs = make_case("lru", num_rows=8)
    run = loss_of(drivers.associative, cell, reset=jnp.zeros((7, 1), bool).at[3].set(True))

    def local(params, xs):
        (d_params, _, d_xs), (final, ys) = run(params, None, xs)
        return d_params, d_xs, ys

    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    rows = P(None, "data")
    sharded = jax.shard_map(local, mesh=mesh, in_specs=(P(), rows), out_specs=(P(), rows, rows))
    d_params, d_xs, ys = jax.jit(sharded)(params, xs)
    alone = jax.jit(local)
    parts = [alone(params, xs[:, row : row + 1]) for row in range(8)]
    total = jax.tree.map(lambda *leaves: sum(leaves), *(part[0] for part in parts))
    assert_same(d_params, total)
    assert_same(d_xs, jnp.concatenate([part[1] for part in parts], 1))
    assert_same(ys, jnp.concatenate([part[2] for part in parts], 1))


def test_keeps_little_for_the_backward_pass():
    """a, the states, and the a of the reversed scan: plain differentiation keeps every level."""
    a, b = jnp.full((64, 8), 0.5), jnp.ones((64, 8))
    _, vjp = jax.vjp(lambda a, b: linear_recurrence(a, b, b[0]), a, b)
    assert sum(leaf.size for leaf in jax.tree.leaves(vjp)) <= 4 * a.size


def test_state_keeps_its_dtype():
    cell, params, state, xs = make_case("min_gru")
    for dtype in (jnp.bfloat16, jnp.float32):
        narrow = jax.tree.map(lambda leaf, d=dtype: leaf.astype(d), state)
        final, ys = drivers.associative(cell, params, xs, narrow)
        want, _ = drivers.scan(cell, params, xs, state)
        assert final.h.dtype == ys.dtype == dtype
        np.testing.assert_allclose(final.h.astype(jnp.float64), want.h, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("name", ["lstm", "elman", "clip"])
def test_other_cells_are_refused_at_once(name):
    cell = CELLS[name]
    with pytest.raises(ValueError, match=f"{type(cell).__name__} is not affine.*drivers.scan"):
        drivers.associative(cell, None, None)


NUM_STEPS = 100_000


def test_a_hundred_thousand_steps_in_single_precision():
    """Off by rounding, where minGRU's log-space form drifts with the length."""
    keep, value = np.random.default_rng(0).random((2, NUM_STEPS, 4)).astype(np.float32)
    write = (1 - keep) * value
    want, h = np.empty((NUM_STEPS, 4)), np.zeros(4)
    for t in range(NUM_STEPS):
        h = keep[t] * h + write[t]
        want[t] = h

    @jax.jit
    def both(keep, write):
        """And Feng et al., appendix B: cumulative sums of logarithms."""
        total = jnp.cumsum(jnp.log(keep), 0)
        log_space = jnp.exp(total + jax.lax.cumlogsumexp(jnp.log(write) - total))
        return linear_recurrence(keep, write, jnp.zeros(4, jnp.float32)), log_space

    found, drifting = map(np.asarray, both(keep, write))
    assert found.dtype == np.float32
    assert np.abs(found - want).max() <= 1e-6
    assert np.abs(drifting - want).max() >= 1e-3


@pytest.mark.slow
def test_a_hundred_thousand_steps_of_complex_numbers(optimized):
    cell = cells.LRU(input_size=2, hidden_size=4, min_radius=0.9, max_radius=0.999)
    params = cell.init(jax.random.key(0))
    xs = np.random.default_rng(1).standard_normal((NUM_STEPS, 2)).astype(np.float32)
    z = cell.encode(params, jnp.asarray(xs))
    a = np.asarray(cell.affine(params, z)[0].h[0], np.complex128)
    want, h = np.empty((NUM_STEPS, 4), complex), np.zeros(4)
    for t, write in enumerate(np.asarray(z.write)):
        h = a * h + write
        want[t] = h
    found = jax.jit(lambda p, x: drivers.associative(cell, p, x))(params, xs)[0].h
    assert np.abs(np.asarray(found) - want[-1]).max() <= 1e-6 * np.abs(want).max()

"""Laws 3, 5, 8, 11 and 15 for gradients: every road differentiates like the Python loop."""

import jax
import jax.numpy as jnp
import pytest

from rnn_jax import cells, drivers
from tests.laws.cases import (
    BY_LENGTH,
    LENGTHS,
    RESET,
    assert_same,
    jitter,
    make_case,
    poison,
)
from tests.registry import names


def split(tree):
    """The floating leaves, and a function that puts others in their places."""
    return drivers.common.split_inexact(tree)


def loss_of(cell, driver, **options):
    """A loss in which every output and every leaf of the final state counts differently."""

    def loss(params, state, xs):
        final, ys = driver(cell, params, xs, state, **options)
        leaves = [ys, *split(final)[0]]
        terms = [jnp.sin(leaf.real + 0.3 * leaf.imag) for leaf in leaves]
        weights = [jnp.cos(jnp.arange(leaf.size, dtype=leaf.dtype)) for leaf in terms]
        return sum(jnp.vdot(w, t.ravel()) for w, t in zip(weights, terms))

    return loss


def scan(*args, sum_inside=False, **options):
    """``drivers.scan``, as on one device where the weight gradients are summed inside the loop.

    With several devices and jit, as here, they are summed after it.
    """
    with pytest.MonkeyPatch.context() as patch:
        if sum_inside:
            patch.setattr(drivers.deferred, "may_be_partitioned", lambda xs: False)
        return drivers.scan(*args, **options)


def gradient_of(loss, params, state, xs):
    """Value and gradient by the floating leaves of params, state and xs."""
    p, to_params = split(params)
    s, to_state = split(state)
    run = lambda p, s, xs: loss(to_params(p), to_state(s), xs)
    return jax.value_and_grad(run, argnums=(0, 1, 2))(p, s, xs)


DEFERRED = {
    "deferred, summed inside": {"sum_inside": True, "store": "states"},
    "deferred, gates stored": {"store": "gates"},
}
CROSSED = {
    "deferred": {"store": "states"},
    "deferred, summed inside, gates stored": {"sum_inside": True, "store": "gates"},
}
RECOMPUTED = {
    "remat=step": {"remat": "step"},
    "remat=sqrt": {"remat": "sqrt"},
}


def roads_of(cell):
    """Those that are programs of their own for this cell."""
    return {"autodiff": {"gradient": "autodiff"}, **RECOMPUTED} | (
        DEFERRED if cells.is_gated(cell) else {}
    )


@pytest.mark.parametrize("name", names())
def test_all_roads_have_one_gradient(name):
    """The right one, as finite differences say below, and for three cells the loop itself."""
    cell, params, state, xs = make_case(name)
    poisoned = poison(xs, BY_LENGTH)
    padded = {"lengths": LENGTHS, "reset": RESET}
    roads = roads_of(cell)

    @jax.jit
    def all_gradients(params, state, xs, poisoned):
        plain, marked = {}, {}
        for road, options in roads.items():
            loss = loss_of(cell, scan, **options, **padded)
            marked[road] = gradient_of(loss, params, state, poisoned)
            if road not in RECOMPUTED:
                loss = loss_of(cell, scan, reverse=True, **options)
                plain[road] = gradient_of(loss, params, state, xs)
        for road, options in CROSSED.items() if name in ("lstm", "gru") else ():
            marked[road] = gradient_of(
                loss_of(cell, scan, **options, **padded), params, state, poisoned
            )
        if name in ("elman", "gru_before", "stacked"):
            loss = loss_of(cell, drivers.unrolled, **padded)
            marked["loop"] = gradient_of(loss, params, state, poisoned)
        return plain, marked

    plain, marked = all_gradients(params, state, xs, poisoned)
    for what, found in (("reverse", plain), ("padded and reset", marked)):
        for road, gradient in found.items():
            assert_same(gradient, found["autodiff"], what=f"{what}, {road}: ")
    d_xs = marked["autodiff"][1][2]
    assert bool((d_xs[~BY_LENGTH] == 0).all()), "a gradient reaches the padding"


@pytest.mark.parametrize("name", names())
def test_nothing_flows_back_across_a_reset(name):
    cell, params, state, xs = make_case(name)
    reset = jnp.zeros(xs.shape[:2], bool).at[4].set(True)

    @jax.jit
    def after_the_reset(params, state, xs):
        def loss(params, state, xs, **options):
            _, ys = drivers.scan(cell, params, xs, state, reset=reset, **options)
            return jnp.sum(jnp.sin(ys[4:]))

        roads = ({}, {"gradient": "autodiff"})
        gradients = [
            gradient_of(lambda *args, o=options: loss(*args, **o), params, state, xs)[1][1:]
            for options in roads
        ]
        both = (xs, xs.at[:4].set(jnp.nan))
        ys = [drivers.scan(cell, params, x, state, reset=reset)[1][4:] for x in both]
        return gradients, ys

    gradients, (clean, poisoned) = after_the_reset(params, state, xs)
    for d_state, d_xs in gradients:
        assert all(bool((leaf == 0).all()) for leaf in d_state)
        assert bool((d_xs[:4] == 0).all()) and bool((d_xs[4:] != 0).any())
    assert bool(jnp.isfinite(poisoned).all()), "NaN from before the reset"
    assert_same(poisoned, clean, what="after NaN and a reset: ")


@pytest.mark.parametrize("name", names())
def test_derivatives_match_finite_differences_to_second_order(name):
    """Forward, reverse, forward over reverse, and reverse over reverse on the deferred rule."""
    cell, params, state, xs = make_case(name, num_steps=3, num_rows=1)
    leaves, to_params = split(params)
    direction = jitter([jnp.zeros_like(leaf) for leaf in leaves], jax.random.key(3), 1.0)
    epsilon = 1e-4

    def loss(leaves, **options):
        return loss_of(cell, drivers.scan, **options)(to_params(leaves), state, xs)

    def plain(leaves):
        return loss(leaves, gradient="autodiff")

    def move(size):
        return [leaf + size * d for leaf, d in zip(leaves, direction)]

    def dot(a, b):
        return sum(jnp.vdot(x, y).real for x, y in zip(a, b))

    @jax.jit
    def derivatives():
        return {
            "slope by jvp": jax.jvp(plain, (leaves,), (direction,))[1],
            "slope by vjp": dot([d.conj() for d in jax.grad(loss)(leaves)], direction),
            "bend, forward over reverse": jax.jvp(
                lambda p: jax.jvp(plain, (p,), (direction,))[1], (leaves,), (direction,)
            )[1],
            "bend, reverse over reverse": dot(
                [
                    d.conj()
                    for d in jax.grad(
                        lambda p: dot([d.conj() for d in jax.grad(loss)(p)], direction)
                    )(leaves)
                ],
                direction,
            ),
            "at": [plain(move(k * epsilon)) for k in (-2, -1, 0, 1, 2)],
        }

    found = derivatives()
    a, b, c, d, e = found.pop("at")
    slope = (a - 8 * b + 8 * d - e) / (12 * epsilon)
    bend = (-a + 16 * b - 30 * c + 16 * d - e) / (12 * epsilon**2)
    for what, value in found.items():
        want, tolerance = (slope, 1e-8) if "slope" in what else (bend, 1e-5)
        assert abs(value - want) <= tolerance * max(1, abs(want)), f"{what}: {value} != {want}"


@pytest.mark.parametrize("name", names(cells.is_stochastic))
def test_one_key_is_one_noise_under_every_road(name):
    cell, params, state, xs = make_case(name)
    key, other = jax.random.split(jax.random.key(5))

    @jax.jit
    def all_roads(params, state, xs):
        roads = {
            **{road: (scan, {"key": key, **options}) for road, options in roads_of(cell).items()},
            "other key": (scan, {"key": other}),
            "no key": (scan, {}),
        }
        return {
            road: gradient_of(loss_of(cell, driver, **options), params, state, xs)
            for road, (driver, options) in roads.items()
        }

    found = all_roads(params, state, xs)
    for road in roads_of(cell):
        assert_same(found[road], found["autodiff"], what=road)
    final, ys = drivers.unrolled(cell, params, xs, state, key=key)
    same = jax.jit(lambda: scan(cell, params, xs, state, key=key))()
    assert_same(same, (final, ys), what="loop")
    values = {float(found[road][0]) for road in ("autodiff", "other key", "no key")}
    assert len(values) == 3, "the key makes no difference"


@pytest.mark.slow
@pytest.mark.parametrize("road", [*DEFERRED, *CROSSED])
@pytest.mark.parametrize("name", ["elman", "lstm", "gru"])
def test_the_deferred_rule_is_exact_to_second_order(name, road):
    """The gradient of a norm of the gradient, in reverse twice, with each way to sum and store."""
    cell, params, state, xs = make_case(name, num_steps=7, num_rows=2)
    leaves, to_params = split(params)

    def penalty(**options):
        def slope(leaves):
            loss = lambda p: loss_of(cell, scan, **options)(to_params(p), state, xs)
            return sum(jnp.sum(jnp.sin(d)) for d in jax.grad(loss)(leaves))

        return jax.jit(jax.grad(slope))(leaves)

    assert_same(penalty(**(DEFERRED | CROSSED)[road]), penalty(gradient="autodiff"), what=road)

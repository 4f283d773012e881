"""Law 10: every mix of dtypes of params, state and inputs traces once, and keeps its dtypes."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import pytest

from rnn_jax import drivers
from tests.laws.cases import LENGTHS, RESET, make_case
from tests.registry import names

FLOATS = (jnp.bfloat16, jnp.float32, jnp.float64)


def cast(tree, dtype):
    """Cast real leaves to ``dtype`` and complex ones to its complex partner."""

    def one(leaf):
        if jnp.issubdtype(leaf.dtype, jnp.complexfloating):
            return leaf.astype(jnp.complex128 if dtype == jnp.float64 else jnp.complex64)
        return leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf

    return jax.tree.map(one, tree)


def dtypes(tree):
    return [leaf.dtype for leaf in jax.tree.leaves(tree)]


@pytest.mark.parametrize("name", names())
def test_every_mix_of_dtypes_keeps_its_dtypes(name):
    cell, params, state, xs = make_case(name)

    def run(params, state, xs):
        return drivers.scan(cell, params, xs, state, lengths=LENGTHS, reset=RESET)

    def gradient(params, xs):
        leaves, rebuild = drivers.common.split_inexact(params)

        def loss(leaves):
            final, ys = run(rebuild(leaves), None, xs)
            return ys.astype(jnp.float32).sum(), (final, ys)

        return jax.grad(loss, has_aux=True)(leaves)

    for params_dtype, xs_dtype in itertools.product(FLOATS, FLOATS):
        p, x = cast(params, params_dtype), cast(xs, xs_dtype)
        where = f"params {params_dtype}, inputs {xs_dtype}"
        wanted = dtypes(drivers.common.split_inexact(p)[0])
        initial = cell.initial_state(p, xs.shape[1:2])
        slopes, out = jax.eval_shape(gradient, p, x)
        assert dtypes(slopes) == wanted, where
        found = [(initial, out)]
        for state_dtype in FLOATS:
            given = cast(state, state_dtype)
            found.append((given, jax.eval_shape(run, p, given, x)))
        for given, (final, ys) in found:
            assert dtypes(final) == dtypes(given), where
            assert jnp.issubdtype(ys.dtype, jnp.floating), where


@pytest.mark.parametrize("name", names())
def test_half_precision_is_near_double(name):
    cell, params, state, xs = make_case(name)
    want = drivers.unrolled(cell, params, xs, state)[1]
    half = [cast(tree, jnp.bfloat16) for tree in (params, state, xs)]
    # Rounding the parameters is no fault of the loop: the reference has the rounded ones.
    rounded = [cast(tree, jnp.float64) for tree in half]
    want = drivers.unrolled(cell, rounded[0], rounded[2], rounded[1])[1]
    for options in ({}, {"gradient": "autodiff"}):
        run = jax.jit(lambda p, s, x, o=options: drivers.scan(cell, p, x, s, **o)[1])
        ys = run(half[0], half[1], half[2]).astype(jnp.float64)
        scale = max(1.0, float(abs(want).max()))
        assert float(abs(ys - want).max()) <= 2e-2 * scale


@pytest.mark.parametrize("name", names())
def test_equal_cells_are_one_trace(name):
    cell, params, state, xs = make_case(name, num_steps=2)
    traces = []

    def run(cell, params, xs, state):
        traces.append(cell)
        return drivers.scan(cell, params, xs, state)[1]

    jitted = jax.jit(run, static_argnums=0)
    twin = dataclasses.replace(cell)
    assert twin == cell and hash(twin) == hash(cell) and twin is not cell
    jitted.eval_shape(cell, params, xs, state)
    jitted.eval_shape(twin, params, xs, state)
    assert len(traces) == 1


@pytest.mark.parametrize("name", names())
def test_nan_parameters_show(name):
    cell, params, state, xs = make_case(name, num_steps=2)
    leaves, rebuild = drivers.common.split_inexact(params)
    broken = rebuild([jnp.full_like(leaf, jnp.nan) for leaf in leaves])
    _, ys = drivers.unrolled(cell, broken, xs, state)
    assert bool(jnp.isnan(ys).any()), "NaN parameters were swallowed"

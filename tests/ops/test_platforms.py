"""Compiling for a platform that is not here."""

import jax
import jax.numpy as jnp
import pytest

from rnn_jax import cells, drivers, ops

CELL = cells.LSTM(input_size=3, hidden_size=4)


def test_what_is_traced_within_is_for_that_platform():
    """One jitted function, traced for each: chunks of 8 steps here, of 16 there."""
    params, xs = CELL.init(jax.random.key(0)), jnp.ones((32, 2, 3))
    slope = jax.jit(jax.grad(lambda params: drivers.scan(CELL, params, xs)[1].sum()))

    def chunks():
        """Of the backward loop."""
        return [
            equation.params["length"]
            for equation in jax.make_jaxpr(slope)(params).eqns[0].params["jaxpr"].eqns
            if equation.primitive.name == "scan"
        ][-1]

    here = chunks()
    with drivers.compiling_for("tpu"):
        there = chunks()
        assert ops.target_platform() == "tpu"
        assert "optimization_barrier" not in str(jax.make_jaxpr(slope)(params))
    assert here == chunks() == 4 and there == 2


@pytest.mark.parametrize("platform", ["cpu", "tpu"])
def test_what_is_stored_is_for_that_platform(platform):
    """``auto`` with the platform named is ``scan`` compiled for it."""
    params, xs = CELL.init(jax.random.key(0)), jnp.ones((32, 2, 3))

    def traced(driver, **options):
        loss = lambda params: driver(CELL, params, xs, **options)[1].sum()
        return str(jax.make_jaxpr(jax.grad(loss))(params))

    with drivers.compiling_for(platform):
        chosen = traced(drivers.scan)
        stores = {s: traced(drivers.scan, store=s) for s in ("states", "gates")}
    assert stores["gates"] != stores["states"]
    assert chosen == stores["gates" if platform == "cpu" else "states"]
    assert traced(drivers.auto, platform=platform) == chosen
    assert ops.target_platform() == jax.default_backend()


def test_another_is_refused():
    with pytest.raises(ValueError, match="platform must be .* got 'npu'"):
        drivers.compiling_for("npu")

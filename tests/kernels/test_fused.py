"""Law 15, kernel = step: ``fused`` against ``scan``, and what it becomes for a TPU."""

import jax
import jax.numpy as jnp
import pytest

from rnn_jax import cells, drivers
from rnn_jax.kernels import blocks
from tests.laws.cases import BY_LENGTH, LENGTHS, RESET, assert_same, make_case, poison
from tests.laws.test_dtypes import cast
from tests.laws.test_gradients import gradient_of, loss_of
from tests.registry import CELLS

GATED = [name for name, cell in CELLS.items() if cells.is_gated(cell)]
# What Mosaic does not compile.
REFUSED = {
    "clockwork": "broadcast_in_dim of booleans to more than two axes",
    "gradient_clip": "custom_linear_solve",
    "time_index": r"state.t of TimeIndex has shape \(3,\)",
}
QUICK = {"elman"}  # the interpreter of kernels compiles slowly


def fused(*args, **options):
    return drivers.fused(*args, interpret=True, **options)


def both_ways(cell, params, state, xs, **options):
    """(state, outputs), value and gradients by each driver."""

    @jax.jit
    def run(params, state, xs):
        return [
            (
                driver(cell, params, xs, state, **options),
                gradient_of(loss_of(cell, driver, **options), params, state, xs),
            )
            for driver in (fused, drivers.scan)
        ]

    return run(params, state, xs)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name not in QUICK))
        for name in GATED
        if name not in REFUSED
    ],
)
def test_equals_scan_in_values_and_gradients(name):
    cell, params, state, xs = make_case(name)
    marked = {"lengths": LENGTHS, "reset": RESET}
    found, expected = both_ways(cell, params, state, poison(xs, BY_LENGTH), **marked)
    assert_same(found, expected, what="lengths and reset: ")
    if cells.is_stochastic(cell):
        found, expected = both_ways(cell, params, state, xs, key=jax.random.key(5), reverse=True)
    else:
        found, expected = both_ways(cell, params, state, xs, reverse=True)
    assert_same(found, expected, what="reverse: ")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_half_precision_is_near_double(name):
    cell, params, state, xs = make_case(name)
    half = [cast(tree, jnp.bfloat16) for tree in (params, state, xs)]
    found, _ = both_ways(cell, *half)
    _, expected = both_ways(cell, *(cast(tree, jnp.float64) for tree in half))
    assert_same(cast(found, jnp.float64), expected, 2e-2)


@pytest.mark.slow
def test_batch_axes_are_free():
    """None, two, noise drawn by row, and rows mapped over."""
    cell, params, state, xs = make_case("variational_dropout", num_rows=4)
    key = jax.random.key(3)
    one = jax.tree.map(lambda leaf: leaf[1], state)
    two = jax.tree.map(lambda leaf: leaf.reshape(2, 2, -1), state)

    @jax.jit
    def roads(params, state, xs):
        def by(driver):
            return (
                driver(cell, params, xs[:, 1], one),
                driver(cell, params, xs.reshape(-1, 2, 2, xs.shape[-1]), two, key=key),
                jax.vmap(lambda x, s: driver(cell, params, x, s), (1, 0), (0, 1))(xs, state),
            )

        return by(fused), by(drivers.scan)

    assert_same(*roads(params, state, xs))


@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_is_one_kernel_forward_and_one_back_for_a_tpu(name):
    """Lowered here, with float64 switched on, for a device that is not here."""
    cell, params, state, xs = make_case(name, jnp.bfloat16)

    def gradient(params, xs):
        loss = lambda *args: drivers.fused(cell, *args, lengths=LENGTHS)[1].sum()
        return jax.grad(loss, argnums=(0, 1))(params, xs)

    traced = jax.jit(gradient).trace(params, xs)
    text = traced.lower(lowering_platforms=("tpu",)).as_text()
    assert text.count("@tpu_custom_call") == 2 and "stablehlo.while" not in text


@pytest.mark.slow
def test_each_device_has_its_kernel_in_shard_map():
    """With the default check; the interpreter of kernels knows no varying axes, so no values."""
    cell, params, _, xs = make_case("lstm", jnp.float32, num_rows=4)
    mesh = jax.make_mesh((4,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec

    def local(params, xs):
        loss = lambda *args: drivers.fused(cell, *args, reset=RESET[:, :1])[1].sum()
        return jax.grad(loss, argnums=(0, 1))(params, xs)

    run = jax.shard_map(
        local,
        mesh=mesh,
        in_specs=(spec(), spec(None, "data")),
        out_specs=(spec(), spec(None, "data")),
    )
    text = jax.jit(run).trace(params, xs).lower(lowering_platforms=("tpu",)).as_text()
    assert text.count("@tpu_custom_call") == 2 and "all_reduce" in text


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_kernel_holds_is_refused(name):
    cell, params, _, xs = make_case(name)
    with pytest.raises(ValueError, match=f"{REFUSED[name]}.*drivers.scan"):
        fused(cell, params, xs)


def test_says_what_does_not_fit(monkeypatch):
    cell, params, state, xs = make_case("lstm")
    with pytest.raises(ValueError, match="float64, which TPUs do not compute with"):
        drivers.fused(cell, params, xs)
    with pytest.raises(ValueError, match="runs on TPUs, and the arrays are on cpu"):
        drivers.fused(cell, *(cast(tree, jnp.float32) for tree in (params, xs)))
    with pytest.raises(ValueError, match="MinGRU is not gated"):
        fused(CELLS["min_gru"], *make_case("min_gru")[1::2])
    with pytest.raises(ValueError, match='gradient="autodiff"'):
        jax.jvp(lambda xs: fused(cell, params, xs)[1], (xs,), (xs,))
    first = jax.grad(lambda xs: fused(cell, params, xs)[1].sum())
    with pytest.raises(ValueError, match="first order alone.*use drivers.scan"):
        jax.eval_shape(jax.grad(lambda xs: first(xs).sum()), xs)
    monkeypatch.setattr(blocks, "VMEM_BYTES", 1000)
    with pytest.raises(ValueError, match="does not fit the 1000 bytes.*use drivers.scan"):
        fused(cell, params, xs)

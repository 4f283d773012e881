"""Law 12: pmap, shard_map, sharded jit (Auto, Explicit) give one device's values and gradients."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from rnn_jax import cells, drivers
from tests.laws.cases import assert_same, make_case
from tests.registry import CELLS, marked, names
from tests.static import count_in_while

NUM_DEVICES = 8
ROWS = P(None, "data")  # time, rows
LENGTHS = jnp.array([7, 0, 4, 1, 7, 2, 6, 5])
RESET = jnp.zeros((7, NUM_DEVICES), bool).at[3, ::2].set(True).at[5, 1].set(True)


def mesh(axis_type):
    return jax.make_mesh((NUM_DEVICES,), ("data",), axis_types=(axis_type,))


def setup(name):
    cell, params, _, xs = make_case(name, num_rows=NUM_DEVICES)
    leaves, to_params = drivers.common.split_inexact(params)

    def loss(leaves, xs, lengths, reset, **options):
        """Sum over rows, so that shards add up."""
        final, ys = drivers.scan(
            cell, to_params(leaves), xs, lengths=lengths, reset=reset, **options
        )
        kept = drivers.common.split_inexact(final)[0]
        terms = [jnp.sin(leaf.real + 0.3 * leaf.imag).sum() for leaf in [ys, *kept]]
        return sum(terms), ys

    return cell, leaves, xs, loss


def under_shard_map(loss, axis_type):
    """Each device differentiates its own rows; spreading the params transposes to one psum."""

    def local(leaves, xs, lengths, reset):
        (value, ys), gradient = jax.value_and_grad(loss, has_aux=True)(leaves, xs, lengths, reset)
        return jax.lax.psum(value, "data"), ys, gradient

    specs = (P(), ROWS, P("data"), ROWS)
    return jax.jit(
        jax.shard_map(local, mesh=mesh(axis_type), in_specs=specs, out_specs=(P(), ROWS, P()))
    )


def under_pmap(loss):
    def local(leaves, xs, lengths, reset):
        (value, ys), gradient = jax.value_and_grad(loss, has_aux=True)(leaves, xs, lengths, reset)
        return jax.lax.psum(value, "data"), ys, jax.lax.psum(gradient, "data")

    mapped = jax.pmap(local, "data", in_axes=(None, 1, 0, 1), out_axes=(None, 1, None))

    def run(leaves, xs, lengths, reset):
        def split(a, axis):
            return a.reshape(*a.shape[:axis], NUM_DEVICES, -1, *a.shape[axis + 1 :])

        value, ys, gradient = mapped(leaves, split(xs, 1), split(lengths, 0), split(reset, 1))
        return value, ys.reshape(xs.shape[:2] + ys.shape[3:]), gradient

    return run


def under_jit(loss, axis_type):
    def whole(leaves, xs, lengths, reset):
        (value, ys), gradient = jax.value_and_grad(loss, has_aux=True)(leaves, xs, lengths, reset)
        return value, ys, gradient

    return jax.jit(whole), mesh(axis_type)


def place(mesh, leaves, xs):
    def put(a, spec):
        return jax.device_put(a, NamedSharding(mesh, spec))

    leaves = [put(leaf, P()) for leaf in leaves]
    return leaves, put(xs, ROWS), put(LENGTHS, P("data")), put(RESET, ROWS)


def check(name, modes):
    cell, leaves, xs, loss = setup(name)
    (value, ys), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(
        leaves, xs, LENGTHS, RESET
    )
    for mode in modes:
        if mode == "pmap":
            found = under_pmap(loss)(leaves, xs, LENGTHS, RESET)
        elif mode == "shard_map":
            run = under_shard_map(loss, AxisType.Auto)
            found = run(*place(mesh(AxisType.Auto), leaves, xs))
            lowered = run.lower(*place(mesh(AxisType.Auto), leaves, xs)).compile()
            assert count_in_while(lowered, "all-reduce") == 0
        else:
            axis_type = AxisType.Auto if mode == "jit auto" else AxisType.Explicit
            run, where = under_jit(loss, axis_type)
            with jax.set_mesh(where):
                arguments = place(where, leaves, xs)
                compiled = run.lower(*arguments).compile()
                found = compiled(*arguments)
            if cells.is_gated(cell):
                assert count_in_while(compiled, "all-reduce") == 0, mode
        found = jax.device_get(found)
        assert_same(jax.tree.map(jnp.asarray, found), (value, ys, gradient), what=f"{mode}: ")


MODES = ("pmap", "shard_map", "jit auto", "jit explicit")


QUICK = ("elman", "lstm")
SLOW = (  # of each kind one: four programs a cell; for all of them the test below traces two
    *("gru", "jordan", "min_gru", "lru", "conv_lstm", "stacked", "zoneout", "attentive"),
    *("slstm", "learned_initial_state", "random_initial_state"),
)


@pytest.mark.parametrize("name", [marked(name, QUICK, SLOW) for name in CELLS])
def test_every_parallel_mode_equals_one_device(name):
    check(name, MODES)


@pytest.mark.parametrize("name", names())
def test_types_agree_in_every_mode(name):
    """What fails with other libraries fails while tracing, so tracing alone is the quick test."""
    _, leaves, xs, loss = setup(name)
    under_shard_map(loss, AxisType.Auto).eval_shape(leaves, xs, LENGTHS, RESET)
    run, where = under_jit(loss, AxisType.Explicit)
    with jax.set_mesh(where):
        value, ys, gradient = run.eval_shape(*place(where, leaves, xs))
    assert ys.sharding.spec[1] == "data"
    assert [d.shape for d in gradient] == [leaf.shape for leaf in leaves]


def test_weights_may_be_sharded_along_their_inputs():
    """All rows on every device, ``w_x`` cut between them, on a mesh that types each product."""
    cell = cells.Elman(input_size=4, hidden_size=3)
    params, xs = cell.init(jax.random.key(0)), jax.random.normal(jax.random.key(1), (5, 2, 4))
    loss = lambda params, xs: jnp.sum(jnp.sin(drivers.scan(cell, params, xs)[1]))
    expected = jax.grad(loss, (0, 1))(params, xs)
    where = mesh(AxisType.Explicit)
    axis = where.axis_names[0]
    with jax.set_mesh(
        jax.sharding.Mesh(where.devices.ravel()[:4], (axis,), axis_types=(AxisType.Explicit,))
    ):
        cut = params._replace(w_x=jax.device_put(params.w_x, P(axis, None)))
        found = jax.jit(jax.grad(loss, (0, 1)))(cut, xs)
    assert_same(jax.device_get(found), expected, what="w_x cut: ")

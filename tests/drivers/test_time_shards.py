"""``associative`` with time sharded over 8 devices: the numbers of one device, one exchange."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from benchmarks.census import collectives
from rnn_jax import cells, drivers
from tests.laws.cases import assert_same, make_case, poison

NUM_STEPS = 16
TIME = P("time")
LENGTHS = jnp.array([16, 0, 9])
RESET = jnp.zeros((NUM_STEPS, 3), bool).at[5, 0].set(True).at[8, 2].set(True)


def sharded(cell, reverse=False):
    """The driver over a mesh: takes and gives whole sequences."""

    def run(params, xs, state, lengths, reset):
        marks = {"lengths": lengths, "reset": reset, "reverse": reverse}
        return drivers.associative(cell, params, xs, state, axis_name="time", **marks)

    mesh = jax.make_mesh((8,), ("time",), axis_types=(AxisType.Auto,))
    specs = (P(), TIME, P(), P(), TIME)
    return jax.shard_map(run, mesh=mesh, in_specs=specs, out_specs=(P(), TIME))


def alone(cell, reverse=False):
    def run(params, xs, state, lengths, reset):
        marks = {"lengths": lengths, "reset": reset, "reverse": reverse}
        return drivers.scan(cell, params, xs, state, **marks)

    return run


def derivatives(run, params, xs, state, *marks):
    """What the driver gives, and the gradient of all of it."""

    def loss(params, xs, state):
        final, ys = run(params, xs, state, *marks)
        total = 0.0
        for leaf in [ys, *jax.tree.leaves(final)]:
            wave = jnp.sin(leaf.real + 0.3 * leaf.imag).ravel()
            total += jnp.vdot(wave, jnp.cos(jnp.arange(wave.size, dtype=wave.dtype)))
        return total, (final, ys)

    return jax.grad(loss, (0, 1, 2), has_aux=True)(params, xs, state)


@pytest.mark.parametrize(
    "name, reverse, marked",
    [
        ("min_gru", False, True),
        pytest.param("lru", True, True, marks=pytest.mark.slow),
        ("lru", False, False),
    ],
)
def test_equals_one_device(name, reverse, marked):
    """Values and gradients, with and without lengths and resets, NaN where there is padding."""
    cell, params, state, xs = make_case(name, num_steps=NUM_STEPS)
    marks = (LENGTHS, RESET) if marked else (None, None)
    if marked:
        xs = poison(xs, jnp.arange(NUM_STEPS)[:, None] < LENGTHS[None])

    @jax.jit
    def both(params, state):
        roads = (make(cell, reverse) for make in (sharded, alone))
        return [derivatives(run, params, xs, state, *marks) for run in roads]

    assert_same(*both(params, state))


def test_one_small_exchange():
    """One collective, outside the loops, whatever the number of leaves and steps."""
    cell, params, state, xs = make_case("lru", num_steps=8 * 64)
    marks = (LENGTHS, jnp.zeros(xs.shape[:2], bool).at[100, 0].set(True))
    text = jax.jit(sharded(cell)).lower(params, xs, state, *marks).compile().as_text()
    assert collectives(text) == {"all-gather": (1, 0)}


def test_nan_stays_before_a_reset():
    """In another device's part, too."""
    cell, params, state, xs = make_case("min_gru", num_steps=NUM_STEPS)
    reset = jnp.zeros((NUM_STEPS, 3), bool).at[5].set(True)
    bad = xs.at[1].set(jnp.nan)

    def loss(params, late):
        xs = bad.at[6:].set(late)
        return sharded(cell)(params, xs, state, None, reset)[1][6:].sum()

    value, slope = jax.jit(jax.value_and_grad(loss, 1))(params, xs[6:])
    clean = lambda late: drivers.scan(cell, params, xs.at[6:].set(late), state, reset=reset)[1][
        6:
    ].sum()
    assert_same((value, slope), jax.value_and_grad(clean)(xs[6:]))


def test_what_cannot_be_sharded():
    cell = cells.MinGRU(input_size=3, hidden_size=4)
    params = cell.init(jax.random.key(0))
    with pytest.raises(ValueError, match="no mesh axis of that name is bound here.*shard_map"):
        drivers.associative(cell, params, jnp.ones((4, 3)), axis_name="time")

    def with_key(params, xs):
        key = jax.random.key(0)
        return drivers.associative(cell, params, xs, axis_name="time", key=key)[1]

    mesh = jax.make_mesh((8,), ("time",), axis_types=(AxisType.Auto,))
    run = jax.shard_map(with_key, mesh=mesh, in_specs=(P(), TIME), out_specs=TIME)
    with pytest.raises(ValueError, match="key and axis_name cannot go together"):
        run(params, jnp.ones((8, 3)))

"""Law 14: learning forward in time gives the gradient of backpropagation; and what it is for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec as P

from rnn_jax import cells, drivers
from tests.laws.cases import BY_LENGTH, LENGTHS, RESET, assert_same, make_case, poison, rows_of
from tests.registry import CELLS
from tests.static import temp_bytes

T = 7
WEIGHTS = jnp.cos(jnp.arange(T, dtype=float))
QUICK = {"elman", "min_gru", "zoneout"}  # by default; then in CI, of each kind one
SLOW = {"lstm", "gru", "indrnn", "lru", "stacked", "attentive", "learned_initial_state", "sru"}


def loss(y, weight):
    return (jnp.sin(y) * weight.astype(y.dtype)).sum() + 0.3 * jnp.square(y).sum()


def backward(cell, params, xs, state=None, **options):
    """The gradient of all losses by the floating leaves, through ``scan``, and the losses."""
    leaves, rebuild = drivers.common.split_inexact(params)

    def total(leaves):
        _, ys = drivers.scan(cell, rebuild(leaves), xs, state, **options)
        losses = jax.vmap(loss)(ys, WEIGHTS[: len(ys)])
        return losses.sum(), (losses, ys)

    return jax.grad(total, has_aux=True)(leaves)


def forward(cell, params, xs, memory=None, *, begin=0, **options):
    targets = WEIGHTS[begin : begin + len(xs)]
    return drivers.rtrl(cell, params, xs, memory, loss=loss, targets=targets, **options)


def same(learned, want, tolerance=1e-10):
    gradient, (losses, ys) = want
    found = drivers.common.split_inexact(learned.gradient)[0]
    assert_same((found, learned.loss, learned.y), (gradient, losses, ys), tolerance)


def mark(name):
    if name in QUICK:
        return ()
    return pytest.mark.slow if name in SLOW else pytest.mark.full


@pytest.mark.parametrize("name", [pytest.param(n, marks=mark(n)) for n in CELLS])
def test_equals_backpropagation(name):
    """With noise where the cell has some, NaN on the padding, resets within the sequence."""
    cell, params, _, xs = make_case(name)
    options = {"lengths": LENGTHS, "reset": RESET}
    options["key"] = jax.random.key(2) if cells.is_stochastic(cell) else None
    xs = poison(xs, BY_LENGTH)

    @jax.jit
    def both(params):
        return forward(cell, params, xs, **options), backward(cell, params, xs, **options)

    same(*both(params))


def test_calls_steps_and_methods_agree():
    """Two calls, a loop of steps, batch axes, from a given state, reversed; on a diagonal cell."""
    cell, params, state, xs = make_case("min_gru")
    init = lambda batch, method, state=None: drivers.rtrl_init(
        cell, params, batch, state, method=method
    )
    names = (None, "diagonal", "full", "snap1")  # all exact here

    def steps():
        memory, total = init((3,), None), jax.tree.map(jnp.zeros_like, params)
        for t in range(3):
            step = drivers.rtrl_step(
                cell, params, memory, xs[t], lambda y, t=t: loss(y, WEIGHTS[t]), reset=RESET[t]
            )
            memory, total = step.memory, jax.tree.map(jnp.add, total, step.gradient)
        return total

    @jax.jit
    def roads(params):
        first = forward(cell, params, xs[:3], init((3,), "full", state))
        second = forward(cell, params, xs[3:], first.memory, begin=3)
        square = jnp.stack([xs, xs], 2)
        twice = forward(cell, params, square, init((3, 2), None))
        bare = [forward(cell, params, xs[:, r]) for r in range(3)]
        return {
            "methods": [forward(cell, params, xs, init((3,), name, state)) for name in names],
            "in two calls": jax.tree.map(jnp.add, first.gradient, second.gradient),
            "steps": steps(),
            "reset": backward(cell, params, xs[:3], reset=RESET[:3])[0],
            "reverse": forward(cell, params, xs, reverse=True),
            "rows": [
                jax.tree.map(lambda g: g / 2, twice.gradient),
                jax.tree.map(lambda *g: sum(g), *(learned.gradient for learned in bare)),
            ],
            "want": backward(cell, params, xs, state),
            "want reverse": backward(cell, params, xs, reverse=True),
            "want rows": backward(cell, params, xs),
        }

    found = roads(params)
    for learned in found["methods"]:
        same(learned, found["want"])
    same(found["reverse"], found["want reverse"])
    for gradient in found["rows"]:
        assert_same(list(gradient), found["want rows"][0], 1e-10)
    assert_same(list(found["in two calls"]), found["want"][0], 1e-10)
    assert_same(list(found["steps"]), found["reset"], 1e-10)


def test_what_the_loss_says_of_padding_does_not_count():
    """A target of NaN there; and a held row keeps its influence, a reset one has none of before."""
    cell, params, _, xs = make_case("indrnn")
    mask = jnp.array([True, False, True])
    memory = drivers.rtrl_init(cell, params, (3,))
    target = jnp.where(mask[:, None], xs[0, :, :1], jnp.nan)

    @jax.jit
    def step(memory, x, reset):
        fit = lambda y: jnp.square(y - jnp.broadcast_to(target, y.shape)).sum()
        return drivers.rtrl_step(cell, params, memory, x, fit, mask=mask, reset=reset)

    none = jnp.zeros(3, bool)
    bad = xs[1].at[1].set(jnp.nan)
    warm = step(memory, xs[0], none)
    held, clean = step(warm.memory, bad, none), step(warm.memory, xs[1], none)
    assert_same(held.gradient, clean.gradient, 0.0)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(held.gradient))
    row = lambda memory, r: rows_of((memory.state, memory.influence), r)
    assert_same(row(held.memory, 1), row(warm.memory, 1), 0.0)
    bad = jax.tree.map(lambda leaf: leaf * jnp.nan, warm.memory)
    again, fresh = (step(m, xs[1], ~none) for m in (bad, memory))
    assert_same(row(again.memory, 0), row(fresh.memory, 0), 0.0)


@pytest.mark.usefixtures("optimized")
@pytest.mark.parametrize("method", ["full", pytest.param("snap1", marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_time(method):
    """Of the compiled programs: no more for 8 times the steps, where backpropagation takes 8."""
    cell = cells.Elman(input_size=4, hidden_size=8)
    params = cell.init(jax.random.key(0))

    def need(method, num_steps):
        def learn(params, xs):
            square = lambda y: jnp.square(y).sum()
            if method == "backward":
                run = lambda p: jax.vmap(square)(drivers.scan(cell, p, xs)[1]).sum()
                return jax.grad(run)(params)
            memory = drivers.rtrl_init(cell, params, (2,), method=method)
            return drivers.rtrl(cell, params, xs, memory, loss=square).gradient

        return temp_bytes(learn, params, jnp.ones((num_steps, 2, 4)))

    assert need(method, 512) - need(method, 64) <= 448 * 2 * 8 * 8 + 64  # the outputs alone
    assert need("backward", 512) >= 4 * need("backward", 64)


def test_learns_online():
    """The input of two steps before, which takes a memory: the parameters move at every step."""
    cell = cells.OutputHead(cell=cells.Elman(input_size=1, hidden_size=8), head_size=1)
    params = cell.init(jax.random.key(0))
    xs = jnp.sign(jax.random.normal(jax.random.key(1), (600, 8, 1)))

    @jax.jit
    def learn(params):
        def body(carry, at):
            params, speed, memory = carry
            fit = lambda y: jnp.square(y - at[1]).mean()
            step = drivers.rtrl_step(cell, params, memory, at[0], fit)
            speed = jax.tree.map(lambda v, d: 0.9 * v + d, speed, step.gradient)
            params = jax.tree.map(lambda p, v: p - 0.01 * v, params, speed)
            return (params, speed, step.memory), step.loss

        params = jax.tree.map(lambda leaf: leaf.astype(xs.dtype), params)
        memory = drivers.rtrl_init(cell, params, (8,), method="snap1")
        zeros = jax.tree.map(jnp.zeros_like, params)
        return jax.lax.scan(body, (params, zeros, memory), (xs[2:], xs[:-2]))[1]

    losses = np.asarray(learn(params))
    assert losses[0] > 0.8 and losses[-50:].mean() < 0.05, losses[-50:].mean()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "snap1"])
def test_half_precision_and_shard_map(method):
    """Influences are wide, gradients have the parameters' dtype, devices sum."""
    cell, params, _, xs = make_case("elman", jnp.float32, num_rows=8)
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params)

    def learn(params, xs):
        memory = drivers.rtrl_init(cell, params, (xs.shape[1],), method=method)
        learned = forward(cell, params, xs, memory)
        return learned.gradient, learned.y

    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    rows = P(None, "data")
    sharded = jax.shard_map(learn, mesh=mesh, in_specs=(P(), rows), out_specs=(P(), rows))
    one, many = jax.jit(learn)(params, xs), jax.jit(sharded)(params, xs)
    assert_same(many, one, 1e-5)
    rounded = jax.jit(learn)(half, xs)[0]
    assert all(leaf.dtype == jnp.bfloat16 for leaf in rounded)
    for a, b in zip(rounded, one[0]):
        assert float(abs(a.astype(jnp.float32) - b).max() / abs(b).max()) < 0.05
    memory = drivers.rtrl_init(cell, half, method=method)
    assert {leaf.dtype for leaf in memory.influence} == {jnp.dtype(jnp.float32)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "diagonal"}, "what .w_x of Elman does to a unit spreads to others"),
        ({"method": "exact"}, "method must be one of"),
        ({"method": "uoro"}, "needs a key"),
        ({"key": jax.random.key(0)}, "needs a key"),
        ({"state": cells.ElmanState(h=jnp.zeros(5))}, "state.h has shape"),
    ],
)
def test_bad_input_is_refused(options, message):
    cell, params, _, _ = make_case("elman")
    with pytest.raises(ValueError, match=message):
        drivers.rtrl_init(cell, params, **options)


def test_a_memory_of_something_else_is_refused():
    cell, params, _, xs = make_case("elman")
    memory = drivers.rtrl_init(cell, params, (2,))
    with pytest.raises(ValueError, match=r"state.h has shape \(2, 4\)"):
        forward(cell, params, xs, memory)
    wrong = drivers.rtrl_init(cell, params, (3,))
    wrong = drivers.RTRLMemory(state=wrong.state, influence=wrong.influence[:2])
    with pytest.raises(ValueError, match="memory.influence does not fit Elman"):
        forward(cell, params, xs, wrong)
    attentive = CELLS["attentive"].cell
    bound = CELLS["attentive"].init(jax.random.key(0))
    with pytest.raises(ValueError, match="params.memory.* is none of the parameters"):
        drivers.rtrl_init(attentive, bound)

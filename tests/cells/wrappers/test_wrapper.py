"""What all wrappers do alike: say honestly what they can, pass on what they do not change, nest."""

import jax
import jax.numpy as jnp
import pytest

from rnn_jax import cells, drivers
from rnn_jax.cells import base
from tests.cells.reference import assert_close
from tests.cells.wrappers.drawn import KEY, drawn, numbers_for

LSTM = cells.LSTM(input_size=3, hidden_size=4)
AFFINE = cells.MinGRU(input_size=3, hidden_size=4)
NEITHER = cells.GRU(input_size=3, hidden_size=4, reset="before")
ALL = {  # what each makes of a gated, an affine and a stochastic cell: does it stay so?
    "wrapper": (lambda cell: cells.Wrapper(cell=cell), True, True),
    "zoneout": (lambda cell: cells.Zoneout(cell=cell, h_rate=0.5), True, True),
    "variational": (lambda cell: cells.VariationalDropout(cell=cell, input_rate=0.5), True, True),
    "weight drop": (lambda c: cells.WeightDrop(cell=c, rate=0.5, names=("w_x",)), True, True),
    "clip": (lambda cell: cells.Clip(cell=cell, h_limit=0.5), True, False),
    "gradient clip": (lambda cell: cells.GradientClip(cell=cell, limit=1.0), True, False),
    "time index": (lambda cell: cells.TimeIndex(cell=cell), True, False),
    "context": (lambda cell: cells.Context(cell=cell, context_size=1, optional=True), True, True),
    "learned": (lambda cell: cells.LearnedInitialState(cell=cell), True, True),
    "random": (lambda cell: cells.RandomInitialState(cell=cell), True, True),
    "head": (lambda cell: cells.OutputHead(cell=cell, head_size=2), True, True),
    "precision": (
        lambda cell: cells.Precision(cell=cell, compute_dtype=float, state_dtype=float),
        True,
        True,
    ),
    "deep output": (lambda cell: cells.Deep(cell=cell, output_sizes=(2,)), True, True),
    "deep transition": (lambda cell: cells.Deep(cell=cell, transition_sizes=(4,)), True, False),
    "stacked": (lambda cell: cells.Stacked(cells=(cell,)), False, False),
}


@pytest.mark.parametrize("name", ALL)
def test_capabilities_are_passed_on_honestly(name):
    wrap, stays_gated, stays_affine = ALL[name]
    random = name in ("zoneout", "variational", "weight drop", "random")
    for cell in (LSTM, AFFINE, NEITHER):
        wrapped = wrap(cell)
        assert isinstance(wrapped, cells.Cell)
        assert cells.is_gated(wrapped) == (stays_gated and cells.is_gated(cell))
        assert cells.is_affine(wrapped) == (stays_affine and cells.is_affine(cell))
        assert cells.is_stochastic(wrapped) == random
    assert cells.is_stochastic(wrap(cells.Zoneout(cell=LSTM, h_rate=0.5)))
    assert wrap(LSTM) == wrap(LSTM) and hash(wrap(LSTM)) == hash(wrap(LSTM))


@pytest.mark.parametrize("name", [name for name, (_, _, affine) in ALL.items() if affine])
def test_what_claims_to_be_affine_is(name):
    cell = ALL[name][0](AFFINE)
    params, xs = numbers_for(cell)
    params, noise = drawn(cell, params, xs)
    state = jax.tree.map(
        lambda leaf: leaf + 0.5, cell.initial_state(cell.init(KEY, xs.dtype), (5, 3))
    )
    z = base.encode(cell, params, xs, noise)
    a, b = cell.affine(params, z)
    assert_close(jax.tree.map(lambda a, s, b: a * s + b, a, state, b), cell.step(params, state, z))


def nested():
    """Wrappers around each other, the state twice deep, every source of noise at once."""
    cell = cells.RecurrentDropout(cell=cells.LSTM(input_size=6, hidden_size=4), rate=0.3)
    cell = cells.LearnedInitialState(cell=cell)
    cell = cells.TimeIndex(cell=cell, scale=10.0)
    cell = cells.TimeIndex(cell=cell, scale=3.0)
    cell = cells.WeightDrop(cell=cell, rate=0.2)
    cell = cells.VariationalDropout(cell=cell, input_rate=0.2, hidden_rate=0.3)
    cell = cells.Zoneout(cell=cell, h_rate=0.2, c_rate=0.3)
    cell = cells.Context(cell=cell, context_size=1)
    cell = cells.RandomInitialState(cell=cell, scale=0.1)
    cell = cells.Clip(cell=cell, c_limit=1.5)
    cell = cells.GradientClip(cell=cell, limit=0.4)
    return cells.OutputHead(cell=cell, head_size=2)


def test_a_dozen_of_them_keep_the_deferred_gradient():
    cell = nested()
    assert cells.is_gated(cell) and cells.is_stochastic(cell) and not cells.is_affine(cell)
    assert (cell.input_size, cell.output_size) == (3, 2)
    params, xs = numbers_for(cell)
    context = cell.cell.cell.cell.cell  # below head, clips and random state

    def bind(params, v):
        """Put v in place, three parameters deep."""
        bound = context.bind(params.cell.cell, v)
        return params._replace(cell=params.cell._replace(cell=bound))

    v = jnp.linspace(-1.0, 1.0, 3)[:, None]
    reset = jnp.zeros((5, 3), bool).at[3, 1].set(True)
    lengths = jnp.array([5, 4, 0])

    @jax.jit
    def roads(params, v, xs):
        def loss(params, v, xs, driver, **options):
            bound = bind(params, v)
            final, ys = driver(cell, bound, xs, key=KEY, reset=reset, lengths=lengths, **options)
            return jnp.sin(ys).sum(), (final, ys)

        found = []
        for options in ({}, {"gradient": "autodiff"}):
            run = lambda p, v, xs, o=options: loss(p, v, xs, drivers.scan, **o)
            found.append(jax.grad(run, (0, 1, 2), has_aux=True)(params, v, xs))
        return *found, loss(params, v, xs, drivers.unrolled)[1]

    deferred, autodiff, loop = roads(params, v, xs)
    assert_close(deferred, autodiff)  # which JAX differentiates itself
    assert_close(autodiff[1], loop)
    d_learned = autodiff[0][0].cell.cell.cell.cell.state  # through four wrappers with parameters
    assert all(bool((leaf != 0).any()) for leaf in jax.tree.leaves(d_learned))


@pytest.mark.parametrize("name", ["variational", "zoneout", "random"])
def test_masks_have_the_types_of_the_batch(name):
    """Drawn in shard_map or on an Explicit mesh, they meet inputs spread over devices."""
    cell = ALL[name][0](LSTM)
    params, xs = numbers_for(cell, num_rows=8)
    key, P = jax.random.key(0), jax.sharding.PartitionSpec

    def gradient(params, xs):
        loss = lambda p: drivers.scan(cell, p, xs, key=key)[1].sum()
        return jax.grad(loss)(params)

    spread = jax.shard_map(
        gradient,
        mesh=jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,)),
        in_specs=(P(), P(None, "data")),
        out_specs=P(),
    )
    shapes = [leaf.shape for leaf in jax.tree.leaves(params)]
    found = jax.jit(spread).eval_shape(params, xs)
    assert [leaf.shape for leaf in jax.tree.leaves(found)] == shapes
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Explicit,))
    with jax.set_mesh(mesh):
        params, xs = jax.device_put(params, P()), jax.device_put(xs, P(None, "data"))
        found = jax.jit(gradient).eval_shape(params, xs)
    assert [leaf.shape for leaf in jax.tree.leaves(found)] == shapes

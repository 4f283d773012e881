"""Grids against a double loop over the pixels, written in NumPy from the papers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from rnn_jax import cells, layers
from tests.laws.cases import jitter

LSTM = layers.LSTM2D(input_size=2, hidden_size=3)
CELLS = {
    "elman": layers.Elman2D(input_size=2, hidden_size=3),
    "lstm": layers.LSTM2D(input_size=2, hidden_size=3, peephole=True, forget_bias=0.5),
    "mixed": layers.LSTM2D(input_size=2, hidden_size=3, memory="mixed", forget_bias=1.0),
}
SIZES = np.array([[4, 3], [2, 3], [0, 2], [3, 1]])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def pixel(name, p, x, up, left):
    """One pixel of one direction: (h, c) from those of its predecessors."""
    a = x @ p.w_x + p.b + up[0] @ p.w_up + left[0] @ p.w_left
    if name == "elman":
        return np.tanh(a), np.zeros(3)
    i, f, m, g, o = np.split(a, 5)
    if name == "mixed":
        mean = sigmoid(m) * up[1] + (1 - sigmoid(m)) * left[1]
        c = sigmoid(f) * mean + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    w = np.zeros((5, 3)) if p.p is None else p.p
    i, f, m = i + w[0] * up[1] + w[1] * left[1], f + w[2] * up[1], m + w[3] * left[1]
    c = sigmoid(f) * up[1] + sigmoid(m) * left[1] + sigmoid(i) * np.tanh(g)
    return sigmoid(o + w[4] * c) * np.tanh(c), c


def double_loop(name, params, image):
    """(U, V, D) -> (U, V, 4 * 3): down and right, down and left, up and right, up and left."""
    height, width = image.shape[:2]
    ys = np.zeros((height, width, 12))
    for k, (down, right) in enumerate([(1, 1), (1, -1), (-1, 1), (-1, -1)]):
        p = jax.tree.map(lambda leaf, k=k: np.asarray(leaf)[k], params)
        outside, seen = (np.zeros(3), np.zeros(3)), {}
        for u in range(height)[::down]:
            for v in range(width)[::right]:
                up, left = seen.get((u - down, v), outside), seen.get((u, v - right), outside)
                seen[u, v] = pixel(name, p, image[u, v], up, left)
                ys[u, v, 3 * k : 3 * k + 3] = seen[u, v][0]
    return ys


def make_case(layer, shape, seed=0):
    params = jitter(layer.init(jax.random.key(seed), jnp.float64), jax.random.key(seed + 1))
    return params, jax.random.normal(jax.random.key(seed + 2), (*shape, 2))


@pytest.mark.parametrize("name", CELLS)
def test_equals_a_double_loop(name):
    """High and wide grids, whole ones and a batch of sizes with NaN around."""
    layer = layers.Grid(cell=CELLS[name])
    params, tall = make_case(layer, (5, 3))
    wide = jax.random.normal(jax.random.key(3), (4, 5, 4, 2))
    real = layers.grid.size_mask(jnp.array(SIZES), 4, 5)

    @jax.jit
    def run(params, tall, wide):
        marked = jnp.where(real[..., None], wide, jnp.nan)
        return layer.apply(params, tall), layer.apply(params, marked, lengths=jnp.array(SIZES))

    (ys, none, _), (ragged, lengths, state) = run(params, tall, wide)
    np.testing.assert_allclose(ys, double_loop(name, params, np.asarray(tall)), atol=1e-13)
    assert none is None and lengths.tolist() == SIZES.tolist() and state == ()
    for row, (height, width) in enumerate(SIZES):
        expected = np.zeros((4, 5, 12))
        image = np.asarray(wide[:height, :width, row])
        expected[:height, :width] = double_loop(name, params, image)
        np.testing.assert_allclose(ragged[:, :, row], expected, atol=1e-13)


def test_directions_and_merges():
    params, xs = make_case(layers.Grid(cell=LSTM), (2, 3))
    parts = np.split(double_loop("lstm", params, np.asarray(xs)), 4, axis=-1)
    first = jax.tree.map(lambda leaf: leaf[:1], params)
    total = layers.Grid(cell=LSTM, merge="sum")
    mean, one = layers.Grid(cell=LSTM, merge="mean"), layers.Grid(cell=LSTM, directions=1)
    assert (total.output_size, mean.output_size, one.output_size) == (3, 3, 3)
    run = jax.jit(lambda p, q, x: (total.apply(p, x), mean.apply(p, x), one.apply(q, x)))
    for found, expected in zip(run(params, first, xs), (sum(parts), sum(parts) / 4, parts[0])):
        np.testing.assert_allclose(found.ys, expected, atol=1e-13)


def test_a_grid_takes_one_step_for_each_diagonal():
    """All directions in one loop, without gathering, over states of the shorter side."""
    layer = layers.Grid(cell=LSTM)
    params, xs = make_case(layer, (5, 3))
    program = jax.make_jaxpr(lambda *a: layer.apply(*a).ys)(params, xs)
    (loop,) = [e for e in program.jaxpr.eqns if e.primitive.name == "scan"]
    assert loop.params["length"] == 5 + 3 - 1
    assert "gather" not in str(loop)
    carried = loop.invars[loop.params["num_consts"] :][: loop.params["num_carry"]]
    assert [v.aval.shape for v in carried] == [(4, 3, 3)] * 2  # directions, side, hidden


def test_mixed_memory_stays_bounded_where_the_sum_grows():
    """All gates open: the sum counts the paths from the corner, C(u + v, u), the mean does not."""
    xs, largest = jnp.zeros((9, 9, 2)), {}
    for memory in ("sum", "mixed"):
        cell = layers.LSTM2D(input_size=2, hidden_size=1, memory=memory)
        params = jax.tree.map(jnp.zeros_like, cell.init(jax.random.key(0), jnp.float64))
        gates = [50.0, 50.0, 50.0 if memory == "sum" else 0.0, 50.0, 50.0]
        up = left = cell.initial_state(params)._replace(c=jnp.ones(1))
        z = cell.encode(params._replace(b=jnp.array(gates)), xs[0, 0])
        for _ in range(9):
            up = left = cell.step(params, up, left, z)
        largest[memory] = float(up.c[0])
    assert largest == {"sum": 2.0**10 - 1, "mixed": 10.0}


def test_gradients_are_the_differences():
    """Of a ragged batch with NaN around, by params and by pixels; none reaches the padding."""
    layer = layers.Grid(cell=CELLS["lstm"], merge="sum")
    params, xs = make_case(layer, (3, 2, 2))
    sizes = jnp.array([[2, 2], [3, 1]])
    real = layers.grid.size_mask(sizes, 3, 2)[..., None]
    weights = jnp.cos(jnp.arange(36.0)).reshape(3, 2, 2, 3)

    @jax.jit
    def loss(params, xs):
        xs = jnp.where(real, xs, jnp.nan)
        return jnp.vdot(weights, layer.apply(params, xs, lengths=sizes).ys)

    gradient = jax.jit(jax.grad(loss, (0, 1)))(params, xs)
    assert bool((jnp.where(real, 0.0, gradient[1]) == 0).all())
    for seed in range(3):
        step = jitter(jax.tree.map(jnp.zeros_like, (params, xs)), jax.random.key(seed), 1.0)
        ahead, behind = (
            loss(*jax.tree.map(lambda a, s, e=e: a + e * s, (params, xs), step))
            for e in (1e-5, -1e-5)
        )
        slopes = jax.tree.map(jnp.vdot, gradient, step)
        assert abs((ahead - behind) / 2e-5 - sum(jax.tree.leaves(slopes))) < 1e-8


def test_types_agree_under_shard_map_and_explicit_sharding():
    layer = layers.Grid(cell=LSTM)
    params, xs = make_case(layer, (2, 3, 8))
    sizes = jnp.ones((8, 2), int)

    def loss(params, xs, sizes):
        ys = layer.apply(params, xs, lengths=sizes).ys
        return jnp.sin(ys).sum(), ys

    def run(params, xs, sizes):
        (_, ys), gradient = jax.value_and_grad(loss, has_aux=True)(params, xs, sizes)
        return ys, gradient

    rows = P(None, None, "data")
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    specs = dict(in_specs=(P(), rows, P("data")), out_specs=(rows, P()))
    jax.eval_shape(jax.shard_map(run, mesh=mesh, **specs), params, xs, sizes)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        placed = [
            jax.device_put(a, NamedSharding(mesh, spec))
            for a, spec in ((xs, rows), (sizes, P("data")))
        ]
        params = jax.tree.map(lambda a: jax.device_put(a, NamedSharding(mesh, P())), params)
        ys, _ = jax.eval_shape(run, params, *placed)
        assert ys.sharding.spec[2] == "data"
        jax.eval_shape(lambda p, x: run(p, x, None), params, placed[0])


def test_half_precision_and_one_trace():
    traces = []

    @jax.jit
    def run(params, xs, sizes):
        traces.append(1)
        return layers.Grid(cell=LSTM, merge="mean").apply(params, xs, lengths=sizes).ys

    params, xs = make_case(layers.Grid(cell=LSTM), (3, 4, 2))
    half = jax.tree.map(lambda a: a.astype(jnp.bfloat16), (params, xs))
    sizes = jnp.array([[3, 4], [1, 2]])
    ys = run(*half, sizes)
    run(*half, sizes - 1)
    assert ys.dtype == jnp.bfloat16 and len(traces) == 1
    rounded = jax.tree.map(lambda a: a.astype(jnp.float64), half)
    np.testing.assert_allclose(ys.astype(jnp.float64), run(*rounded, sizes), atol=2e-2)


BAD = [
    (lambda: layers.Grid(cell=cells.GRU(input_size=2, hidden_size=3)), "two predecessors"),
    (lambda: layers.Grid(cell=layers.LSTM2D), "two predecessors"),
    (lambda: layers.Grid(cell=LSTM, directions=2), "directions must be 1 or 4, got 2"),
    (lambda: layers.Grid(cell=LSTM, merge="max"), "merge must be"),
    (lambda: layers.LSTM2D(input_size=0, hidden_size=3), "input_size must be"),
    (lambda: layers.LSTM2D(input_size=2, hidden_size=3, memory="max"), "memory must be"),
    (
        lambda: layers.LSTM2D(input_size=2, hidden_size=3, memory="mixed", peephole=True),
        "no peepholes",
    ),
    (lambda: bad_call(jnp.ones((4, 2))), r"\(4, 2\).* an axis is missing"),
    (lambda: bad_call(jnp.ones((4, 5, 3))), "input_size=2"),
    (lambda: bad_call(jnp.ones((4, 0, 2))), "empty"),
    (lambda: bad_call(jnp.ones((4, 5, 2), int)), "floating"),
    (lambda: bad_call(reset=jnp.ones((4, 5, 6), bool)), "cannot honour reset"),
    (lambda: bad_call(state=jnp.ones(3)), "Leave state out"),
    (lambda: bad_call(lengths=jnp.ones(6, int)), r"\(6,\), but .* needs \(6, 2\)"),
    (lambda: bad_call(lengths=jnp.ones((6, 2))), "whole numbers"),
    (lambda: bad_call(lengths=jnp.full((6, 2), 5)), r"heights.* from 5 to 5.*0\.\.4"),
    (lambda: bad_call(lengths=jnp.array([[4, -1]] * 6)), "widths.* from -1"),
    (lambda: layers.Grid(cell=LSTM).apply(LSTM.init(jax.random.key(0)), jnp.ones((4, 5, 2))), "w_"),
]


def bad_call(xs=None, **options):
    layer = layers.Grid(cell=LSTM)
    xs = jnp.ones((4, 5, 6, 2)) if xs is None else xs
    return layer.apply(layer.init(jax.random.key(0)), xs, **options)


@pytest.mark.parametrize(("call", "message"), BAD)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()

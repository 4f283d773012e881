"""ReNet against a double loop over columns and rows, with a GRU and an LSTM in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from rnn_jax import cells, drivers, layers
from tests.laws.cases import jitter

LAYER = layers.ReNet(
    column_cell=cells.Elman(input_size=12, hidden_size=3),
    row_cell=cells.LSTM(input_size=6, hidden_size=2),
    patch_shape=(2, 3),
)
SMALL = layers.ReNet(
    column_cell=cells.MinGRU(input_size=2, hidden_size=2),
    row_cell=cells.MinGRU(input_size=4, hidden_size=2),
    driver=drivers.associative,
)


def elman(p, line):
    h, ys = np.zeros(3), []
    for x in line:
        h = np.tanh(x @ p.w_x + h @ p.w_h + p.b)
        ys.append(h)
    return np.array(ys)


def lstm(p, line):
    h, c, ys = np.zeros(2), np.zeros(2), []
    for x in line:
        i, f, g, o = np.split(x @ p.w_x + h @ p.w_h + p.b, 4)
        i, f, o = (1 / (1 + np.exp(-a)) for a in (i, f, o))
        c = f * c + i * np.tanh(g)
        h = o * np.tanh(c)
        ys.append(h)
    return np.array(ys)


def both_ways(run, pair, line):
    forward, backward = pair
    return np.concatenate([run(forward, line), run(backward, line[::-1])[::-1]], axis=-1)


def double_loop(params, image):
    """(H, W, 2) in patches of 2 x 3 pixels, filled up with zeros -> (U, V, 4)."""
    params = jax.tree.map(np.asarray, params)
    image = np.pad(image, [(0, -image.shape[0] % 2), (0, -image.shape[1] % 3), (0, 0)])
    height, width = image.shape[0] // 2, image.shape[1] // 3
    middle, ys = np.zeros((height, width, 6)), np.zeros((height, width, 4))
    for v in range(width):
        patches = [image[2 * u : 2 * u + 2, 3 * v : 3 * v + 3].ravel() for u in range(height)]
        middle[:, v] = both_ways(elman, params.columns, np.array(patches))
    for u in range(height):
        ys[u] = both_ways(lstm, params.rows, middle[u])
    return ys


def make_case(layer, shape):
    params = jitter(layer.init(jax.random.key(0), jnp.float64), jax.random.key(1))
    return params, jax.random.normal(jax.random.key(2), (*shape, 2))


def test_equals_a_double_loop():
    """A batch of sizes with NaN around, sizes that no patch divides among them."""
    params, xs = make_case(LAYER, (5, 7, 4))
    sizes = np.array([[5, 7], [2, 6], [3, 1], [0, 4]])
    real = layers.grid.size_mask(jnp.array(sizes), 5, 7)[..., None]

    def run(params, xs):
        out = LAYER.apply(params, jnp.where(real, xs, jnp.nan), lengths=jnp.array(sizes))
        return out.ys.sum() + jnp.sin(out.ys).sum(), (out, LAYER.apply(params, xs[:, :, 0]))

    found = jax.jit(jax.grad(run, 1, has_aux=True))(params, xs)
    gradient, ((ys, lengths, state), one) = found
    assert lengths.tolist() == [[3, 3], [1, 2], [2, 1], [0, 2]] and state == ()
    for row, (height, width) in enumerate(sizes):
        expected = np.zeros((3, 3, 4))
        if height:
            found = double_loop(params, np.asarray(xs[:height, :width, row]))
            expected[: found.shape[0], : found.shape[1]] = found
        np.testing.assert_allclose(ys[:, :, row], expected, atol=1e-13)
    assert bool((jnp.where(real, 0.0, gradient) == 0).all()) and bool((gradient != 0).any())
    assert one.lengths is None
    np.testing.assert_allclose(one.ys, double_loop(params, np.asarray(xs[:, :, 0])), atol=1e-13)


def test_other_driver_and_noise():
    """An affine cell runs in parallel along each line; a key reaches the cells' dropout."""
    params, xs = make_case(SMALL, (3, 4, 2))
    plain = layers.ReNet(column_cell=SMALL.column_cell, row_cell=SMALL.row_cell)
    run = jax.jit(lambda p, x: (SMALL.apply(p, x).ys, plain.apply(p, x).ys))
    np.testing.assert_allclose(*run(params, xs), atol=1e-13)
    noisy = layers.ReNet(
        column_cell=cells.VariationalDropout(cell=SMALL.column_cell, input_rate=0.5),
        row_cell=SMALL.row_cell,
    )
    params, xs = make_case(noisy, (3, 4, 2))
    run = jax.jit(lambda p, x: [noisy.apply(p, x, key=k).ys for k in (None, jax.random.key(3))])
    ys = run(params, xs)
    assert bool((ys[1] != ys[0]).any())


def test_types_agree_under_shard_map_and_explicit_sharding():
    params, xs = make_case(LAYER, (3, 4, 8))
    sizes = jnp.ones((8, 2), int)

    def run(params, xs, sizes):
        def loss(params):
            ys = LAYER.apply(params, xs, lengths=sizes).ys
            return jnp.sin(ys).sum(), ys

        gradient, ys = jax.grad(loss, has_aux=True)(params)
        return ys, gradient

    rows = P(None, None, "data")
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    specs = dict(in_specs=(P(), rows, P("data")), out_specs=(rows, P()))
    jax.eval_shape(jax.shard_map(run, mesh=mesh, **specs), params, xs, sizes)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        put = lambda a, spec: jax.device_put(a, NamedSharding(mesh, spec))
        params = jax.tree.map(lambda a: put(a, P()), params)
        ys, _ = jax.eval_shape(run, params, put(xs, rows), put(sizes, P("data")))
        assert ys.sharding.spec[2] == "data"


GRU = cells.GRU(input_size=12, hidden_size=3)
BAD = [
    (dict(column_cell=cells.GRU, row_cell=GRU), "the class GRU"),
    (dict(column_cell=GRU, row_cell=GRU), r"row_cell has input_size=12.* input_size=6"),
    (dict(column_cell=GRU, row_cell=GRU, patch_shape=(0, 2)), "patch_shape must be"),
    (dict(column_cell=GRU, row_cell=GRU, patch_shape=2), "two whole numbers >= 1, got 2"),
    (dict(column_cell=GRU, row_cell=GRU, driver=None), "driver is None"),
    (dict(column_cell=GRU, row_cell=GRU, patch_shape=(5, 2)), r"12, but a patch of 5 x 2"),
]


@pytest.mark.parametrize(("fields", "message"), BAD)
def test_cells_that_do_not_fit_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        layers.ReNet(**fields)


def test_inputs_that_do_not_fit_are_refused():
    params = LAYER.init(jax.random.key(0))
    with pytest.raises(ValueError, match="an axis is missing"):
        LAYER.apply(params, jnp.ones((4, 2)))
    with pytest.raises(ValueError, match="cannot honour reset"):
        LAYER.apply(params, jnp.ones((4, 5, 2)), reset=jnp.ones((4, 5), bool))
    with pytest.raises(ValueError, match="heights.* from 6 to 6"):
        LAYER.apply(params, jnp.ones((4, 5, 2)), lengths=[6, 5])
    with pytest.raises(ValueError, match="is missing"):
        LAYER.apply(params._replace(rows=params.rows[:1]), jnp.ones((4, 5, 2)))

"""The laws of cells that are laws of layers too, and those of lengths that change."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from rnn_jax.layers import Layer
from tests.laws.cases import assert_same, jitter, poison, rows_of
from tests.registry_layers import LAYERS, Entry, names

NUM_STEPS, NUM_ROWS = 6, 3
LENGTHS = jnp.array([NUM_STEPS, 0, 5])
BY_LENGTH = jnp.arange(NUM_STEPS)[:, None] < LENGTHS[None]
RESET = jnp.zeros((NUM_STEPS, NUM_ROWS), bool).at[3, 0].set(True).at[0, 2].set(True)


class Case(NamedTuple):
    entry: Entry
    params: Any
    state: Any
    xs: jax.Array


def make(name: str, num_rows: int = NUM_ROWS) -> Case:
    entry = LAYERS[name]
    keys = jax.random.split(jax.random.key(3), 4)
    params = jitter(entry.layer.init(keys[0], jnp.float64), keys[1])
    state = jitter(entry.layer.initial_state(params, (num_rows,)), keys[2], 0.5)
    return Case(entry, params, state, jax.random.normal(keys[3], (NUM_STEPS, num_rows, 3)))


def weigh(out: Any) -> jax.Array:
    """A loss in which every output and every leaf of the final state counts differently."""
    return sum(jnp.vdot(jnp.cos(jnp.arange(1.0 * t.size)), t.ravel()) for t in bounded(out))


def bounded(out: Any) -> list[jax.Array]:
    """The sine of what can be differentiated."""
    leaves = jax.tree.leaves((out.ys, out.state))
    return [jnp.sin(leaf.astype(float)) for leaf in leaves if leaf.dtype != jnp.int32]


def marks_of(entry: Entry) -> dict[str, Any]:
    return {"lengths": LENGTHS} | ({"reset": RESET} if entry.resets else {})


@pytest.mark.parametrize("name", names())
def test_padding_and_rows_and_gradients(name: str):
    """A padded batch is each row alone; NaN behind a row's end changes nothing, nor a gradient."""
    entry, params, state, xs = make(name)
    layer, marks = entry.layer, marks_of(entry)
    assert isinstance(layer, Layer) and hash(layer) == hash(layer)
    floats = jax.tree.leaves(params) + [xs]
    along = jitter([jnp.zeros_like(leaf) for leaf in floats], jax.random.key(9), 1.0)

    def loss(params, state, xs):
        out = layer.apply(params, xs, state, **marks)
        return weigh(out), out

    @jax.jit
    def run(params, state, xs, poisoned):
        gradient = jax.value_and_grad(loss, argnums=(0, 2), has_aux=True)
        both = jax.lax.map(lambda x: gradient(params, state, x), jnp.stack([xs, poisoned]))
        alone = [
            layer.apply(
                params,
                xs[:length, row : row + 1],
                rows_of(state, row),
                **({"reset": RESET[:length, row : row + 1]} if entry.resets else {}),
            )
            for row, length in ((0, NUM_STEPS), (2, 5))
        ]

        def near(size):
            moved = [leaf + size * d for leaf, d in zip(floats, along)]
            return loss(jax.tree.structure(params).unflatten(moved[:-1]), state, moved[-1])[0]

        nothing = layer.apply(params, poisoned, state, lengths=jnp.zeros_like(LENGTHS))
        return both, alone, jax.lax.map(near, 1e-4 * jnp.array([-2.0, -1.0, 1.0, 2.0])), nothing

    both, alone, near, nothing = run(params, state, xs, poison(xs, BY_LENGTH))
    clean, dirty = (jax.tree.map(lambda leaf, i=i: leaf[i], both) for i in (0, 1))
    (_, out), (d_params, d_xs) = clean
    assert_same(dirty, clean, what="poisoned: ")
    assert bool((d_xs[~BY_LENGTH] == 0).all()), "a gradient reaches the padding"
    assert out.ys.shape[-1] == layer.output_size
    for row, one in zip((0, 2), alone):
        new = one.ys.shape[0]
        assert int(out.lengths[row]) == new, f"row {row}: new length"
        assert_same(out.ys[:new, row : row + 1], one.ys, what=f"row {row}: ")
        assert_same(rows_of(out.state, row), one.state, what=f"row {row}, state: ")
    assert int(out.lengths[1]) == 0
    real = jnp.arange(out.ys.shape[0])[:, None] < out.lengths[None]
    assert bool((out.ys[~real] == 0).all()), "outputs on padding"
    assert_same(rows_of(nothing.state, 0), rows_of(state, 0), what="all padding, state: ")
    assert bool((nothing.ys == 0).all()) and nothing.lengths.tolist() == [0] * NUM_ROWS
    a, b, c, d = near
    slope = (a - 8 * b + 8 * c - d) / 12e-4
    found = sum(jnp.vdot(g, v) for g, v in zip([*jax.tree.leaves(d_params), d_xs], along))
    assert abs(found - slope) <= 1e-7 * max(1, abs(slope)), f"gradient {found}, slope {slope}"


@pytest.mark.parametrize("name", names())
def test_parts_batch_axes_vmap_and_noise(name: str):
    entry, params, state, xs = make(name)
    layer = entry.layer
    half = jax.tree.map(lambda leaf: 0.5 * leaf, params)
    key, other = jax.random.split(jax.random.key(5))

    @jax.jit
    def run(params, half, state, xs):
        whole = layer.apply(params, xs, state)
        both = jax.tree.map(lambda *leaves: jnp.stack(leaves), params, half)
        found = {
            "vmap over params": jax.vmap(lambda p: layer.apply(p, xs, state), axis_size=2)(both),
            "two batch axes": layer.apply(
                params, xs[:, None], jax.tree.map(lambda leaf: leaf[None], state)
            ),
            "no batch axis": layer.apply(
                params, xs[:, 1], jax.tree.map(lambda leaf: leaf[1], state)
            ),
            "initial": layer.apply(params, xs),
            "given initial": layer.apply(params, xs, layer.initial_state(params, (NUM_ROWS,))),
        }
        if entry.streams:
            cut = entry.streams if entry.streams > 1 else 1
            first = layer.apply(params, xs[:cut], state)
            last = layer.apply(params, xs[cut:], first.state)
            found["parts"] = last._replace(ys=jnp.concatenate([first.ys, last.ys]))
        noisy = [layer.apply(params, xs, state, key=k) for k in (key, key, other)]
        return whole, layer.apply(half, xs, state), found, noisy

    whole, halved, found, (drawn, again, another) = run(params, half, state, xs)
    assert whole.lengths is None
    if entry.streams:
        assert_same(found["parts"], whole, what="in parts: ")
    assert_same(
        found["vmap over params"],
        jax.tree.map(lambda *leaves: jnp.stack(leaves), whole, halved),
        what="vmap over params: ",
    )
    nested = whole._replace(
        ys=whole.ys[:, None], state=jax.tree.map(lambda leaf: leaf[None], whole.state)
    )
    assert_same(found["two batch axes"], nested, what="two batch axes: ")
    alone = whole._replace(ys=whole.ys[:, 1], state=jax.tree.map(lambda leaf: leaf[1], whole.state))
    assert_same(found["no batch axis"], alone, what="no batch axis: ")
    assert_same(found["initial"], found["given initial"], what="initial state: ")
    assert_same(again, drawn, 0.0, what="one key, one noise: ")
    if entry.noisy:
        assert not bool((drawn.ys == whole.ys).all()) and not bool((drawn.ys == another.ys).all())
    else:
        assert_same(drawn, whole, 0.0, what="a key without noise: ")


@pytest.mark.parametrize("name", names())
def test_types(name: str):
    """Mixes of dtypes; shard_map and Explicit axes, where what fails fails while tracing."""
    entry, params, _, xs = make(name, num_rows=8)
    layer = entry.layer
    floats = (jnp.bfloat16, jnp.float32, jnp.float64)
    for params_dtype, xs_dtype in zip(floats, (jnp.float32, jnp.bfloat16, jnp.bfloat16)):
        cast = jax.tree.map(lambda leaf, d=params_dtype: leaf.astype(d), params)
        gradient = jax.eval_shape(
            jax.grad(lambda p, x: weigh(layer.apply(p, x))), cast, xs.astype(xs_dtype)
        )
        assert jax.tree.map(lambda d: d.dtype, gradient) == jax.tree.map(lambda p: p.dtype, cast)
        state = jax.eval_shape(lambda p: layer.initial_state(p, (8,)), cast)
        out = jax.eval_shape(layer.apply, cast, xs.astype(xs_dtype), state)
        assert jax.tree.map(lambda s: s.dtype, out.state) == jax.tree.map(lambda s: s.dtype, state)
    lengths = jnp.array([6, 0, 5, 1, 6, 2, 3, 4])
    reset = jnp.zeros((NUM_STEPS, 8), bool).at[2].set(True)
    rows = P(None, "data")

    def loss(params, xs, lengths, reset, key):
        marks = {"reset": reset} if entry.resets else {}
        out = layer.apply(params, xs, lengths=lengths, key=key, **marks)
        return sum(jnp.sum(leaf) for leaf in bounded(out)), out

    def local(params, xs, lengths, reset, key):
        (value, out), gradient = jax.value_and_grad(loss, has_aux=True)(
            params, xs, lengths, reset, key
        )
        return jax.lax.psum(value, "data"), out.ys, gradient

    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    specs = (P(), rows, P("data"), rows, P())
    sharded = jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=(P(), rows, P()))
    arguments = (params, xs, lengths, reset, jax.random.key(0))
    _, ys, gradient = jax.eval_shape(sharded, *arguments)
    assert jax.tree.map(jnp.shape, gradient) == jax.tree.map(jnp.shape, params)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        placed = [
            jax.device_put(leaf, NamedSharding(mesh, spec)) for leaf, spec in zip(arguments, specs)
        ]
        (_, out), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True)).eval_shape(*placed)
    assert out.ys.sharding.spec[1] == "data" and out.ys.shape == ys.shape

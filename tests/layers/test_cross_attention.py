"""Attention after the loop against the cell that attends in it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import attention, cells, drivers, layers
from tests.cells.reference import assert_close, draw

LENGTHS, STEPS = np.array([5, 0, 3]), jnp.array([4, 2, 0])
GRU = cells.GRU(input_size=3, hidden_size=4)
SIZES = {"query_size": 4, "memory_size": 2}
KINDS = {
    "general": attention.General(**SIZES, temperature=2.0),
    "additive": attention.Additive(**SIZES, score_size=3),
    "heads": attention.MultiHead(**SIZES, num_heads=2, head_size=3),
}


def layer_of(kind: Any, size: int | None = 6) -> layers.CrossAttention:
    return layers.CrossAttention(layer=layers.RNN(cell=GRU), attention=kind, attentional_size=size)


def test_it_equals_the_cell_that_attends_in_the_loop():
    """Values, weights, final state and gradients, of rows with memories of their own."""
    encoded = draw(jnp.zeros((5, 3, 2)), 1)
    encoded = jnp.where((np.arange(5)[:, None] < LENGTHS)[..., None], encoded, jnp.nan)
    xs = draw(jnp.zeros((4, 3, 3)), 2)

    def by_layer(kind, size, params, encoded, xs):
        layer = layer_of(kind, size)
        bound = layer.bind(params, encoded, LENGTHS)
        out, weights = layer.apply_with_weights(bound, xs, lengths=STEPS)
        return out.ys, weights, out.state

    def by_cell(kind, size, params, encoded, xs):
        cell = cells.Attentive(cell=GRU, attention=kind, attentional_size=size, feed=False)
        given = cells.AttentiveParams(params.layer, params.attention, params.w_c)
        aligned = cells.Alignments(cell=cell)
        bound = cell.bind(given, encoded, LENGTHS)
        state, ys = drivers.scan(aligned, bound, xs, lengths=STEPS)
        return *aligned.split(ys), state.cell

    @jax.jit
    def both(params, encoded, xs):
        found = []
        for road in (by_layer, by_cell):
            for (name, kind), size in zip(KINDS.items(), (6, None, 6)):

                def loss(params, encoded, xs, road=road, kind=kind, size=size):
                    out = road(kind, size, params, encoded, xs)
                    return sum(jnp.sin(3 * leaf).sum() for leaf in jax.tree.leaves(out)), out

                found.append(jax.grad(loss, (0, 1, 2), has_aux=True)(params[name], encoded, xs))
        return found[: len(KINDS)], found[len(KINDS) :]

    sizes = dict(zip(KINDS, (6, None, 6)))
    params = {
        name: draw(jax.eval_shape(layer_of(kind, sizes[name]).init, jax.random.key(0)), 0)
        for name, kind in KINDS.items()
    }
    at_once, in_the_loop = both(params, encoded, xs)
    assert_close(at_once, in_the_loop)
    gradient = at_once[0][0][1]
    assert bool(jnp.isfinite(gradient).all()) and bool((gradient[3:, 2] == 0).all())


def test_bad_input_is_refused():
    layer = layer_of(KINDS["general"])
    with pytest.raises(ValueError, match=r"no memory is bound: call with layer.bind"):
        layer.apply(layer.init(jax.random.key(0)), jnp.ones((4, 3, 3)))
    with pytest.raises(ValueError, match=r"query_size=4, but the layer's output_size=5"):
        layers.CrossAttention(
            layer=layers.RNN(cell=cells.GRU(input_size=3, hidden_size=5)),
            attention=KINDS["general"],
        )
    for kind in (
        attention.Coverage(**SIZES, score_size=3),
        attention.Hard(attention=KINDS["additive"]),
    ):
        assert not layers.attends_at_once(kind)
        with pytest.raises(ValueError, match=r"cells.Attentive\(feed=False\)"):
            layer_of(kind)
    bound = layer.bind(layer.init(jax.random.key(0)), jnp.ones((5, 3, 2)))
    with pytest.raises(ValueError, match="a prepared memory has its lengths"):
        layer.bind(bound, bound.memory, LENGTHS)
    grid = layers.Grid(cell=layers.Elman2D(input_size=1, hidden_size=4))
    with pytest.raises(ValueError, match="which runs over a grid"):
        layers.CrossAttention(layer=grid, attention=KINDS["general"])

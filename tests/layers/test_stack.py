"""Stacks against cells.Stacked, against layers chained by hand, and in wavefront order."""

import re
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from rnn_jax import cells, drivers, layers
from tests.laws.cases import LENGTHS, NUM_ROWS, NUM_STEPS, RESET, assert_same, jitter

XS = jax.random.normal(jax.random.key(1), (NUM_STEPS, NUM_ROWS, 3))


def rnn(cell: Any, **sizes: int) -> Any:
    return layers.RNN(cell=cell(**sizes))


def make(layer: Any) -> tuple[Any, Any]:
    params = jitter(layer.init(jax.random.key(2), jnp.float64), jax.random.key(3))
    return params, jitter(layer.initial_state(params, (NUM_ROWS,)), jax.random.key(4), 1.0)


def loss(layer: Any, params: Any, state: Any, xs: jax.Array, **options: Any) -> Any:
    out = layer.apply(params, xs, state, **options)
    terms = [out.ys, *jax.tree.leaves(out.state)]
    weighted = (jnp.vdot(jnp.cos(jnp.arange(t.size)), jnp.sin(t).ravel()) for t in terms)
    return sum(weighted), out


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param({"residual": True}, marks=pytest.mark.slow),
        {"residual": True, "skip": True},
    ],
)
def test_equals_the_stacked_cell(options: dict[str, bool]):
    """Which advances all layers step by step: another program for the same numbers."""
    extra = 3 if options.get("skip") else 0
    parts = (
        cells.Elman(input_size=3, hidden_size=3),
        cells.GRU(input_size=3 + extra, hidden_size=4),
        cells.LSTM(input_size=4 + extra, hidden_size=4),
    )
    stack = layers.Stack(layers=tuple(layers.RNN(cell=cell) for cell in parts), **options)
    cell = cells.Stacked(cells=parts, **options)
    params, state = make(stack)
    out = jax.jit(lambda: stack.apply(params, XS, state, lengths=LENGTHS, reset=RESET))()
    start = cell.initial_state(params, (NUM_ROWS,))._replace(cells=state)
    final, ys = jax.jit(
        lambda: drivers.scan(cell, params, XS, start, lengths=LENGTHS, reset=RESET)
    )()
    assert_same(out.ys, ys)
    assert_same(out.state, final.cells)


WAVES: dict[str, dict[str, Any]] = {
    "equal cells, residual": {"layers": (rnn(cells.GRU, input_size=3, hidden_size=3),) * 3}
    | {"residual": True},
    "one narrower, dropout": {
        "layers": (
            rnn(cells.LSTM, input_size=3, hidden_size=4),
            *(rnn(cells.LSTM, input_size=4, hidden_size=4),) * 2,
        ),
        "dropout": 0.4,
    },
    "widths, skip, backward, noise": {
        "layers": (
            rnn(cells.Elman, input_size=3, hidden_size=2).turned(),
            layers.RNN(
                cell=cells.Zoneout(cell=cells.GRU(input_size=5, hidden_size=4), h_rate=0.5),
                reverse=True,
            ),
        ),
        "dropout": 0.4,
        "dropout_per": "sequence",
        "skip": True,
    },
}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param("equal cells, residual", marks=pytest.mark.slow),
        "one narrower, dropout",
        "widths, skip, backward, noise",
    ],
)
def test_wavefront_equals_layer_by_layer(case: str):
    """Outputs, states and gradients, with lengths, resets, states and noise; and with none."""
    ways = [layers.Stack(**WAVES[case], order=order) for order in ("layer", "wavefront")]
    params, state = make(ways[0])
    options = {"lengths": LENGTHS, "reset": RESET, "key": jax.random.key(5)}

    @jax.jit
    def run(params, state, xs):
        grad = jax.value_and_grad(loss, argnums=(1, 2, 3), has_aux=True)
        marked = [grad(layer, params, state, xs, **options) for layer in ways]
        return marked, [layer.apply(params, xs[:1]) for layer in ways]

    (one, other), (short, same) = run(params, state, XS)
    assert_same(other, one, what=case)
    assert_same(same, short, what="no marks, one step")


def test_dropout_between_layers():
    """By hand: which features are dropped, how others grow, per step and per sequence."""
    identity = layers.TimeReduction(input_size=64, factor=1)
    xs = jnp.ones((4, 2, 64))
    for per in ("step", "sequence"):
        stack = layers.Stack(layers=(identity,) * 2, dropout=0.25, dropout_per=per)
        ys = stack.apply(((), ()), xs, key=jax.random.key(0)).ys
        assert set(jnp.unique(ys).tolist()) == {0.0, 1 / 0.75}
        assert 0.6 < float(jnp.mean(ys > 0)) < 0.9
        assert bool((ys == ys[:1]).all()) == (per == "sequence")
        assert not bool((ys[:, 0] == ys[:, 1]).all())
        assert_same(stack.apply(((), ()), xs).ys, xs, 0.0)
        alone = layers.Stack(layers=(identity,), dropout=0.25, dropout_per=per)
        assert_same(alone.apply(((),), xs, key=jax.random.key(0)).ys, xs, 0.0)


def test_shorter_time_and_both_ends_inside():
    """A stack of all kinds equals its layers chained by hand; residual only where all agrees."""
    parts = (
        layers.Bidirectional(forward=rnn(cells.GRU, input_size=3, hidden_size=2)),
        layers.TimeReduction(input_size=4, factor=2, mode="mean"),
        rnn(cells.Elman, input_size=4, hidden_size=4),
    )
    stack = layers.Stack(layers=parts, residual=True)
    params, _ = make(stack)
    out = stack.apply(params, XS, lengths=LENGTHS)
    below = parts[0].apply(params[0], XS, lengths=LENGTHS)
    middle = parts[1].apply((), below.ys, lengths=LENGTHS)
    top = parts[2].apply(params[2], middle.ys, lengths=middle.lengths)
    assert_same(out.ys, top.ys + middle.ys)
    assert out.lengths.tolist() == [4, 0, 2]
    turned = layers.Bidirectional(forward=layers.Stack(layers=parts[1:2]))  # no state, either way
    assert turned.apply((((),), ((),)), below.ys).ys.shape == (4, NUM_ROWS, 8)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Stack(layers=()), "layers is empty"),
        (lambda: layers.Stack(layers=rnn(cells.GRU, input_size=3, hidden_size=3)), "give a tuple"),
        (
            lambda: layers.RNN(cell=cells.GRU(input_size=3, hidden_size=3), driver="scan"),
            "driver is 'scan': give one such as drivers.scan",
        ),
        (lambda: layers.Stack(layers=(cells.GRU(input_size=3, hidden_size=3),)), "layers[0] is a"),
        (
            lambda: layers.Stack(
                layers=(
                    layers.Bidirectional(forward=rnn(cells.GRU, input_size=3, hidden_size=4)),
                    rnn(cells.GRU, input_size=4, hidden_size=4),
                )
            ),
            "layers[1] has input_size=4, but 8 features of the layer below arrive",
        ),
        (
            lambda: layers.Stack(
                layers=(rnn(cells.GRU, input_size=4, hidden_size=4),) * 2, skip=True
            ),
            "but 4 of x + 4 features",
        ),
        (
            lambda: layers.Stack(layers=(layers.TimeReduction(input_size=3),), skip=True),
            "layers[0], a TimeReduction, shortens time",
        ),
        (
            lambda: layers.Stack(layers=(layers.TimeReduction(input_size=3),), dropout=1.0),
            "dropout must lie in [0, 1), got 1.0",
        ),
        (
            lambda: layers.Stack(layers=(layers.TimeReduction(input_size=3),), order="wavefront"),
            'order="wavefront" runs layers.RNN with driver=drivers.scan',
        ),
        (
            lambda: layers.Stack(
                layers=[
                    rnn(cells.GRU, input_size=4, hidden_size=4),
                    rnn(cells.GRU, input_size=4, hidden_size=4).turned(),
                ],
                order="wavefront",
            ),
            "layers[1] has reverse=True and layers[0] reverse=False",
        ),
        (
            lambda: layers.Stack(layers=(layers.TimeReduction(input_size=3),)).apply((), XS),
            "params is a tuple of 0, but there are 1 layers",
        ),
    ],
)
def test_refusals(make: Any, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()

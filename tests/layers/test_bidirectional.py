"""Both directions against rows flipped by hand, packed rows against separate sequences."""

import re
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import pytest

from rnn_jax import cells, drivers, layers
from tests.laws.cases import LENGTHS, NUM_ROWS, NUM_STEPS, RESET, assert_same, jitter, rows_of

GRU = layers.RNN(cell=cells.GRU(input_size=3, hidden_size=4))
OTHER = layers.RNN(cell=cells.Elman(input_size=3, hidden_size=4))
WIDE = layers.RNN(cell=cells.Elman(input_size=3, hidden_size=5))
LOOP = replace(GRU, driver=drivers.unrolled)  # not compiled as a whole: steps of one row
LOOP_OTHER = replace(OTHER, driver=drivers.unrolled)
XS = jax.random.normal(jax.random.key(1), (NUM_STEPS, NUM_ROWS, 3))


def twice_the_first(forward: jax.Array, backward: jax.Array) -> jax.Array:
    """A merge whose outputs are not zero where its inputs are."""
    return 2 * forward + jnp.mean(backward, axis=-1, keepdims=True) + 1


MERGES: dict[Any, Any] = {
    "concat": lambda f, b: jnp.concatenate([f, b], -1),
    "sum": lambda f, b: f + b,
    "mean": lambda f, b: (f + b) / 2,
    "product": lambda f, b: f * b,
    str(twice_the_first): twice_the_first,
}


def make(layer: Any) -> tuple[Any, Any]:
    """Parameters off their starting values, and a state unlike zero."""
    params = jitter(layer.init(jax.random.key(2), jnp.float64), jax.random.key(3))
    return params, jitter(layer.initial_state(params, (NUM_ROWS,)), jax.random.key(4), 1.0)


def by_hand(layer: Any, other: Any, params: Any, xs: jax.Array, state: Any) -> Any:
    """One sequence (T, 1, D): the second layer reads it flipped; outputs before the merge."""
    forward = layer.apply(params[0], xs, state[0])
    backward = other.apply(params[1], xs[::-1], state[1])
    return (forward.ys, backward.ys[::-1]), (forward.state, backward.state)


def test_rows_equal_sequences_flipped_by_hand():
    """With lengths and states; every merge; two different layers; together or not."""
    plain = layers.Bidirectional(forward=GRU, backward=OTHER)
    params, state = make(plain)
    equal = layers.Bidirectional(forward=GRU)
    equal_params, equal_state = make(equal)
    together = layers.Bidirectional(forward=GRU, together=True)
    padded = jnp.where(jnp.arange(NUM_STEPS)[:, None, None] < LENGTHS[None, :, None], XS, jnp.nan)

    @jax.jit
    def run(params, state, equal_params, equal_state, xs):
        merged = {
            str(merge): layers.Bidirectional(forward=GRU, backward=OTHER, merge=merge).apply(
                params, xs, state, lengths=LENGTHS
            )
            for merge in ("concat", "sum", "mean", "product", twice_the_first)
        }
        args = (equal_params, xs, equal_state)
        return merged, [layer.apply(*args, lengths=LENGTHS) for layer in (equal, together)]

    merged, (one, other) = run(params, state, equal_params, equal_state, padded)
    assert_same(other, one, what="together")
    for row, length in enumerate(LENGTHS.tolist()):
        if length == 0:
            for out in (*merged.values(), one):
                assert bool((out.ys[:, row] == 0).all())
            assert_same(rows_of(one.state, row), rows_of(equal_state, row), 0.0)
            continue
        xs = XS[:length, row : row + 1]
        pair, ends = by_hand(LOOP, LOOP_OTHER, params, xs, rows_of(state, row))
        for merge, out in merged.items():
            want = MERGES[merge](*pair)
            assert_same(out.ys[:length, row : row + 1], want, what=merge)
            assert bool((out.ys[length:, row] == 0).all())
            assert_same(rows_of(out.state, row), ends, what=merge)
        pair, ends = by_hand(LOOP, LOOP, equal_params, xs, rows_of(equal_state, row))
        assert_same(one.ys[:length, row : row + 1], MERGES["concat"](*pair))
        assert_same(rows_of(one.state, row), ends)


def test_packed_rows_are_separate_sequences_in_both_directions():
    """Values and gradients; also where the lengths end, and with both directions in one loop."""
    ways = [layers.Bidirectional(forward=GRU, together=together) for together in (False, True)]
    params, _ = make(ways[0])
    reset = RESET.at[4, 2].set(True)  # the step behind row 2's last

    def loss(layer, params, xs):
        out = layer.apply(params, xs, lengths=LENGTHS, reset=reset)
        return jnp.vdot(jnp.sin(out.ys).ravel(), jnp.arange(1.0 * out.ys.size)) + jnp.sum(
            out.state[1].h
        ), out

    @jax.jit
    def both(params, xs):
        return [
            jax.value_and_grad(loss, argnums=(1, 2), has_aux=True)(layer, params, xs)
            for layer in ways
        ]

    ((_, out), gradient), other = both(params, XS)
    assert_same(other, ((_, out), gradient), what="together")
    for row, length in enumerate(LENGTHS.tolist()):
        starts = sorted({0, *(t for t in range(length) if bool(reset[t, row]))})
        for begin, end in zip(starts, [*starts[1:], length]):
            if begin == end:
                continue
            alone = layers.Bidirectional(forward=LOOP).apply(params, XS[begin:end, row : row + 1])
            assert_same(out.ys[begin:end, row : row + 1], alone.ys, what=f"row {row} from {begin}")
            if begin == 0:
                assert_same(rows_of(out.state[1], row), alone.state[1])


def test_noise_of_the_backward_half_runs_with_its_steps_in_one_loop():
    """Apart it is drawn by time, together by step, so one is the other's with time turned."""
    cell = cells.Zoneout(cell=cells.GRU(input_size=3, hidden_size=2), h_rate=0.5)
    layer = layers.Bidirectional(forward=layers.RNN(cell=cell), together=True)
    params, _ = make(layer)
    key = jax.random.key(0)

    @jax.jit
    def run():
        turned = drivers.scan(cell, params[1], XS[::-1], key=jax.random.split(key)[1])[1]
        forward = drivers.scan(cell, params[0], XS, key=jax.random.split(key)[0])[1]
        drawn = jnp.concatenate([forward, turned[::-1]], -1)
        return layer.apply(params, XS, key=key).ys, drawn, layer.apply(params, XS).ys

    found, drawn, without = run()
    assert_same(found, drawn)
    assert not bool((found == without).all())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.Bidirectional(forward=GRU.cell), "forward is a GRU: give a layer"),
        (lambda: layers.Bidirectional(forward=layers.RNN), "forward is the class RNN"),
        (lambda: layers.Bidirectional(forward=GRU.turned()), "forward has reverse=True"),
        (
            lambda: layers.Bidirectional(
                forward=GRU, backward=layers.RNN(cell=cells.GRU(input_size=2, hidden_size=4))
            ),
            "forward has input_size=3 and backward 2",
        ),
        (
            lambda: layers.Bidirectional(forward=GRU, backward=WIDE, merge="sum"),
            "forward gives 4 features and backward 5",
        ),
        (lambda: layers.Bidirectional(forward=GRU, merge="max"), "got 'max'"),
        (
            lambda: layers.Bidirectional(forward=GRU, backward=OTHER, together=True),
            "together=True is for two layers.RNN of the same cell",
        ),
        (
            lambda: layers.Bidirectional(forward=layers.Bidirectional(forward=GRU)),
            "Bidirectional cannot run from the end",
        ),
        (
            lambda: layers.Bidirectional(forward=GRU).apply(GRU.init(jax.random.key(0)), XS),
            "params is a GRUParams of 4, but there are 2 directions",
        ),
    ],
)
def test_refusals(make: Any, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()

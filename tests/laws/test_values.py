"""Laws 1 to 6, 9 and 15 for every cell: all roads give the values of the Python loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import drivers
from tests.laws.cases import (
    BY_LENGTH,
    LENGTHS,
    MASK,
    NUM_ROWS,
    NUM_STEPS,
    RESET,
    assert_same,
    make_case,
    poison,
    rows_of,
)
from tests.registry import names


@pytest.mark.parametrize("name", names())
def test_all_roads_equal_the_loop(name):
    cell, params, state, xs = make_case(name)

    half = jax.tree.map(lambda leaf: 0.5 * leaf if leaf.dtype == xs.dtype else leaf, params)

    def stack(a, b):
        return jnp.stack([a, b])

    @jax.jit
    def roads(params, state, xs):
        scan = lambda *args, **options: drivers.scan(cell, params, *args, **options)
        first, head = scan(xs[:2], state)
        last, tail = scan(xs[2:], first)
        both = jax.tree.map(stack, params, half)
        return {
            "scan": scan(xs, state),
            "from the initial state": scan(xs),
            "unroll=2": scan(xs, state, unroll=2),
            "unroll=T": scan(xs, state, unroll=NUM_STEPS),
            "in two parts": (last, jnp.concatenate([head, tail])),
            "reverse": scan(xs, state, reverse=True),
            "lengths": scan(poison(xs, BY_LENGTH), state, lengths=LENGTHS),
            "mask": scan(poison(xs, MASK), state, mask=MASK),
            "both, in reverse": scan(
                poison(xs, BY_LENGTH & MASK), state, lengths=LENGTHS, mask=MASK, reverse=True
            ),
            "reset": scan(xs, state, reset=RESET),
            "vmap over rows": jax.vmap(lambda x, s: scan(x, s), in_axes=(1, 0), out_axes=(0, 1))(
                xs, state
            ),
            "vmap over params": jax.vmap(lambda p: drivers.scan(cell, p, xs, state))(both),
        }

    step = jax.jit(lambda params, now, x: drivers.step(cell, params, now, x))
    inputs = np.asarray(xs)

    def loop(steps, now, row=None, params=params):
        ys = []
        for t in steps:
            now, y = step(params, now, inputs[t] if row is None else inputs[t, row : row + 1])
            ys.append(y)
        return now, np.stack(ys)

    found = jax.device_get(roads(params, state, xs))  # NumPy takes slices without compiling them
    every = list(range(NUM_STEPS))
    expected = drivers.unrolled(cell, params, xs, state)
    assert_same(loop(every, state), expected, what="step by step")
    for road in ("scan", "unroll=2", "unroll=T", "in two parts", "vmap over rows"):
        assert_same(found[road], expected, what=road)
    initial = cell.initial_state(params, (NUM_ROWS,))
    assert_same(found["from the initial state"], loop(every, initial), what="initial state")
    backward, ys = loop(every[::-1], state)
    assert_same(found["reverse"], (backward, ys[::-1]), what="reverse")
    both = (expected, loop(every, state, params=half))
    want = jax.tree.map(lambda *leaves: np.stack(leaves), *both)
    assert_same(found["vmap over params"], want, what="vmap over params")

    before, marks = jax.device_get(state), [np.asarray(m) for m in (BY_LENGTH, MASK)]
    for road, valid in (
        ("lengths", marks[0]),
        ("mask", marks[1]),
        ("both, in reverse", marks[0] & marks[1]),
    ):
        final, ys = found[road]
        assert bool((ys[~valid] == 0).all()), f"{road}: output on padding"
        for row in range(NUM_ROWS):
            real = [t for t in every if bool(valid[t, row])]
            begin = rows_of(before, row)
            if not real:
                assert_same(rows_of(final, row), begin, 0.0, what=f"{road}: row of length 0")
                continue
            order = real[::-1] if "reverse" in road else real
            want, want_ys = loop(order, begin, row)
            want_ys = want_ys[::-1] if "reverse" in road else want_ys
            assert_same(rows_of(final, row), want, what=f"{road}: row {row}")
            assert_same(ys[np.array(real), row], want_ys[:, 0], what=f"{road}: row {row}")

    (final, ys), reset = found["reset"], np.asarray(RESET)
    fresh = cell.initial_state(params, (1,))
    for row in range(NUM_ROWS):
        now = rows_of(before, row)
        starts = [t for t in every if reset[t, row]]
        for begin, end in zip([0, *starts], [*starts, NUM_STEPS]):
            now = fresh if begin in starts else now
            if begin == end:
                continue
            now, part = loop(range(begin, end), now, row)
            assert_same(ys[begin:end, row], part[:, 0], what=f"reset: row {row} from {begin}")
        assert_same(rows_of(final, row), now, what=f"reset: row {row}")


@pytest.mark.parametrize("name", names())
def test_batch_axes_are_free_and_one_step_is_a_step(name):
    cell, params, state, xs = make_case(name)
    whole, ys = drivers.unrolled(cell, params, xs, state)
    nested = lambda leaf, axis: jnp.expand_dims(leaf, axis)
    two_axes = drivers.unrolled(
        cell, params, nested(xs, 1), jax.tree.map(lambda leaf: nested(leaf, 0), state)
    )
    assert_same(two_axes, (jax.tree.map(lambda leaf: nested(leaf, 0), whole), nested(ys, 1)))
    alone = drivers.unrolled(cell, params, xs[:, 1], jax.tree.map(lambda leaf: leaf[1], state))
    assert_same(alone, (jax.tree.map(lambda leaf: leaf[1], whole), ys[:, 1]))
    now = state
    for t in range(NUM_STEPS):
        now, y = drivers.step(cell, params, now, xs[t])
        assert_same(y, ys[t])
    assert_same(now, whole)

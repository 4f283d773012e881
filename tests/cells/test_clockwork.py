"""Clockwork against the paper's algorithm in NumPy, and against a masked Elman network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers
from tests.cells.reference import assert_close, draw_case, run


def by_the_paper(params, xs, h, periods, size):
    """At step t only the groups whose period divides t are computed, from their block row."""
    w_x, w_h, b = (np.asarray(leaf) for leaf in params)
    groups = [slice(k * size, (k + 1) * size) for k in range(len(periods))]
    ys = []
    for t, x in enumerate(np.asarray(xs)):
        new = h.copy()
        for k, period in enumerate(periods):
            if t % period == 0:
                total = x @ w_x[:, groups[k]] + b[groups[k]]
                for slower in groups[k:]:
                    total = total + h[:, slower] @ w_h[slower, groups[k]]
                new[:, groups[k]] = np.tanh(total)
        h = new
        ys.append(h)
    return np.stack(ys)


@pytest.mark.parametrize("periods", [(1, 2, 4), (2, 3, 3), (5,)])
def test_equals_the_papers_algorithm(periods):
    cell = cells.Clockwork(input_size=3, hidden_size=2 * len(periods), periods=periods)
    params, state, xs = draw_case(cell, num_steps=13)
    state = state._replace(phase=jnp.zeros_like(state.phase))
    final, ys = run(cell, params, xs, state)
    assert_close(ys, by_the_paper(params, xs, np.asarray(state.h), periods, 2))
    assert final.phase.tolist() == [[13 % period for period in periods]] * 2


def test_with_all_periods_one_it_is_a_masked_elman():
    cell = cells.Clockwork(input_size=3, hidden_size=4, periods=(1, 1))
    params, state, xs = draw_case(cell)
    # Our rows: what comes from the second group reaches both, from the first only itself.
    mask = np.array([[1, 1, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 1.0]])
    elman = cells.Elman(input_size=3, hidden_size=4)
    masked = cells.ElmanParams(w_x=params.w_x, w_h=params.w_h * mask, b=params.b)
    _, want = run(elman, masked, xs, cells.ElmanState(h=state.h))
    assert_close(run(cell, params, xs, state._replace(phase=0 * state.phase))[1], want)
    start = cell.init(jax.random.key(0)).w_h
    assert bool((start[mask == 0] == 0).all()) and bool((start[mask == 1] != 0).all())


def test_groups_are_frozen_between_ticks_in_every_dtype():
    cell = cells.Clockwork(input_size=3, hidden_size=6, periods=(1, 3, 4))
    for dtype in (jnp.bfloat16, jnp.float32):
        params = cell.init(jax.random.key(0), dtype)
        xs = jax.random.normal(jax.random.key(1), (13, 2, 3), dtype)
        _, ys = run(cell, params, xs)
        for group, period in enumerate(cell.periods):
            own = np.asarray(ys[..., 2 * group : 2 * group + 2], np.float32)
            moved = (own[1:] != own[:-1]).any((1, 2))
            assert moved.tolist() == [t % period == 0 for t in range(1, 13)]


def test_the_clock_counts_real_steps_and_a_reset_restarts_it():
    cell = cells.Clockwork(input_size=3, hidden_size=2, periods=(2, 5))
    params, _, xs = draw_case(cell, num_steps=9)
    lengths, reset = jnp.array([9, 4]), jnp.zeros((9, 2), bool).at[3, 0].set(True)
    state, ys = drivers.scan(cell, params, xs, lengths=lengths, reset=reset)
    assert state.phase.tolist() == [[6 % 2, 6 % 5], [4 % 2, 4 % 5]]
    _, alone = drivers.scan(cell, params, xs[3:, :1])
    assert_close(ys[3:, :1], alone)
    # Over two calls the clock goes on.
    first, head = drivers.scan(cell, params, xs[:3])
    _, tail = drivers.scan(cell, params, xs[3:], first)
    assert_close(jnp.concatenate([head, tail]), drivers.scan(cell, params, xs)[1])


def test_the_clock_is_exact_over_long_runs():
    """Also in a bfloat16 state, where t itself would stop at 256."""
    cell = cells.Clockwork(input_size=1, hidden_size=2, periods=(3, 256))
    params = cell.init(jax.random.key(0), jnp.bfloat16)
    state = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), cell.initial_state(params))
    state, ys = run(cell, params, jnp.ones((1030, 1), jnp.bfloat16), state)
    assert state.phase.tolist() == [1030 % 3, 1030 % 256]


def test_noise_on_the_initial_state_does_not_stop_the_clock():
    inner = cells.Clockwork(input_size=3, hidden_size=4, periods=(1, 2))
    cell = cells.RandomInitialState(cell=inner, scale=0.1)
    params = cell.init(jax.random.key(0))
    xs = jax.random.normal(jax.random.key(1), (5, 3))
    state, ys = drivers.scan(cell, params, xs, key=jax.random.key(2))
    assert state.phase.tolist() == [0.0, 1.0]
    assert (np.diff(ys[:, 2:], axis=0) != 0).any(1).tolist() == [False, True, False, True]


@pytest.mark.parametrize("periods", [(), (2, 1), (0, 1), (1, 2.0), (1, 2**24 + 1)])
def test_bad_periods(periods):
    with pytest.raises(ValueError, match="periods must be whole numbers .* fastest to the slowest"):
        cells.Clockwork(input_size=3, hidden_size=4, periods=periods)


def test_bad_sizes_and_equal_cells():
    with pytest.raises(ValueError, match="hidden_size=5 is not divisible into 2 groups"):
        cells.Clockwork(input_size=3, hidden_size=5, periods=(1, 2))
    given = cells.Clockwork(input_size=3, hidden_size=4, periods=[1, 2])
    assert given == cells.Clockwork(input_size=3, hidden_size=4, periods=(1, 2))
    assert isinstance(hash(given), int)

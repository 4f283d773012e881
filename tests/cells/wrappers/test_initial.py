"""Learned and random initial states: where a sequence begins, and what flows back to there."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers
from tests.cells.reference import assert_close, draw
from tests.cells.wrappers.drawn import KEY, drawn, lstm, numbers_for

LSTM = cells.LSTM(input_size=3, hidden_size=4)
RESET = jnp.zeros((5, 3), bool).at[2, 0].set(True).at[0, 1].set(True)


def test_a_learned_state_is_where_all_rows_begin():
    cell = cells.LearnedInitialState(cell=LSTM)
    params, xs = numbers_for(cell)
    h, c = (np.tile(np.asarray(leaf), (3, 1)) for leaf in params.state)
    for x in np.asarray(xs):
        h, c = lstm(params.cell, h, c, x)
    assert_close(drivers.scan(cell, params, xs)[0], cells.LSTMState(h=h, c=c))


def test_its_gradient_is_that_of_every_beginning():
    """The sum over the rows' first steps and over the resets, equal on both roads."""
    cell = cells.LearnedInitialState(cell=LSTM)
    params, xs = numbers_for(cell)

    @jax.jit
    def gradients(params, xs):
        def loss(params, **options):
            return jnp.sin(drivers.scan(cell, params, xs, reset=RESET, **options)[1]).sum()

        def apart(state):
            """Row 0 twice, cut at its reset; rows 1 and 2 once."""
            parts = [(0, 0, 2), (0, 2, 5), (1, 0, 5), (2, 0, 5)]
            ys = [drivers.scan(LSTM, params.cell, xs[a:b, r], state)[1] for r, a, b in parts]
            return sum(jnp.sin(y).sum() for y in ys)

        roads = [jax.grad(lambda p, o=o: loss(p, **o))(params).state for o in ({}, AUTODIFF)]
        return roads, jax.grad(apart)(params.state)

    (deferred, autodiff), want = gradients(params, xs)
    assert_close(deferred, want)
    assert_close(autodiff, want)


AUTODIFF = {"gradient": "autodiff"}


def test_a_learned_state_starts_as_the_cells_own_and_keeps_its_dtypes():
    cell = cells.LearnedInitialState(cell=LSTM)
    params = cell.init(jax.random.key(0), jnp.bfloat16)
    assert_close(params.state, LSTM.initial_state(params.cell), 0.0)
    state = cell.initial_state(params, (2, 3))
    assert state.h.dtype == jnp.bfloat16 and state.c.dtype == jnp.float32
    assert state.h.shape == state.c.shape == (2, 3, 4)


def test_a_random_state_is_normal_around_the_inner_one():
    """60000 numbers: mean and standard deviation to 5 standard errors."""
    cell = cells.RandomInitialState(cell=cells.LearnedInitialState(cell=LSTM), scale=0.3)
    params, _ = numbers_for(cell)
    xs = jnp.zeros((1, 15000, 3))
    state = cell.initial_state(drawn(cell, params, xs).params, (15000,))
    away = jax.tree.map(
        lambda a, b: (a - b) / 0.3,
        state,
        params.cell.state._replace(
            h=jnp.tile(params.cell.state.h, (15000, 1)), c=jnp.tile(params.cell.state.c, (15000, 1))
        ),
    )
    for leaf in away:
        assert abs(leaf.mean()) < 5 / np.sqrt(60000) and abs(leaf.std() - 1) < 5 / np.sqrt(120000)
    assert abs((away.h * away.c).mean()) < 5 / np.sqrt(60000)


def test_a_random_state_needs_a_key_and_returns_at_resets():
    cell = cells.RandomInitialState(cell=LSTM, scale=0.5)
    params, xs = numbers_for(cell)
    assert_close(drivers.scan(cell, params, xs), drivers.scan(LSTM, params.cell, xs), 0.0)
    begin = drawn(cell, params, xs).params.state
    _, ys = drivers.scan(cell, params, xs, reset=RESET, key=KEY)
    _, once = drivers.scan(LSTM, params.cell, xs, begin)
    _, again = drivers.scan(LSTM, params.cell, xs[2:], begin)
    assert_close((ys[:2], ys[2:, 0]), (once[:2], again[:, 0]))
    given = draw(LSTM.initial_state(params.cell, (3,)), 4)
    want = drivers.scan(LSTM, params.cell, xs, given)
    assert_close(drivers.scan(cell, params, xs, given, key=KEY), want, 0.0)
    with pytest.raises(ValueError, match="scale must be >= 0, got -1"):
        cells.RandomInitialState(cell=LSTM, scale=-1)


def test_whole_numbered_leaves_are_neither_learned_nor_drawn():
    cell = cells.LearnedInitialState(cell=Counting(cell=LSTM))
    params = cell.init(jax.random.key(0))
    assert params.state[1] is None and cell.initial_state(params, (2,))[1].tolist() == [7, 7]
    cell = cells.RandomInitialState(cell=Counting(cell=LSTM), scale=1.0)
    params = cell.perturb(cell.init(jax.random.key(0)), KEY, (2,))
    assert cell.initial_state(params, (2,))[1].tolist() == [7, 7]


def touched(cell):
    """Which leaves a random initial state changes, by path."""
    params = cell.init(jax.random.key(0))
    before = cell.initial_state(params, (2,))
    after = cell.initial_state(cell.perturb(params, KEY, (2,)), (2,))
    changed = jax.tree.map(lambda a, b: bool((a != b).any()), before, after)
    leaves = jax.tree_util.tree_leaves_with_path(changed)
    return [jax.tree_util.keystr(path) for path, changed in leaves if changed]


def learned(cell):
    """Which leaves a learned initial state has for parameters, by path."""
    leaves = jax.tree_util.tree_leaves_with_path(cell.init(jax.random.key(0)).state)
    return [jax.tree_util.keystr(path) for path, _ in leaves]


SLSTM = cells.SLSTM(input_size=3, hidden_size=4)
SQUARE = cells.Stacked(cells=(cells.GRU(input_size=4, hidden_size=4),) * 2, residual=True)


@pytest.mark.parametrize(
    ("inner", "names", "want"),
    [
        (LSTM, None, [".h", ".c"]),
        (SLSTM, None, [".h"]),
        (cells.TimeIndex(cell=LSTM), None, [".cell.h", ".cell.c"]),
        (SQUARE, None, [".cells[0].h", ".cells[1].h"]),
        (cells.Stacked(cells=(LSTM, cells.SLSTM(input_size=4, hidden_size=4))), None, None),
        (cells.SRU(input_size=3, hidden_size=4), None, [".c"]),
        (cells.Jordan(input_size=3, hidden_size=4, output_size=2), ("h", "y"), [".h", ".y"]),
        (LSTM, ("c",), [".c"]),
        (SLSTM, ("h", "m"), [".h", ".m"]),
    ],
    ids=["lstm", "slstm", "time index", "skip", "mixed", "sru", "jordan", "c", "slstm by name"],
)
def test_only_hidden_state_and_memory_or_what_is_named(inner, names, want):
    want = want or [".cells[0].h", ".cells[0].c", ".cells[1].h"]
    assert touched(cells.RandomInitialState(cell=inner, scale=1.0, names=names)) == want
    assert learned(cells.LearnedInitialState(cell=inner, names=names)) == want


def test_noise_leaves_an_slstm_bounded():
    """|h| <= 1, being a weighted mean of tanh; with noise in its normaliser it went to hundreds."""
    cell = cells.RandomInitialState(cell=SLSTM, scale=1.0)
    xs = jax.random.normal(jax.random.key(1), (5, 200, 3))
    _, ys = drivers.scan(cell, cell.init(jax.random.key(0)), xs, key=KEY)
    assert float(abs(ys).max()) <= 1


@pytest.mark.parametrize("wrapper", [cells.LearnedInitialState, cells.RandomInitialState])
def test_names_that_the_state_lacks_are_refused(wrapper):
    message = r"names=\('h', 'y'\), but the floating .* of LSTM are \['c', 'h'\], without \['y'\]"
    with pytest.raises(ValueError, match=message):
        wrapper(cell=LSTM, names=("h", "y"))
    with pytest.raises(ValueError, match="name some of these"):
        wrapper(cell=LSTM, names=())
    clock = cells.Clockwork(input_size=3, hidden_size=4, periods=(1, 2))
    with pytest.raises(ValueError, match=r"without \['none'\]"):
        wrapper(cell=clock, names=("none",))


class Counting(cells.Wrapper):
    """Only the state of a cell that counts."""

    def initial_state(self, params, batch_shape=()):
        return self.cell.initial_state(params, batch_shape), jnp.full(batch_shape, 7)

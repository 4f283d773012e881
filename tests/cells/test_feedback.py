"""Output feedback against the equations in NumPy; free running against teacher forcing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers
from tests.cells.reference import assert_close, draw_case, run

SIZES = {"input_size": 3, "hidden_size": 4, "output_size": 2}


def both(**choices):
    return cells.FeedbackRNN(**SIZES, **choices), cells.Jordan(**SIZES, **choices)


def by_the_equations(params, state, xs, f, g):
    """Column vectors, one row and one step at a time; the matrix of hidden units may be absent."""
    p, s = jax.tree.map(np.asarray, (params, state))
    hs, ys = np.empty(xs.shape[:2] + s.h.shape[1:]), np.empty(xs.shape[:2] + s.y.shape[1:])
    for row in range(xs.shape[1]):
        h, y = s.h[row], s.y[row]
        for t, x in enumerate(np.asarray(xs)[:, row]):
            own = p.w_h.T.dot(h) if hasattr(p, "w_h") else 0
            h = f(p.w_x.T.dot(x) + own + p.w_back.T.dot(y) + p.b)
            y = g(p.w_out.T.dot(h) + p.b_out)
            hs[t, row], ys[t, row] = h, y
    return cells.FeedbackState(h=hs[-1], y=ys[-1]), ys


def softmax(a):
    return np.exp(a - a.max()) / np.exp(a - a.max()).sum()


@pytest.mark.parametrize("which", [0, 1], ids=["feedback_rnn", "jordan"])
def test_equals_the_equations(which):
    cell = both()[which]
    params, state, xs = draw_case(cell)
    want = by_the_equations(params, state, xs, np.tanh, lambda y: y)
    assert_close(run(cell, params, xs, state), want)
    other = both(activation=jax.nn.sigmoid, output_activation=jax.nn.softmax)[which]
    want = by_the_equations(params, state, xs, lambda a: 1 / (1 + np.exp(-a)), softmax)
    assert_close(run(other, params, xs, state), want)


def test_by_hand():
    """One unit, linear: h = x + 2 y, y = 3 h + 1 over x = 1, 0 from y = 0: h = 1, 8; y = 4, 25."""
    cell = cells.Jordan(input_size=1, hidden_size=1, output_size=1, activation=cells.base.identity)
    one = jnp.ones((1, 1))
    params = cells.JordanParams(one, 2 * one, jnp.zeros(1), 3 * one, jnp.ones(1))
    state, ys = run(cell, params, jnp.array([[1.0], [0.0]]))
    assert ys.ravel().tolist() == [4.0, 25.0] and state.h.tolist() == [8.0]


def test_the_general_network_holds_the_others():
    general, jordan = both()
    params, state, xs = draw_case(general)
    elman = cells.OutputHead(cell=cells.Elman(input_size=3, hidden_size=4), head_size=2)
    inner = cells.ElmanParams(w_x=params.w_x, w_h=params.w_h, b=params.b)
    head = cells.OutputHeadParams(cell=inner, w_y=params.w_out, b_y=params.b_out)
    _, ys = run(general, params._replace(w_back=jnp.zeros_like(params.w_back)), xs, state)
    assert_close(ys, run(elman, head, xs, cells.ElmanState(h=state.h))[1])
    shared = cells.JordanParams(*(getattr(params, name) for name in cells.JordanParams._fields))
    without = params._replace(w_h=jnp.zeros_like(params.w_h))
    assert_close(run(general, without, xs, state), run(jordan, shared, xs, state))


@pytest.mark.parametrize("which", [0, 1, 2], ids=["feedback_rnn", "jordan", "echo_state"])
def test_free_running_is_teacher_forcing_with_its_own_outputs(which):
    """Values, the state to go on from, and resets; the forced loop holds no output product."""
    echo = cells.EchoState(**SIZES, density=1.0, leak=0.5, feedback=True)
    cell = (*both(), echo)[which]
    forced = cells.TeacherForced(cell=cell)
    params, state, xs = draw_case(cell, num_steps=6)
    reset = jnp.zeros((6, 2), bool).at[3, 0].set(True)

    @jax.jit
    def free_then_forced(params, state, xs):
        free = drivers.scan(cell, params, xs, state, reset=reset)
        inputs = cells.teacher_inputs(xs, free[1], state, reset=reset)
        begin = cells.ElmanState(h=state.h)
        roads = [drivers.scan(forced, params, inputs, begin, reset=reset)]
        if cells.is_affine(forced):
            roads.append(drivers.associative(forced, params, inputs, begin, reset=reset))
        return free, [(forced.free_state(params, last), ys) for last, ys in roads]

    free, roads = free_then_forced(params, state, xs)
    for road in roads:
        assert_close(road, free)


LENGTHS = jnp.array([6, 4])
HOLES = jnp.ones((6, 2), bool).at[2, 0].set(False).at[jnp.array([0, 3, 4]), 1].set(False)
RESET = jnp.zeros((6, 2), bool).at[3, 0].set(True).at[3, 1].set(True)
MARKS = {
    "plain": {},
    "resets": {"reset": RESET},
    "lengths": {"lengths": LENGTHS},
    "holes": {"mask": HOLES},
    "all": {"lengths": LENGTHS, "mask": HOLES, "reset": RESET.at[2, 0].set(True)},
}


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("marks", MARKS.values(), ids=MARKS)
def test_it_is_so_in_either_direction_and_over_padding(marks, reverse):
    """Targets on padding are NaN: they show neither in values nor in gradients."""
    cell = both()[0]
    forced = cells.TeacherForced(cell=cell)
    params, state, xs = draw_case(cell, num_steps=6)
    real = marks.get("mask", jnp.ones((6, 2), bool))
    if "lengths" in marks:
        real &= jnp.arange(6)[:, None] < marks["lengths"][None]

    def run_forced(targets, params, state):
        inputs = cells.teacher_inputs(xs, targets, state, reverse=reverse, **marks)
        begin = cells.ElmanState(h=state.h)
        return drivers.scan(forced, params, inputs, begin, reverse=reverse, **marks)

    @jax.jit
    def free_then_forced(params, state):
        free = drivers.scan(cell, params, xs, state, reverse=reverse, **marks)
        targets = jnp.where(real[..., None], free[1], jnp.nan)
        slopes = jax.grad(lambda t: jnp.sin(run_forced(t, params, state)[1]).sum())(targets)
        return free, run_forced(targets, params, state), slopes

    free, found, slopes = free_then_forced(params, state)
    assert_close(found, (cells.ElmanState(h=free[0].h), free[1]))
    assert bool((slopes[~real] == 0).all()) and bool(jnp.isfinite(slopes).all())


def test_teacher_inputs_by_hand():
    """A hole at 2 carries 1 on, a reset at 4 gives zero until the next real target."""
    xs, targets = jnp.zeros((6, 0)), jnp.arange(6.0)[:, None]
    state = cells.FeedbackState(h=jnp.zeros(4), y=jnp.array([9.0]))

    def previous(**marks):
        return cells.teacher_inputs(xs, targets, state, **marks).ravel().tolist()

    mask = jnp.array([1, 1, 0, 1, 0, 1], bool)
    reset = jnp.array([0, 0, 0, 0, 1, 0], bool)
    assert previous() == [9, 0, 1, 2, 3, 4]
    assert previous(reverse=True) == [1, 2, 3, 4, 5, 9]
    assert previous(mask=mask) == [9, 0, 1, 1, 3, 3]
    assert previous(mask=mask, reset=reset) == [9, 0, 1, 1, 0, 0]
    assert previous(mask=mask, reset=reset, reverse=True) == [1, 3, 3, 0, 0, 9]
    assert previous(lengths=jnp.array(2), reverse=True) == [1, 9, 9, 9, 9, 9]


def test_teacher_forcing_reads_the_targets():
    """With other targets: the equations with the previous target where the output stood."""
    for cell in both():
        params, state, xs = draw_case(cell)
        targets = jnp.asarray(np.random.default_rng(9).standard_normal((4, 2, 2)))
        inputs = cells.teacher_inputs(xs, targets, state)
        begin = cells.ElmanState(h=state.h)
        _, ys = run(cells.TeacherForced(cell=cell), params, inputs, begin)
        now, want = state, []
        for t in range(4):
            now, y = by_the_equations(params, now, xs[t : t + 1], np.tanh, lambda y: y)
            now, want = now._replace(y=targets[t]), [*want, y[0]]
        assert_close(ys, np.stack(want))


def test_capabilities():
    general, jordan = both()
    echo = cells.EchoState(**SIZES, density=1.0, feedback=True)
    forced = [cells.TeacherForced(cell=cell) for cell in (general, jordan, echo)]
    assert [cells.is_gated(cell) for cell in (general, jordan, *forced)] == [
        *(False, False),
        *(True, False, True),
    ]
    assert [cells.is_affine(cell) for cell in (general, jordan, *forced)] == [
        *(False, False),
        *(False, True, False),
    ]
    assert forced[0].input_size == 5 and forced[0].output_size == 2


def test_forced_jordan_forgets_its_state():
    """No step depends on another: what the state was, even NaN, is of no account."""
    forced = cells.TeacherForced(cell=both()[1])
    params, state, xs = draw_case(forced)
    broken = jax.tree.map(lambda leaf: leaf * jnp.nan, state)
    for driver in (drivers.scan, drivers.associative):
        assert_close(driver(forced, params, xs, broken), run(forced, params, xs, state))


def test_half_precision_outputs_keep_the_states_dtype():
    for cell in (*both(), cells.TeacherForced(cell=both()[0])):
        params = cell.init(jax.random.key(0), jnp.bfloat16)
        xs = jnp.ones((2, 1, cell.input_size), jnp.float32)
        _, ys = jax.eval_shape(lambda p, x, c=cell: drivers.scan(c, p, x), params, xs)
        assert ys.dtype == jnp.bfloat16


def test_bad_input():
    elman = cells.Elman(input_size=3, hidden_size=4)
    for cell in (elman, cells.EchoState(**SIZES, density=1.0)):
        with pytest.raises(ValueError, match="cell must feed its output back.*feedback=True"):
            cells.TeacherForced(cell=cell)
    xs, targets = jnp.ones((5, 2, 3)), jnp.ones((4, 2, 2))
    with pytest.raises(ValueError, match=r"targets has shape \(4, 2, 2\) and xs \(5, 2, 3\)"):
        cells.teacher_inputs(xs, targets)
    state = cells.FeedbackState(h=jnp.ones((2, 4)), y=jnp.ones((2, 3)))
    with pytest.raises(ValueError, match=r"state.y has shape \(2, 3\), but one step"):
        cells.teacher_inputs(xs[:4], targets, state)
    with pytest.raises(ValueError, match=r"mask has shape \(4,\), .* must be \(4, 2\)"):
        cells.teacher_inputs(xs[:4], targets, mask=jnp.ones(4, bool))
    mixed = cells.teacher_inputs(xs[:4].astype(jnp.bfloat16), targets.astype(jnp.float32))
    assert mixed.shape == (4, 2, 5) and mixed.dtype == jnp.float32

"""Bad input: every mistake is a ValueError that names the argument, the numbers and the remedy."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from rnn_jax import cells, drivers
from rnn_jax.drivers import deferred
from tests.registry import CELLS

CELL = cells.LSTM(input_size=3, hidden_size=4)
PARAMS = CELL.init(jax.random.key(0))
XS = jnp.ones((5, 2, 3), jnp.float32)
STATE = CELL.initial_state(PARAMS, (2,))

MISTAKES = {
    "wrong feature size": (
        {"xs": XS[..., :2]},
        ["xs has shape (5, 2, 2)", "input_size=3", "time is axis 0"],
    ),
    "no time axis": ({"xs": XS[0, 0]}, ["(3,)", "time axis is missing", "drivers.step"]),
    "integers": ({"xs": XS.astype(jnp.int32)}, ["xs has dtype int32", "embed tokens"]),
    "complex numbers": ({"xs": XS.astype(jnp.complex64)}, ["xs has dtype complex", "real inputs"]),
    "a seed for a key": ({"key": 0}, ["key is 0", "jax.random.key(0)"]),
    "no steps": ({"xs": XS[:0]}, ["(0, 2, 3)", "empty", "lengths=0"]),
    "no rows": ({"xs": XS[:, :0]}, ["(5, 0, 3)", "empty"]),
    "params of another cell": (
        {"params": cells.LSTM(input_size=3, hidden_size=5).init(jax.random.key(0))},
        ["params.w_x", "(3, 20)", "(3, 16)", "cell.init"],
    ),
    "params of another family": (
        {"params": cells.Elman(input_size=3, hidden_size=4).init(jax.random.key(0))},
        ["params.w_x", "LSTM", "(3, 16)"],
    ),
    "state of another kind": (
        {"state": cells.GRUState(h=STATE.h)},
        ["GRUState(h)", "LSTMState(h, c)", "cell.initial_state"],
    ),
    "state as a plain tuple": ({"state": tuple(STATE)}, ["tuple(*, *)", "LSTMState(h, c)"]),
    "state of another batch": (
        {"state": CELL.initial_state(PARAMS, (3,))},
        ["state.h has shape (3, 4)", "(2, 4)"],
    ),
    "state of whole numbers": (
        {"state": jax.tree.map(lambda leaf: leaf.astype(jnp.int32), STATE)},
        ["state.h has dtype int32", ".astype(float32)"],
    ),
    "lengths beyond T": ({"lengths": jnp.array([6, 1])}, ["from 1 to 6", "0..5"]),
    "negative lengths": ({"lengths": jnp.array([-1, 1])}, ["from -1 to 1", "0..5"]),
    "lengths of another shape": ({"lengths": jnp.array([1])}, ["lengths has shape (1,)", "(2,)"]),
    "lengths as floats": ({"lengths": jnp.array([1.0, 2.0])}, ["lengths has dtype", "int32"]),
    "mask of another shape": (
        {"mask": jnp.ones((2, 5), bool)},
        ["mask has shape (2, 5)", "(5, 2)"],
    ),
    "mask of numbers": ({"mask": jnp.ones((5, 2))}, ["mask has dtype", "mask.astype(bool)"]),
    "reset of numbers": ({"reset": jnp.ones((5, 2))}, ["reset has dtype", "reset.astype(bool)"]),
}


@pytest.mark.smoke
@pytest.mark.parametrize("driver", [drivers.scan, drivers.unrolled], ids=lambda d: d.__name__)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named(driver, mistake):
    wrong, words = MISTAKES[mistake]
    arguments = {"params": PARAMS, "xs": XS, **wrong}
    with pytest.raises(ValueError) as error:
        driver(CELL, arguments.pop("params"), arguments.pop("xs"), **arguments)
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.mark.parametrize("cell", [cells.LSTM, "lstm"], ids=["class", "name"])
def test_a_cell_is_no_class_and_no_name(cell):
    with pytest.raises(ValueError, match="cell is .*give a cell, such as cells.LSTM"):
        drivers.scan(cell, PARAMS, XS)


@pytest.mark.parametrize("size", [0, -1, 2.0, True])
@pytest.mark.parametrize("name", ["lstm", "gru", "elman", "min_gru", "indrnn", "jordan"])
def test_sizes_are_whole_and_positive(name, size):
    with pytest.raises(ValueError, match=f"hidden_size must be a whole number >= 1, got {size}"):
        dataclasses.replace(CELLS[name], hidden_size=size)


@pytest.mark.parametrize("dtype", [jnp.int8, jnp.uint8, jnp.int16, jnp.int64])
def test_lengths_of_any_whole_dtype(dtype):
    xs = jnp.ones((300, 2, 3), jnp.float32)
    _, ys = drivers.scan(CELL, PARAMS, xs, lengths=jnp.array([100, 127], dtype))
    assert [int((ys[:, row] != 0).any(-1).sum()) for row in (0, 1)] == [100, 127]


def test_marks_may_be_lists():
    _, ys = drivers.scan(CELL, PARAMS, XS, lengths=[3, 0], reset=[[False, True]] * 5)
    assert bool((ys[3:, 0] == 0).all()) and bool((ys[:, 1] == 0).all())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"unroll": 0}, ["unroll", ">= 1", "0"]),
        ({"remat": "all"}, ["remat", "sqrt", "'all'"]),
        ({"remat": 0}, ["remat", ">= 1", "0"]),
        ({"gradient": "fast"}, ["gradient", "autodiff", "'fast'"]),
        ({"store": "all"}, ["store", "gates", "'all'"]),
    ],
)
def test_choices_are_named(options, words):
    with pytest.raises(ValueError) as error:
        drivers.scan(CELL, PARAMS, XS, **options)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_forward_mode_needs_autodiff_and_the_docstring_says_so():
    run = lambda x, **o: drivers.scan(CELL, PARAMS, x, **o)[1]
    with pytest.raises(ValueError, match='pass gradient="autodiff"'):
        jax.jvp(run, (XS,), (XS,))
    tangent = jax.jvp(lambda x: run(x, gradient="autodiff"), (XS,), (XS,))[1]
    assert tangent.shape == (5, 2, 4)
    assert 'gradient="autodiff"' in drivers.scan.__doc__


@pytest.mark.parametrize("num_steps", [1, 3, 7, 8, 9, 16, 17, 31, 128])
def test_chunks_cover_any_length(num_steps):
    chunk, unroll = deferred.choose_loop(num_steps, "cpu")
    assert 1 <= unroll <= chunk
    assert 1 <= chunk <= min(num_steps, deferred.CHUNK)
    assert num_steps <= deferred.CHUNK or chunk > deferred.CHUNK // 2


def test_under_jit_lengths_are_not_read():
    """Values are unknown while tracing; shapes and dtypes are still checked."""
    run = jax.jit(lambda lengths: drivers.scan(CELL, PARAMS, XS, lengths=lengths)[1])
    ys = run(jnp.array([5, 0]))
    assert bool((ys[:, 1] == 0).all())
    with pytest.raises(ValueError, match="lengths has shape"):
        run(jnp.array([5]))

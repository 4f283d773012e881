"""The Flax modules: bit-equal to the core for every cell, driver and option."""

import re
import subprocess
import sys
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as flax_linen
from flax import nnx as flax_nnx

from rnn_jax import cells, drivers
from rnn_jax.bridge import linen, nnx
from rnn_jax.cells.base import input_shape, is_stochastic
from tests.registry import CELLS, names
from tests.settings import ROOT

LSTM = CELLS["lstm"]
STOCHASTIC = "zoneout"


def inputs(cell: Any, *batch_shape: int, num_steps: int = 5) -> jax.Array:
    shape = (*batch_shape, num_steps, *input_shape(cell))
    return jax.random.normal(jax.random.key(1), shape, jnp.float32)


def marks(*batch_shape: int, num_steps: int = 5) -> dict[str, jax.Array]:
    key_lengths, key_mask, key_reset = jax.random.split(jax.random.key(2), 3)
    return {
        "lengths": jax.random.randint(key_lengths, batch_shape, 0, num_steps + 1),
        "mask": jax.random.bernoulli(key_mask, 0.7, (*batch_shape, num_steps)),
        "reset": jax.random.bernoulli(key_reset, 0.3, (*batch_shape, num_steps)),
    }


def core(driver: Any, cell: Any, params: Any, xs: jax.Array, state: Any, **options: Any) -> Any:
    """The core, time axis moved by hand."""
    axis = xs.ndim - 1 - len(input_shape(cell))
    for name in {"mask", "reset"} & set(options):
        options[name] = jnp.moveaxis(options[name], axis, 0)
    state, ys = driver(cell, params, jnp.moveaxis(xs, axis, 0), state, **options)
    return state, jnp.moveaxis(ys, 0, axis)


def assert_equal(found: Any, expected: Any) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    for have, want in zip(jax.tree.leaves(found), jax.tree.leaves(expected)):
        assert have.dtype == want.dtype
        np.testing.assert_array_equal(have, want)


def modules_of(cell: Any, **choices: Any) -> tuple[Any, Any, Any, Any]:
    """Both modules with the same parameters: NNX, Linen, Linen's variables, the parameters."""
    one = nnx.RNN(cell, **choices, rngs=flax_nnx.Rngs(0))
    other, params = linen.RNN(cell, **choices), one.get_params()
    return one, other, {"params": {"weights": params}}, params


@pytest.mark.parametrize(
    ("name", "driver", "batch_shape"),
    [
        ("lstm", drivers.scan, (3,)),
        ("lstm", drivers.unrolled, (2, 2)),
        ("gru_before", partial(drivers.scan, unroll=2), ()),
        ("min_gru", drivers.associative, (3,)),
        ("gru", partial(drivers.truncated, k1=2), (3,)),
        ("conv_lstm", drivers.scan, (2,)),
    ],
)
def test_bit_equal_to_the_core(name: str, driver: Any, batch_shape: tuple[int, ...]):
    cell = CELLS[name]
    rnn, module, variables, params = modules_of(cell, driver=driver)
    xs, options = inputs(cell, *batch_shape), marks(*batch_shape)
    start = jax.tree.map(lambda leaf: leaf + 0.5, cell.initial_state(params, batch_shape))
    options["reverse"] = name != "gru"  # truncated BPTT looks back, not forward
    expected = jax.jit(lambda: core(driver, cell, params, xs, start, **options))()
    assert_equal(jax.jit(lambda: rnn(xs, start, **options))(), expected)
    assert_equal(jax.jit(lambda: module.apply(variables, xs, start, **options))(), expected)


@pytest.mark.parametrize("name", names())
def test_every_cell_fits(name: str):
    """Shapes and dtypes of every cell's state and outputs, and its parameters' way through both."""
    cell = CELLS[name]
    xs, key = inputs(cell, 2), jax.random.key(3)
    params = jax.eval_shape(cell.init, key)
    expected = jax.eval_shape(partial(core, drivers.scan, cell), params, xs, None)

    def by_nnx(xs: jax.Array) -> Any:
        rnn = nnx.RNN(cell, rngs=flax_nnx.Rngs(0))
        rnn.set_params(jax.tree.map(jnp.zeros_like, rnn.get_params()))
        return rnn.get_params(), rnn(xs)

    def by_linen(xs: jax.Array) -> Any:
        module = linen.RNN(cell)
        variables = module.init(key, xs)
        return variables["params"]["weights"], module.apply(variables, xs)

    for run in (by_nnx, by_linen):
        found_params, found = jax.eval_shape(run, xs)
        assert jax.tree.structure(found_params) == jax.tree.structure(params)
        assert found_params == params
        assert found == expected


def test_noise_comes_from_flax_streams():
    cell = CELLS[STOCHASTIC]
    assert is_stochastic(cell)
    rnn, _, _, params = modules_of(cell)
    xs, key = inputs(cell, 2), jax.random.key(4)
    run = partial(core, drivers.scan, cell, params, xs, None)  # not compiled, nor are the modules
    rngs = flax_nnx.Rngs(params=0, dropout=key)
    assert_equal(rnn(xs, rngs=key), run(key=key))
    assert_equal(rnn(xs, rngs=rngs), run(key=flax_nnx.Rngs(dropout=key).dropout()))
    same = flax_nnx.Rngs(params=0, dropout=key)
    assert same.dropout() is not None  # the stream's first key was used above
    assert_equal(rnn(xs, rngs=rngs.dropout), run(key=same.dropout()))


def test_linen_trains_with_the_stream_and_evaluates_without():
    cell = CELLS[STOCHASTIC]
    _, module, variables, params = modules_of(cell)
    xs, key = inputs(cell, 2), jax.random.key(4)

    class First(flax_linen.Module):
        """The key that the first call of a module gets."""

        @flax_linen.compact
        def __call__(self) -> jax.Array:
            return self.make_rng("dropout")

    drawn = First().apply({}, rngs={"dropout": key})
    run = partial(core, drivers.scan, cell, params, xs, None)
    assert_equal(module.apply(variables, xs, rngs={"dropout": key}), run(key=drawn))
    evaluated = run()
    assert_equal(module.apply(variables, xs), evaluated)
    other = linen.RNN(cell, rng_collection="noise")
    assert_equal(other.apply(variables, xs, rngs={"dropout": key}), evaluated)


def test_context_is_bound():
    cell = cells.Context(cell=cells.GRU(input_size=5, hidden_size=4), context_size=2)
    rnn, module, variables, params = modules_of(cell)
    xs, v = inputs(cell, 3), jax.random.normal(jax.random.key(5), (3, 2), jnp.float32)
    expected = jax.jit(lambda: core(drivers.scan, cell, cell.bind(params, v), xs, None))()
    assert_equal(jax.jit(lambda: rnn(xs, context=v))(), expected)
    assert_equal(jax.jit(lambda: module.apply(variables, xs, context=v))(), expected)
    with pytest.raises(ValueError, match=r"LSTM takes none: wrap it, cells.Context\("):
        modules_of(LSTM)[0](inputs(LSTM, 3), context=v)


def test_dtypes():
    """bfloat16 parameters under both, and float64 in the place of float32."""
    rnn, module, variables, params = modules_of(LSTM, param_dtype=jnp.bfloat16)
    assert {leaf.dtype for leaf in params} == {jnp.dtype(jnp.bfloat16)}
    xs = inputs(LSTM, 2)
    initial = jax.eval_shape(module.init, jax.random.key(0), xs)["params"]["weights"]
    assert [leaf.dtype for leaf in initial] == [leaf.dtype for leaf in params]
    expected = jax.jit(lambda: core(drivers.scan, LSTM, params, xs, None))()
    assert_equal(jax.jit(lambda: rnn(xs))(), expected)
    assert_equal(jax.jit(lambda: module.apply(variables, xs))(), expected)
    rnn.set_params(LSTM.init(jax.random.key(1), jnp.float32))
    assert {leaf.dtype for leaf in rnn.get_params()} == {jnp.dtype(jnp.bfloat16)}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda rnn: rnn(jnp.zeros((2, 5, 4))), "xs has shape (2, 5, 4), but LSTM takes sequences"),
        (lambda rnn: rnn(jnp.zeros(3)), "(*B, T, 3): batch first"),
        (
            lambda rnn: rnn(jnp.zeros((2, 5, 3)), mask=jnp.ones((5, 2), bool)),
            "mask has shape (5, 2), but the batch and time axes of xs are (2, 5)",
        ),
        (lambda rnn: rnn(jnp.zeros((2, 5, 3)), reset=jnp.ones(2, bool)), "reset has shape (2,)"),
        (lambda rnn: rnn(jnp.zeros((2, 5, 3)), lengths=jnp.array([6, 1])), "lengths go from 1 to"),
        (lambda rnn: rnn(jnp.zeros((2, 5, 3), int)), "dtype int64"),
        (
            lambda rnn: rnn.set_params(CELLS["gru"].init(jax.random.key(0))),
            "belong to another cell",
        ),
    ],
)
def test_bad_input(call: Any, message: str):
    with pytest.raises(ValueError, match=re.escape(message)):
        call(nnx.RNN(LSTM, rngs=flax_nnx.Rngs(0)))


def test_imports_no_neighbour():
    """The room and its converters need none of the libraries they convert from, nor Flax."""
    code = (
        "import sys, rnn_jax, rnn_jax.bridge\n"
        "print({'flax', 'torch', 'keras', 'haiku', 'equinox'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.stdout == "set()\n", run.stdout + run.stderr

"""The Flax modules in training: the core's own steps, traced once, in all of NNX' modes."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as flax_linen
from flax import nnx as flax_nnx

from rnn_jax import cells, drivers
from rnn_jax.bridge import linen, nnx

LSTM = cells.LSTM(input_size=3, hidden_size=4)
XS = jax.random.normal(jax.random.key(1), (4, 5, 3), jnp.float32)
LABELS = jnp.sin(jnp.arange(16, dtype=jnp.float32)).reshape(4, 4)
OPTIMIZER = optax.adam(0.05)


class Counting:
    """A driver that counts how often it is traced."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, *args: Any, **options: Any) -> Any:
        self.count += 1
        return drivers.scan(*args, **options)


def loss_of(final: Any) -> jax.Array:
    return jnp.mean((final.h - LABELS) ** 2)


@jax.jit
def core_step(params: Any, moments: Any) -> Any:
    def loss(params: Any) -> jax.Array:
        return loss_of(drivers.scan(LSTM, params, jnp.swapaxes(XS, 0, 1))[0])

    value, grads = jax.value_and_grad(loss)(params)
    updates, moments = OPTIMIZER.update(grads, moments)
    return optax.apply_updates(params, updates), moments, value


@pytest.fixture(scope="module")
def trained() -> tuple[Any, list[jax.Array]]:
    """Parameters and losses of four steps of the core by optax, from NNX' start."""
    params = nnx.RNN(LSTM, rngs=flax_nnx.Rngs(0)).get_params()
    with jax.numpy_dtype_promotion("standard"):
        moments, losses = OPTIMIZER.init(params), []
        for _ in range(4):
            params, moments, value = core_step(params, moments)
            losses.append(value)
    return params, losses


@pytest.mark.parametrize("updates", [True, False])
@pytest.mark.parametrize("graph", [True, False])
def test_nnx_trains(graph: bool, updates: bool, trained: Any, standard_promotion: None):
    """nnx.Optimizer makes the core's own steps, and nothing is traced twice."""
    driver, losses = Counting(), []
    with flax_nnx.set_graph_mode(graph), flax_nnx.set_graph_updates(updates):
        rnn = nnx.RNN(LSTM, driver=driver, rngs=flax_nnx.Rngs(0))
        optimizer = flax_nnx.Optimizer(rnn, OPTIMIZER, wrt=flax_nnx.Param)

        @flax_nnx.jit
        def step(rnn: nnx.RNN, optimizer: Any, xs: jax.Array) -> jax.Array:
            value, grads = flax_nnx.value_and_grad(lambda rnn: loss_of(rnn(xs)[0]))(rnn)
            optimizer.update(rnn, grads)
            return value

        traces = []
        for _ in range(4):
            losses.append(step(rnn, optimizer, XS))
            traces.append(driver.count)
    assert traces == traces[:1] * 4
    params, expected = trained
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert losses[-1] < 0.7 * losses[0]
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-5), rnn.get_params(), params)


def test_linen_trains(trained: Any, standard_promotion: None):
    driver, losses = Counting(), []
    module = linen.RNN(LSTM, driver=driver)
    start = nnx.RNN(LSTM, rngs=flax_nnx.Rngs(0)).get_params()
    variables = {"params": {"weights": start}}

    @jax.jit
    def step(variables: Any, moments: Any) -> Any:
        value, grads = jax.value_and_grad(lambda v: loss_of(module.apply(v, XS)[0]))(variables)
        updates, moments = OPTIMIZER.update(grads, moments)
        return optax.apply_updates(variables, updates), moments, value

    moments = OPTIMIZER.init(variables)
    for _ in range(4):
        variables, moments, value = step(variables, moments)
        losses.append(value)
    params, expected = trained
    assert driver.count == 1
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    jax.tree.map(
        partial(np.testing.assert_allclose, atol=1e-5), variables["params"]["weights"], params
    )


def test_inside_other_modules():
    """Two layers in a model of each kind, split and merged, under plain jit."""

    class NNXModel(flax_nnx.Module):
        def __init__(self, rngs: flax_nnx.Rngs) -> None:
            self.first = nnx.RNN(LSTM, rngs=rngs)
            self.second = nnx.RNN(cells.GRU(input_size=4, hidden_size=2), rngs=rngs)

        def __call__(self, xs: jax.Array) -> jax.Array:
            return self.second(self.first(xs)[1])[1]

    class LinenModel(flax_linen.Module):
        @flax_linen.compact
        def __call__(self, xs: jax.Array) -> jax.Array:
            _, ys = linen.RNN(LSTM, name="first")(xs)
            return linen.RNN(cells.GRU(input_size=4, hidden_size=2), name="second")(ys)[1]

    graph, state = flax_nnx.split(NNXModel(flax_nnx.Rngs(0)))
    ys = jax.jit(lambda state, xs: flax_nnx.merge(graph, state)(xs))(state, XS)
    model = flax_nnx.merge(graph, state)
    weights = {name: getattr(model, name).get_params() for name in ("first", "second")}
    variables = {"params": {name: {"weights": w} for name, w in weights.items()}}
    found = jax.jit(LinenModel().apply)(variables, XS)
    np.testing.assert_array_equal(found, ys)
    initial = jax.eval_shape(LinenModel().init, jax.random.key(0), XS)
    assert jax.tree.structure(initial) == jax.tree.structure(variables)

"""Fit a model to one tiny batch: whether everything in it can learn, in seconds."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rnn_jax.losses import Sum
from rnn_jax.models import take_apart


def fit(
    model: Any, loss: Callable[[Any, jax.Array], Sum], steps: int, rate: float = 0.02
) -> tuple[Any, float]:
    """The model after ``steps`` updates by Adam, in one program, and its loss before the last.

    ``loss(model, key)`` is the loss of the batch.
    """
    pure, params = take_apart(model)
    adam = optax.adam(rate)

    @jax.jit
    def run(params: Any) -> Any:
        def update(state: Any, key: jax.Array) -> Any:
            params, moments = state
            value, gradient = jax.value_and_grad(lambda p: loss(pure(p), key).mean)(params)
            updates, moments = adam.update(gradient, moments)
            return (optax.apply_updates(params, updates), moments), value

        keys = jax.random.split(jax.random.key(0), steps)
        (params, _), values = jax.lax.scan(update, (params, adam.init(params)), keys)
        return params, values[-1]

    params, value = run(params)
    assert jnp.isfinite(value)
    return pure(params), float(value)


def outline(make: Callable[[], Any]) -> tuple[Any, Any]:
    """A model apart with zeros for parameters: nothing is drawn, for checks of types alone."""
    found = []

    def build() -> Any:
        pure, params = take_apart(make())
        found.append(pure)
        return params

    shapes = jax.eval_shape(build)
    return found[0], jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), shapes)

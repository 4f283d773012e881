"""Averages of the parameters over training, which generalise better than the last ones."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from rnn_jax.typing import Params


class AveragedState(NamedTuple):
    """What an averaging optimizer remembers."""

    inner: optax.OptState
    average: Params
    held: jax.Array  # () int32, how many parameters the average holds; 0 = not begun


def exponential_average(
    optimizer: optax.GradientTransformation, decay: float
) -> optax.GradientTransformation:
    """An optimizer that also keeps an exponential moving average of the parameters.

        average <- d * average + (1 - d) * params,   d = min(decay, (1 + t) / (10 + t))

    The updates are those of the inner optimizer; read the average with ``average_of``. The decay
    begins small, so that the first parameters do not linger.

    Args:
        optimizer: The inner one.
        decay: In [0, 1).

    Raises:
        ValueError: If the decay lies elsewhere.

    Example:
        >>> ema = exponential_average(optax.sgd(1.0), 0.9)
        >>> params = jnp.zeros(())
        >>> _, state = ema.update(jnp.ones(()), ema.init(params), params)
        >>> round(float(average_of(state, params)), 3)  # d = 2/11
        -0.818
    """
    if not 0 <= decay < 1:
        raise ValueError(f"decay must lie in [0, 1), got {decay}.")

    def merge(average: jax.Array, new: jax.Array, count: jax.Array) -> jax.Array:
        t = count.astype(average.dtype)
        d = jnp.minimum(jnp.asarray(decay, average.dtype), (1 + t) / (10 + t))
        return d * average + (1 - d) * new

    return _averaging(optimizer, merge, begun=True)


def mean_average(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """An optimizer that averages the parameters evenly from when ``begin_average`` is called.

        average_n = (params_1 + ... + params_n) / n

    With SGD this is ASGD; begun where the validation loss stops to fall it is NT-ASGD.

    Example:
        >>> asgd = mean_average(optax.sgd(1.0))
        >>> params = jnp.zeros(())
        >>> state = begin_average(asgd.init(params))
        >>> for _ in range(3):
        ...     updates, state = asgd.update(jnp.ones(()), state, params)
        ...     params = optax.apply_updates(params, updates)
        >>> float(average_of(state, params))  # of -1, -2, -3
        -2.0

    References:
        Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992,
        doi:10.1137/0330046.
        Merity, Keskar and Socher, Regularizing and optimizing LSTM language models, 2018,
        arXiv:1708.02182.
    """

    def merge(average: jax.Array, new: jax.Array, count: jax.Array) -> jax.Array:
        return average + (new - average) / jnp.maximum(count, 1).astype(average.dtype)

    return _averaging(optimizer, merge, begun=False)


def _averaging(
    optimizer: optax.GradientTransformation, merge: Any, begun: bool
) -> optax.GradientTransformation:
    def init(params: Params) -> AveragedState:
        average = jax.tree.map(jnp.copy, params)  # of its own: a step donates both
        return AveragedState(optimizer.init(params), average, jnp.asarray(int(begun), jnp.int32))

    def update(
        gradient: Params, state: AveragedState, params: Params | None = None
    ) -> tuple[Params, AveragedState]:
        updates, inner = optimizer.update(gradient, state.inner, params)
        new = optax.apply_updates(params, updates)
        active = state.held > 0

        def one(average: jax.Array, leaf: jax.Array) -> jax.Array:
            return jnp.where(active, merge(average, leaf, state.held), average)

        average = jax.tree.map(one, state.average, new)
        return updates, AveragedState(inner, average, state.held + active.astype(jnp.int32))

    return optax.GradientTransformation(init, update)


def begin_average(state: Any) -> Any:
    """The optimizer's state with its average begun: the next parameters are the first of it.

    Example:
        >>> state = begin_average(mean_average(optax.sgd(1.0)).init(jnp.zeros(2)))
        >>> state.held.item()
        1
    """
    return jax.tree.map(
        lambda node: node._replace(held=jnp.ones_like(node.held)) if _is_state(node) else node,
        state,
        is_leaf=_is_state,
    )


def average_of(state: Any, params: Params) -> Params:
    """The average that an optimizer's state holds; ``params`` where it has not begun.

    Raises:
        ValueError: If the optimizer keeps none.

    Example:
        >>> params = jnp.ones(2)
        >>> average_of(mean_average(optax.sgd(1.0)).init(params), params).tolist()
        [1.0, 1.0]
    """
    found = [node for node in jax.tree.leaves(state, is_leaf=_is_state) if _is_state(node)]
    if not found:
        raise ValueError(
            "the optimizer keeps no average: wrap it in exponential_average or mean_average."
        )
    begun = found[0].held > 1
    return jax.tree.map(lambda a, p: jnp.where(begun, a, p), found[0].average, params)


def _is_state(node: Any) -> bool:
    return isinstance(node, AveragedState)


def stopped_falling(losses: Sequence[float], patience: int = 5) -> bool:
    """Merity's rule for when to begin the average: no better than ``patience`` evaluations ago.

        loss_now > min(losses but the last ``patience``)

    Args:
        losses: Validation losses so far, oldest first, the newest last.
        patience: n, evaluations to look back.

    Example:
        >>> stopped_falling([5.0, 4.0, 3.0, 3.5, 3.6], patience=2)
        True
        >>> stopped_falling([5.0, 4.0, 3.0], patience=5)
        False

    References:
        Merity, Keskar and Socher, Regularizing and optimizing LSTM language models, 2018,
        arXiv:1708.02182, algorithm 1.
    """
    return len(losses) > patience and losses[-1] > min(losses[:-patience])

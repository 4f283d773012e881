"""Dynamic evaluation (Krause et al. 2018): a model that goes on learning from what it has read."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.losses import Sum
from rnn_jax.typing import Params, PyTree, State

Loss = Callable[[Params, State, PyTree], tuple[Sum, State]]


@partial(jax.jit, static_argnums=0)
def dynamic_evaluation(
    loss: Loss,
    params: Params,
    state: State,
    batches: PyTree,
    *,
    rate: Any,
    decay: Any,
    scale: Params | None = None,
    epsilon: Any = 1e-5,
) -> tuple[Sum, Params]:
    """The loss over a text of a model that after each piece of it is trained on that piece.

        L_n = loss(params_n, piece n) is counted, then with g the gradient of its mean
        params_{n+1} = params_n - rate * g + decay * (params_0 - params_n)

    Each token is predicted before it is learnt, so this is an evaluation like any other; the decay
    pulls back to the trained parameters. With a ``scale`` s (see ``gradient_scale``) the steps are
    those of the paper's RMS rule:

        params_{n+1} = params_n - rate * g / (s + epsilon) + min(decay * s / mean(s), 1) * (...)

    Args:
        loss: ``loss(params, state, piece) -> (Sum, state)``.
        params: The trained parameters.
        state: Recurrent state before the first piece; it is carried from piece to piece.
        batches: All pieces in order, leaves (N, ...).
        rate: eta.
        decay: lambda, in [0, 1].
        scale: Root mean square of each parameter's gradient; None for plain SGD.
        epsilon: Of the RMS rule.

    Returns:
        The loss of the whole text as a ``Sum``, and the last parameters.

    Example:
        >>> def loss(params, state, x):  # how far a number is from the parameter, squared
        ...     return Sum((x - params) ** 2, jnp.asarray(1)), state
        >>> zero, text = jnp.zeros(()), jnp.ones(20)
        >>> found, params = dynamic_evaluation(loss, zero, (), text, rate=0.25, decay=0.0)
        >>> round(float(found.total), 3), round(float(params), 3)  # it learns after half a step: 1
        (1.333, 1.0)

    References:
        Krause, Kahembwe, Murray and Renals, Dynamic evaluation of neural sequence models, 2018,
        arXiv:1709.07432.
    """
    share, step_size = _rule(params, rate, decay, scale, epsilon)

    def step(carry: Any, batch: PyTree) -> Any:
        now, state = carry
        found, state, gradient = _gradient(loss, now, state, batch)

        def move(p: jax.Array, g: jax.Array, first: jax.Array, eta: Any, back: Any) -> jax.Array:
            return (p - eta * g + back * (first - p)).astype(p.dtype)

        now = jax.tree.map(move, now, gradient, params, step_size, share)
        return (now, state), found

    (last, _), sums = jax.lax.scan(step, (params, state), batches)
    return Sum(jnp.sum(sums.total), jnp.sum(sums.count)), last


@partial(jax.jit, static_argnums=0)
def gradient_scale(loss: Loss, params: Params, state: State, batches: PyTree) -> Params:
    """Root mean square of the gradient of every parameter over batches of the training text.

        s = sqrt(mean over n of g_n^2),   g_n the gradient of the mean loss of batch n

    Args:
        loss: As for ``dynamic_evaluation``.
        params: The trained parameters.
        state: Recurrent state before the first batch.
        batches: All batches in order, leaves (N, ...).

    Example:
        >>> def loss(params, state, x):
        ...     return Sum(x * params, jnp.asarray(1)), state
        >>> gradient_scale(loss, jnp.ones(()), (), jnp.array([1.0, -7.0])).item()
        5.0
    """

    def step(carry: Any, batch: PyTree) -> Any:
        squares, state = carry
        _, state, gradient = _gradient(loss, params, state, batch)
        return (jax.tree.map(lambda s, g: s + g * g, squares, gradient), state), None

    start = jax.tree.map(jnp.zeros_like, params)
    (squares, _), _ = jax.lax.scan(step, (start, state), batches)
    count = len(jax.tree.leaves(batches)[0])
    return jax.tree.map(lambda s: jnp.sqrt(s / count), squares)


def _gradient(loss: Loss, params: Params, state: State, batch: PyTree) -> Any:
    def mean(params: Params) -> Any:
        found, after = loss(params, state, batch)
        return found.mean, (found, after)

    (_, (found, after)), gradient = jax.value_and_grad(mean, has_aux=True)(params)
    return found, after, gradient


def _rule(params: Params, rate: Any, decay: Any, scale: Params | None, epsilon: Any) -> Any:
    """For every parameter: the share of the way back that it goes, and its rate."""
    if scale is None:
        return jax.tree.map(lambda _: decay, params), jax.tree.map(lambda _: rate, params)
    leaves = jax.tree.leaves(scale)
    mean = sum(jnp.sum(leaf) for leaf in leaves) / sum(leaf.size for leaf in leaves)
    back = jax.tree.map(lambda s: jnp.minimum(decay * s / mean, 1), scale)
    return back, jax.tree.map(lambda s: rate / (s + epsilon), scale)

"""What training depends on from one step to the next, and one update of it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from rnn_jax.losses import Sum
from rnn_jax.typing import Params, PyTree


class TrainState(NamedTuple):
    """All that the next step depends on beside its batch; a tree of arrays, saved as it is."""

    step: jax.Array  # () int32, updates tried
    params: Params
    moments: optax.OptState  # what the optimizer remembers
    carry: PyTree  # recurrent state that goes on over batches, leaves (B, ...); () for none
    key: jax.Array  # of the run; each step folds its number in
    skipped: jax.Array  # () int32, updates in a row that were not finite and not made

    @classmethod
    def create(
        cls,
        params: Params,
        optimizer: optax.GradientTransformation,
        key: jax.Array,
        carry: PyTree = (),
    ) -> "TrainState":
        """The state before the first step."""
        zero = jnp.zeros((), jnp.int32)
        return cls(zero, params, optimizer.init(params), carry, key, zero)


def apply_gradient(
    optimizer: optax.GradientTransformation,
    state: TrainState,
    loss: Sum,
    gradient: Params,
    carry: PyTree,
) -> tuple[TrainState, dict[str, jax.Array]]:
    """One update from the gradient of a loss' total, unless something in it is not finite.

        params <- params + optimizer(gradient / count)

    A gradient with NaN or inf would spoil parameters and moments for good. Then nothing changes but
    ``skipped``, which counts such steps in a row, and the recurrent state stays where it was.

    Args:
        optimizer: Of optax.
        state: Before the step.
        loss: Of all rows of the batch, on all devices.
        gradient: Of ``loss.total``.
        carry: Recurrent state after the batch.

    Returns:
        The state after the step, and metrics: ``loss`` (mean), ``tokens``, ``gradient_norm``,
        ``update_norm``, ``skipped``.

    Example:
        >>> sgd = optax.sgd(0.5)
        >>> state = TrainState.create(jnp.ones(2), sgd, jax.random.key(0))
        >>> loss = Sum(jnp.array(6.0), jnp.array(2))
        >>> after, metrics = apply_gradient(sgd, state, loss, jnp.array([2.0, 4.0]), ())
        >>> after.params.tolist(), metrics["loss"].item()
        ([0.5, 0.0], 3.0)
        >>> after, metrics = apply_gradient(sgd, state, loss, jnp.array([2.0, jnp.nan]), ())
        >>> after.params.tolist(), metrics["skipped"].item()
        ([1.0, 1.0], 1)
    """
    count = jnp.maximum(loss.count, 1)
    gradient = jax.tree.map(lambda leaf: leaf / count.astype(leaf.dtype), gradient)
    norm = optax.tree.norm(gradient)
    updates, moments = optimizer.update(gradient, state.moments, state.params)
    finite = jnp.logical_and(jnp.isfinite(norm), jnp.isfinite(loss.total))

    def kept(new: PyTree, old: PyTree) -> PyTree:
        return jax.tree.map(lambda a, b: jnp.where(finite, a, b), new, old)

    skipped = jnp.where(finite, 0, state.skipped + 1)
    new = TrainState(
        step=state.step + 1,
        params=kept(optax.apply_updates(state.params, updates), state.params),
        moments=kept(moments, state.moments),
        carry=kept(carry, state.carry),
        key=state.key,
        skipped=skipped,
    )
    metrics = {
        "loss": loss.mean,
        "tokens": loss.count,
        "gradient_norm": norm,
        "update_norm": optax.tree.norm(updates),
        "skipped": skipped,
    }
    return new, metrics

"""The optimizer that recurrent networks are usually trained with."""

import optax


def clipped_adam(
    learning_rate: float, steps: int, warmup_steps: int = 0, clip_norm: float = 1.0
) -> optax.GradientTransformation:
    """Adam on gradients of bounded length, its rate rising linearly and falling as a cosine.

    The whole gradient is scaled down to the length `clip_norm` if it is longer; then Adam takes
    the step. The rate falls to a hundredth of `learning_rate` at step `steps`. "On the difficulty
    of training recurrent neural networks", Pascanu, Mikolov and Bengio, 2013 (arXiv:1211.5063).

    Args:
        learning_rate: the highest rate, reached after the warm-up.
        steps: number of updates in all.
        warmup_steps: number of updates during which the rate rises from 0; no more than half of
            `steps` are taken for it.
        clip_norm: longest gradient, in the norm over all parameters together.

    Returns:
        An optax transformation.

    Example:
        >>> import jax.numpy as jnp
        >>> adam = clipped_adam(0.1, steps=10)
        >>> params = {"w": jnp.zeros(2)}
        >>> updates, _ = adam.update({"w": jnp.array([3.0, -4.0])}, adam.init(params), params)
        >>> [round(float(update), 4) for update in updates["w"]]
        [-0.1, 0.1]
    """
    warmup_steps = min(warmup_steps, steps // 2)
    rate = optax.warmup_cosine_decay_schedule(
        0.0 if warmup_steps else learning_rate,
        learning_rate,
        warmup_steps,
        steps,
        learning_rate / 100,
    )
    return optax.chain(optax.clip_by_global_norm(clip_norm), optax.adam(rate))

"""What a captioner's attention costs in training, beside the words."""

from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax import attention as attending
from rnn_jax.models.captioner_config import CaptionerConfig
from rnn_jax.models.decoder import DecoderOutput


def attention_cost(
    config: CaptionerConfig,
    found: DecoderOutput,
    reward: jax.Array,
    baseline: jax.Array | float,
    lengths: jax.Array | None,
    feature_lengths: jax.Array | None,
) -> jax.Array:
    """The penalty of attention and, of hard attention, a zero with the gradient of REINFORCE.

        lambda sum over rows and places of (1 - sum_t alpha_{t,l})^2

    Args:
        config: The captioner's.
        found: What the decoder gave.
        reward: log p(caption | places) of each row, (B,).
        baseline: Its usual value.
        lengths: Tokens of each row, (B,).
        feature_lengths: Places of each row, (B,).

    Returns:
        (), summed over rows; 0 where the configuration asks for nothing.

    Example:
        >>> config = CaptionerConfig(vocab_size=5, mode="first")
        >>> zeros = jnp.zeros((2, 3, 4))
        >>> found = DecoderOutput(zeros, None, ())
        >>> attention_cost(config, found, jnp.zeros(2), 0.0, None, None).item()
        0.0

    References:
        Xu et al., Show, attend and tell, 2015, arXiv:1502.03044.
    """
    cost = jnp.zeros((), reward.dtype)
    if config.attention_penalty:
        assert found.weights is not None
        weights = jnp.moveaxis(found.weights, 1, 0)
        penalty = attending.doubly_stochastic(weights, lengths, feature_lengths)
        cost += config.attention_penalty * penalty.sum()
    if config.hard:
        layer: Any = found.state.layer
        chosen: attending.HardState = layer.attention
        surrogate = attending.reinforce(
            chosen.log_prob, reward, baseline, chosen.entropy, config.entropy_penalty
        ).sum()
        cost += surrogate - jax.lax.stop_gradient(surrogate)
    return cost

"""What a captioner's attention costs in training, beside the words."""

from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax import attention as attending
from rnn_jax.losses import token_losses
from rnn_jax.models.captioner_config import CaptionerConfig
from rnn_jax.models.decoder import DecoderOutput
from rnn_jax.models.rows import shift


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


def greedy_reward(
    model: Any, images: jax.Array, captions: jax.Array, lengths: jax.Array | None = None
) -> jax.Array:
    """The reward of hard attention to what it likes best: a baseline for places that it draws.

        log p(caption | argmax places)

    Args:
        model: A ``Captioner``.
        images: What it reads.
        captions: Tokens and end symbol, (B, T).
        lengths: Tokens of each row, (B,).

    Returns:
        (B,), a constant for gradients.

    Example:
        >>> from flax import nnx
        >>> from rnn_jax.models import Captioner
        >>> sizes = {"vocab_size": 5, "feature_size": 3, "hidden_size": 4}
        >>> model = Captioner(CaptionerConfig(hard=True, **sizes), rngs=nnx.Rngs(0))
        >>> greedy_reward(model, jnp.ones((2, 3, 3)), jnp.array([[3, 2], [4, 2]])).shape
        (2,)

    References:
        Rennie et al., Self-critical sequence training for image captioning, 2017,
        arXiv:1612.00563.
    """
    logits = jnp.moveaxis(model(images, shift(captions, model.config.start)), 1, 0)
    lost = token_losses(logits, captions.T, lengths=lengths).sum(0)
    return jax.lax.stop_gradient(-lost)

"""Models for whole tasks, as Flax NNX modules: batch first, each with a loss."""

from rnn_jax.models.pure import Pure as Pure
from rnn_jax.models.pure import take_apart as take_apart

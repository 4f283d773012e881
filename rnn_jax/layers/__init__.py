"""Sequence layers with parameters. See ``rnn_jax.layers.base`` for the protocol."""

from rnn_jax.layers.base import Layer as Layer
from rnn_jax.layers.base import Output as Output
from rnn_jax.layers.rnn import RNN as RNN

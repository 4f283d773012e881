"""Drivers: a cell over time. All have the same head and tail."""

from rnn_jax.drivers.associative import associative as associative
from rnn_jax.drivers.scan import scan as scan
from rnn_jax.drivers.truncated import truncated as truncated
from rnn_jax.drivers.unrolled import step as step
from rnn_jax.drivers.unrolled import unrolled as unrolled

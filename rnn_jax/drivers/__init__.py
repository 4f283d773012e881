"""Drivers: a cell over time. All have the same head and tail."""

from rnn_jax.drivers.associative import associative as associative
from rnn_jax.drivers.newton import newton as newton
from rnn_jax.drivers.newton import newton_info as newton_info
from rnn_jax.drivers.newton_solve import NewtonInfo as NewtonInfo
from rnn_jax.drivers.scan import scan as scan
from rnn_jax.drivers.truncated import truncated as truncated
from rnn_jax.drivers.unrolled import step as step
from rnn_jax.drivers.unrolled import unrolled as unrolled

"""Drivers: a cell over time. All have the same head and tail."""

from rnn_jax.drivers.associative import associative as associative
from rnn_jax.drivers.auto import Choice as Choice
from rnn_jax.drivers.auto import auto as auto
from rnn_jax.drivers.auto import explain as explain
from rnn_jax.drivers.fused import fused as fused
from rnn_jax.drivers.newton import newton as newton
from rnn_jax.drivers.newton import newton_info as newton_info
from rnn_jax.drivers.newton_solve import NewtonInfo as NewtonInfo
from rnn_jax.drivers.rtrl import Learned as Learned
from rnn_jax.drivers.rtrl import rtrl as rtrl
from rnn_jax.drivers.rtrl import rtrl_init as rtrl_init
from rnn_jax.drivers.rtrl import rtrl_step as rtrl_step
from rnn_jax.drivers.rtrl_memory import RTRLMemory as RTRLMemory
from rnn_jax.drivers.scan import scan as scan
from rnn_jax.drivers.truncated import truncated as truncated
from rnn_jax.drivers.unrolled import step as step
from rnn_jax.drivers.unrolled import unrolled as unrolled
from rnn_jax.ops.platforms import compiling_for as compiling_for

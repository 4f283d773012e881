"""Kernels: loops over time as one program of an accelerator. They must equal the plain step."""

from rnn_jax.kernels.loop import time_loop as time_loop

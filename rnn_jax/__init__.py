"""Recurrent networks for JAX: write a cell's mathematics once, run it any way.

A *cell* is one time step as pure functions; a *driver* turns steps into a sequence. Every cell runs
under every driver and gives the same numbers.

    rnn_jax.cells      one time step: Elman, LSTM, GRU, ... and wrappers that make a cell of a cell
    rnn_jax.drivers    a cell over time: scan, unrolled, truncated, associative
    rnn_jax.ops        arrays in, arrays out: initializers, masks, normalisation

Example:
    >>> import jax
    >>> from rnn_jax import cells, drivers
    >>> cell = cells.LSTM(input_size=3, hidden_size=4)
    >>> params = cell.init(jax.random.key(0))
    >>> xs = jax.numpy.ones((5, 2, 3), "float32")  # time, batch, features
    >>> state, ys = drivers.scan(cell, params, xs)
    >>> ys.shape
    (5, 2, 4)
"""

from rnn_jax import cells as cells
from rnn_jax import drivers as drivers
from rnn_jax import ops as ops

__version__ = "0.1.0"

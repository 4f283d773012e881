"""Recurrent networks for JAX: write a cell's mathematics once, run it any way.

A *cell* is one time step as pure functions; a *driver* turns steps into a sequence. Every cell runs
under every driver and gives the same numbers.

    rnn_jax.cells      one time step: Elman, LSTM, GRU, ... and wrappers that make a cell of a cell
    rnn_jax.drivers    a cell over time: scan, unrolled, truncated, associative
    rnn_jax.layers     sequence blocks with parameters: RNN, Bidirectional, Stack, Pyramid, ...
    rnn_jax.attention  attention over a memory
    rnn_jax.decoding   teacher forcing, sampling, beam search
    rnn_jax.losses     cross entropy, CTC, transducer, CRF, regularisers
    rnn_jax.analysis   how gradients and perturbations travel through time
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

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rnn_jax import analysis as analysis
    from rnn_jax import attention as attention
    from rnn_jax import cells as cells
    from rnn_jax import decoding as decoding
    from rnn_jax import drivers as drivers
    from rnn_jax import layers as layers
    from rnn_jax import losses as losses
    from rnn_jax import ops as ops

__version__ = "0.1.0"

_ROOMS = {"analysis", "attention", "cells", "decoding", "drivers", "layers", "losses", "ops"}


def __getattr__(name: str) -> ModuleType:
    """Rooms are loaded on first use: a program waits for those that it needs."""
    if name in _ROOMS:
        return import_module(f"rnn_jax.{name}")
    raise AttributeError(f"module 'rnn_jax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ROOMS})

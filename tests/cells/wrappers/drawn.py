"""What the tests of wrappers share: the noise that a driver draws, and plain cells in NumPy."""

from typing import Any, NamedTuple

import jax
import numpy as np

from rnn_jax import drivers
from tests.cells.reference import draw, sigmoid

KEY = jax.random.key(11)


class Drawn(NamedTuple):
    """What a driver draws from a key before its loop."""

    params: Any  # with what is fixed over the sequence in place
    noise: Any  # leaves (T, *B, ...)


def drawn(cell: Any, params: Any, xs: jax.Array, key: jax.Array = KEY) -> Drawn:
    plan = drivers.common.prepare(cell, params, xs, None, key=key)
    return Drawn(plan.params, plan.inputs.noise)


def numbers_for(cell: Any, num_steps: int = 5, num_rows: int = 3, seed: int = 0) -> Any:
    """Random parameters and inputs (T, B, D) in float64."""
    params = draw(jax.eval_shape(cell.init, jax.random.key(0)), seed)
    return params, draw(np.zeros((num_steps, num_rows, cell.input_size)), seed + 1)


def elman(w: Any, h: np.ndarray, x: np.ndarray) -> np.ndarray:
    """h_t = tanh(W_hh h + W_xh x + b)."""
    return np.tanh(x @ np.asarray(w.w_x) + h @ np.asarray(w.w_h) + np.asarray(w.b))


def lstm(w: Any, h: Any, c: Any, x: Any, *, seen: Any = None, d: Any = 1.0) -> Any:
    """One LSTM step; ``seen`` is what the gates see of h, ``d`` multiplies the candidate."""
    seen = h if seen is None else seen
    pre = x @ np.asarray(w.w_x) + seen @ np.asarray(w.w_h) + np.asarray(w.b)
    i, f, g, o = np.split(pre, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * (d * np.tanh(g))
    return sigmoid(o) * np.tanh(c), c


def gru(w: Any, h: Any, x: Any, *, d: Any = 1.0) -> Any:
    """One GRU step in cuDNN's form; ``d`` multiplies the candidate."""
    size = h.shape[-1]
    a, u = x @ np.asarray(w.w_x) + np.asarray(w.b), h @ np.asarray(w.w_h)
    r, z = (sigmoid(a[:, k * size :][:, :size] + u[:, k * size :][:, :size]) for k in (0, 1))
    n = np.tanh(a[:, 2 * size :] + r * (u[:, 2 * size :] + np.asarray(w.b_h)))
    return z * h + (1 - z) * (d * n)

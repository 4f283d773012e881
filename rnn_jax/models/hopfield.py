"""Hopfield's associative memory: an Elman network or a GRU whose weights are set by Hebb's rule.

Patterns of +1 and -1 are where it comes to rest. It holds about 0.138 random ones for each unit;
beyond that nearly none is found again.

References:
    Hopfield, Neural networks and physical systems with emergent collective computational abilities,
    1982, doi:10.1073/pnas.79.8.2554.
    Amit, Gutfreund and Sompolinsky, Storing infinite numbers of patterns in a spin-glass model of
    neural networks, 1985, doi:10.1103/PhysRevLett.55.1530, for 0.138.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax import cells

STEEP, WIDE = 100.0, 1000.0  # tanh(STEEP / 2) is 1, sigmoid(+-WIDE) 1 or 0, to the last bit


def all_at_once(patterns: jax.Array) -> tuple[cells.Elman, cells.ElmanParams]:
    """A network that stores patterns, all of whose units change at every step.

        w_h = sum over patterns of p' p, without the diagonal,   h' = sign(h @ w_h + 1/2)

    The half breaks ties: the rest are whole numbers, exact below 2^24. Since w_h is symmetric it
    ends at rest or in a cycle of two states, and ``-(h_t @ w_h) h_{t-1} - (h_t + h_{t-1}) / 2``,
    summed over the units, never rises.

    Args:
        patterns: (P, N) of +1 and -1; a row of zeros stores nothing.

    Returns:
        A cell of one input, which changes nothing, and N units, and its parameters.

    Example:
        >>> from rnn_jax import drivers
        >>> cell, params = all_at_once(jnp.array([[1.0, 1.0, -1.0, -1.0, 1.0]]))
        >>> start = cells.ElmanState(h=jnp.array([-1.0, 1.0, -1.0, -1.0, 1.0]))
        >>> drivers.scan(cell, params, jnp.zeros((3, 1)), start)[0].h.tolist()
        [1.0, 1.0, -1.0, -1.0, 1.0]
    """
    size = patterns.shape[1]
    w_h = (patterns.T @ patterns) * (1 - jnp.eye(size, dtype=patterns.dtype))
    cell = cells.Elman(input_size=1, hidden_size=size, activation=jnp.sign)
    half = jnp.full(size, 0.5, w_h.dtype)
    return cell, cells.ElmanParams(w_x=jnp.zeros((1, size), w_h.dtype), w_h=w_h, b=half)


def one_by_one(patterns: jax.Array) -> tuple[cells.GRU, cells.GRUParams]:
    """The same network, of which only those units change that the input names.

    A GRU: the input opens the gate of a unit (z = 0, else 1), and its new value is the sign, for
    tanh of what is at least 50 away from zero is 1 or -1. If one unit changes at a time, ``energy``
    never rises.

    Args:
        patterns: As for ``all_at_once``.

    Returns:
        A cell of N inputs, 1 where a unit may change, and N units, and its parameters.

    Example:
        >>> from rnn_jax import drivers
        >>> cell, params = one_by_one(jnp.array([[1.0, 1.0, -1.0, -1.0, 1.0]]))
        >>> start = cells.GRUState(h=jnp.array([-1.0, 1.0, -1.0, 1.0, 1.0]))
        >>> xs = jnp.eye(5)[jnp.array([1, 3])]  # the second unit, then the fourth
        >>> drivers.scan(cell, params, xs, start)[1].tolist()
        [[-1.0, 1.0, -1.0, 1.0, 1.0], [-1.0, 1.0, -1.0, -1.0, 1.0]]
    """
    w_h, half = all_at_once(patterns)[1][1:]
    zeros, ones = jnp.zeros_like(w_h), jnp.ones_like(half)
    eye = jnp.eye(len(half), dtype=w_h.dtype)
    return cells.GRU(input_size=len(half), hidden_size=len(half)), cells.GRUParams(
        w_x=jnp.concatenate([zeros, -2 * WIDE * eye, zeros], axis=1),  # gates r z n
        w_h=jnp.concatenate([zeros, zeros, STEEP * w_h], axis=1),
        b=jnp.concatenate([WIDE * ones, WIDE * ones, STEEP * half]),
        b_h=zeros[0],
    )


def energy(params: cells.ElmanParams, states: Any) -> np.ndarray:
    """What no change of one unit raises: E = -1/2 h @ w_h @ h - b @ h.

    Args:
        params: Of ``all_at_once``.
        states: (..., N) of +1 and -1.

    Returns:
        (...) float64; stored patterns lie at the bottom of valleys.

    Example:
        >>> pattern = jnp.array([[1.0, 1.0, -1.0, -1.0, 1.0]])
        >>> float(energy(all_at_once(pattern)[1], pattern[0]))  # -(25 - 5) / 2 - 1/2
        -10.5
    """
    w_h, b, h = (np.asarray(leaf, np.float64) for leaf in (params.w_h, params.b, states))
    return -0.5 * ((h @ w_h) * h).sum(axis=-1) - h @ b

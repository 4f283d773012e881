"""Two units that turn: the smallest recurrent network that oscillates, its weights set by hand."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from rnn_jax import cells
from rnn_jax.typing import Activation


def rotation(
    omega: Any, gain: float = 1.0, activation: Activation = jnp.tanh
) -> tuple[cells.Elman, cells.ElmanParams]:
    """A network that turns by omega at every step.

        h' = f(gain * h @ R),   R = [[cos omega, sin omega], [-sin omega, cos omega]]

    Linear with gain 1 it keeps its radius, whatever that is, and has the period 2 pi / omega. With
    tanh and a gain above 1 every start but 0 ends in the same cycle, of a radius of about
    2 sqrt(gain - 1): to first order in a = (gain - 1) / 3, its period is
    2 pi / sqrt(omega^2 - a^2), and below omega = a it stands still in one of four corners.

    Args:
        omega: Radians a step, a number or a traced scalar.
        gain: Factor of the weights.
        activation: f, elementwise.

    Returns:
        A cell of one input, which changes nothing, and two units, and its parameters in float32.

    Example:
        >>> from rnn_jax import drivers
        >>> from rnn_jax.cells.base import identity
        >>> cell, params = rotation(jnp.pi / 2, activation=identity)
        >>> start = cells.ElmanState(h=jnp.array([1.0, 0.0]))
        >>> drivers.scan(cell, params, jnp.zeros((4, 1)), start)[1].round(3).tolist()
        [[-0.0, 1.0], [-1.0, -0.0], [0.0, -1.0], [1.0, 0.0]]

    References:
        Kuznetsov, Elements of applied bifurcation theory, 2004, chapter 4, on how cycles of maps
        are born.
    """
    angle = jnp.asarray(omega, jnp.float32)
    c, s = jnp.cos(angle), jnp.sin(angle)
    w_h = gain * jnp.stack([jnp.stack([c, s]), jnp.stack([-s, c])])
    zero = jnp.zeros(2, jnp.float32)
    cell = cells.Elman(input_size=1, hidden_size=2, activation=activation)
    return cell, cells.ElmanParams(w_x=zero[None], w_h=w_h, b=zero)


def turning_periods(states: Any) -> np.ndarray:
    """Steps that a turn around 0 takes, over the second half of the states.

    Args:
        states: (..., T, 2).

    Returns:
        (...) float64, infinite where there is less than half a turn.

    Example:
        >>> angles = np.arange(100) / 5
        >>> turns = turning_periods(np.stack([np.cos(angles), np.sin(angles)], axis=-1))
        >>> bool(abs(turns - 10 * np.pi) < 1e-9)
        True
    """
    states = np.asarray(states, np.float64)
    angles = np.unwrap(np.arctan2(states[..., 1], states[..., 0]), axis=-1)
    angles = angles[..., angles.shape[-1] // 2 :]
    turns = np.abs(angles[..., -1] - angles[..., 0]) / (2 * np.pi)
    still = np.full(turns.shape, np.inf)
    return np.divide(angles.shape[-1] - 1, turns, where=turns >= 0.5, out=still)


def cycle_periods(omega: Any, gain: float) -> np.ndarray:
    """The period of the cycle of tanh units, to first order in gain - 1 (see ``rotation``).

    Args:
        omega: Radians a step, any shape.
        gain: Factor of the weights, 1 or above; at 1 the period of linear units.

    Returns:
        Steps, as the shape of ``omega``, infinite where they come to rest.

    Example:
        >>> cycle_periods([0.01, np.pi / 10], 1.06).round(2).tolist()
        [inf, 20.04]
    """
    squared = np.square(np.asarray(omega, np.float64)) - ((gain - 1) / 3) ** 2
    rests = np.full(squared.shape, np.inf)
    return np.divide(2 * np.pi, np.sqrt(np.maximum(squared, 0)), where=squared > 0, out=rests)

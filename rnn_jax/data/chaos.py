"""Chaotic systems, integrated: the series that reservoirs are tried on."""

import numpy as np


def mackey_glass(num_steps: int, *, tau: float = 17.0, start: float = 1.2) -> np.ndarray:
    """The Mackey-Glass series, a value for each unit of time, after 500 that are left out.

        dx/dt = 0.2 x(t - tau) / (1 + x(t - tau)^10) - 0.1 x(t)

    by Runge and Kutta's fourth order in steps of 0.1, the delayed value interpolated in between.
    Chaotic from tau about 17 on.

    Args:
        num_steps: How many values.
        tau: The delay.
        start: The value before time 0.

    Returns:
        (num_steps,) float64.

    Raises:
        ValueError: If there is nothing to return, or the delay is shorter than a step.

    Example:
        >>> series = mackey_glass(1000)
        >>> bool(0.2 < series.min() < 0.5 and 1.2 < series.max() < 1.4)
        True

    References:
        Mackey and Glass, Oscillation and chaos in physiological control systems, 1977,
        doi:10.1126/science.267326.
    """
    if num_steps < 1 or tau < 1:
        raise ValueError(f"num_steps={num_steps} and tau={tau} must be at least 1.")
    size, left_out = 0.1, 500
    delay, total = round(tau / size), 10 * (num_steps + left_out)
    x = np.full(delay + total + 1, start)

    def slope(now: float, delayed: float) -> float:
        return 0.2 * delayed / (1 + delayed**10) - 0.1 * now

    for t in range(delay, delay + total):
        first, last = x[t - delay], x[t - delay + 1]
        half = (first + last) / 2
        k1 = slope(x[t], first)
        k2 = slope(x[t] + size / 2 * k1, half)
        k3 = slope(x[t] + size / 2 * k2, half)
        k4 = slope(x[t] + size * k3, last)
        x[t + 1] = x[t] + size / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return x[delay + 10 * left_out :: 10][:num_steps]


def lorenz(
    num_steps: int,
    *,
    step: float = 0.02,
    start: tuple[float, float, float] = (1.0, 1.0, 1.0),
    sigma: float = 10.0,
    rho: float = 28.0,
    beta: float = 8 / 3,
) -> np.ndarray:
    """Lorenz's system, its state every so many units of time, the start first.

        dx/dt = sigma (y - x),   dy/dt = x (rho - z) - y,   dz/dt = x y - beta z

    by Runge and Kutta's fourth order in steps of at most 0.005. With these constants it is chaotic:
    its largest Lyapunov exponent is 0.906 per unit of time.

    Args:
        num_steps: How many states.
        step: The time between two of them.
        start: The first.
        sigma: The Prandtl number.
        rho: The Rayleigh number, as a multiple of that where convection begins.
        beta: The shape of the rolls.

    Returns:
        (num_steps, 3) float64.

    Raises:
        ValueError: If there is nothing to return, or the step is not positive.

    Example:
        >>> lorenz(2, step=0.01).round(3).tolist()
        [[1.0, 1.0, 1.0], [1.013, 1.26, 0.985]]

    References:
        Lorenz, Deterministic nonperiodic flow, 1963,
        doi:10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2.
        Sprott, Chaos and time-series analysis, 2003, for the exponent.
    """
    if num_steps < 1 or not 0 < step < np.inf:
        raise ValueError(f"num_steps={num_steps} must be at least 1 and step={step} above 0.")
    parts = int(np.ceil(step / 0.005 - 1e-9))
    size = step / parts
    states = np.empty((num_steps, 3))
    states[0] = now = np.array(start, float)

    def slope(state: np.ndarray) -> np.ndarray:
        x, y, z = state
        return np.array([sigma * (y - x), x * (rho - z) - y, x * y - beta * z])

    for t in range(1, num_steps):
        for _ in range(parts):
            k1 = slope(now)
            k2 = slope(now + size / 2 * k1)
            k3 = slope(now + size / 2 * k2)
            k4 = slope(now + size * k3)
            now = now + size / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        states[t] = now
    return states

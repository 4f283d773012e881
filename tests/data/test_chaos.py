"""Chaotic systems against an integrator that chooses its own steps."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from rnn_jax.data.chaos import lorenz


def test_lorenz_against_scipy():
    def slope(t, state, sigma=10, rho=28, beta=8 / 3):
        x, y, z = state
        return sigma * (y - x), x * (rho - z) - y, x * y - beta * z

    def solved(times, start, *constants):
        how = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-12, "t_eval": times}
        return solve_ivp(slope, (0, times[-1]), start, args=constants, **how).y.T

    np.testing.assert_allclose(lorenz(250), solved(0.02 * np.arange(250), (1, 1, 1)), atol=5e-5)
    found = lorenz(40, step=0.033, start=(-3, 2, 20), sigma=12, rho=20, beta=2)
    truth = solved(0.033 * np.arange(40), (-3, 2, 20), 12, 20, 2)
    np.testing.assert_allclose(found, truth, atol=1e-6)


def test_lorenz_rests_where_convection_is_steady():
    # x = y = +-sqrt(beta (rho - 1)), z = rho - 1, stable for 1 < rho < 24.7; below 1 all dies out.
    rest = np.sqrt(8 / 3 * 4)
    np.testing.assert_allclose(lorenz(1000, rho=5.0)[-1], [rest, rest, 4], atol=1e-6)
    np.testing.assert_allclose(lorenz(1000, rho=0.2)[-1], 0, atol=1e-5)


@pytest.mark.parametrize("bad", [{"num_steps": 0}, {"step": 0.0}, {"step": float("nan")}])
def test_bad_arguments_are_named(bad):
    ((name, value),) = bad.items()
    with pytest.raises(ValueError, match=f"{name}={value}"):
        lorenz(**{"num_steps": 2} | bad)

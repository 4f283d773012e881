"""Initialisers: the property that each promises, its distribution, and equality as values."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells
from rnn_jax.ops import initializers as init

KEY = jax.random.key(0)
FLOATS = (jnp.bfloat16, jnp.float32, jnp.float64)
# Rounding each entry of a 16 x 16 orthogonal matrix moves w'w by about the dtype's epsilon.
ROUNDING = {jnp.bfloat16: 1e-2, jnp.float32: 1e-6, jnp.float64: 1e-13}


def wide(w):
    return np.asarray(w, np.float64)


@pytest.mark.parametrize("dtype", FLOATS)
def test_orthogonal_per_gate(dtype):
    w = init.per_gate(init.Orthogonal(), KEY, (16, 64), 4, dtype)
    assert w.shape == (16, 64) and w.dtype == dtype
    blocks = np.split(wide(w), 4, axis=1)
    for block in blocks:
        np.testing.assert_allclose(block.T @ block, np.eye(16), atol=ROUNDING[dtype])
    assert abs(blocks[0] - blocks[1]).max() > 0.1
    gates = np.split(wide(cells.LSTM(input_size=2, hidden_size=16).init(KEY, dtype).w_h), 4, axis=1)
    for block in gates:
        np.testing.assert_allclose(block.T @ block, np.eye(16), atol=ROUNDING[dtype])


def test_orthogonal_rows_or_columns_scale_and_leading_axes():
    tall, flat = (wide(init.Orthogonal(scale=2.0)(KEY, s, jnp.float64)) for s in ((7, 3), (3, 7)))
    np.testing.assert_allclose(tall.T @ tall, 4 * np.eye(3), atol=1e-13)
    np.testing.assert_allclose(flat @ flat.T, 4 * np.eye(3), atol=1e-13)
    many = wide(init.Orthogonal()(KEY, (5, 3, 3), jnp.float64))
    np.testing.assert_allclose(many @ many.transpose(0, 2, 1), [np.eye(3)] * 5, atol=1e-13)


def test_orthogonal_is_uniform_over_the_group():
    """Without the sign of R's diagonal the first entry would never be positive (Mezzadri 2007)."""
    many = wide(init.Orthogonal()(KEY, (4000, 3, 3), jnp.float32))
    # Uniform: entries of mean 0 and variance 1/3, both determinants equally often.
    assert abs(many.mean(0)).max() < 5 * math.sqrt(1 / 3 / 4000)
    assert abs((many**2).mean(0) - 1 / 3).max() < 5 * math.sqrt(4 / 45 / 4000)
    assert abs((np.linalg.det(many) > 0).mean() - 0.5) < 5 * 0.5 / math.sqrt(4000)


def test_orthogonal_keeps_gradients_for_a_thousand_steps():
    cell = cells.Elman(input_size=1, hidden_size=8, activation=cells.base.identity)
    w_h = cell.init(KEY, jnp.float64).w_h
    last = jax.lax.fori_loop(0, 1000, lambda _, h: h @ w_h, jnp.eye(8)[0])
    assert abs(float(jnp.linalg.norm(last)) - 1) < 1e-10


@pytest.mark.parametrize("dtype", FLOATS)
def test_identity(dtype):
    w = init.Identity(scale=0.5)(KEY, (3, 4), dtype)
    assert w.dtype == dtype and w.tolist() == (0.5 * np.eye(3, 4)).tolist()
    assert init.Identity()(KEY, (2, 3, 3), dtype).tolist() == [np.eye(3).tolist()] * 2


def test_zeros():
    w = init.Zeros()(KEY, (2, 3), jnp.bfloat16)
    assert w.dtype == jnp.bfloat16 and not w.any()


@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform_is_pytorchs(dtype):
    """Every weight of torch's recurrent layers lies on +-1/sqrt(H), uniformly."""
    size = 64
    bound = 1 / math.sqrt(size)
    torch_like = init.Uniform(bound=bound)
    cell = cells.GRU(
        input_size=100, hidden_size=size, kernel_init=torch_like, recurrent_init=torch_like
    )
    params = cell.init(KEY, dtype)
    for w in map(wide, (params.w_x, params.w_h)):
        assert abs(w).max() <= bound and abs(w).max() > 0.99 * bound
        assert abs(w.mean()) < 5 * bound / math.sqrt(3 * w.size)
        assert abs(w.var() / (bound**2 / 3) - 1) < 5 * math.sqrt(0.8 / w.size)


def test_uniform_has_the_bounds_of_torch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    weights = [leaf.detach().numpy() for leaf in torch.nn.LSTM(50, 64).parameters()]
    ours = wide(init.Uniform(bound=1 / 8)(KEY, (50, 256), jnp.float32))
    largest = max(abs(w).max() for w in weights)
    assert largest <= 1 / 8 and abs(largest - abs(ours).max()) < 1e-4
    assert abs(weights[0].std() - ours.std()) < 1e-3


def test_glorot():
    w = wide(init.Glorot(scale=2.0)(KEY, (30, 70), jnp.float32))
    bound = 2 * math.sqrt(6 / 100)
    assert abs(w).max() <= bound and abs(w).max() > 0.99 * bound
    assert abs(w.var() / (bound**2 / 3) - 1) < 0.05
    # Per gate, the fans are those of a block, not of the four side by side.
    gates = wide(init.per_gate(init.Glorot(), KEY, (30, 280), 4, jnp.float32))
    assert math.sqrt(6 / 310) < abs(gates).max() <= math.sqrt(6 / 100)


@pytest.mark.parametrize("dtype", FLOATS)
def test_chrono_distribution(dtype):
    """exp(b) is uniform on [1, max_time - 1]: its quantiles, and how long a gate then remembers."""
    b = init.chrono(KEY, 20000, 100.0, dtype)
    assert b.dtype == dtype
    u = np.exp(wide(b))
    slack = 0.02 * 99 if dtype == jnp.bfloat16 else 1e-4
    assert 1 <= u.min() and u.max() <= 99 + slack
    quantiles = np.quantile(u, [0.1, 0.5, 0.9])
    np.testing.assert_allclose(quantiles, 1 + 98 * np.array([0.1, 0.5, 0.9]), atol=1.5 + slack / 4)
    # A gate sigmoid(b) forgets 1/e in about 1 + u steps.
    horizon = -1 / np.log(1 / (1 + np.exp(-wide(b))))
    np.testing.assert_allclose(horizon, u + 0.5, atol=0.1)


@pytest.mark.parametrize("max_time", [2, 0.0, -1, float("nan")])
def test_chrono_needs_time(max_time):
    with pytest.raises(ValueError, match="chrono needs max_time > 2 steps, got"):
        init.chrono(KEY, 3, max_time)


@pytest.mark.parametrize("dtype", FLOATS)
def test_spectral_radius(dtype):
    w = init.SpectralRadius(radius=0.8, density=0.25)(KEY, (40, 40), dtype)
    assert w.dtype == dtype
    tolerance = {jnp.bfloat16: 2e-3, jnp.float32: 1e-5, jnp.float64: 1e-12}[dtype]
    assert abs(abs(np.linalg.eigvals(wide(w))).max() - 0.8) < tolerance
    assert ((wide(w) != 0).sum(0) == 10).all()


def test_sparsest_reservoirs_have_their_radius():
    """With less than one entry a column drawn freely, a third of such matrices have no cycle."""
    for seed in range(10):
        w = init.SpectralRadius(density=0.01)(jax.random.key(seed), (10, 10), jnp.float64)
        assert ((wide(w) != 0).sum(0) == 1).all()
        assert abs(abs(np.linalg.eigvals(wide(w))).max() - 0.9) < 1e-9


def test_spectral_radius_of_many():
    many = init.SpectralRadius(radius=1.5)(KEY, (3, 6, 6), jnp.float64)
    radii = abs(np.linalg.eigvals(wide(many))).max(-1)
    np.testing.assert_allclose(radii, [1.5] * 3, rtol=1e-12)


@pytest.mark.parametrize(
    "fields", [{"radius": 0.0}, {"radius": -1.0}, {"density": 0.0}, {"density": 1.5}]
)
def test_spectral_radius_needs_a_radius_and_a_density(fields):
    with pytest.raises(ValueError, match="SpectralRadius needs radius > 0 and 0 < density <= 1"):
        init.SpectralRadius(**fields)


def test_equal_initialisers_are_equal_values():
    for one, other, third in (
        (init.Glorot(), init.Glorot(), init.Glorot(scale=0.5)),
        (init.Uniform(bound=0.1), init.Uniform(bound=0.1), init.Uniform(bound=0.2)),
        (init.Orthogonal(), init.Orthogonal(), init.Orthogonal(scale=2.0)),
        (init.Identity(), init.Identity(), init.Identity(scale=0.5)),
        (init.SpectralRadius(), init.SpectralRadius(), init.SpectralRadius(density=0.5)),
        (init.Zeros(), init.Zeros(), init.Glorot()),
    ):
        assert one == other and hash(one) == hash(other) and one != third


def test_keys_and_dtypes():
    """One key, one draw, whatever the dtype it is rounded to; another key, another."""
    for one in (init.Glorot(), init.Uniform(bound=1.0), init.Orthogonal()):
        half, single = (one(KEY, (4, 4), dtype) for dtype in FLOATS[:2])
        assert bool((single.astype(jnp.bfloat16) == half).all())
        assert bool((one(jax.random.key(1), (4, 4), jnp.float32) != single).any())

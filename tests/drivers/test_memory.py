"""Law 8 and the deferred gradient's promise, read from compiled programs: what is not stored."""

import jax
import jax.numpy as jnp
import pytest

from rnn_jax import cells, drivers
from tests.static import temp_bytes

NUM_STEPS, ROWS, SIZE = 256, 8, 64
UNIT = NUM_STEPS * ROWS * SIZE * 4  # one float32 (T, B, H)


def units(cell, monkeypatch, **options):
    """Temporary memory of a training step, in units of one (T, B, H), on one device."""
    monkeypatch.setattr(drivers.deferred, "may_be_partitioned", lambda xs: False)

    def loss(params, xs):
        return jnp.sum(jnp.square(drivers.scan(cell, params, xs, **options)[1]))

    params = cell.init(jax.random.key(0), jnp.float32)
    xs = jnp.ones((NUM_STEPS, ROWS, SIZE), jnp.float32)
    return temp_bytes(jax.grad(loss, argnums=(0, 1)), params, xs) / UNIT


@pytest.mark.usefixtures("optimized")
@pytest.mark.parametrize(
    ("cell", "most"),
    [
        pytest.param(cells.Elman(input_size=SIZE, hidden_size=SIZE), 3.0, marks=pytest.mark.slow),
        (cells.LSTM(input_size=SIZE, hidden_size=SIZE), 4.5),
        pytest.param(cells.GRU(input_size=SIZE, hidden_size=SIZE), 4.0, marks=pytest.mark.slow),
    ],
    ids=["elman", "lstm", "gru"],
)
def test_memory_of_a_training_step(cell, most, monkeypatch):
    plain = units(cell, monkeypatch, gradient="autodiff")
    step = units(cell, monkeypatch, remat="step")
    sqrt = units(cell, monkeypatch, remat="sqrt")
    deferred = units(cell, monkeypatch)
    assert deferred <= most and deferred < 0.5 * plain, (deferred, plain)
    assert sqrt < step < plain, (sqrt, step, plain)

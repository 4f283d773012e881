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
    deferred = units(cell, monkeypatch, store="states")
    gates = units(cell, monkeypatch, store="gates")
    assert deferred <= most and deferred < 0.5 * plain, (deferred, plain)
    assert deferred < gates < 0.6 * plain, (gates, plain)
    assert sqrt < step < plain, (sqrt, step, plain)


@pytest.mark.parametrize(
    ("cell", "total"),
    [
        (cells.Elman(input_size=2, hidden_size=3), True),
        (cells.LSTM(input_size=2, hidden_size=3), True),
        (cells.GRU(input_size=2, hidden_size=3), False),
        (cells.LayerNormLSTM(input_size=2, hidden_size=3), False),
        (cells.Zoneout(cell=cells.LSTM(input_size=2, hidden_size=3), h_rate=0.1), False),
    ],
    ids=["elman", "lstm", "gru", "layer_norm_lstm", "zoneout"],
)
def test_what_is_stored(cell, total, monkeypatch):
    """The sum where gates read no more; nothing from a size on, or on a platform not measured."""
    params = cell.init(jax.random.key(0))
    plan = drivers.common.prepare(cell, params, jnp.ones((5, 2, 2)), None, key=jax.random.key(1))
    choose = drivers.deferred_store.choose_store
    assert choose(cell, plan, "gates") == (True, total)
    assert choose(cell, plan, None) == (True, total)
    monkeypatch.setattr(drivers.deferred_store, "MOST_BYTES", {"cpu": 100})
    assert not choose(cell, plan, None).gates and choose(cell, plan, "gates").gates
    monkeypatch.setattr(drivers.deferred_store, "MOST_BYTES", {})
    assert not choose(cell, plan, None).gates and not choose(cell, plan, "states").gates

"""Penalties on alignments against loops over rows, steps and places."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import attention
from tests.cells.reference import assert_close

STEPS, SPACE = 4, 5
LENGTHS, PLACES = np.array([4, 0, 2]), np.array([5, 3, 2])
WEIGHTS = np.random.default_rng(0).random((STEPS, 3, SPACE))


def doubly_stochastic(w, steps, places):
    return sum((1 - sum(w[t, s] for t in range(steps))) ** 2 for s in range(places))


def coverage(w, steps, places):
    total = 0.0
    for t in range(steps):
        total += sum(min(w[t, s], sum(w[k, s] for k in range(t))) for s in range(places))
    return total


def guided(w, steps, places):
    total = 0.0
    for t in range(steps):
        for s in range(places):
            total += w[t, s] * (1 - np.exp(-((s / places - t / steps) ** 2) / (2 * 0.2**2)))
    return total


PENALTIES = {
    "doubly_stochastic": (attention.doubly_stochastic, doubly_stochastic),
    "coverage": (lambda w, n, m: attention.coverage_loss(w, n), coverage),
    "guided": (attention.guided_attention, guided),
}


@pytest.mark.parametrize("name", PENALTIES)
def test_equals_the_loop_on_the_real_steps_and_places(name):
    penalty, loop = PENALTIES[name]
    weights = WEIGHTS * (np.arange(SPACE) < PLACES[:, None])  # as attention makes them
    poisoned = np.where((np.arange(STEPS)[:, None] < LENGTHS)[..., None], weights, np.nan)
    found = jax.jit(penalty)(poisoned, LENGTHS, PLACES)
    want = [loop(weights[:, row], *n) for row, n in enumerate(zip(LENGTHS, PLACES))]
    assert_close(found, np.array(want))
    heads = jnp.stack([poisoned, 0.5 * poisoned], axis=2)
    assert_close(penalty(heads, LENGTHS, PLACES)[:, 0], np.array(want))
    whole = penalty(WEIGHTS, None, None)
    assert_close(whole, np.array([loop(WEIGHTS[:, row], STEPS, SPACE) for row in range(3)]))


def test_a_row_that_looks_everywhere_once_costs_nothing():
    assert_close(attention.doubly_stochastic(jnp.eye(3)), 0.0)
    assert_close(attention.coverage_loss(jnp.eye(3)), 0.0)
    half = attention.doubly_stochastic(jnp.ones((3, 3), jnp.bfloat16) / 2)
    assert half.dtype == jnp.float32


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"those of a sequence are \(T, \*B, S\)"):
        attention.coverage_loss(jnp.ones(3))
    with pytest.raises(ValueError, match="go from 5 to 5, but weights has 4 steps"):
        attention.coverage_loss(WEIGHTS, np.array([5, 5, 5]))
    with pytest.raises(ValueError, match="go from 6 to 6, but the memory has 5 steps"):
        attention.doubly_stochastic(WEIGHTS, LENGTHS, np.array([6, 6, 6]))
    with pytest.raises(ValueError, match="width must be > 0, got 0"):
        attention.guided_attention(WEIGHTS, width=0)

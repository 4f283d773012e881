"""Beam search stops early where it may, and only there."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import decoding


def chain(params, state, token):
    return state + 1, params[state, token]


def chain_table(short, first, rest, size):
    """Tables in which 1 and the end cost ``short`` each; 2, others and the end ``size`` tokens."""

    def row(costs):
        rest = np.log(-np.expm1(np.logaddexp.reduce([-c for c in costs.values()])))
        spread = rest - np.log(6 - len(costs))
        return [-costs[v] if v in costs else spread for v in range(6)]

    tokens = [2, *[3 + i % 3 for i in range(size - 2)], 0]
    table = np.zeros((size, 6, 6))
    table[0, 0] = row({1: short, 2: first})
    table[1, 1] = row({0: short})
    for time in range(1, size):
        table[time, tokens[time - 1]] = row({tokens[time]: rest})
    return jnp.array(table), tokens


@pytest.mark.parametrize(
    ("costs", "penalty", "lost", "won"),
    [
        # n = 2 of log p -1.0 scores -0.857; n = 6 of log p -1.3 scores -0.709.
        ((0.5, 0.95, 0.07, 6), decoding.GNMT(1.0), -6 / 7, -1.3 * 6 / 11),
        # One token more would not yet make up for it, seven do.
        ((0.4, 1.4, 0.02, 9), decoding.Average(), -0.4, -1.56 / 9),
    ],
)
def test_longer_sequence_wins_where_the_first_to_end_would_have_lost(costs, penalty, lost, won):
    (table, tokens), size = chain_table(*costs), costs[-1]
    run = partial(decoding.beam_search, chain, table, jnp.zeros(1, int), beam_size=2, chunk=1)
    run = partial(run, start=0, end=0, max_length=size, length_penalty=penalty)
    first, safe = run(early_stop="first"), run()
    assert first.tokens[:, 0, 0].tolist() == [1] + [0] * (size - 1)
    assert safe.tokens[:, 0, 0].tolist() == tokens
    np.testing.assert_allclose(first.scores[0, 0], lost, rtol=1e-12)
    np.testing.assert_allclose(safe.scores[0, 0], won, rtol=1e-12)


def test_safe_stop_is_early():
    """One step is enough where an ended sequence has nearly all of the probability."""
    table = jnp.full((3,), -20.0).at[0].set(0.0)
    steps = []

    def step(params, state, token):
        jax.debug.callback(lambda _: steps.append(1), state[0], ordered=True)
        return state, jnp.broadcast_to(params, (*token.shape, 3))

    for stop, most in (("safe", 2), ("never", 8)):
        steps.clear()
        decoding.beam_search(
            step, table, jnp.zeros(2), beam_size=2, start=1, end=0, max_length=8,
            length_penalty=decoding.GNMT(1.0), early_stop=stop, chunk=1,
        )  # fmt: skip
        jax.effects_barrier()
        assert len(steps) <= most and (stop == "safe" or len(steps) == most)

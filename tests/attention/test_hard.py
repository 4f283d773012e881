"""Hard attention: REINFORCE is unbiased, shown by summing over every choice, not by sampling."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import attention
from tests.cells.reference import assert_close, draw

SIZE, STEPS = 3, 2
KIND = attention.Hard(attention=attention.General(query_size=2, memory_size=2))


def follow(params, encoded, queries, chosen):
    """Attend with the noise that makes these choices: (final state, reward)."""
    memory = KIND.prepare(params, encoded)
    state, reward = KIND.initial_state(params, memory), 0.0
    for t in range(STEPS):
        noise = 1e4 * jnp.eye(SIZE)[chosen[t]]
        context, _, state = KIND.attend(params, memory, queries[t] + reward, state, noise)
        reward = reward + jnp.sin(context).sum() + context @ queries[t]
    return state, reward


def test_the_surrogate_has_the_gradient_of_the_expected_reward():
    params = draw(jax.eval_shape(KIND.init, jax.random.key(0)), 0)
    encoded, queries = draw(jnp.zeros((SIZE, 2)), 1), draw(jnp.zeros((STEPS, 2)), 2)
    every = jnp.array(list(itertools.product(range(SIZE), repeat=STEPS)))

    def follow_all(params, encoded):
        return jax.vmap(lambda chosen: follow(params, encoded, queries, chosen))(every)

    def expected(params, encoded):
        """The sum over all choices of their probability times their reward."""
        state, reward = follow_all(params, encoded)
        return (jnp.exp(state.log_prob) * reward).sum(), jnp.exp(state.log_prob).sum()

    def surrogates(params, encoded, baseline):
        """The mean of the surrogate over the choices, whose chances count as constants."""
        state, reward = follow_all(params, encoded)
        loss = -reward + attention.reinforce(state.log_prob, reward, baseline)
        return (jax.lax.stop_gradient(jnp.exp(state.log_prob)) * loss).sum()

    @jax.jit
    def gradients(params, encoded):
        exact, total = jax.grad(expected, (0, 1), has_aux=True)(params, encoded)
        return (
            total,
            exact,
            [jax.grad(surrogates, (0, 1))(params, encoded, baseline) for baseline in (0.0, 1.7)],
        )

    total, exact, estimates = gradients(params, encoded)
    assert_close(total, 1.0)
    assert bool((abs(exact[0].attention.w_k) > 1e-3).any())
    for estimate in estimates:
        assert_close(estimate, jax.tree.map(lambda leaf: -leaf, exact))


def test_log_prob_and_entropy_are_those_of_the_softmax():
    params = draw(jax.eval_shape(KIND.init, jax.random.key(0)), 0)
    encoded, queries = draw(jnp.zeros((SIZE, 2)), 1), draw(jnp.zeros((STEPS, 2)), 2)
    memory = KIND.prepare(params, encoded)
    p = jax.nn.softmax(memory.keys @ queries[0])
    start = KIND.initial_state(params, memory)
    attend = jax.jit(jax.vmap(lambda n: KIND.attend(params, memory, queries[0], start, n)[1:]))
    weights, state = attend(1e4 * jnp.eye(SIZE))
    assert weights.tolist() == np.eye(SIZE).tolist()
    assert_close(state.log_prob, jnp.log(p))
    assert_close(state.entropy, jnp.full(SIZE, -(p * jnp.log(p)).sum()))


def test_gumbel_noise_draws_from_the_softmax():
    params = draw(jax.eval_shape(KIND.init, jax.random.key(0)), 0)
    memory = KIND.prepare(params, draw(jnp.zeros((SIZE, 2)), 1))
    query, count = draw(jnp.zeros(2), 2), 20_000
    noise = KIND.noise(params, memory, jax.random.key(0), (count,))
    state = KIND.initial_state(params, memory)
    attend = jax.vmap(lambda n: KIND.attend(params, memory, query, state, n).weights)
    draws = jax.jit(attend)(noise)
    p = jax.nn.softmax(memory.keys @ query)
    assert_close(draws.mean(0), p, 5 * (0.25 / count) ** 0.5)  # five standard errors


def test_entropy_and_baseline():
    log_prob, reward = jnp.array([-1.0, -2.0]), jnp.array([3.0, 1.0])
    loss = attention.reinforce(log_prob, reward, 2.0, jnp.array([0.5, 1.0]), 0.1)
    assert_close(loss, np.array([1.0 - 0.05, -2.0 - 0.1]))
    counts = attention.reinforce(log_prob, jnp.array([3, 1]), 1.5)  # the baseline keeps its half
    assert_close(counts, np.array([1.5, -1.0]))
    assert_close(attention.reinforce(log_prob, 1.0, jnp.array([0.5, 2.0])), np.array([0.5, -2.0]))
    half = attention.reinforce(log_prob.astype(jnp.bfloat16), jnp.full(2, 1.004), 1.0)
    assert_close(half, np.array([0.004, 0.008]), 1e-6)
    for given in (reward, jnp.array([3, 1])):
        assert_close(attention.moving_baseline(1.0, given), 1.1, 1e-7)
    slope = jax.grad(lambda r: attention.moving_baseline(jnp.array(1.0), r))(reward)
    assert bool((slope == 0).all())
    with pytest.raises(ValueError, match=r"reward has shape \(3,\), but log_prob has shape \(2,\)"):
        attention.reinforce(log_prob, jnp.ones(3), 0.0)
    with pytest.raises(ValueError, match=r"decay must lie in \[0, 1\), got 1"):
        attention.moving_baseline(jnp.array(0.0), reward, decay=1)

"""Monotonic alignments: by enumeration of paths, and every form of the recurrence."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax import attention
from tests.cells.reference import assert_close, draw

SIZE, STEPS = 4, 3


def by_paths(p: np.ndarray) -> np.ndarray:
    """P(step i stops at s), summed over all non-decreasing sequences of places from 0."""
    weights = np.zeros_like(p)
    for i in range(len(p)):
        for path in itertools.combinations_with_replacement(range(SIZE), i + 1):
            chance, at = 1.0, 0
            for t, stop in enumerate(path):
                chance *= np.prod(1 - p[t, at:stop]) * p[t, stop]
                at = stop
            weights[i, path[-1]] += chance
    return weights


def closed_form(p: np.ndarray, previous: np.ndarray) -> np.ndarray:
    """The paper's: p cumprod(1 - p) cumsum(previous / cumprod(1 - p)), the products exclusive."""
    passed = np.concatenate([np.ones(1), np.cumprod(1 - p)[:-1]])
    return p * passed * np.cumsum(previous / passed)


def test_recursive_is_parallel_is_the_closed_form_is_the_sum_over_paths():
    p = np.array(jax.nn.sigmoid(draw(jnp.zeros((STEPS, SIZE)), 0)))

    @jax.jit
    def both(p, start):
        forms = (attention.monotonic_alignment, attention.monotonic_alignment_recursive)
        found = []
        for form in forms:
            previous, steps = start, []
            for one in p:
                previous = form(one, previous)
                steps.append(previous)
            found.append(jnp.stack(steps))
        return found

    wanted = by_paths(p)
    start = np.eye(SIZE)[0]
    for found in both(p, jnp.asarray(start)):
        assert_close(found, wanted)
    previous = start
    for one, want in zip(p, wanted):
        previous = closed_form(one, previous)
        assert_close(previous, want)


def test_hard_is_recursive_on_one_hot():
    """Where every p is 0 or 1 the expectation is the choice; past the end all is zero."""
    for bits in itertools.product((0.0, 1.0), repeat=SIZE):
        p, places = jnp.array(bits), jnp.eye(SIZE)
        starts = jnp.concatenate([places, jnp.zeros((1, SIZE))])
        p = jnp.broadcast_to(p, starts.shape)
        hard = attention.monotonic_alignment_hard(p, starts)
        assert_close(hard, attention.monotonic_alignment(p, starts), 0.0)
        assert bool((hard[-1] == 0).all())


def test_long_inputs_do_not_underflow():
    """The closed form divides by cumprod(1 - p), which is 0 after a thousand steps in float32."""
    p = jnp.full((2000,), 0.5, jnp.float32).at[:1990].set(1e-3)
    previous = jnp.zeros_like(p).at[1990].set(1.0)

    def loss(p):
        return attention.monotonic_alignment(p, previous)[1990:1992].sum()

    value, gradient = jax.jit(jax.value_and_grad(loss))(p)
    assert_close(value, 0.75, 1e-6)
    assert bool(jnp.isfinite(gradient).all())


def test_noise_shifts_the_scores():
    dot = attention.Dot(query_size=2, memory_size=2)
    kind = attention.Monotonic(attention=dot, offset=0.5, noise_scale=2.0)
    params = kind.init(jax.random.key(0), jnp.float64)
    memory = kind.prepare(params, draw(jnp.zeros((SIZE, 2)), 0))
    query, state = draw(jnp.zeros(2), 1), kind.initial_state(params, memory)
    noise = kind.noise(params, memory, jax.random.key(1), (STEPS,))
    assert noise.shape == (STEPS, SIZE) and 0.5 < float(noise.std()) < 5
    shifted = attention.monotonic_alignment(
        jax.nn.sigmoid(memory.keys @ query + 0.5 + noise[0]), state.weights
    )
    assert_close(kind.attend(params, memory, query, state, noise[0]).weights, shifted)
    assert not attention.is_stochastic(attention.Monotonic(attention=dot, noise_scale=0.0))

"""Linear recurrences in chunks: every size, resets, reversal, derivatives, many steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers
from rnn_jax.drivers.newton_linear import block_recurrence
from rnn_jax.drivers.recurrence import linear_recurrence, states_from_zero
from tests.laws.cases import assert_same

NUM_STEPS = 7
MIN_GRU, LRU = 2e-7, 1e-6  # most of the largest state that 100,000 steps may be off


def by_loop(a, b, state, order, reset, times=np.multiply):
    states = np.zeros_like(b)
    for t in order:
        cut = np.expand_dims(reset[t], tuple(range(reset.ndim - 1, b.ndim - 1)))
        state = np.where(cut, b[t], times(a[t], np.where(cut, 0, state)) + b[t])
        states[t] = state
    return states


@pytest.mark.parametrize("reverse", [False, True])
def test_every_chunk_equals_a_loop(reverse):
    """Complex, ragged, longer than the sequence; matrices too; NaN does not cross a reset."""
    random = np.random.default_rng(0)
    draw = lambda *shape: random.standard_normal(shape) + 1j * random.standard_normal(shape)
    a, b, state = draw(NUM_STEPS, 3, 2), draw(NUM_STEPS, 3, 2), draw(3, 2)
    reset = random.random((NUM_STEPS, 3)) < 0.3
    order = range(NUM_STEPS)[::-1] if reverse else range(NUM_STEPS)
    first, late = (order[0], 0), (order[3], 0)
    a[first], reset[late] = np.nan, True
    matrices, vectors = draw(NUM_STEPS, 3, 1, 2, 2), draw(NUM_STEPS, 3, 1, 2)
    times = lambda a, s: np.einsum("...ij,...j->...i", a, s)

    @jax.jit
    def run(a, b, state, matrices, vectors):
        found = {
            chunk: linear_recurrence(a, b, state, reverse, reset, chunk)
            for chunk in (1, 2, 3, NUM_STEPS, 2 * NUM_STEPS)
        }
        wide = lambda x: jnp.concatenate([x] * 10)  # long enough to be cut into chunks by itself
        return found, block_recurrence(wide(matrices), wide(vectors), reverse, wide(reset))

    found, blocks = run(a, b, state, matrices, vectors)
    want = by_loop(a, b, state, order, reset)
    for chunk, states in found.items():
        np.testing.assert_allclose(states, want, rtol=1e-12, atol=1e-12, err_msg=f"{chunk}")
    wide = lambda x: np.concatenate([x] * 10)
    order = range(10 * NUM_STEPS)[::-1] if reverse else range(10 * NUM_STEPS)
    want = by_loop(wide(matrices), wide(vectors), np.zeros((3, 1, 2)), order, wide(reset), times)
    np.testing.assert_allclose(blocks, want, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("kind", [float, complex])
def test_derivatives_in_chunks(kind):
    """Gradients, tangents and the second order, with a ragged last chunk and resets."""
    keys = jax.random.split(jax.random.key(0), 3)
    a, b = (jax.random.normal(key, (NUM_STEPS, 2), kind) for key in keys[:2])
    state = jax.random.normal(keys[2], (2,), kind)
    reset = jnp.zeros((NUM_STEPS, 2), bool).at[4, 0].set(True)

    def loop(a, b, state):
        def body(s, step):
            a, b, cut = step
            s = jnp.where(cut, b, a * s + b)
            return s, s

        return jax.lax.scan(body, state, (a, b, reset), reverse=True)[1]

    def chunked(a, b, state):
        return linear_recurrence(a, b, state, True, reset, 3)

    def derivatives(run):
        def loss(*args):
            states = run(*args)
            return jnp.sin(states.real + 0.3 * states.imag).sum()

        slope = jax.grad(loss, (0, 1, 2), holomorphic=False)
        bend = jax.jvp(slope, (a, b, state), (b, a, state))
        return jax.jvp(run, (a, b, state), (b, a, state)), bend

    found, want = jax.jit(lambda: (derivatives(chunked), derivatives(loop)))()
    assert_same(found, want)


def test_chunks_write_no_tree(optimized):
    """The states beside one copy of what they are made of; an associative scan takes 2.5 such."""
    a = b = jnp.ones((4096, 8), jnp.float32)
    temp = {}
    for chunk in (1, 64):
        run = jax.jit(lambda a, b, chunk=chunk: states_from_zero(a, b, chunk=chunk))
        temp[chunk] = run.lower(a, b).compile().memory_analysis().temp_size_in_bytes / b.nbytes
    assert temp[64] <= 1.2 and temp[1] >= 2


@pytest.mark.parametrize("chunk", [0, 1.5])
def test_no_such_chunk(chunk):
    cell = cells.MinGRU(input_size=2, hidden_size=3)
    with pytest.raises(ValueError, match="chunk must be a whole number >= 1 or None"):
        drivers.associative(cell, cell.init(jax.random.key(0)), jnp.ones((5, 2)), chunk=chunk)


@pytest.mark.slow
@pytest.mark.parametrize("chunk", [1, None])
def test_a_hundred_thousand_steps(chunk, optimized):
    """In single precision, against a loop in double: rounding, and no drift."""
    num_steps = 100_000
    xs = np.random.default_rng(0).standard_normal((num_steps, 2)).astype(np.float32)
    for cell, bound in (
        (cells.MinGRU(input_size=2, hidden_size=4), MIN_GRU),
        (cells.LRU(input_size=2, hidden_size=4, min_radius=0.9, max_radius=0.999), LRU),
    ):
        params = cell.init(jax.random.key(0))

        @jax.jit
        def run(params, xs, cell=cell):
            a, b = cell.affine(params, cell.encode(params, xs))
            zero = jnp.zeros_like(b.h[0])
            return a.h, b.h, linear_recurrence(a.h, b.h, zero, chunk=chunk)

        a, b, found = (np.asarray(x) for x in run(params, xs))
        wide = np.complex128 if np.iscomplexobj(b) else np.float64
        a, b, state = a.astype(wide), b.astype(wide), np.zeros(4, wide)
        want = np.empty_like(b)
        for t in range(num_steps):
            state = a[t] * state + b[t]
            want[t] = state
        error = np.abs(found - want).max() / np.abs(want).max()
        print(f"{type(cell).__name__}, chunk {chunk}: {error:.2g} of the largest state")
        assert found.dtype.itemsize == wide().itemsize // 2 and error <= bound

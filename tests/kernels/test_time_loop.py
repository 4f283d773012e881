"""The kernel's loop against ``jax.lax.scan``: short last blocks, blocks of rows, reversal."""

import jax
import jax.numpy as jnp
import pytest

from rnn_jax.kernels import blocks, loop
from tests.laws.cases import assert_same


def body(shared, fixed, carry, step, _=None):
    """Something of everything: a product, a vector, a mask of its own, booleans, two dtypes."""
    w, b, _ = shared
    x, mark = step
    h, count = carry
    new = jnp.tanh(h @ w + jnp.broadcast_to(b, h.shape) + x * fixed)
    new = jnp.where(jnp.broadcast_to(mark, h.shape), new, h)
    return (new, count + 1), {"twice": 2 * new, "before": h}


@pytest.mark.parametrize("reverse", [pytest.param(False, marks=pytest.mark.slow), True])
def test_equals_scan(reverse, monkeypatch):
    num_steps, num_rows, size = 11, 70, 3
    keys = jax.random.split(jax.random.key(0), 6)
    shared = (
        jax.random.normal(keys[0], (size, size)),
        jax.random.normal(keys[1], (size,)),
        jnp.ones((2, 5)),  # nobody reads it
    )
    fixed = jax.random.normal(keys[2], (num_rows, size))
    carry = (jax.random.normal(keys[3], (num_rows, size)), jnp.zeros((num_rows, 1), jnp.float32))
    marks = jax.random.bernoulli(keys[4], 0.7, (num_steps, num_rows, 1))
    steps = (jax.random.normal(keys[5], (num_steps, num_rows, size)), marks)

    @jax.jit
    def run():
        whole = jax.lax.scan(
            lambda carry, step: body(shared, fixed, carry, step), carry, steps, reverse=reverse
        )
        options = {"reverse": reverse, "interpret": True}
        once = loop.time_loop(body, shared, fixed, carry, steps, **options)
        with monkeypatch.context() as patch:  # as if there were room for 32 rows and 2 steps
            patch.setattr(blocks, "VMEM_BYTES", 1_200_000)
            parts = loop.time_loop(body, shared, fixed, carry, steps, **options)
        return whole, once, parts

    whole, once, parts = run()
    assert_same(once, whole, 1e-14)
    assert_same(parts, whole, 1e-14)


@pytest.mark.parametrize("reverse", [False, True])
def test_gives_the_states_before(reverse):
    """Over block boundaries, a short last block, and the first step of all."""
    states = (jnp.arange(11.0).reshape(11, 1, 1), jnp.arange(11, dtype=jnp.bfloat16)[:, None, None])
    first = (-jnp.ones((1, 1)), -jnp.ones((1, 1), jnp.bfloat16))
    look = lambda shared, fixed, carry, step, before: (carry, (before, step + before[0]))
    options = {"reverse": reverse, "interpret": True}
    (seen, sums) = loop.time_loop(
        look, None, None, jnp.zeros((1, 1)), states[0], states, first, **options
    )[1]
    order = range(11) if reverse else range(11)[::-1]  # of the loop that made the states
    before = dict(zip(order, [-1, *order]))
    for leaf in seen:
        assert leaf[:, 0, 0].tolist() == [before[t] for t in range(11)]
    assert sums[:, 0, 0].tolist() == [t + before[t] for t in range(11)]


def test_blocks_fit_and_say_when_they_cannot():
    def array(*shape, dtype=jnp.float32):
        return jax.ShapeDtypeStruct(shape, dtype)

    z = array(11, 70, 400)
    found = blocks.choose_blocks(11, 70, [array(100, 400)], [], [z], [])
    assert (found.rows, found.steps) == (70, 8)  # 11 has no long divisor: the last block is short
    assert found.vmem_bytes == 104 * 512 * 4 + 2 * 8 * 72 * 512 * 4 + blocks.SPARE
    assert blocks.choose_blocks(12, 70, [], [], [z], []).steps == 6
    assert blocks.choose_blocks(16, 4096, [], [], [array(16, 4096, 4096)], []).rows < 4096
    with pytest.raises(ValueError, match=f"{2**26} bytes of weights.*drivers.scan, or bfloat16"):
        blocks.choose_blocks(16, 4, [array(2048, 8192)], [], [z], [])

"""What a function depends on."""

import jax
import jax.numpy as jnp

from rnn_jax import ops


def test_dependence_is_read_from_the_trace():
    x, tree = jnp.ones(3), {"a": jnp.ones(3), "b": jnp.ones(())}
    assert ops.depends(lambda t, x: t["b"] * x, tree, x)
    assert not ops.depends(lambda t, x: x, tree, x)
    assert ops.depends(lambda t: t, tree)
    assert not ops.depends(lambda t, x: (jnp.sin(t["a"]), x)[1], tree, x), "computed, not used"
    assert not ops.depends(lambda t: 1.0, tree)
    assert not ops.depends(lambda s, x: x, jax.ShapeDtypeStruct((3,), jnp.float32), x)
    slope = lambda f: lambda x, dx: jax.jvp(f, (x,), (dx,))[1]
    assert not ops.depends(slope(lambda x: 2 * x + 1), x, x)
    assert ops.depends(slope(jnp.sin), x, x) and ops.depends(slope(jax.nn.relu), x, x)


def test_a_function_of_a_sum_is_recognised():
    x, y = jnp.ones(3), jnp.ones(3)
    assert ops.reads_only_sum(lambda x, y: jnp.tanh(x + y) * 2, x, y)
    assert ops.reads_only_sum(lambda x, y: jnp.tanh(y + x), x, y)
    assert not ops.reads_only_sum(lambda x, y: x + y + x, x, y), "read twice"
    assert not ops.reads_only_sum(lambda x, y: x - y, x, y)
    assert not ops.reads_only_sum(lambda x, y: x + x, x, y)
    assert not ops.reads_only_sum(lambda x, y: (x + y, x), x, y), "given back"
    assert not ops.reads_only_sum(lambda x, y: jax.lax.stop_gradient(x) + y, x, y)

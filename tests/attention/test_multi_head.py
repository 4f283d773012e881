"""Multi-head attention against torch.nn.MultiheadAttention; self-attention as a layer."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import attention, layers
from tests.cells.reference import SOURCES, assert_close, draw, numbers

LENGTHS = np.array([5, 1, 3])


def from_torch(g):
    names = attention.MultiHeadParams._fields
    return attention.MultiHeadParams(*(jnp.asarray(g[n].T) for n in names))


@pytest.mark.parametrize("source", SOURCES)
def test_cross_attention_equals_torch_under_padding(source):
    g = numbers("torch_attention", "cross", source)
    kind = attention.MultiHead(query_size=6, memory_size=3, num_heads=2, head_size=3)
    params = from_torch(g)

    @jax.jit
    def found(queries, memory):
        def loss(queries, memory):
            prepared = kind.prepare(params, memory, LENGTHS)
            ys, weights = kind.attend_sequence(params, prepared, queries)
            one = kind.attend(params, prepared, queries[1], ())
            return jnp.sin(ys).sum(), (ys, weights, one)

        return jax.grad(loss, (0, 1), has_aux=True)(queries, memory)

    gradients, (ys, weights, one) = found(g["queries"], g["memory"])
    assert_close(ys, g["ys"])
    assert_close(weights, np.moveaxis(g["alignment"], 2, 0))  # torch: (B, N, T, S)
    assert_close(gradients, (g["d_queries"], g["d_memory"]))
    assert_close((one.context, one.weights), (ys[1], weights[1]))


@pytest.mark.parametrize("source", SOURCES[:1])
def test_causal_self_attention_equals_torch(source):
    g = numbers("torch_attention", "causal", source)
    kind = attention.MultiHead(query_size=6, memory_size=6, num_heads=2, head_size=3)
    layer = layers.SelfAttention(attention=kind, causal=True)
    params, xs = from_torch(g), jnp.asarray(g["queries"])

    def loss(xs):
        ys = layer.apply(params, xs).ys
        return jnp.sin(ys).sum(), ys

    gradient, ys = jax.jit(jax.grad(loss, has_aux=True))(xs)
    assert_close(ys, g["ys"])
    assert_close(gradient, g["d_queries"])


def test_the_layer_keeps_padding_and_sequences_apart():
    kind = attention.MultiHead(query_size=4, memory_size=4, num_heads=2, head_size=3)
    layer = layers.SelfAttention(attention=kind)
    params = draw(jax.eval_shape(layer.init, jax.random.key(0)), 0)
    xs, lengths = draw(jnp.zeros((5, 3, 4)), 1), np.array([5, 0, 3])
    real = np.arange(5)[:, None] < lengths
    poisoned = jnp.where(real[..., None], xs, jnp.nan)
    reset = jnp.zeros((5, 3), bool).at[2, 0].set(True)

    @jax.jit
    def found(params, poisoned):
        def loss(params, poisoned):
            ys = layer.apply(params, poisoned, lengths=lengths.tolist(), reset=reset).ys
            return jnp.sin(ys).sum(), ys

        return jax.grad(loss, (0, 1), has_aux=True)(params, poisoned)

    (d_params, d_xs), ys = found(params, poisoned)
    parts = (xs[:2, 0], xs[2:, 0], xs[:3, 2])
    alone = jax.jit(lambda params: [layer.apply(params, part).ys for part in parts])(params)
    assert_close(ys[:, 0], jnp.concatenate(alone[:2]))
    assert_close(ys[:3, 2], alone[2])
    assert bool((ys[~real] == 0).all()) and bool((d_xs[~real] == 0).all())
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves((d_params, d_xs)))
    assert isinstance(layer, layers.Layer)


def test_bad_input_is_refused():
    kind = attention.MultiHead(query_size=4, memory_size=3, num_heads=2, head_size=3)
    params = kind.init(jax.random.key(0))
    memory = kind.prepare(params, jnp.ones((5, 2, 3), jnp.float32))
    with pytest.raises(ValueError, match=r"query_size=4 on this memory takes \(T, 2, 4\)"):
        kind.attend_sequence(params, memory, jnp.ones((6, 2, 3), jnp.float32))
    with pytest.raises(ValueError, match=r"allowed has shape \(6, 5\), but must have \(2, 6, 5\)"):
        queries = jnp.ones((6, 2, 4), jnp.float32)
        kind.attend_sequence(params, memory, queries, allowed=jnp.ones((6, 5), bool))
    with pytest.raises(ValueError, match="query_size=4 and memory_size=3"):
        layers.SelfAttention(attention=kind)
    for wrong in (attention.MultiHead, attention.Dot(query_size=2, memory_size=2)):
        with pytest.raises(
            ValueError, match="attention is .* give one such as attention.MultiHead"
        ):
            layers.SelfAttention(attention=wrong)
    with pytest.raises(ValueError, match="num_heads must be a whole number >= 1, got 0"):
        attention.MultiHead(query_size=4, memory_size=3, num_heads=0, head_size=3)
    layer = layers.SelfAttention(
        attention=attention.MultiHead(query_size=4, memory_size=4, num_heads=2, head_size=3)
    )
    with pytest.raises(ValueError, match="state must be"):
        layer.apply(layer.init(jax.random.key(0)), jnp.ones((5, 4), jnp.float32), jnp.ones(3))
    with pytest.raises(ValueError, match="xs has shape .*, but SelfAttention has input_size=4"):
        layer.apply(layer.init(jax.random.key(0)), jnp.ones((5, 2, 3), jnp.float32))

"""Models as pure functions: taken apart once, nothing lost, nothing compiled twice."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnn_jax.models import LanguageModel, LanguageModelConfig, take_apart


def language_model(seed: int = 0) -> LanguageModel:
    config = LanguageModelConfig(vocab_size=7, embedding_size=3, hidden_size=5)
    return LanguageModel(config, rngs=nnx.Rngs(seed))


def test_a_model_put_together_again_is_the_model():
    model, tokens = language_model(), jnp.array([[1, 2, 3]])
    pure, params = take_apart(model)
    found, expected = jax.jit(lambda params: (pure(params)(tokens).ys, model(tokens).ys))(params)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(params))


def test_equal_models_do_not_compile_twice():
    traces = []

    @jax.jit
    def run(params, tokens):
        traces.append(1)
        return pure(params)(tokens).ys

    pure, params = take_apart(language_model(0))
    other, others = take_apart(language_model(1))
    assert pure == other and hash(pure) == hash(other) and pure.step == other.step
    run(params, jnp.array([[1, 2, 3]]))
    run(others, jnp.array([[4, 5, 6]]))
    assert len(traces) == 1


def test_what_would_be_lost_is_refused():
    class Noisy(nnx.Module):
        def __init__(self, rngs: nnx.Rngs) -> None:
            self.dropout = nnx.Dropout(0.5, rngs=rngs)

    with pytest.raises(ValueError, match="Noisy holds RngCount, RngKey beside nnx.Param"):
        take_apart(Noisy(nnx.Rngs(0)))

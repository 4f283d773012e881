"""The masked softmax: temperature, smoothing, extremes; and what mechanisms refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import attention
from tests.cells.reference import assert_close, sigmoid

SCORES = np.array([[1.0, -2.0, 0.5, 3.0], [800.0, -800.0, 799.0, 0.0]])
VALID = np.array([[True, True, True, False], [True, True, True, True]])


def test_temperature_and_smoothing():
    for temperature in (0.5, 2.0):
        found = attention.masked_softmax(jnp.asarray(SCORES), VALID, temperature)
        e = np.where(VALID, np.exp((SCORES - SCORES.max(-1, keepdims=True)) / temperature), 0)
        assert_close(found, e / e.sum(-1, keepdims=True))
        smooth = attention.masked_softmax(jnp.asarray(SCORES[0]), VALID[0], temperature, True)
        e = np.where(VALID[0], sigmoid(SCORES[0] / temperature), 0)
        assert_close(smooth, e / e.sum())
    far = attention.masked_softmax(jnp.array([-900.0, -901.0]), jnp.ones(2, bool), smooth=True)
    assert_close(far, np.exp([0, -1]) / np.exp([0, -1]).sum())


def test_a_row_of_nothing_is_zero_to_second_order():
    scores = jnp.array([jnp.nan, jnp.inf, -jnp.inf])
    f = lambda e: jnp.sin(attention.masked_softmax(e, jnp.zeros(3, bool))).sum()
    assert f(scores) == 0
    for derivative in jax.jit(lambda e: (jax.grad(f)(e), jax.hessian(f)(e)))(scores):
        assert bool((derivative == 0).all())


def test_bad_input_is_refused():
    dot = attention.Dot(query_size=2, memory_size=2)
    with pytest.raises(ValueError, match="query_size=3 and memory_size=2 differ.*use General"):
        attention.Dot(query_size=3, memory_size=2)
    with pytest.raises(ValueError, match="temperature must be > 0, got 0"):
        attention.Dot(query_size=2, memory_size=2, temperature=0)
    with pytest.raises(ValueError, match="score_size must be a whole number >= 1, got 0"):
        attention.Additive(query_size=2, memory_size=2, score_size=0)
    with pytest.raises(ValueError, match="memory has dtype int"):
        dot.prepare((), jnp.ones((5, 2), int))
    with pytest.raises(ValueError, match=r"lengths has shape \(2,\), but memory has batch axes"):
        dot.prepare((), jnp.ones((5, 3, 2)), jnp.array([1, 2]))
    memory = dot.prepare((), jnp.ones((5, 3, 2)))
    with pytest.raises(ValueError, match=r"query has shape \(4, 2\).*takes \(3, 2\)"):
        dot.attend((), memory, jnp.ones((4, 2)), ())
    heads = attention.MultiHead(query_size=2, memory_size=2, num_heads=1, head_size=2)
    with pytest.raises(ValueError, match="Hard: attention is MultiHead.* no single score"):
        attention.Hard(attention=heads)
    with pytest.raises(ValueError, match="noise_scale must be >= 0, got -1"):
        attention.Monotonic(attention=dot, noise_scale=-1)
    with pytest.raises(ValueError, match="num_filters must be a whole number >= 1, got 2.0"):
        attention.LocationAware(
            query_size=2, memory_size=2, score_size=2, num_filters=2.0, filter_size=3
        )
    sizes = {"query_size": 2, "memory_size": 2, "key_size": 3, "num_heads": 2}
    for hidden, message in (
        (3, "hidden_sizes is 3: give a tuple"),
        ((3, 0), r"sizes\[1\] must be"),
    ):
        with pytest.raises(ValueError, match=message):
            attention.MLPHeads(**sizes, hidden_sizes=hidden)
    with pytest.raises(
        ValueError, match="memory is of type .*Array.*, but Dot attends to what prep"
    ):
        dot.attend((), jnp.ones((5, 3, 2)), jnp.ones((3, 2)), ())
    with pytest.raises(ValueError, match="Monotonic: smooth=True"):
        attention.Monotonic(attention=attention.Dot(query_size=2, memory_size=2, smooth=True))
    with pytest.raises(ValueError, match="window_size must be a whole number >= 1, got 0"):
        attention.LocalM(attention=dot, window_size=0)

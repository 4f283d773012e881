"""Held-out losses of a language model against loops over the text, one token after the other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnn_jax import models
from rnn_jax.data.streams import full_pass
from rnn_jax.losses import tally

V = 5
CONFIG = models.LanguageModelConfig(vocab_size=V, embedding_size=3, hidden_size=4)
PURE, PARAMS = models.take_apart(models.LanguageModel(CONFIG, rngs=nnx.Rngs(0)))
TOKENS = np.random.default_rng(1).integers(0, V, 45).astype(np.int32)
TRAIN = np.random.default_rng(2).integers(0, V, 200).astype(np.int32)


def log_softmax(logits):
    logits = np.asarray(logits, np.float64)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def bigram_loss(table, state, piece):
    """A model so small that its gradient is known: the logits are a row of a table."""
    log_p = jax.nn.log_softmax(table[piece["x"]])
    return tally(-jnp.take_along_axis(log_p, piece["y"][:, None], -1)[:, 0]), state


def bigram_gradient(table, x, y):
    p = np.exp(log_softmax(table[x])) - np.eye(V)[y]
    gradient = np.zeros_like(table)
    np.add.at(gradient, x, p / len(x))
    return gradient, -log_softmax(table[x])[np.arange(len(x)), y].sum()


@pytest.mark.parametrize("rule", ["sgd", "rms"])
def test_dynamic_evaluation_is_its_formula_on_a_bigram(rule):
    rate, decay, epsilon = 0.5, 0.9, 1e-2
    table = np.random.default_rng(3).normal(size=(V, V))
    x, y = TOKENS[:-1].reshape(11, 4), TOKENS[1:].reshape(11, 4)
    pieces = {"x": jnp.asarray(x), "y": jnp.asarray(y)}
    scale = models.gradient_scale(bigram_loss, jnp.asarray(table), (), pieces)
    s = np.sqrt(np.mean([bigram_gradient(table, *pair)[0] ** 2 for pair in zip(x, y)], axis=0))
    np.testing.assert_allclose(scale, s, rtol=1e-6)
    found, last = models.dynamic_evaluation(
        bigram_loss, jnp.asarray(table), (), pieces, rate=rate, decay=decay, epsilon=epsilon,
        scale=scale if rule == "rms" else None,
    )  # fmt: skip
    now, total = table.copy(), 0.0
    for pair in zip(x, y):
        gradient, nats = bigram_gradient(now, *pair)
        total += nats
        back = np.minimum(decay * s / s.mean(), 1) if rule == "rms" else decay
        divisor = s + epsilon if rule == "rms" else 1
        now = now - rate * gradient / divisor + back * (table - now)
    assert found.count == 44
    np.testing.assert_allclose(found.total, total, rtol=1e-5)
    np.testing.assert_allclose(last, now, rtol=1e-5, atol=1e-6)


def test_held_out_loss_is_that_of_one_pass_over_each_stream():
    logits = jax.jit(lambda x: PURE(PARAMS)(x).ys)
    rows = [TOKENS[:23], TOKENS[22:]]  # 44 predictions in two streams
    total = sum(
        -log_softmax(logits(row[None, :-1])[0])[np.arange(22), row[1:]].sum() for row in rows
    )
    assert models.held_out_loss(PURE, PARAMS, TOKENS, rows=2) == pytest.approx(total / 44, rel=1e-5)


def test_cached_loss_is_the_model_and_its_past_mixed_by_hand():
    ys, _, _ = jax.jit(lambda x: PURE(PARAMS).hidden(x))(TOKENS[None, :-1])
    log_p = log_softmax(PURE(PARAMS).project(ys)[0])[np.arange(44), TOKENS[1:]]
    h, total = np.asarray(ys[0], np.float64), -log_p[0]
    for t in range(1, 44):
        past = np.arange(max(0, t - 6), t)
        weights = np.exp(2.0 * h[past] @ h[t])
        hit = weights[TOKENS[past + 1] == TOKENS[t + 1]].sum() / weights.sum()
        total -= np.log(0.8 * np.exp(log_p[t]) + 0.2 * hit)
    found = models.cached_loss(PURE, PARAMS, TOKENS, theta=2.0, share=0.2, window=6)
    assert found == pytest.approx(total / 44, rel=1e-5)


def test_dynamic_loss_carries_the_state_and_learns_in_the_order_of_the_text():
    rate, decay, segment = 1e-2, 0.1, 4

    def mean(params, state, piece):
        found, state = PURE(params).loss(
            jnp.asarray(piece.inputs), jnp.asarray(piece.targets), state,
            lengths=jnp.asarray(piece.lengths),
        )  # fmt: skip
        return found.mean, (found.total, state)

    gradient_of = jax.jit(jax.value_and_grad(mean, has_aux=True))
    state, squares = PURE(PARAMS).initial_state(32), []
    for piece in full_pass(TRAIN, 32, segment):
        (_, (_, state)), gradient = gradient_of(PARAMS, state, piece)
        squares.append(jax.tree.map(jnp.square, gradient))
    scale = jax.tree.map(lambda *leaves: np.sqrt(sum(leaves) / len(leaves)), *squares)
    every = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(scale)])

    def move(p, g, first, s):
        return p - rate * g / (s + 1e-5) + np.minimum(decay * s / every.mean(), 1) * (first - p)

    state, now, total = PURE(PARAMS).initial_state(1), PARAMS, 0.0
    for piece in full_pass(TOKENS, 1, segment):
        (_, (nats, state)), gradient = gradient_of(now, state, piece)
        now, total = jax.tree.map(move, now, gradient, PARAMS, scale), total + float(nats)
    found = models.dynamic_loss(
        PURE, PARAMS, TOKENS, TRAIN, rate=rate, decay=decay, segment=segment
    )
    assert found == pytest.approx(total / 44, rel=1e-4)
    assert found != pytest.approx(models.held_out_loss(PURE, PARAMS, TOKENS, rows=1), rel=1e-4)


def test_a_continuation_has_the_probabilities_of_the_model():
    prime, key = TOKENS[:3], jax.random.key(0)
    tokens, log_probs = models.continued(PURE, PARAMS, prime, key, length=6, rows=3)
    read = np.concatenate([np.tile(prime, (3, 1)), tokens], axis=1)
    log_p = log_softmax(jax.jit(lambda x: PURE(PARAMS)(x).ys)(read[:, 2:-1]))
    full = log_softmax(jax.jit(lambda x: PURE(PARAMS)(x).ys)(read[:, :-1]))[:, 2:]
    np.testing.assert_allclose(
        log_probs, np.take_along_axis(full, tokens[..., None], -1)[..., 0], rtol=1e-5
    )
    assert tokens.min() >= 2 and len({row.tobytes() for row in tokens}) > 1
    assert not np.allclose(log_p, full)  # the prime has been read
    (greedy,), _ = models.continued(PURE, PARAMS, prime, key, length=4, temperature=0)
    full = jax.jit(lambda x: PURE(PARAMS)(x).ys)(np.concatenate([prime, greedy])[None, :-1])
    np.testing.assert_array_equal(full[0, 2:, 2:].argmax(-1) + 2, greedy)
    with pytest.raises(ValueError, match="prime is empty"):
        models.continued(PURE, PARAMS, prime[:0], key, length=4)

"""The lectures' worked example: the slide's numbers, and a three-unit network that spells."""

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax import cells, decoding

LETTERS = "helo"
SLIDE = np.array(  # logits for h, e, l, o at each letter of "hell"
    [[1.0, 2.2, -3.0, 4.1], [0.5, 0.3, -1.0, 1.2], [0.1, 0.5, 1.9, -1.1], [0.2, -1.5, -0.1, 2.2]]
)
INPUTS, TARGETS = ([LETTERS.index(c) for c in word] for word in ("hell", "ello"))


def spell(tokens):
    return "".join(LETTERS[token] for token in tokens.tolist())


def slide_step(params, time, token):
    """The slide gives logits for each step, whatever was read."""
    return time + 1, params[time]


def test_the_slide_spells_oolo_with_its_loss():
    slide, start = jnp.asarray(SLIDE), jnp.array([0])
    found = decoding.decode(slide_step, slide, jnp.array([0]), start=start, max_length=4)
    assert spell(found.tokens[:, 0]) == "oolo"
    tokens = jnp.array(INPUTS)[:, None]
    _, logits = decoding.teacher_forced(slide_step, slide, jnp.array([0]), tokens)
    log_probs = decoding.token_log_prob(logits, jnp.array(TARGETS)[:, None])
    assert abs(-log_probs.mean() - 1.39739) < 5e-6
    shares = np.exp(SLIDE) / np.exp(SLIDE).sum(1, keepdims=True)
    by_hand = -np.mean([np.log(shares[t, v]) for t, v in enumerate(TARGETS)])
    np.testing.assert_allclose(-log_probs.mean(), by_hand, atol=1e-12)


def test_three_units_learn_to_spell_hello():
    """One-hot letters, three tanh units, softmax, plain gradient descent on the mean loss."""
    step = decoding.TokenStep(cell=cells.Elman(input_size=4, hidden_size=3))
    params = step.init(jax.random.key(0), vocab_size=4)._replace(embedding=jnp.eye(4))
    state = step.initial_state(params, (1,))
    inputs, targets = jnp.array(INPUTS)[:, None], jnp.array(TARGETS)[:, None]

    def loss(params):
        _, logits = decoding.teacher_forced(step, params, state, inputs)
        return -decoding.token_log_prob(logits, targets).mean()

    @jax.jit
    def train(params):
        def update(params, _):
            value, slope = jax.value_and_grad(loss)(params)
            slope = slope._replace(embedding=jnp.zeros_like(slope.embedding))
            return jax.tree.map(lambda p, d: p - 0.5 * d, params, slope), value

        return jax.lax.scan(update, params, None, length=300)

    params, losses = train(params)
    assert losses[0] > 1 and losses[-1] < 0.05
    found = decoding.decode(
        step, params, state, start=jnp.array([0]), max_length=10, end=LETTERS.index("o")
    )
    assert "h" + spell(found.tokens[: int(found.lengths[0]), 0]) == "hello"
    np.testing.assert_allclose(-found.scores[0] / 4, loss(params), rtol=1e-5)

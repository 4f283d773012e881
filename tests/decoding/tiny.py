"""A decoder small enough to be written again in NumPy."""

import jax
import jax.numpy as jnp
import numpy as np

VOCAB, HIDDEN = 5, 3
_draw = np.random.default_rng(3)
PARAMS = {
    "e": _draw.normal(size=(VOCAB, HIDDEN)),
    "w": _draw.normal(size=(HIDDEN, HIDDEN)),
    "v": 2 * _draw.normal(size=(HIDDEN, VOCAB)),
}


def make_params(dtype=jnp.float64):
    return {name: jnp.asarray(p, dtype) for name, p in PARAMS.items()}


def step(params, h, token):
    """h' = tanh(h @ w + e[token]),  logits = h' @ v; the token by one-hot, for every sharding."""
    h = jnp.tanh(h @ params["w"] + jax.nn.one_hot(token, VOCAB, dtype=h.dtype) @ params["e"])
    return h, h @ params["v"]


def numpy_step(h, token):
    h = np.tanh(h @ PARAMS["w"] + PARAMS["e"][token])
    return h, h @ PARAMS["v"]


def initial(num_rows, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=(num_rows, HIDDEN)))


def log_softmax(logits):
    shifted = np.asarray(logits) - np.max(logits, -1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))


def numpy_decode(h, start, max_length, choose, ends=(), prefix=(), stop=None, pad=0):
    """Row by row, token by token, in Python: tokens, lengths, log-probabilities, scores, states.

    ``choose(logits, t, row)`` and ``stop(h, t, row) -> (ended, log_prob)`` are NumPy's.
    """
    rows = []
    for row in range(len(start)):
        state, token, written, total = np.asarray(h[row]), int(start[row]), [], 0.0
        for t in range(max_length):
            state, logits = numpy_step(state, token)
            token = int(prefix[t][row]) if t < len(prefix) else int(choose(logits, t, row))
            log_prob = log_softmax(logits)[token]
            written.append((token, log_prob))
            total += log_prob
            ended, decided = stop(state, t, row) if stop else (False, 0.0)
            if t >= len(prefix):
                total += decided
                if ended or token in ends:
                    break
        rows.append((written, total, state))
    tokens = np.full((max_length, len(start)), pad)
    log_probs = np.zeros((max_length, len(start)))
    for row, (written, _, _) in enumerate(rows):
        for t, (token, log_prob) in enumerate(written):
            tokens[t, row], log_probs[t, row] = token, log_prob
    lengths = np.array([len(written) for written, _, _ in rows])
    scores = np.array([total for _, total, _ in rows])
    return tokens, lengths, log_probs, scores, np.stack([state for _, _, state in rows])


def assert_decoded(found, expected, tolerance=1e-12):
    tokens, lengths, log_probs, scores, state = expected
    assert found.tokens.tolist() == tokens.tolist()
    assert found.lengths.tolist() == lengths.tolist()
    for have, want in ((found.log_probs, log_probs), (found.scores, scores), (found.state, state)):
        np.testing.assert_allclose(have, want, rtol=0, atol=tolerance)


def greedy(logits, t, row):
    return np.argmax(logits)


def with_key(choose, key, num_rows):
    """A choice that draws, for ``numpy_decode``: its draws do not depend on the other rows."""

    def one(logits, t, row):
        whole = jnp.zeros((num_rows, VOCAB)).at[row].set(jnp.asarray(logits))
        return choose(whole, jax.random.fold_in(key, t))[row]

    return one

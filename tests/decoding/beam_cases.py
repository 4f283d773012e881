"""A decoder whose state is a code of all its tokens, and every sequence it can write, in NumPy.

The reference shares no code with the search: it walks the tree of sequences one by one.
"""

from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

CODES = 101
END, START = 0, 1


class State(NamedTuple):
    row: jax.Array  # (B,)
    code: jax.Array  # (B,) of all tokens read
    weights: jax.Array  # (B, S) attention of the last step


class Tables(NamedTuple):
    logits: jax.Array  # (B, CODES, V)
    weights: jax.Array  # (B, CODES, S)


def step(params: Tables, state: State, token: jax.Array) -> tuple[State, jax.Array]:
    code = (7 * state.code + token + 1) % CODES
    state = State(state.row, code, params.weights[state.row, code])
    return state, params.logits[state.row, code]


def alignment(state: State) -> jax.Array:
    return state.weights


def make(rows: int, vocab_size: int, seed: int = 0, scale: float = 1.5) -> Tables:
    key_logits, key_weights = jax.random.split(jax.random.key(seed))
    logits = scale * jax.random.normal(key_logits, (rows, CODES, vocab_size))
    weights = jax.random.normal(key_weights, (rows, CODES, 3))
    return Tables(logits, jax.nn.softmax(2 * weights, axis=-1))


def begin(rows: int) -> State:
    return State(jnp.arange(rows), jnp.zeros(rows, int), jnp.zeros((rows, 3)))


def log_softmax(x: np.ndarray) -> np.ndarray:
    x = x - x.max()
    return x - np.log(np.exp(x).sum())


class Found(NamedTuple):
    score: float
    log_prob: float
    tokens: tuple[int, ...]


def score_of(
    tables: Tables,
    row: int,
    tokens: tuple[int, ...],
    length_score=lambda log_prob, n: log_prob,
    beta: float = 0.0,
    source_length: int = 3,
) -> Found:
    """The score of one given sequence: the decoder reads it token by token."""
    logits, weights = (np.asarray(leaf[row], np.float64) for leaf in tables)
    code, log_prob, coverage = 0, 0.0, np.zeros(3)
    for read, token in zip((START, *tokens), tokens):
        code = (7 * code + read + 1) % CODES
        log_prob += log_softmax(logits[code])[token]
        coverage += weights[code]
    penalty = beta * np.log(np.minimum(coverage[:source_length], 1.0)).sum()
    return Found(length_score(log_prob, len(tokens)) + penalty, log_prob, tokens)


def legal(tokens: tuple[int, ...], size: int | None, given: int) -> bool:
    """Whether no n-gram that ends behind the given tokens came before."""
    if size is None:
        return True
    grams = [tokens[i : i + size] for i in range(len(tokens) - size + 1)]
    return all(g not in grams[:i] for i, g in enumerate(grams) if i + size > given)


def sequences(
    vocab_size: int,
    max_length: int,
    min_length: int = 0,
    prefix: tuple[int, ...] = (),
    block: int | None = None,
) -> Iterator[tuple[int, ...]]:
    """Every sequence that a search may return."""

    def grow(tokens: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
        if len(tokens) == max_length:
            yield tokens
            return
        for token in range(vocab_size):
            longer = (*tokens, token)
            if not legal(longer, block, len(prefix)):
                continue
            if token != END:
                yield from grow(longer)
            elif len(longer) >= min_length:
                yield longer

    yield from grow(prefix)


def best(tables: Tables, row: int, num_best: int, candidates, **scoring) -> list[Found]:
    found = [score_of(tables, row, tokens, **scoring) for tokens in candidates]
    return sorted(found, reverse=True)[:num_best]


def read(beams, row: int) -> list[Found]:
    """What a search found for a row, in the reference's form."""
    out = []
    for n in range(beams.scores.shape[-1]):
        length = int(beams.lengths[row, n])
        tokens = tuple(np.asarray(beams.tokens[:length, row, n]).tolist())
        assert (np.asarray(beams.tokens[length:, row, n]) == END).all()
        out.append(Found(float(beams.scores[row, n]), float(beams.log_probs[row, n]), tokens))
    return out


def assert_found(found: list[Found], wanted: list[Found]) -> None:
    assert [f.tokens for f in found] == [w.tokens for w in wanted]
    np.testing.assert_allclose(
        [f[:2] for f in found], [w[:2] for w in wanted], rtol=1e-12, atol=1e-12
    )

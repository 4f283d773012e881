"""Beam search: exhaustive when wide, greedy when narrow."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from rnn_jax import cells, decoding
from rnn_jax.decoding.beam_rows import backtrack
from tests.decoding import beam_cases as cases

search = partial(decoding.beam_search, cases.step, start=cases.START, end=cases.END)


def gnmt(log_prob, n):
    return log_prob / ((5 + n) / 6) ** 0.8


EXHAUSTIVE = {  # what the search is told; what the reference is told: the sequences, their scores
    "plain": (dict(block_ngrams=2, early_stop="never"), dict(block=2), {}),
    "gnmt": (
        dict(
            length_penalty=decoding.GNMT(0.8),
            coverage_penalty=decoding.Coverage(0.7),
            alignment=cases.alignment,
        ),
        {},
        dict(length_score=gnmt, beta=0.7),
    ),
    "average": (
        dict(length_penalty=decoding.Average(), min_length=3),
        dict(min_length=3),
        dict(length_score=lambda log_prob, n: log_prob / n),
    ),
    "reward": (
        dict(length_penalty=decoding.WordReward(1.1), block_ngrams=1),
        dict(block=1),
        dict(length_score=lambda log_prob, n: log_prob + 1.1 * n),
    ),
}


@pytest.mark.parametrize("name", EXHAUSTIVE)
def test_widest_beam_is_exhaustive(name):
    options, rules, scoring = EXHAUSTIVE[name]
    tables = cases.make(4, 3, seed=len(name))
    beams = search(
        tables, cases.begin(4), beam_size=81, max_length=4, num_best=8, chunk=3, **options
    )
    for row in range(4):
        wanted = cases.best(tables, row, 8, cases.sequences(3, 4, **rules), **scoring)
        assert_padded(cases.read(beams, row), wanted)


def assert_padded(found, wanted):
    """Where fewer sequences are legal than were asked for, the rest has length 0, score -inf."""
    cases.assert_found(found[: len(wanted)], wanted)
    assert all(f == (-np.inf, -np.inf, ()) for f in found[len(wanted) :])


def test_widest_beam_is_exhaustive_with_all_rules_together():
    """Prefixes of different lengths, one with a repetition and an end symbol; sources too."""
    tables = cases.make(4, 3, seed=9)
    prefixes = [(2,), (1, 1, 1), (), (2, 0, 1)]
    padded = [[*p, *[2] * (3 - len(p))] for p in prefixes]
    beams = search(
        tables,
        cases.begin(4),
        beam_size=243,
        max_length=5,
        min_length=4,
        num_best=5,
        length_penalty=decoding.GNMT(0.8),
        coverage_penalty=decoding.Coverage(0.3),
        alignment=cases.alignment,
        source_lengths=jnp.array([1, 2, 3, 0]),
        prefix=jnp.array(padded).T,
        prefix_lengths=jnp.array([len(p) for p in prefixes]),
        block_ngrams=2,
    )
    for row, (prefix, size) in enumerate(zip(prefixes, [1, 2, 3, 0])):
        candidates = cases.sequences(3, 5, min_length=4, prefix=prefix, block=2)
        scoring = dict(length_score=gnmt, beta=0.3, source_length=size)
        wanted = cases.best(tables, row, 5, candidates, **scoring)
        assert_padded(cases.read(beams, row), wanted)


def greedy(tables, row, max_length):
    tokens, code, read = [], 0, cases.START
    while len(tokens) < max_length and (not tokens or read != cases.END):
        code = (7 * code + read + 1) % cases.CODES
        read = int(np.argmax(tables.logits[row, code]))
        tokens.append(read)
    return tuple(tokens)


def test_beam_of_one_is_greedy():
    tables = cases.make(16, 5)
    beams = search(tables, cases.begin(16), beam_size=1, max_length=12)
    wanted = [greedy(tables, row, 12) for row in range(16)]
    assert len({len(w) for w in wanted}) > 4 and max(map(len, wanted)) == 12
    for row in range(16):
        cases.assert_found(cases.read(beams, row), [cases.score_of(tables, row, wanted[row])])


def test_narrow_beam_keeps_state_and_tokens_together():
    """Scores are those of the sequences read again, whatever the chunk, the stop and the batch."""
    tables, options = cases.make(8, 5, scale=2.5), dict(beam_size=3, num_best=3, max_length=13)
    options |= dict(
        length_penalty=decoding.GNMT(0.8),
        coverage_penalty=decoding.Coverage(0.2),
        alignment=cases.alignment,
    )
    beams = search(tables, cases.begin(8), **options)
    for row in range(8):
        found = cases.read(beams, row)
        again = [cases.score_of(tables, row, f.tokens, length_score=gnmt, beta=0.2) for f in found]
        cases.assert_found(found, again)
        assert sorted(found, reverse=True) == found and len({f.tokens for f in found}) == 3
    assert len(np.unique(beams.lengths)) > 3
    never = search(tables, cases.begin(8), **options, early_stop="never", chunk=4)
    jax.tree.map(np.testing.assert_array_equal, beams, never)
    for row in range(0, 8, 3):
        state = jax.tree.map(lambda leaf: leaf[row : row + 1], cases.begin(8))  # noqa: B023
        alone = search(tables, state, **options, chunk=1)
        jax.tree.map(
            np.testing.assert_array_equal,
            jax.tree.map(lambda x: x[..., row, :], beams),  # noqa: B023
            jax.tree.map(lambda x: x[..., 0, :], alone),
        )


def test_backtrack_equals_tensorflow_addons_gather_tree():
    """The vector of tensorflow/addons' test of gather_tree."""
    tokens = jnp.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]])[:, None]
    parents = jnp.array([[0, 0, 0], [0, 1, 1], [2, 1, 2]])[:, None]
    beams = jnp.arange(3)[None]
    found = backtrack(tokens, parents, jnp.full((1, 3), 3), beams, 10)
    assert found[:, 0].tolist() == [[2, 2, 2], [6, 5, 6], [7, 8, 9]]


def test_nothing_is_traced_again_for_new_values():
    traces = []

    def step(params, state, token):
        traces.append(1)
        return state, params[token]

    def run(seed):
        params = jax.random.normal(jax.random.key(seed), (4, 4))
        start = jnp.full((2,), seed % 4)
        return decoding.beam_search(
            step, params, (), beam_size=2, start=start, end=0, max_length=6, prefix=start[None]
        )

    first = run(1)
    count = len(traces)
    assert not np.array_equal(run(2).scores, first.scores) and len(traces) == count


def everything(params, state, start, lengths):
    """A search with all that has a type of its own."""
    step = decoding.TokenStep(cell=cells.GRU(input_size=2, hidden_size=3))
    return decoding.beam_search(
        step, params, state, beam_size=3, start=start, end=0, max_length=5, num_best=2,
        coverage_penalty=decoding.Coverage(0.2), alignment=weights, source_lengths=lengths,
        prefix=start[None], prefix_lengths=lengths, block_ngrams=2, chunk=2,
    )  # fmt: skip


def weights(state):
    return jax.nn.softmax(state.h, axis=-1)


def test_types_agree_in_every_mode():
    step = decoding.TokenStep(cell=cells.GRU(input_size=2, hidden_size=3))
    params = step.init(jax.random.key(0), jnp.float32, vocab_size=4)
    state, rows = step.initial_state(params, (4,)), jnp.zeros(4, int)
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
    local = jax.shard_map(
        everything,
        mesh=mesh,
        in_specs=(P(), P("data"), P("data"), P("data")),
        out_specs=decoding.Beams(P(None, "data"), P("data"), P("data"), P("data")),
    )
    shapes = jax.eval_shape(local, params, state, rows, rows)
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        params = jax.device_put(params, NamedSharding(mesh, P()))
        state, rows = jax.device_put((state, rows), NamedSharding(mesh, P("data")))
        beams = jax.jit(everything).eval_shape(params, state, rows, rows)
    assert beams.tokens.sharding.spec[:2] == (None, "data")
    assert beams.scores.sharding.spec[0] == "data"
    assert beams.scores.dtype == jnp.float32
    assert jax.tree.map(jnp.shape, beams) == jax.tree.map(jnp.shape, shapes)
    assert beams.tokens.shape == (5, 4, 2)

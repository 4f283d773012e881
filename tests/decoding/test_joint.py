"""Joint CTC and attention: prefix scores from all paths, and the search from all sequences."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from rnn_jax import decoding
from tests.decoding import beam_cases
from tests.decoding.ctc_cases import labellings, prefix_probability

BLANK, END, START, V = 3, 0, 1, 4
LENGTHS = jnp.array([5, 3, 0])


def make(seed=0):
    """Logits of 5 frames, NaN on the padding; a third row without any frame."""
    logits = 1.2 * jax.random.normal(jax.random.key(seed), (5, 3, V))
    real = jnp.arange(5)[:, None, None] < LENGTHS[None, :, None]
    logits = jnp.where(jnp.broadcast_to(real, logits.shape), logits, jnp.nan)
    paths = [labellings(logits[:, row], int(n), BLANK) for row, n in enumerate(LENGTHS)]
    return logits, paths


def silent(params, state, token):
    return state, jnp.zeros((*token.shape, V))


def test_prefix_scores_are_those_of_all_paths():
    """With weight 1 the scores of a prefix' tokens add up to log psi, the end's to log p."""
    logits, paths = make()
    step = decoding.joint_step(silent, 1.0, end=END, blank=BLANK)
    params = decoding.joint_params((), logits, LENGTHS, blank=BLANK)
    run = jax.jit(step)
    rows = range(3)
    for prefix in ((), (1,), (2, 2), (1, 2, 1), (2, 1, 1, 2), (1, 1, 1, 1)):
        state = decoding.joint_state((), params, blank=BLANK)
        total = np.zeros(3)
        for token in (START, *prefix):
            state, scores = run(params, state, jnp.full(3, token))
            following = prefix[int(state.written[0])] if state.written[0] < len(prefix) else None
            if following is not None:
                total += np.asarray(scores[:, following])
        want = [prefix_probability(paths[row], prefix) for row in rows]
        np.testing.assert_allclose(np.exp(total), want, rtol=1e-11)
        for token in range(V):
            if token == BLANK:
                want = [0.0] * 3
            elif token == END:
                want = [paths[row].get(prefix, 0.0) for row in rows]
            else:
                want = [prefix_probability(paths[row], (*prefix, token)) for row in rows]
            found = np.where(total == -np.inf, 0.0, np.exp(total + np.asarray(scores[:, token])))
            np.testing.assert_allclose(found, want, rtol=1e-11)
        assert (scores <= 0).all()


def test_widest_beam_is_exhaustive():
    """Every sequence's score: 0.6 of the decoder's log p and 0.4 of CTC's, ended or cut."""
    logits, paths = make(1)
    tables = beam_cases.make(3, V, seed=2)
    step = decoding.joint_step(beam_cases.step, 0.4, end=END, blank=BLANK)
    assert step == decoding.joint_step(beam_cases.step, 0.4, end=END, blank=BLANK)
    params = decoding.joint_params(tables, logits, LENGTHS, blank=BLANK)
    beams = decoding.beam_search(
        step,
        params,
        decoding.joint_state(beam_cases.begin(3), params, blank=BLANK),
        beam_size=81,
        start=START,
        end=END,
        max_length=4,
        num_best=6,
        length_penalty=decoding.Average(),
    )
    for row in range(3):
        wanted = []
        for tokens in beam_cases.sequences(V, 4):
            if BLANK in tokens:
                continue
            if tokens[-1] == END:
                ctc = paths[row].get(tokens[:-1], 0.0)
            else:
                ctc = prefix_probability(paths[row], tokens)
            if ctc > 0:
                own = beam_cases.score_of(tables, row, tokens).log_prob
                total = 0.6 * own + 0.4 * np.log(ctc)
                wanted.append(beam_cases.Found(total / len(tokens), total, tokens))
        wanted = sorted(wanted, reverse=True)[:6]
        found = beam_cases.read(beams, row)
        beam_cases.assert_found(found[: len(wanted)], wanted)
        assert all(f.score == -np.inf for f in found[len(wanted) :])
    assert found[0].tokens == (END,)  # no frames spell nothing


@pytest.mark.slow
def test_long_frames_neither_underflow_nor_drift():
    """A thousand frames in float32 against float64: a score is a difference of many nats."""
    logits = 6 * jax.random.normal(jax.random.key(3), (1000, 2, V))
    step = jax.jit(decoding.joint_step(silent, 1.0, end=END, blank=BLANK))
    found = []
    for dtype in (jnp.float32, jnp.float64):
        params = decoding.joint_params((), logits.astype(dtype), blank=BLANK)
        state = decoding.joint_state((), params, blank=BLANK)
        for token in (START, 1, 2, 2, 1):
            state, scores = step(params, state, jnp.full(2, token))
        found.append(scores)
    np.testing.assert_allclose(found[0], found[1], rtol=2e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(decoding.joint_step, silent, 1.5, end=0, blank=1), "weight=1.5 must lie in 0..1"),
        (partial(decoding.joint_step, silent, 0.5, end=0), "end=0 is the blank too"),
        (partial(decoding.joint_params, (), jnp.zeros((5, 2, 2, 4))), "has batch axes (2, 2)"),
        (partial(decoding.joint_params, (), jnp.zeros((5, 4))), "has batch axes ()"),
        (partial(decoding.joint_params, (), jnp.zeros((5, 2, 4)), blank=4), "blank is 4"),
        (partial(decoding.joint_state, (), ()), "params is a tuple: give what joint_params gave"),
        (
            partial(decoding.joint_step(silent, 0.5, end=1), (), (), jnp.zeros(2, int)),
            "params of tuple and a state of tuple: wrap the decoder's",
        ),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError) as caught:
        make()
    assert message in str(caught.value)


def test_other_vocabulary_is_refused():
    params = decoding.joint_params((), jnp.zeros((5, 2, 7)))
    step = decoding.joint_step(silent, 0.5, end=1)
    with pytest.raises(ValueError, match=r"logits of shape \(2, 4\), .* 2 rows and 7 classes"):
        step(params, decoding.joint_state((), params), jnp.zeros(2, int))


def everything(logits, rows):
    params = decoding.joint_params((), logits, rows, blank=BLANK)
    step = decoding.joint_step(silent_like, 0.3, end=END, blank=BLANK)
    state = decoding.joint_state(0 * logits[0, :, 0], params, blank=BLANK)
    return decoding.beam_search(step, params, state, beam_size=2, start=rows, end=END, max_length=3)


def silent_like(params, state, token):
    return state, jnp.broadcast_to(state[:, None], (*state.shape, V))


def test_types_agree_in_every_mode():
    logits, rows = jnp.zeros((5, 4, V), jnp.float32), jnp.zeros(4, int)
    time = P(None, "data")
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
    specs = decoding.Beams(time, P("data"), P("data"), P("data"))
    local = jax.shard_map(everything, mesh=mesh, in_specs=(time, P("data")), out_specs=specs)
    shapes = jax.eval_shape(local, logits, rows)
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        logits = jax.device_put(logits, NamedSharding(mesh, time))
        rows = jax.device_put(rows, NamedSharding(mesh, P("data")))
        found = jax.jit(everything).eval_shape(logits, rows)
    assert found.scores.sharding.spec[0] == "data"
    assert jax.tree.map(jnp.shape, found) == jax.tree.map(jnp.shape, shapes)

"""``decode`` against a NumPy loop over rows and tokens; traces, types, bad input."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, decoding, drivers
from tests.decoding.tiny import (
    VOCAB,
    assert_decoded,
    greedy,
    initial,
    make_params,
    numpy_decode,
    step,
    with_key,
)

START = jnp.array([0, 1, 2, 3, 4, 0])
ROWS = len(START)


@pytest.mark.parametrize("chunk", [1, 3, 16])
def test_greedy_equals_a_loop_in_numpy_for_every_chunk(chunk):
    h = initial(ROWS)
    found = decoding.decode(
        step, make_params(), h, start=START, max_length=7, end=2, pad=-1, chunk=chunk
    )
    expected = numpy_decode(h, START, 7, greedy, ends=(2,), pad=-1)
    assert len(set(expected[1].tolist())) > 2  # rows end at different steps
    assert_decoded(found, expected)


def test_sampling_prefix_and_several_ends_equal_a_loop():
    h, key = initial(ROWS, 1), jax.random.key(5)
    choose = decoding.Sample((decoding.Temperature(1.5), decoding.TopK(4)))
    prefix = jnp.array([[1, 2, 3, 4, 0, 1], [3, 3, 3, 3, 3, 3]])  # 3 ends nothing here
    found = decoding.decode(
        step,
        make_params(),
        h,
        start=START,
        max_length=8,
        end=(3, 4),
        prefix=prefix,
        choose=choose,
        key=key,
        chunk=5,
    )
    draw = with_key(choose, key, ROWS)
    expected = numpy_decode(h, START, 8, draw, ends=(3, 4), prefix=np.asarray(prefix))
    assert min(expected[1]) > 2 and len(set(expected[1].tolist())) > 1
    assert_decoded(found, expected)


def test_two_halves_make_the_whole():
    params, h = make_params(), initial(ROWS, 2)
    run = partial(decoding.decode, step, params)
    whole = run(h, start=START, max_length=6)
    first = run(h, start=START, max_length=3)
    second = run(first.state, start=first.tokens[-1], max_length=3)
    tokens = jnp.concatenate([first.tokens, second.tokens])
    assert tokens.tolist() == whole.tokens.tolist()
    np.testing.assert_allclose(second.state, whole.state, atol=1e-12)
    np.testing.assert_allclose(first.scores + second.scores, whole.scores, atol=1e-12)
    assert whole.lengths.tolist() == [6] * ROWS  # nothing can end: all have the same length


def test_vmap_over_keys_and_a_step_that_closes_over_tracers():
    params, h, keys = make_params(), initial(ROWS), jax.random.split(jax.random.key(1), 3)

    def sample(key, params):
        def closed(_, h, token):
            return step(params, h, token)

        choose, start = decoding.Sample(), START
        return decoding.decode(
            closed, (), h, start=start, max_length=5, end=2, choose=choose, key=key, chunk=2
        )

    many = jax.jit(jax.vmap(sample, in_axes=(0, None)))(keys, params)
    alone = jax.jit(sample)
    for i, key in enumerate(keys):
        one = alone(key, params)
        assert many.tokens[i].tolist() == one.tokens.tolist()
        np.testing.assert_allclose(many.scores[i], one.scores, rtol=0, atol=1e-12)


def test_batch_axes_of_any_number():
    params, h = make_params(), initial(ROWS)
    flat = decoding.decode(step, params, h, start=START, max_length=4, end=2)
    square = decoding.decode(
        step, params, h.reshape(2, 3, -1), start=START.reshape(2, 3), max_length=4, end=2
    )
    alone = decoding.decode(step, params, h[0], start=START[0], max_length=4, end=2)
    assert square.tokens.reshape(4, -1).tolist() == flat.tokens.tolist()
    assert alone.tokens.tolist() == flat.tokens[:, 0].tolist()
    assert alone.lengths.shape == ()


def test_nothing_is_traced_again_and_nothing_runs_after_the_end():
    traces, steps = [], []

    def counted(params, h, token):
        traces.append(0)
        jax.debug.callback(lambda: steps.append(0))
        return step(params, h, token)

    def run(params, seed, **options):
        options = {"choose": decoding.Sample(), "end": 2, "max_length": 20, **options}
        key, start = jax.random.key(seed), (START + seed) % VOCAB
        return decoding.decode(
            counted, params, initial(ROWS, seed), start=start, key=key, chunk=4, **options
        )

    params = make_params()
    first = run(params, 0)
    before = len(traces)
    steps.clear()
    again = [run(jax.tree.map(lambda w: -w, params), seed) for seed in (1, 2, 3)]
    jitted = jax.jit(lambda params, h, start, key: decoding.decode(
        counted, params, h, start=start, key=key, choose=decoding.Sample(), end=2, max_length=20,
        chunk=4))  # fmt: skip
    assert len(traces) == before
    jax.effects_barrier()
    longest = [-(-int(d.lengths.max()) // 4) * 4 for d in again]
    assert len(steps) == sum(longest) < 60
    same = jitted(params, initial(ROWS, 0), START, jax.random.key(0))
    assert same.tokens.tolist() == first.tokens.tolist()


def test_the_loop_asks_the_host_once_for_each_chunk():
    """A while loop whose body is one scan of known length: what a GPU runs without a word."""
    args = make_params(), initial(ROWS)

    def traced(**options):
        run = partial(decoding.decode, step, start=START, max_length=20, chunk=8, **options)
        jaxpr = jax.make_jaxpr(run)(*args).jaxpr
        return [e for e in jaxpr.eqns[-1].params["jaxpr"].jaxpr.eqns if e.primitive.name == "while"]

    (loop,) = traced(end=2)
    scans = [e for e in loop.params["body_jaxpr"].jaxpr.eqns if e.primitive.name == "scan"]
    assert [e.params["length"] for e in scans] == [8]
    conditions = [e.primitive.name for e in loop.params["cond_jaxpr"].jaxpr.eqns]
    assert "reduce_and" in str(loop.params["cond_jaxpr"]) and len(conditions) < 8
    (loop,) = traced()  # nothing can end: the number of chunks is known, too
    assert "reduce_and" not in str(loop.params["cond_jaxpr"])


def test_half_precision_scores_are_float32():
    params = make_params(jnp.bfloat16)
    h = initial(ROWS).astype(jnp.bfloat16)
    found = decoding.decode(step, params, h, start=START, max_length=3, end=2)
    assert found.scores.dtype == jnp.float32 and found.state.dtype == jnp.bfloat16


def test_a_cells_step_under_decode_equals_its_driver():
    """With the tokens that were decoded, ``drivers.scan`` gives their probabilities."""
    token_step = decoding.TokenStep(cell=cells.LSTM(input_size=3, hidden_size=4))
    assert token_step == decoding.TokenStep(cell=cells.LSTM(input_size=3, hidden_size=4))
    params = token_step.init(jax.random.key(0), jnp.float64, vocab_size=VOCAB)
    state = token_step.initial_state(params, (ROWS,))
    found = decoding.decode(token_step, params, state, start=START, max_length=5)
    read = jnp.concatenate([START[None], found.tokens[:-1]])
    final, ys = drivers.scan(token_step.cell, params.cell, params.embedding[read], state)
    logits = decoding.affine_head(params, ys)
    log_probs = decoding.token_log_prob(logits, found.tokens)
    np.testing.assert_allclose(log_probs, found.log_probs, atol=1e-12)
    np.testing.assert_allclose(final.c, found.state.c, atol=1e-12)
    forced = decoding.teacher_forced(token_step, params, state, read)
    np.testing.assert_allclose(forced[1], logits, atol=1e-12)


def _first_unit(params, state):
    return state.h[..., 0]


BAD = {
    "max_length is 1, but the prefix has 2": {"max_length": 1, "prefix": jnp.zeros((2, ROWS), int)},
    "start has tokens from 5 to 5": {"start": jnp.full((ROWS,), 5)},
    "prefix has tokens from -1 to -1": {"prefix": jnp.full((1, ROWS), -1)},
    "end has tokens from 9 to 9, but the step's logits know 5": {"end": 9},
    "draws at random: give key": {"choose": decoding.Sample()},
    "stop=StopOutput": {"stop": decoding.StopOutput(output=_first_unit)},
    "key is 3": {"key": 3},
    "max_length must be a whole number >= 1, got 0": {"max_length": 0},
    "chunk must be a whole number >= 1, got 0": {"chunk": 0},
    "end has tokens from -1 to 1": {"end": (1, np.int64(-1))},
    "end has dtype float": {"end": 1.5},
    "end is 'o': tokens are whole numbers": {"end": "o"},
    "pad must be a whole number, got 0.5": {"pad": 0.5},
    "pad is -1, but start has dtype uint8": {"pad": -1, "start": START.astype(jnp.uint8)},
    "got np.int64(2): write int(max_length)": {"max_length": np.int64(2)},
    "choose is the class Greedy: give one": {"choose": decoding.Greedy},
    "choose is TopK(k=2), which cannot be called as choose(logits, key)": {
        "choose": decoding.TopK(2)
    },
    "choose gave shape (6,) and dtype float64": {"choose": lambda logits, key: logits.max(-1)},
    "stop is the class CountdownEnd: give one": {"stop": decoding.CountdownEnd},
    "stop gave a ": {"stop": lambda params, state, token, key: token == 0},
    "stop gave ended (6, 3) of bool": {
        "stop": lambda params, state, *_: decoding.Stopped(state > 0, state)
    },
    "start has dtype float": {"start": jnp.zeros(ROWS)},
    "state has shape": {"start": jnp.zeros(3, int)},
    "prefix has shape": {"prefix": jnp.zeros((2, 3), int)},
    "k=6, but there are 5": {"choose": decoding.Sample((decoding.TopK(6),)), "key": 0},
    "cannot be hashed": {"choose": np.zeros(3)},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_refused(message):
    options = {"start": START, "max_length": 4, **BAD[message]}
    if options.get("key") == 0:
        options["key"] = jax.random.key(0)
    with pytest.raises(ValueError, match=re.escape(message)):
        decoding.decode(step, make_params(), initial(ROWS), **options)


def test_tokens_that_cannot_hold_the_vocabulary_are_refused():
    def wide(params, state, token):
        return state, jnp.zeros((2, 300))

    with pytest.raises(ValueError, match="start has dtype uint8, which ends at 255"):
        decoding.decode(wide, (), (), start=jnp.zeros(2, jnp.uint8), max_length=2)
    with pytest.raises(ValueError, match="tokens has dtype int8"):
        decoding.teacher_forced(wide, (), (), jnp.zeros((3, 2), jnp.int8))


def test_a_bad_step_is_refused():
    h = initial(ROWS)
    run = partial(decoding.decode, start=START, max_length=2)
    with pytest.raises(ValueError, match="it must give"):
        run(lambda p, h, token: h, (), h)
    with pytest.raises(ValueError, match="keep structure and shapes"):
        run(lambda p, h, token: (h[:, :1], h), (), h)
    with pytest.raises(ValueError, match="logits of shape .3,. for tokens of shape .6,."):
        run(lambda p, h, token: (h, h[0]), (), h)
    with pytest.raises(ValueError, match="logits of dtype int"):
        run(lambda p, h, token: (h, (h > 0).astype(int)), (), h)
    with pytest.raises(ValueError, match="give a function step"):
        run(decoding.TokenStep, (), h)

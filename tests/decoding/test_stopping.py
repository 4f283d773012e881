"""Stop rules inside ``decode``: a Bernoulli output, a predicted length fed back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import decoding
from tests.decoding.tiny import (
    VOCAB,
    assert_decoded,
    greedy,
    initial,
    make_params,
    numpy_decode,
    step,
)

START = jnp.array([0, 1, 2, 3, 4, 0])


def stop_logit(params, h):
    return 3 * h[..., 0] - 0.5


def numpy_stop(threshold):
    def stop(h, t, row):
        u = 3 * h[0] - 0.5
        ended = 1 / (1 + np.exp(-u)) >= threshold
        return ended, -np.log1p(np.exp(-u if ended else u))

    return stop


def test_stop_output_with_a_threshold_equals_a_loop():
    h, stop = initial(6), decoding.StopOutput(output=stop_logit, threshold=0.6)
    for end in (None, 2):
        found = decoding.decode(
            step, make_params(), h, start=START, max_length=6, stop=stop, end=end, chunk=4
        )
        ends = () if end is None else (end,)
        expected = numpy_decode(h, START, 6, greedy, ends=ends, stop=numpy_stop(0.6))
        assert 1 < len(set(expected[1].tolist()))
        assert_decoded(found, expected)


def test_drawn_stops_have_their_probability():
    """A step that forgets all: lengths are geometric, and exp(score) is the sequence's probability.

    3 standard deviations of 20 000 rows.
    """
    rows, u = 20_000, 0.4

    def constant(params, state, token):
        return state, jnp.zeros((*token.shape, 2))

    stop = decoding.StopOutput(output=lambda params, state: state)
    found = decoding.decode(
        constant,
        (),
        jnp.full((rows,), u),
        start=jnp.zeros(rows, int),
        max_length=4,
        stop=stop,
        choose=decoding.Sample(),
        key=jax.random.key(2),
    )
    p = 1 / (1 + np.exp(-u))
    expected = np.array([p, (1 - p) * p, (1 - p) ** 2 * p, (1 - p) ** 3])  # the last is cut
    shares = np.bincount(np.asarray(found.lengths), minlength=5)[1:] / rows
    assert (abs(shares - expected) <= 3 * np.sqrt(expected * (1 - expected) / rows)).all()
    n = np.asarray(found.lengths)
    before_last = (n - 1) * np.log(1 - p) - n * np.log(2)
    last = np.asarray(found.scores) - before_last
    assert set(np.round(last[n < 4], 9)) == {np.round(np.log(p), 9)}
    assert set(np.round(last[n == 4], 9)) == set(np.round([np.log(p), np.log(1 - p)], 9))


def counting(params, h, token, remaining):
    """The tiny step; what remains is seen by the logits."""
    h, logits = step(params, h, token)
    bias = remaining[..., None].astype(logits.dtype) * jnp.arange(VOCAB, dtype=logits.dtype)[None]
    return h, logits - 0.1 * bias


COUNTDOWN = decoding.LengthCountdown(step=counting)


def test_countdown_ends_at_the_predicted_length_and_feeds_what_remains():
    lengths, params = jnp.array([3, 1, 0, 5, 9, -2]), make_params()
    state = decoding.CountdownState(initial(6), lengths)
    found = decoding.decode(
        COUNTDOWN, params, state, start=START, max_length=6, stop=decoding.CountdownEnd(), chunk=4,
        pad=-1,
    )  # fmt: skip
    assert found.lengths.tolist() == [3, 1, 0, 5, 6, 0]
    assert found.state.remaining.tolist() == [0, 0, 0, 0, 3, -2]
    assert (found.tokens[0] == -1).tolist() == [False, False, True, False, False, True]
    assert found.scores[2] == 0 and (found.state.inner[2] == state.inner[2]).all()
    # a prefix counts: what it uses up ends with it
    prefixed = decoding.decode(
        COUNTDOWN, params, state, start=START, max_length=6, stop=decoding.CountdownEnd(),
        prefix=jnp.ones((2, 6), int),
    )  # fmt: skip
    assert prefixed.lengths.tolist() == [3, 2, 0, 5, 6, 0]
    # teacher forcing on what was decoded, from the same lengths, gives the same probabilities
    read = jnp.concatenate([START[None], found.tokens[:-1]])
    _, logits = decoding.teacher_forced(COUNTDOWN, params, state, read, lengths=found.lengths)
    log_probs = decoding.token_log_prob(logits, found.tokens)
    real = found.tokens >= 0
    np.testing.assert_allclose(jnp.where(real, log_probs, 0), found.log_probs, rtol=0, atol=1e-12)
    # and tau is what the definition says: length - t
    seen = decoding.teacher_forced(
        decoding.LengthCountdown(
            step=lambda params, s, token, tau: (s, tau[..., None].astype(jnp.float32))
        ),
        (),
        decoding.CountdownState((), jnp.array([3, 2])),
        jnp.zeros((3, 2), int),
    )[1][..., 0]
    assert seen.tolist() == [[3, 2], [2, 1], [1, 0]]


def test_bad_rules_are_refused():
    for threshold in (0.0, 1.0, -1.0):
        with pytest.raises(ValueError, match="threshold must lie between 0 and 1"):
            decoding.StopOutput(output=stop_logit, threshold=threshold)
    wrong = decoding.StopOutput(output=lambda params, h: h, threshold=0.5)
    with pytest.raises(ValueError, match=r"output gave shape \(6, 3\)"):
        decoding.decode(step, make_params(), initial(6), start=START, max_length=2, stop=wrong)
    verdict = decoding.StopOutput(output=lambda params, h: h[..., 0] > 0, threshold=0.5)
    with pytest.raises(ValueError, match="output gave dtype bool: give u, whose sigmoid"):
        decoding.decode(step, make_params(), initial(6), start=START, max_length=2, stop=verdict)
    with pytest.raises(ValueError, match="remaining has dtype float64: lengths are whole numbers"):
        COUNTDOWN(make_params(), decoding.CountdownState(initial(6), jnp.full(6, 2.5)), START)
    with pytest.raises(ValueError, match="wrap the step, LengthCountdown"):
        decoding.decode(
            step, make_params(), initial(6), start=START, max_length=2, stop=decoding.CountdownEnd()
        )

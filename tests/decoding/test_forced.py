"""Teacher forcing, scheduled sampling, free running: against loops, formulas and each other."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import decoding
from rnn_jax.decoding.scheduled import COINS
from tests.decoding.tiny import VOCAB, initial, make_params, numpy_step, step

TOKENS = jnp.asarray(np.random.default_rng(1).integers(0, VOCAB, size=(6, 4)))
LENGTHS = jnp.array([6, 0, 3, 5])
REAL = np.arange(6)[:, None] < np.asarray(LENGTHS)[None]


def test_teacher_forced_equals_a_loop_row_by_row():
    h, padded = initial(4), jnp.where(REAL, TOKENS, -7)
    state, logits = decoding.teacher_forced(step, make_params(), h, padded, lengths=LENGTHS)
    for row in range(4):
        now = np.asarray(h[row])
        for t in range(6):
            expected = np.zeros(VOCAB)
            if REAL[t, row]:
                now, expected = numpy_step(now, int(TOKENS[t, row]))
            np.testing.assert_allclose(logits[t, row], expected, atol=1e-12)
        np.testing.assert_allclose(state[row], now, atol=1e-12)


def recording(params, state, token):
    """The tiny step that also keeps in its state which token it read last."""
    h, logits = step(params, state[0], token)
    return (h, token), logits


def test_scheduled_sampling_reads_what_its_coins_say():
    """Replayed in Python from the same coins and draws, value by value."""
    params, h, key = make_params(), initial(4), jax.random.key(3)
    choose, rate = decoding.Sample(), 0.5
    state, logits = decoding.scheduled_sampling(
        step, params, h, TOKENS, rate=rate, key=key, lengths=LENGTHS
    )
    coins = np.array(jax.random.uniform(jax.random.fold_in(key, COINS), TOKENS.shape) < rate)
    coins[0] = False
    assert 0.2 < coins[1:].mean() < 0.8
    now, chosen, swapped = h, None, 0
    for t in range(6):
        token = TOKENS[t] if chosen is None else jnp.where(coins[t], chosen, TOKENS[t])
        swapped += int((token != TOKENS[t]).sum())
        new, expected = step(params, now, token)
        chosen = choose(expected, jax.random.fold_in(key, t))
        now = jnp.where(REAL[t][:, None], new, now)
        np.testing.assert_allclose(
            logits[t], jnp.where(REAL[t][:, None], expected, 0), rtol=0, atol=1e-12
        )
    assert swapped > 3
    np.testing.assert_allclose(state, now, rtol=0, atol=1e-12)


def test_coins_fall_with_their_rate_for_each_step_and_row():
    def echo(params, state, token):
        return state, jax.nn.one_hot(token, 2) * -50.0  # so it chooses the other one

    tokens = jnp.zeros((50, 400), int)
    for rate in (0.0, 0.3, 1.0):
        _, logits = decoding.scheduled_sampling(
            echo, (), (), tokens, rate=rate, key=jax.random.key(4), choose=decoding.Greedy()
        )
        read = np.asarray(logits[..., 1] < 0)  # where the token 1 was read, its own choice
        if rate == 1.0:  # 0 1 0 1 ...
            assert (read == (np.arange(50) % 2 == 1)[:, None]).all()
            continue
        # x_t = coin and not x_{t-1}: in the long run E x = rate / (1 + rate)
        assert abs(read[5:].mean() - rate / (1 + rate)) < 0.01


def test_rate_0_is_teacher_forcing_and_rate_1_free_running_bit_for_bit():
    params, h, key = make_params(), initial(4), jax.random.key(0)

    @jax.jit
    def everything(rate):
        scheduled = decoding.scheduled_sampling(
            step, params, h, TOKENS, rate=rate, key=key, lengths=LENGTHS
        )
        whole = decoding.scheduled_sampling(step, params, h, TOKENS, rate=rate, key=key)
        forced = decoding.teacher_forced(step, params, h, TOKENS, lengths=LENGTHS)
        free = decoding.free_running(
            step, params, h, TOKENS[0], num_steps=6, choose=decoding.Sample(), key=key
        )
        return scheduled, forced, whole, free

    scheduled, forced, _, _ = everything(0.0)
    assert all((a == b).all() for a, b in zip(scheduled, forced))
    _, _, whole, free = everything(1.0)
    assert (whole[0] == free.state).all() and (whole[1] == free.logits).all()
    found = decoding.decode(
        step, params, h, start=TOKENS[0], max_length=6, choose=decoding.Sample(), key=key
    )
    assert found.tokens.tolist() == free.tokens.tolist()


def test_gradients_flow_through_states_and_not_through_choices():
    """The gradient is that of teacher forcing on the very tokens that were read."""
    params, h, key = make_params(), initial(4), jax.random.key(3)
    weights = jnp.asarray(np.random.default_rng(2).normal(size=(6, 4, VOCAB)))

    def loss(run, params):
        return jnp.sum(weights * run(params)[1])

    def scheduled(params):
        return decoding.scheduled_sampling(step, params, h, TOKENS, rate=0.7, key=key)

    start = (h, TOKENS[0])
    feed = decoding.teacher.prepare(recording, params, start, TOKENS, None)
    coins = jax.random.uniform(jax.random.fold_in(key, COINS), TOKENS.shape) < 0.7
    own = decoding.teacher.Own(decoding.Sample(), coins.at[0].set(False), key)
    _, seen = decoding.teacher.run(recording, feed, own, observe=lambda state: state[1])
    read = seen.observed
    assert (read != TOKENS).sum() > 3
    found = jax.jit(jax.grad(partial(loss, scheduled)))(params)
    forced = partial(decoding.teacher_forced, step, state=h, tokens=read)
    expected = jax.jit(jax.grad(partial(loss, forced)))(params)
    for name in params:
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-12)


SCHEDULES = [
    (decoding.LinearSchedule(slope=0.001, offset=0.9, floor=0.2),
     lambda i: max(0.2, 0.9 - 0.001 * i)),
    (decoding.LinearSchedule(slope=1.0), lambda i: max(0.0, 1.0 - i)),
    (decoding.ExponentialSchedule(base=0.999), lambda i: 0.999**i),
    (decoding.ExponentialSchedule(base=0.5), lambda i: 0.5**i),
    (decoding.InverseSigmoidSchedule(scale=100.0), lambda i: 100 / (100 + np.exp(i / 100))),
    (decoding.InverseSigmoidSchedule(scale=1.0), lambda i: 1 / (1 + np.exp(i))),
]  # fmt: skip


@pytest.mark.parametrize(("schedule", "epsilon"), SCHEDULES, ids=lambda x: type(x).__name__)
def test_schedules_are_the_papers(schedule, epsilon):
    """Against the three formulas for epsilon, the probability of the *teacher's* token."""
    traced = jax.jit(schedule)
    for i in (0, 1, 7, 300, 700):
        np.testing.assert_allclose(schedule(i), 1 - epsilon(i), atol=3e-7, rtol=3e-6)
        np.testing.assert_allclose(traced(i), 1 - epsilon(i), atol=3e-7, rtol=3e-6)
    far = schedule(10**9)
    assert 0 <= far <= 1 and far.dtype == jnp.float32
    assert schedule == type(schedule)(**vars(schedule))


@pytest.mark.parametrize("make", [
    lambda: decoding.LinearSchedule(slope=-0.1),
    lambda: decoding.LinearSchedule(slope=0.1, offset=1.5),
    lambda: decoding.LinearSchedule(slope=0.1, offset=0.5, floor=0.6),
    lambda: decoding.LinearSchedule(slope=0.1, floor=-0.6),
    lambda: decoding.ExponentialSchedule(base=1.0),
    lambda: decoding.ExponentialSchedule(base=0.0),
    lambda: decoding.InverseSigmoidSchedule(scale=0.5),
    lambda: decoding.InverseSigmoidSchedule(scale=float("inf")),
])  # fmt: skip
def test_schedules_outside_0_to_1_are_refused(make):
    with pytest.raises(ValueError, match=r"Schedule: (slope|offset|floor|base|scale) must"):
        make()


BAD = {
    "rate is 1.5": {"rate": 1.5},
    "rate is -0.1": {"rate": jnp.asarray(-0.1)},
    "rate is nan": {"rate": float("nan")},
    "rate has shape": {"rate": jnp.zeros(4)},
    "rate is LinearSchedule.*schedule.update": {"rate": decoding.LinearSchedule(slope=0.1)},
    "choose is the class Sample": {"choose": decoding.Sample},
    "choose gave shape .4, 5. and dtype float64": {"choose": lambda logits, key: logits},
    "throws coins: give key": {"key": None},
    "key is 7": {"key": 7},
    "tokens has tokens from 0 to 5": {"tokens": TOKENS.at[0, 0].set(5).at[0, 1].set(0)},
    "tokens has dtype": {"tokens": TOKENS.astype(float)},
    "which is empty": {"tokens": TOKENS[:0]},
    "lengths go from 0 to 7": {"lengths": jnp.array([0, 7, 1, 1])},
    "state has shape": {"tokens": TOKENS[:, :3]},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_refused(message):
    options = {"tokens": TOKENS, "rate": 0.5, "key": jax.random.key(0), **BAD[message]}
    tokens = options.pop("tokens")
    with pytest.raises(ValueError, match=message):
        decoding.scheduled_sampling(step, make_params(), initial(4), tokens, **options)


def test_free_running_refuses_what_it_cannot_do():
    run = partial(decoding.free_running, step, make_params(), initial(4), TOKENS[0])
    with pytest.raises(ValueError, match="num_steps must be a whole number >= 1, got 0"):
        run(num_steps=0)
    with pytest.raises(ValueError, match="draws at random: give key"):
        run(num_steps=2, choose=decoding.Sample())

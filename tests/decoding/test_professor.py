"""Professor forcing: losses and gradients from their definitions, and a judge that learns."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P
from jax.test_util import check_grads

from rnn_jax import decoding
from tests.decoding.tiny import (
    HIDDEN,
    VOCAB,
    initial,
    log_softmax,
    make_params,
    numpy_step,
    step,
)

TOKENS = jnp.asarray(np.random.default_rng(1).integers(0, VOCAB, size=(5, 4)))
LENGTHS = jnp.array([5, 0, 2, 4])
KEY = jax.random.key(6)


def whole_state(h):
    return h


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Linear:
    """A judge that can be written down: the logit is the sum over time of b_t . w."""

    def apply(self, w, behaviour, *, lengths=None):
        return jnp.sum(behaviour @ w, axis=0)


def test_behaviours_are_those_of_the_two_runs():
    params, h = make_params(), initial(4)
    seen = decoding.behaviours(
        step, params, h, TOKENS, hidden=whole_state, key=KEY, lengths=LENGTHS
    )
    real = np.arange(5)[:, None] < np.asarray(LENGTHS)[None]
    free = decoding.free_running(
        step, params, h, TOKENS[0], num_steps=5, choose=decoding.Sample(), key=KEY
    )
    read = jnp.concatenate([TOKENS[:1], free.tokens[:-1]])
    for found, tokens in ((seen.teacher, TOKENS), (seen.free, read)):
        now = np.asarray(h)
        for t in range(5):
            now, logits = numpy_step(now, np.asarray(tokens[t]))
            expected = np.concatenate([now, np.exp(log_softmax(logits))], -1)
            expected = np.where(real[t][:, None], expected, 0)
            np.testing.assert_allclose(found[t], expected, rtol=0, atol=1e-12)
    _, logits = decoding.teacher_forced(step, params, h, TOKENS, lengths=LENGTHS)
    assert (seen.logits == logits).all()


def test_losses_and_their_gradients_are_the_papers():
    draw = np.random.default_rng(0)
    teacher, free = 0.5 * draw.normal(size=(2, 3, 4, 6))
    w = draw.normal(size=6)
    jt, jf = (teacher @ w).sum(0), (free @ w).sum(0)
    seen = decoding.Behaviours(jnp.asarray(teacher), jnp.asarray(free), jnp.zeros((3, 4, 2)))

    def losses(w, seen):
        return decoding.professor_losses(Linear(), w, seen)

    found = losses(jnp.asarray(w), seen)
    definitions = {
        "discriminator": -np.log(sigmoid(jt)) - np.log(1 - sigmoid(jf)),
        "free": -np.log(sigmoid(jf)),
        "teacher": -np.log(1 - sigmoid(jt)),
    }
    for name, expected in definitions.items():
        np.testing.assert_allclose(getattr(found, name), expected, rtol=0, atol=1e-12)
    assert float(found.accuracy) == ((jt > 0).sum() + (jf <= 0).sum()) / 8

    def slopes(name):
        return jax.grad(lambda w, seen: getattr(losses(w, seen), name).sum(), (0, 1))(
            jnp.asarray(w), seen
        )

    def along(row_slopes):
        """d/db_t of a function of sum_t b_t . w."""
        return np.broadcast_to(row_slopes[None, :, None] * w, teacher.shape)

    slope, on = slopes("discriminator")
    by_hand = -(sigmoid(-jt) @ teacher.sum(0)) + sigmoid(jf) @ free.sum(0)
    np.testing.assert_allclose(slope, by_hand, atol=1e-12)
    assert not on.teacher.any() and not on.free.any()
    slope, on = slopes("free")
    assert not slope.any() and not on.teacher.any()
    np.testing.assert_allclose(on.free, along(-sigmoid(-jf)), atol=1e-12)
    slope, on = slopes("teacher")
    assert not slope.any() and not on.free.any()
    np.testing.assert_allclose(on.teacher, along(sigmoid(jt)), atol=1e-12)


JUDGE = decoding.Discriminator(behaviour_size=HIDDEN + VOCAB, hidden_size=3, perceptron_sizes=(4,))


@pytest.mark.slow
def test_the_decoders_gradient_equals_finite_differences():
    """Sampled tokens stay as they are under small changes, so differences see what flows."""
    h, judge = initial(4), JUDGE.init(jax.random.key(1), jnp.float64)

    def loss(params):
        seen = decoding.behaviours(
            step, params, h, TOKENS, hidden=whole_state, key=KEY, lengths=LENGTHS
        )
        losses = decoding.professor_losses(JUDGE, judge, seen, lengths=LENGTHS)
        return (losses.free + 0.5 * losses.teacher).sum()

    check_grads(jax.jit(loss), (make_params(),), order=1, modes=["rev"], eps=1e-5, rtol=1e-5)


def test_padding_is_not_judged():
    params = JUDGE.init(jax.random.key(1), jnp.float64)
    behaviour = jnp.asarray(np.random.default_rng(5).normal(size=(5, 4, HIDDEN + VOCAB)))
    real = jnp.arange(5)[:, None] < LENGTHS[None]
    poisoned = jnp.where(real[..., None], behaviour, jnp.nan)
    judged = jax.jit(JUDGE.apply)(params, poisoned, lengths=LENGTHS)
    alone = jax.jit(JUDGE.apply)(params, behaviour[:2, 2])
    np.testing.assert_allclose(judged[2], alone, rtol=0, atol=1e-12)
    assert judged[1] == 0


@pytest.mark.slow
def test_the_discriminator_learns_to_tell_two_kinds_apart():
    """Sequences that keep their sign against sequences that alternate: each step looks the same."""
    judge = decoding.Discriminator(behaviour_size=2, hidden_size=4, perceptron_sizes=(8,))
    params = judge.init(jax.random.key(0), jnp.float32)
    turns = jnp.array([1.0, -1.0] * 3, jnp.float32)[:, None, None]

    def draw(key):
        start, noise = jax.random.split(key)
        signs = jnp.sign(jax.random.normal(start, (1, 16, 2), jnp.float32))
        keep = signs + 0.3 * jax.random.normal(noise, (6, 16, 2), jnp.float32)
        return decoding.Behaviours(keep, keep * jnp.broadcast_to(turns, keep.shape), keep)

    def loss(params, seen):
        losses = decoding.professor_losses(judge, params, seen)
        return losses.discriminator.mean(), losses.accuracy

    @jax.jit
    def train(params):
        def update(carry, key):
            params, moment = carry
            (_, accuracy), slope = jax.value_and_grad(loss, has_aux=True)(params, draw(key))
            moment = jax.tree.map(lambda m, d: 0.9 * m + d, moment, slope)
            return (jax.tree.map(lambda p, m: p - 0.1 * m, params, moment), moment), accuracy

        start = (params, jax.tree.map(jnp.zeros_like, params))
        return jax.lax.scan(update, start, jax.random.split(jax.random.key(1), 120))

    _, accuracy = train(params)
    assert accuracy[0] < 0.8 < 0.99 < accuracy[-5:].mean()


def test_gates_follow_the_papers_bands():
    accuracy = jnp.array([0.5, 0.75, 0.76, 0.98, 0.99, 1.0])
    gates = decoding.professor_gates(accuracy)
    assert gates.discriminator.tolist() == [1, 1, 1, 1, 0, 0]
    assert gates.decoder.tolist() == [0, 0, 1, 1, 1, 1]
    with pytest.raises(ValueError, match="lowest=0.9 and highest=0.8"):
        decoding.professor_gates(accuracy, 0.9, 0.8)
    with pytest.raises(ValueError, match="perceptron_sizes must be"):
        decoding.Discriminator(behaviour_size=2, hidden_size=3, perceptron_sizes=(0,))
    run = partial(decoding.behaviours, step, make_params(), initial(4), TOKENS)
    with pytest.raises(ValueError, match="draws at random"):
        run(hidden=whole_state)
    with pytest.raises(
        ValueError, match=r"hidden gave \(\(4, 3\),\) for rows \(4,\): give one array"
    ):
        run(hidden=lambda state: (state,), key=KEY)


@pytest.mark.parametrize("axis_type", [AxisType.Auto, AxisType.Explicit])
def test_types_agree_in_every_mode(axis_type):
    mesh = jax.make_mesh((4,), ("data",), axis_types=(axis_type,))
    judge = JUDGE.init(jax.random.key(1), jnp.float64)

    def loss(params, judge, h, tokens, lengths):
        seen = decoding.behaviours(
            step, params, h, tokens, hidden=whole_state, key=KEY, lengths=lengths
        )
        losses = decoding.professor_losses(JUDGE, judge, seen, lengths=lengths)
        return losses.discriminator.sum() + losses.free.sum()

    gradient = jax.grad(loss, (0, 1))
    arguments = (make_params(), judge, initial(4), TOKENS, LENGTHS)
    specs = (P(), P(), P("data"), P(None, "data"), P("data"))
    if axis_type == AxisType.Auto:
        local = jax.shard_map(gradient, mesh=mesh, in_specs=specs, out_specs=(P(), P()))
        shapes = jax.eval_shape(jax.jit(local), *arguments)
    else:
        with jax.set_mesh(mesh):
            placed = [jax.reshard(a, s) for a, s in zip(arguments, specs)]
            shapes = jax.jit(gradient).eval_shape(*placed)
    for name, weights in arguments[0].items():
        assert shapes[0][name].shape == weights.shape

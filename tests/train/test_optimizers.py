"""Optimizers against their definitions written out in NumPy, and against torch."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnn_jax.train import Optimizer, averaging

GRADIENTS = np.random.default_rng(0).normal(size=(12, 4)) * 3


def run(transformation, gradients, start=(1.0, -2.0, 0.5, 3.0)):
    """Parameters after each update: a matrix of three and a bias."""
    params = {"w": jnp.asarray(start[:3])[None], "b": jnp.asarray(start[3])}
    state = transformation.init(params)
    update, path = jax.jit(transformation.update), []
    for gradient in gradients:
        tree = {"w": jnp.asarray(gradient[:3])[None], "b": jnp.asarray(gradient[3])}
        updates, state = update(tree, state, params)
        params = optax.apply_updates(params, updates)
        path.append([*params["w"][0], params["b"]])
    return np.array(path, np.float64), state, params


@pytest.mark.parametrize(("steps", "warmup"), [(12, 4), (6, 0), (6, 100), (1, 1)])
def test_adam_with_cosine_and_clipping_equals_the_formulas(steps, warmup):
    peak, clip = 0.1, 2.0
    made = Optimizer(
        learning_rate=peak, schedule="cosine", steps=steps, warmup_steps=warmup, clip_limit=clip
    )
    found = run(made.make(), GRADIENTS[:steps])[0][-1]
    w, m, v = np.array([1.0, -2.0, 0.5, 3.0]), np.zeros(4), np.zeros(4)
    warmup = min(warmup, steps // 2)
    for t, gradient in enumerate(GRADIENTS[:steps]):
        gradient = gradient * min(1, clip / np.linalg.norm(gradient))
        m = 0.9 * m + 0.1 * gradient
        v = 0.999 * v + 0.001 * gradient**2
        m_hat, v_hat = m / (1 - 0.9 ** (t + 1)), v / (1 - 0.999 ** (t + 1))
        if t < warmup:
            rate = peak * t / warmup
        else:
            cosine = 0.5 * (1 + np.cos(np.pi * (t - warmup) / (steps - warmup)))
            rate = peak * (0.01 + 0.99 * cosine)
        w = w - rate * m_hat / (np.sqrt(v_hat) + 1e-8)
    np.testing.assert_allclose(found, w, rtol=1e-5)


def test_schedules_are_their_formulas():
    base = Optimizer(learning_rate=2.0, steps=10, warmup_steps=4, end_share=0.25)
    at = np.arange(4, 11)
    expected = {
        "constant": np.full(7, 2.0),
        "linear": 2 - 1.5 * (at - 4) / 6,
        "exponential": 2 * 0.25 ** ((at - 4) / 6),
        "inverse_sqrt": 2 * np.sqrt(4 / at),
    }
    for schedule, values in expected.items():
        rate = replace(base, schedule=schedule).rate()
        np.testing.assert_allclose([rate(t) for t in (0, 2)], [0, 1], rtol=1e-6)
        np.testing.assert_allclose([rate(t) for t in at], values, rtol=1e-6)


def test_staircase_is_that_of_zaremba():
    """The rule as the TensorFlow tutorial spells it, by epoch i of n steps."""
    n, epochs, decay, kept = 5, 7, 0.8, 3
    made = Optimizer(schedule="staircase", hold_steps=kept * n, decay_every=n, decay_rate=decay,
                     learning_rate=2.0)  # fmt: skip
    by_epoch = [2.0 * decay ** max(i + 1 - kept, 0) for i in range(epochs)]
    rates = jax.vmap(made.rate())(jnp.arange(n * epochs))
    np.testing.assert_allclose(rates, np.repeat(by_epoch, n), rtol=1e-6)
    warm = replace(made, warmup_steps=4).rate()  # the warm-up does not move the falls
    np.testing.assert_allclose([warm(2), warm(14), warm(15)], [1.0, 2.0, 1.6], rtol=1e-6)
    with pytest.raises(ValueError, match="decay_every=0, decay_rate=1.5"):
        Optimizer(decay_every=0, decay_rate=1.5)


def test_rmsprop_equals_the_formula():
    made = Optimizer(name="rmsprop", learning_rate=0.1, rms_decay=0.95, clip_limit=None)
    w, v = np.array([1.0, -2.0, 0.5, 3.0]), np.zeros(4)
    for gradient in GRADIENTS:
        v = 0.95 * v + 0.05 * gradient**2
        w = w - 0.1 * gradient / np.sqrt(v + 1e-8)
    np.testing.assert_allclose(run(made.make(), GRADIENTS)[0][-1], w, rtol=1e-5)


def test_clipping_decay_and_accumulation_equal_the_formulas():
    def first(**options):
        made = Optimizer(name="sgd", learning_rate=1.0, **options)
        return run(made.make(), [[3.0, 4.0, 0.0, -2.0]])[0][0] - [1.0, -2.0, 0.5, 3.0]

    np.testing.assert_allclose(first(clip_limit=None), [-3, -4, 0, 2])
    np.testing.assert_allclose(first(clip="leaf", clip_limit=2.5), [-1.5, -2, 0, 2], rtol=1e-6)
    np.testing.assert_allclose(first(clip="value", clip_limit=2.5), [-2.5, -2.5, 0, 2])
    # a tenth of the weights' norm, where the gradient is longer; one row is one unit
    adaptive = [*(np.array([-3, -4, 0]) / 5 * 0.1 * np.sqrt(5.25)), 0.3]
    np.testing.assert_allclose(first(clip="adaptive", clip_limit=0.1), adaptive, rtol=1e-5)
    norm = np.sqrt(29)
    np.testing.assert_allclose(first(clip_limit=1.0), np.array([-3, -4, 0, 2]) / norm, rtol=1e-6)
    shrunk = first(clip_limit=None, weight_decay=0.1)
    np.testing.assert_allclose(shrunk, [-3 - 0.1, -4 + 0.2, 0 - 0.05, 2], rtol=1e-6)

    made = Optimizer(name="sgd", learning_rate=0.5, clip_limit=None, accumulate=3, momentum=0.9)
    path = run(made.make(), GRADIENTS[:6])[0]
    start = np.array([1.0, -2.0, 0.5, 3.0])
    one, two = GRADIENTS[:3].mean(0), GRADIENTS[3:6].mean(0)
    np.testing.assert_allclose(path[:2], np.stack([start, start]))
    np.testing.assert_allclose(path[2], start - 0.5 * one, rtol=1e-5)
    np.testing.assert_allclose(path[5], path[2] - 0.5 * (0.9 * one + two), rtol=1e-5)


def test_rules_equal_those_of_torch():
    torch = pytest.importorskip("torch")
    rules = {
        "adam": lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.0),
        "rmsprop": lambda p: torch.optim.RMSprop(p, lr=0.1, alpha=0.9),
        "adadelta": lambda p: torch.optim.Adadelta(p, lr=0.1, rho=0.9),
        "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1, initial_accumulator_value=0.1),
    }
    for name, make in rules.items():
        weights = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64, requires_grad=True)
        peer, expected = make([weights]), []
        for gradient in GRADIENTS:
            weights.grad = torch.tensor(gradient)
            peer.step()
            expected.append(weights.detach().numpy().copy())
        momentum = 0.9 if name == "sgd" else 0.0
        made = Optimizer(name=name, learning_rate=0.1, clip_limit=None, momentum=momentum)
        np.testing.assert_allclose(
            run(made.make(), GRADIENTS)[0], expected, rtol=2e-4, err_msg=name
        )


def test_lion_equals_the_formula():
    made = Optimizer(name="lion", learning_rate=0.1, clip_limit=None, beta2=0.99)
    w, m = np.array([1.0, -2.0, 0.5, 3.0]), np.zeros(4)
    for gradient in GRADIENTS:
        w = w - 0.1 * np.sign(0.9 * m + 0.1 * gradient)
        m = 0.99 * m + 0.01 * gradient
    np.testing.assert_allclose(run(made.make(), GRADIENTS)[0][-1], w, rtol=1e-6)


def test_averages_equal_their_definitions():
    sgd = Optimizer(name="sgd", learning_rate=0.1, clip_limit=None).make()
    path, state, params = run(averaging.exponential_average(sgd, 0.5), GRADIENTS)
    mean = np.array([1.0, -2.0, 0.5, 3.0])
    for t, values in enumerate(path):
        d = min(0.5, (2 + t) / (11 + t))
        mean = d * mean + (1 - d) * values
    found = averaging.average_of(state, params)
    np.testing.assert_allclose([*found["w"][0], found["b"]], mean, rtol=1e-5)

    asgd = averaging.mean_average(sgd)
    _, state, params = run(asgd, GRADIENTS[:5])
    np.testing.assert_array_equal(averaging.average_of(state, params)["w"], params["w"])
    state, seen = averaging.begin_average(state), []
    for gradient in GRADIENTS[5:]:
        tree = {"w": jnp.asarray(gradient[:3])[None], "b": jnp.asarray(gradient[3])}
        updates, state = asgd.update(tree, state, params)
        params = optax.apply_updates(params, updates)
        seen.append(params["w"][0])
    found = averaging.average_of(state, params)["w"][0]
    np.testing.assert_allclose(found, np.mean(seen, axis=0), rtol=1e-5)


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="name must be one of .* got 'adamax'"):
        Optimizer(name="adamax")
    with pytest.raises(ValueError, match='schedule="cosine" falls until the last step'):
        Optimizer(schedule="cosine")
    with pytest.raises(ValueError, match="out of range: learning_rate=0, beta1=1.5"):
        Optimizer(learning_rate=0, beta1=1.5)
    with pytest.raises(ValueError, match=r"decay must lie in \[0, 1\), got 1"):
        averaging.exponential_average(optax.sgd(0.1), 1)
    with pytest.raises(ValueError, match="the optimizer keeps no average"):
        averaging.average_of(optax.sgd(0.1).init(jnp.ones(2)), jnp.ones(2))

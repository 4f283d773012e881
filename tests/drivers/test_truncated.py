"""``truncated`` against a Python loop that cuts the gradient by hand."""

import sys

import jax
import jax.numpy as jnp
import pytest

from rnn_jax import cells, drivers
from tests.laws.cases import LENGTHS, MASK, RESET, assert_same, make_case, poison
from tests.registry import marked

T, B = 7, 3
CASES = {
    "every kind of cut": ("elman", {}, [(3, 3), (1, 3), (3, 5), (8, 11)]),
    "other numbers": ("elman", {}, [(1, 1), (3, 6), (4, 9)]),
    "no capability": ("gru_before", {}, [(2, 2), (2, 5)]),
    "reverse": ("elman", {"reverse": True}, [(3, 3), (3, 5)]),
    "padded and reset": ("elman", {"lengths": LENGTHS, "reset": RESET}, [(2, 2), (3, 5)]),
    "all": ("elman", {"mask": MASK, "reset": RESET, "reverse": True}, [(3, 3), (2, 5)]),
}
QUICK = ("every kind of cut", "no capability", "padded and reset", "all")  # which cover the others
MARKED = [marked(case, QUICK, CASES) for case in CASES]


def by_hand(cell, params, xs, state=None, *, k1, k2=None, lengths=None, mask=None, reset=None,
            reverse=False):  # fmt: skip
    """Step by step; every block runs again from a constant state k2 steps before its end."""
    k2 = k1 if k2 is None else k2
    start = cell.initial_state(params, (B,))
    begin = start if state is None else jax.lax.stop_gradient(state)
    order = list(range(T))[::-1] if reverse else list(range(T))

    def pick(condition, yes, no):
        shape = lambda leaf: condition.reshape(B, *(1,) * (leaf.ndim - 1))
        spread = lambda y: jnp.broadcast_to(shape(y), y.shape)
        return jax.tree.map(lambda y, n: jnp.where(spread(y), y, n), yes, no)

    def after(s, t):
        real = jnp.ones(B, bool) if mask is None else mask[t]
        real = real if lengths is None else real & (t < lengths)
        s = s if reset is None else pick(reset[t], start, s)
        x = jnp.where(jnp.broadcast_to(real[:, None], xs[t].shape), xs[t], 0.0)
        new = pick(real, cell.step(params, s, cell.encode(params, x)), s)
        y = cell.readout(params, new)
        return new, jnp.where(jnp.broadcast_to(real[:, None], y.shape), y, 0.0)

    states, ys = [begin], [None] * T
    for t in order:
        states.append(after(states[-1], t)[0])
    for first in range(0, T, k1):
        window = max(first + k1 - k2, 0)
        s = jax.lax.stop_gradient(states[window]) if window else begin
        for k in range(window, min(first + k1, T)):
            s, y = after(s, order[k])
            if k >= first:
                ys[order[k]] = y
    return s, jnp.stack(ys)


def gradient_of(driver, cell, params, state, xs, **options):
    """Values, and the gradient of a loss in which all outputs and the final state count."""

    def loss(params, state, xs):
        final, ys = driver(cell, params, xs, state, **options)
        leaves = [leaf.real + 0.3 * leaf.imag for leaf in [ys, *jax.tree.leaves(final)]]
        weights = [jnp.cos(jnp.arange(leaf.size, dtype=leaf.dtype)) for leaf in leaves]
        terms = [jnp.vdot(w, jnp.sin(leaf).ravel()) for w, leaf in zip(weights, leaves)]
        return sum(terms), (final, ys)

    return jax.grad(loss, argnums=(0, 1, 2), has_aux=True)(params, state, xs)


@pytest.fixture
def one_device(monkeypatch):
    """Where no compiler splits the batch k2 = k1 takes a road of its own."""
    module = sys.modules["rnn_jax.drivers.truncated"]
    monkeypatch.setattr(module, "may_be_partitioned", lambda xs: False)


@pytest.mark.parametrize("case", MARKED)
def test_equals_the_loop_that_cuts_by_hand(case):
    check_case(*CASES[case])


@pytest.mark.parametrize("case", MARKED)
def test_equals_the_loop_on_one_device(case, one_device):
    name, options, cuts = CASES[case]
    check_case(name, options, [(k1, k2) for k1, k2 in cuts if k1 == k2])


def check_case(name, options, cuts):
    cell, params, state, xs = make_case(name)

    @jax.jit
    def all_cuts(params, state, xs):
        return [
            [
                gradient_of(driver, cell, params, state, xs, k1=k1, k2=k2, **options)
                for driver in (drivers.truncated, by_hand)
            ]
            for k1, k2 in cuts
        ]

    for cut, (found, want) in zip(cuts, all_cuts(params, state, xs)):
        assert_same(found, want, what=f"k1, k2 = {cut}: ")
        assert all(bool((d == 0).all()) for d in jax.tree.leaves(found[0][1]))


KINDS = ("lstm", "zoneout", "learned_initial_state", "lru", "conv_lstm")


@pytest.mark.parametrize("name", [marked(name, KINDS[:2], KINDS) for name in KINDS])
def test_windows_over_everything_give_the_whole_gradient(name):
    """Each output sees all steps, so values and gradients are those of scan."""
    cell, params, _, xs = make_case(name)
    key = jax.random.key(1) if cells.is_stochastic(cell) else None
    options = {"key": key, "reset": RESET, "lengths": LENGTHS}
    cuts = [(3, 20), (T, None)] if name == "lstm" else [(2, T + 1)]

    @jax.jit
    def both(params, xs):
        want = gradient_of(drivers.scan, cell, params, None, xs, **options)
        return want, [
            gradient_of(drivers.truncated, cell, params, None, xs, k1=k1, k2=k2, **options)
            for k1, k2 in cuts
        ]

    want, found = both(params, xs)
    for (k1, k2), values in zip(cuts, found):
        assert_same(values, want, what=f"k1, k2 = {k1}, {k2}: ")


@pytest.mark.parametrize("devices", ["one", "many"])
def test_one_call_is_many_calls_of_scan(devices, request):
    """k2 = k1: what a training loop does that hands the state on."""
    if devices == "one":
        request.getfixturevalue("one_device")
    cell, params, _, xs = make_case("lstm")

    def calls(cell, params, xs, state, *, k1):
        parts = []
        for begin in range(0, T, k1):
            state = jax.lax.stop_gradient(state)
            state, ys = drivers.scan(cell, params, xs[begin : begin + k1], state)
            parts.append(ys)
        return state, jnp.concatenate(parts)

    @jax.jit
    def both(params, state, xs):
        run = lambda driver: gradient_of(driver, cell, params, state, xs, k1=3)
        return run(drivers.truncated), run(calls)

    assert_same(*both(params, cell.initial_state(params, (B,)), xs))


def test_padding_is_irrelevant():
    cell, params, state, xs = make_case("lstm")
    valid = jnp.arange(T)[:, None] < LENGTHS[None]

    @jax.jit
    def all_runs(params, state, xs, poisoned):
        run = lambda x, k2: gradient_of(
            drivers.truncated, cell, params, state, x, k1=2, k2=k2, lengths=LENGTHS
        )
        return [(run(xs, k2), run(poisoned, k2)) for k2 in (2, 5)]

    for clean, poisoned in all_runs(params, state, xs, poison(xs, valid)):
        assert_same(clean, poisoned, 0.0)


def test_gradients_of_half_precision_weights_are_summed_wide(one_device):
    """Of 200 blocks: bfloat16 has no number between 128 and 129."""
    cell = cells.Elman(input_size=1, hidden_size=1)
    params = cell.init(jax.random.key(0), jnp.bfloat16)
    params = params._replace(w_h=jnp.zeros_like(params.w_h))
    xs = jnp.full((200, 1), 0.1, jnp.float32)

    def bias_gradient(params):
        loss = lambda p: drivers.truncated(cell, p, xs, k1=1)[1].astype(jnp.float32).sum()
        return float(jax.jit(jax.grad(loss))(params).b[0])

    wide = bias_gradient(jax.tree.map(lambda leaf: leaf.astype(jnp.float32), params))
    assert abs(bias_gradient(params) - wide) <= 0.01 * wide


def test_forward_mode_works_on_the_plain_path():
    cell, params, state, xs = make_case("lstm", num_steps=4, num_rows=1)

    def loss(params):
        options = {"k1": 2, "gradient": "autodiff"}
        return jnp.sin(drivers.truncated(cell, params, xs, state, **options)[1]).sum()

    @jax.jit
    def both(params):
        direction = jax.tree.map(jnp.ones_like, params)
        return jax.jvp(loss, (params,), (direction,))[1], jax.grad(loss)(params)

    slope, gradient = both(params)
    assert abs(slope - sum(leaf.sum() for leaf in gradient)) < 1e-12


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k1": 0}, "k1 must be a whole number of steps >= 1, got 0"),
        ({"k1": 2.0}, "k1 must be a whole number of steps >= 1, got 2.0"),
        ({"k1": 4, "k2": 3}, "k2=3 is less than k1=4.*give k2 >= k1"),
        ({"k1": 4, "k2": True}, "k2 must be a whole number"),
        ({"k1": 4, "unroll": 0}, "unroll must be"),
        ({"k1": 4, "gradient": "none"}, "gradient must be"),
    ],
)
def test_bad_input_is_refused(options, message):
    cell, params, _, xs = make_case("elman")
    with pytest.raises(ValueError, match=message):
        drivers.truncated(cell, params, xs, **options)

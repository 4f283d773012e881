"""SnAp-1 against loops from the paper and another library, UORO against its expectation."""

import itertools
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers
from rnn_jax.drivers.common import split_inexact
from rnn_jax.drivers.influence import places
from rnn_jax.drivers.locality import locality
from rnn_jax.drivers.row_step import At, to_parts
from rnn_jax.drivers.rtrl_memory import make_learner
from tests.laws.cases import assert_same, make_case
from tests.registry import CELLS

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "braintrace.npz")


def square(y):
    return jnp.square(y).sum()


def test_snap1_of_an_elman_network_by_hand():
    """The loop of Menick et al., section 3: the influence's diagonal, one weight on one unit."""
    cell, params, _, xs = make_case("elman", num_rows=1)
    w_x, w_h, b = map(np.asarray, params)
    h, j_x, j_h, j_b = np.zeros(4), 0 * w_x, 0 * w_h, 0 * b
    want = [0 * w_x, 0 * w_h, 0 * b]
    for x in np.asarray(xs)[:, 0]:
        old, h = h, np.tanh(x @ w_x + h @ w_h + b)
        slope = 1 - h**2
        keep = slope * np.diag(w_h)  # D_kk
        j_x = keep * j_x + np.outer(x, slope)
        j_h = keep * j_h + np.outer(old, slope)
        j_b = keep * j_b + slope
        want = [w + 2 * h * j for w, j in zip(want, (j_x, j_h, j_b))]
    memory = drivers.rtrl_init(cell, params, (1,), method="snap1")
    learned = jax.jit(partial(drivers.rtrl, cell, loss=square))(params, xs, memory)
    assert_same(list(learned.gradient), [jnp.asarray(w) for w in want], 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lstm", "gru", "peephole_lstm", "slstm", "stacked"])
def test_snap1_masks_the_influence(name):
    """J' = M * (D J + I) with whole Jacobians, M where I is not 0; whole for what is not local."""
    cell, params, _, xs = make_case(name, num_steps=4, num_rows=1)
    theta, rebuild = split_inexact(params)
    state = cell.initial_state(params)
    masks = [p is not None and p.parts is not None for p in places(cell, "snap1")]

    def after(theta, parts, x):
        params = rebuild(theta)
        like = split_inexact(state)[1](parts)
        return split_inexact(cell.step(params, like, cell.encode(params, x)))[0]

    vector = lambda parts: jnp.concatenate([part.ravel() for part in parts])
    sizes = np.cumsum([part.size for part in split_inexact(state)[0]])[:-1]
    split = lambda v: jnp.split(v, sizes)
    read = lambda theta, v: square(cell.readout(rebuild(theta), split_inexact(state)[1](split(v))))

    @jax.jit
    def jacobians(theta, v, x):
        f = lambda theta, v: vector(after(theta, split(v), x))
        return f(theta, v), *jax.jacrev(f, (0, 1))(theta, v)

    slopes = jax.jit(jax.grad(read, (0, 1)))
    v = vector(split_inexact(state)[0])
    influence = [np.zeros((v.size, *leaf.shape)) for leaf in theta]
    want = [np.zeros(leaf.shape) for leaf in theta]
    draws = jax.random.normal(jax.random.key(4), (20, v.size))  # each branch of a maximum in some
    some = jax.lax.map(lambda v: jacobians(theta, v, xs[0, 0])[1], draws)
    kept = [~local | (np.asarray(i) != 0).any(0) for local, i in zip(np.array(masks), some)]
    for x in xs[:, 0]:
        v, now, d = jacobians(theta, v, x)
        new = [np.tensordot(d, j, 1) + i for j, i in zip(influence, map(np.asarray, now))]
        influence = [np.where(k, j, 0) for k, j in zip(kept, new)]
        direct, by_state = slopes(theta, v)
        want = [w + d + np.tensordot(by_state, j, 1) for w, d, j in zip(want, direct, influence)]
    memory = drivers.rtrl_init(cell, params, (1,), method="snap1")
    learned = jax.jit(partial(drivers.rtrl, cell, loss=square))(params, xs, memory)
    found = split_inexact(learned.gradient)[0]
    assert_same(found, [jnp.asarray(w) for w in want], 1e-10)


@pytest.mark.parametrize(("kind", "method"), [("snap1", "snap1"), ("full", "full")])
def test_equals_braintrace(kind, method):
    """Its SnAp of order 1, and of the order at which nothing is dropped."""
    w, b = GOLDEN["weight"], GOLDEN["bias"]
    cell = cells.Elman(input_size=3, hidden_size=4)
    params = cells.ElmanParams(*map(jnp.asarray, (w[:3], w[3:], b)))
    memory = drivers.rtrl_init(cell, params, method=method)
    fit = lambda y, target: jnp.square(y - target).sum()
    run = jax.jit(partial(drivers.rtrl, cell, loss=fit))
    learned = run(params, jnp.asarray(GOLDEN["xs"]), memory, targets=jnp.asarray(GOLDEN["targets"]))
    want = GOLDEN[f"{kind}_weight"], GOLDEN[f"{kind}_bias"]
    found = np.concatenate([learned.gradient.w_x, learned.gradient.w_h]), learned.gradient.b
    for a, b in zip(found, want):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-10)
    np.testing.assert_allclose(learned.loss, GOLDEN["losses"], rtol=0, atol=1e-12)


def test_uoro_is_unbiased_over_all_signs():
    """The mean over every draw of the signs of 3 steps of 2 units is the influence, exactly."""
    cell = cells.Elman(input_size=3, hidden_size=2)
    params = jax.tree.map(lambda w: w.astype(jnp.float64) + 0.1, cell.init(jax.random.key(3)))
    xs = jax.random.normal(jax.random.key(0), (3, 3))
    start = cell.initial_state(params)
    learner, theta = make_learner(cell, params, start, "uoro", ())
    parts = to_parts(start, learner.row.dtype)

    def influence(signs):
        state, product = start, learner.zeros(theta, parts)
        for nu, x in zip(signs, xs):
            state, product = learner.step_by([nu], theta, state, product, At(x, None, 0))
        return [jnp.multiply.outer(product.s[0], leaf) for leaf in product.theta]

    def exact(params):
        final, _ = drivers.scan(cell, params, xs, gradient="autodiff")
        return final.h

    signs = jnp.array(list(itertools.product((1.0, -1.0), repeat=6))).reshape(-1, 3, 2)
    mean = lambda all_signs: jax.tree.map(lambda j: j.mean(0), jax.vmap(influence)(all_signs))
    found, want = jax.jit(lambda s, p: (mean(s), jax.jacrev(exact)(p)))(signs, params)
    assert_same(found, list(want), 1e-10)


def test_uoro_in_the_mean_over_keys():
    """Within 5 of its own standard errors for each number, and far from each single draw."""
    cell, params, _, xs = make_case("lstm", num_steps=4, num_rows=2)
    count = 2000

    @jax.jit
    def draw(keys):
        def one(key):
            memory = drivers.rtrl_init(cell, params, (2,), method="uoro", key=key)
            gradient = drivers.rtrl(cell, params, xs, memory, loss=square).gradient
            return jnp.concatenate([leaf.ravel() for leaf in gradient])

        def total(params):
            return jax.vmap(square)(drivers.scan(cell, params, xs)[1]).sum()

        found = jax.lax.map(one, keys, batch_size=100)
        want = jnp.concatenate([leaf.ravel() for leaf in jax.grad(total)(params)])
        return found, want

    found, want = map(np.asarray, draw(jax.random.split(jax.random.key(1), count)))
    error, spread = found.mean(0) - want, found.std(0)
    assert (np.abs(error) <= 5 * spread / np.sqrt(count)).all()
    assert np.linalg.norm(error) < 0.1 * np.linalg.norm(found[0] - want)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["learned_initial_state", "zoneout", "output_head", "lru"])
def test_uoro_with_resets_and_noise(name):
    cell, params, _, xs = make_case(name, num_steps=4, num_rows=2)
    options = {"reset": jnp.zeros((4, 2), bool).at[2].set(True)}
    options["key"] = jax.random.key(2) if cells.is_stochastic(cell) else None
    flat = lambda tree: jnp.concatenate([leaf.ravel() for leaf in jax.tree.leaves(tree)])

    @jax.jit
    def draw(keys):
        def one(key):
            memory = drivers.rtrl_init(cell, params, (2,), method="uoro", key=key)
            return flat(drivers.rtrl(cell, params, xs, memory, loss=square, **options).gradient)

        def total(params):
            return jax.vmap(square)(drivers.scan(cell, params, xs, **options)[1]).sum()

        return jax.lax.map(one, keys, batch_size=100), flat(jax.grad(total)(params))

    found, want = map(np.asarray, draw(jax.random.split(jax.random.key(1), 2000)))
    bound = 5 * found.std(0) / np.sqrt(len(found)) + 1e-12
    assert (np.abs(found.mean(0) - want) <= bound).all()


WHERE = {  # what the equations say: leaf by leaf, L local for ever, l in one step, * full, - none
    "elman": "lll",
    "gru_before": "***l",  # Cho's reset gate stands before the product
    "indrnn": "LLL",
    "output_head": "lll--",
    "lru": "LLLL-L",
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[pytest.mark.slow] * (n != "output_head")) for n in WHERE],
)
def test_what_is_local(name):
    known = locality(CELLS[name])

    def letter(leaf):
        if not known.reaches[leaf].parts:
            return "-"
        return "L" if known.stays_local(leaf) else "l" if known.reaches[leaf].is_local else "*"

    assert "".join(map(letter, range(len(known.reaches)))) == WHERE[name]

"""RGLRU against numbers of recurrentgemma's layer, and a loop over the paper's equations."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers

GOLDEN = Path(__file__).parent.parent / "golden" / "rg_lru.npz"


def test_equals_recurrentgemma():
    g = {name: jnp.asarray(value) for name, value in np.load(GOLDEN).items()}
    cell = cells.RGLRU(input_size=4, hidden_size=4)
    params = cells.RGLRUParams(
        w_x=jnp.concatenate([g["w_r"], g["w_i"]], 1),
        b=jnp.concatenate([g["b_r"], g["b_i"]]),
        a_logit=-g["a_param"],
    )

    def loss(params, x, h):
        state, ys = drivers.associative(cell, params, x.swapaxes(0, 1), cells.RGLRUState(h=h))
        return jnp.sin(ys).sum(), (state, ys)

    differentiate = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True))
    (_, (state, ys)), (d_params, d_x, d_h) = differentiate(params, g["x"], g["h"])
    found = [ys.swapaxes(0, 1), state.h, d_x, d_h, -d_params.a_logit, d_params.w_x[:, :4]]
    for name, value in zip(["y", "last", "d_x", "d_h", "d_a_param", "d_w_r"], found):
        np.testing.assert_allclose(value, g[name], atol=1e-12, err_msg=name)


def test_equals_the_papers_loop_behind_a_linear_layer():
    cell = cells.RGLRU(input_size=3, hidden_size=2, power=5.0)
    rng = np.random.default_rng(0)
    params = jax.tree.map(
        lambda leaf: jnp.asarray(rng.standard_normal(leaf.shape)),
        cell.init(jax.random.key(0), jnp.float64),
    )
    xs, h = rng.standard_normal((5, 3)), np.zeros(2)
    w, b = np.asarray(params.w_x), np.asarray(params.b)
    a = 1 / (1 + np.exp(-np.asarray(params.a_logit)))
    want = []
    for x in xs:
        r, i = (1 / (1 + np.exp(-(x @ w[:, k : k + 2] + b[k : k + 2]))) for k in (0, 2))
        decay = a ** (5.0 * r)
        h = decay * h + np.sqrt(1 - decay**2) * (i * (x @ w[:, 4:] + b[4:]))
        want.append(h)
    ys = drivers.scan(cell, params, jnp.asarray(xs))[1]
    np.testing.assert_allclose(ys, np.stack(want), atol=1e-12)


def test_the_root_keeps_its_digits_near_one():
    """1 - alpha^2 = 2e-7 in float32, where 1 - alpha * alpha has one digit."""
    cell = cells.RGLRU(input_size=1, hidden_size=1)
    params = cells.RGLRUParams(
        w_x=jnp.zeros((1, 2), jnp.float32),
        b=jnp.array([0.0, 1e9], jnp.float32),
        a_logit=jnp.array([17.5], jnp.float32),
    )
    z = cell.encode(params, jnp.ones(1, jnp.float32))
    log_alpha = -8 * 0.5 * np.log1p(np.exp(-17.5))
    np.testing.assert_allclose(z.write, np.sqrt(-np.expm1(2 * log_alpha)), rtol=1e-5)


def test_a_closed_gate_has_finite_gradients():
    """r underflows to 0, alpha is 1: the state is kept, and the root's slope does no harm."""
    cell = cells.RGLRU(input_size=1, hidden_size=1)
    params = cells.RGLRUParams(
        w_x=jnp.ones((1, 2), jnp.float32),
        b=jnp.array([-300.0, 0.0], jnp.float32),
        a_logit=jnp.array([200.0], jnp.float32),
    )
    start = cells.RGLRUState(h=jnp.ones(1, jnp.float32))

    def loss(params, x):
        return drivers.scan(cell, params, x, start)[1].sum()

    value, gradients = jax.value_and_grad(loss, argnums=(0, 1))(
        params, jnp.ones((3, 1), jnp.float32)
    )
    assert value == 3
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradients))


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_starts_with_decays_in_the_interval(dtype):
    cell = cells.RGLRU(input_size=1, hidden_size=1000, min_decay=0.8, max_decay=0.99)
    logit = np.asarray(cell.init(jax.random.key(0), dtype).a_logit, np.float64)
    decay = (1 / (1 + np.exp(-logit))) ** 8
    slack = 1e-5 if dtype == jnp.float32 else 0.01
    assert 0.8 - slack <= decay.min() and decay.max() <= 0.99 + slack
    assert abs(decay.mean() - 0.895) < 0.01


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"min_decay": 0.0}, "min_decay=0.0"),
        ({"min_decay": 0.9, "max_decay": 0.8}, "max_decay=0.8"),
        ({"max_decay": 1.0}, "max_decay < 1"),
        ({"power": 0.0}, "power must be > 0"),
    ],
)
def test_bad_choices_are_refused(choices, message):
    with pytest.raises(ValueError, match=message):
        cells.RGLRU(input_size=3, hidden_size=3, **choices)

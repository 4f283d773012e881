"""SLSTM against the authors' code, the paper's equations without a stabiliser, and its extremes."""

from decimal import Decimal, localcontext

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers
from tests.cells.reference import assert_close, draw_case, loop, numbers, run, sigmoid


@pytest.mark.parametrize(("case", "heads"), [("two_heads", 2), ("one_head", 1)])
def test_equals_the_authors_code(case, heads):
    """Their gates arrive as sums; an identity as ``w_x`` lets them through."""
    g = numbers("slstm", case, "golden")
    cell = cells.SLSTM(input_size=24, hidden_size=6, num_heads=heads)
    params = cells.SLSTMParams(w_x=np.eye(24), w_h=g["w_h"].swapaxes(1, 2), b=g["b"])
    params = jax.tree.map(jnp.asarray, params)
    start = cells.SLSTMState(*map(jnp.asarray, g["start"]))

    def loss(params, start, xs):
        final, ys = drivers.scan(cell, params, xs, start)
        return jnp.sin(ys).sum(), (final, ys)

    differentiate = jax.jit(jax.grad(loss, argnums=(0, 1, 2), has_aux=True))
    (d_params, d_start, d_xs), (final, ys) = differentiate(params, start, g["gates"])
    assert_close(ys, g["ys"])
    assert_close(final, cells.SLSTMState(*g["last"]))
    assert_close(d_params.w_h, g["d_w_h"].swapaxes(1, 2))
    assert_close(d_params.b, g["d_b"])
    assert_close(d_xs, g["d_gates"])
    if "d_start" in g:
        assert_close(d_start, cells.SLSTMState(*g["d_start"]))


@pytest.mark.parametrize("forget", ["sigmoid", "exp"])
def test_equals_the_paper_without_a_stabiliser(forget):
    """Equations (8) to (14) of the paper, the memory kept at its true size."""
    cell = cells.SLSTM(input_size=3, hidden_size=4, num_heads=2, forget=forget)
    params, state, xs = draw_case(cell)
    state = state._replace(n=jnp.exp(state.n), m=jnp.zeros_like(state.m))

    def one_step(p, s, x):
        dense = np.zeros((4, 4, 4))  # from, gate, to
        for head in range(2):
            its = slice(2 * head, 2 * head + 2)
            dense[its, :, its] = p.w_h[head].reshape(2, 4, 2)
        at_i, at_f, at_g, at_o = (x @ p.w_x + p.b).reshape(4, 4) + np.einsum(
            "a,agb->gb", s.h, dense
        )
        f = {"sigmoid": sigmoid, "exp": np.exp}[forget](at_f)
        c = f * s.c + np.exp(at_i) * np.tanh(at_g)
        n = f * s.n + np.exp(at_i)
        return sigmoid(at_o) * c / n, c, n, s.m

    want, ys = loop(cell, one_step, params, state, xs)
    final, found = run(cell, params, xs, state)
    assert_close(found, ys)
    assert_close(final.c * jnp.exp(final.m), want.c)
    assert_close(final.n * jnp.exp(final.m), want.n)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("forget", ["sigmoid", "exp"])
def test_gates_of_any_size(forget, dtype):
    """Sums of a thousand, where exp overflows, against arithmetic with 50 digits."""
    cell = cells.SLSTM(input_size=4, hidden_size=1, forget=forget)
    zero = jnp.zeros((1, 1, 4), dtype)
    params = cells.SLSTMParams(w_x=jnp.eye(4, dtype=dtype), w_h=zero, b=jnp.zeros(4, dtype))
    gates = [  # i f g o; the first write is tiny, the last one outweighs all, or is forgotten
        *[(-1000, 900, 0.5, 3), (-1000.5, -800, -0.7, 0), (1000, 0.25, 0.3, 1)],
        *[(999, 700, -1.2, 2), (-500, 30, 0.9, 2), (-1000, -900, 0.1, 2), (999.5, 20, -0.4, 2)],
    ]
    xs = jnp.asarray(gates, dtype)
    want = []
    with localcontext() as context:
        context.prec = 50
        c = n = Decimal(0)
        for i, f, g, o in (map(Decimal, row) for row in gates):
            keep = f.exp() if forget == "exp" else 1 / (1 + (-f).exp())
            squashed = ((2 * g).exp() - 1) / ((2 * g).exp() + 1)
            c, n = keep * c + i.exp() * squashed, keep * n + i.exp()
            want.append([float(c / n / (1 + (-o).exp()))])
    ys, vjp = jax.vjp(lambda xs: run(cell, params, xs)[1], xs)
    tolerance = 1e-12 if dtype == jnp.float64 else 2e-4  # 1000 in float32 is exact to 6e-5
    np.testing.assert_allclose(ys, want, rtol=tolerance)
    assert bool(jnp.isfinite(vjp(jnp.ones_like(ys))[0]).all())


def test_first_step_shows_the_first_input_alone():
    """An empty memory has no weight: whatever i and f, the first output is o * tanh(g)."""
    cell = cells.SLSTM(input_size=4, hidden_size=1)
    params = cells.SLSTMParams(w_x=jnp.eye(4), w_h=jnp.zeros((1, 1, 4)), b=jnp.zeros(4))
    i = jnp.array([-1e6, -100.0, 0.0, 100.0, 1e6])
    xs = jnp.stack([i, jnp.full_like(i, 7.0), jnp.full_like(i, 0.5), jnp.full_like(i, 1.5)], -1)
    state, ys = run(cell, params, xs[None])
    assert_close(ys.ravel(), np.full(5, sigmoid(1.5) * np.tanh(0.5)))
    assert state.n.ravel().tolist() == [1] * 5 and bool((state.m.ravel() == i).all())


def test_heads_do_not_mix():
    cell = cells.SLSTM(input_size=3, hidden_size=4, num_heads=2)
    params, state, xs = draw_case(cell, num_steps=2)
    state = state._replace(n=jnp.exp(state.n))
    by_state = jax.jacobian(lambda h: run(cell, params, xs, state._replace(h=h))[1][-1])(state.h)
    across = by_state[0, :, 0]  # one row: outputs by previous outputs
    assert bool((across[:2, 2:] == 0).all() and (across[2:, :2] == 0).all())
    assert bool((across[:2, :2] != 0).all() and (across[2:, 2:] != 0).all())


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"num_heads": 3}, "num_heads must divide hidden_size, got num_heads=3"),
        ({"num_heads": 0}, "num_heads must divide hidden_size, got num_heads=0"),
        ({"forget": "relu"}, "forget must be .* got 'relu'"),
    ],
)
def test_refuses(choices, message):
    with pytest.raises(ValueError, match=message):
        cells.SLSTM(input_size=3, hidden_size=4, **choices)

"""Clipping inside the loop: worked-out numbers, NumPy's backward loop, and PyTorch's hooks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers
from tests.cells.reference import assert_close, run
from tests.cells.wrappers.drawn import elman, lstm, numbers_for

ELMAN = cells.Elman(input_size=3, hidden_size=4)
LSTM = cells.LSTM(input_size=3, hidden_size=4)
ROADS = [{}, {"gradient": "autodiff"}, {"remat": "step"}, {"unroll": 2}]


def linear(value):
    """h' = 2 h + x with one unit, so that dh_T/dx_t = 2^(T-t)."""
    cell = cells.Elman(input_size=1, hidden_size=1, activation=cells.base.identity)
    params = cells.ElmanParams(w_x=jnp.ones((1, 1)), w_h=jnp.full((1, 1), value), b=jnp.zeros(1))
    return cell, params


@pytest.mark.parametrize("options", ROADS, ids=str)
@pytest.mark.parametrize("at", ["state", "gates"])
def test_one_unit_by_hand(options, at):
    """Unclipped 16 8 4 2 1; each step back doubles and is cut to 3. Sum over t of h_{t-1} dr_t."""
    inner, params = linear(2.0)
    xs = jnp.array([1.0, -1.0, 2.0, 0.0, 1.0])[:, None]

    def gradients(cell):
        loss = lambda p, xs: drivers.scan(cell, p, xs, **options)[1][-1, 0]
        d_params, d_xs = jax.grad(loss, (0, 1))(params, xs)
        return d_xs[:, 0].tolist(), float(d_params.w_h[0, 0]), float(d_params.b[0])

    before = [0.0, 1.0, 1.0, 4.0, 8.0]  # h_{t-1}
    assert gradients(inner) == ([16.0, 8.0, 4.0, 2.0, 1.0], 8 + 4 + 8 + 8.0, 31.0)
    clipped = cells.GradientClip(cell=inner, limit=3.0, at=at)
    d = [3.0, 3.0, 3.0, 2.0, 1.0]
    assert gradients(clipped) == (d, float(np.dot(before, d)), 12.0)
    by_norm = cells.GradientClip(cell=inner, limit=3.0, by="norm")
    np.testing.assert_allclose(gradients(by_norm)[0], d, rtol=1e-14)


def backward(params, xs, d_ys, clip_state, clip_pre, valid, reset):
    """Backpropagation through time of an Elman network, written out: gradients by w_x w_h b xs."""
    w_x, w_h, b = (np.asarray(leaf) for leaf in params)
    h, hs, news = np.zeros((xs.shape[1], 4)), [], []
    for t, x in enumerate(xs):
        h = np.where(reset[t][:, None], 0.0, h)
        hs.append(h)
        news.append(elman(params, h, x))
        h = np.where(valid[t][:, None], news[-1], h)
    d_h, d_x = np.zeros_like(h), np.zeros_like(xs)
    d_w_x, d_w_h, d_b = np.zeros_like(w_x), np.zeros_like(w_h), np.zeros_like(b)
    for t in reversed(range(len(xs))):
        real = valid[t][:, None]
        d_h = d_h + np.where(real, d_ys[t], 0.0)
        d_pre = clip_pre(clip_state(np.where(real, d_h, 0.0)) * (1 - news[t] ** 2))
        d_x[t] = d_pre @ w_x.T
        d_w_x, d_w_h, d_b = d_w_x + xs[t].T @ d_pre, d_w_h + hs[t].T @ d_pre, d_b + d_pre.sum(0)
        d_h = np.where(real, d_pre @ w_h.T, d_h)
        d_h = np.where(reset[t][:, None], 0.0, d_h)
    return cells.ElmanParams(d_w_x, d_w_h, d_b), d_x


def by_value(limit):
    return lambda d: np.minimum(np.maximum(d, -limit), limit)


def by_norm(limit):
    return lambda d: (
        d * np.minimum(1, limit / np.maximum(np.linalg.norm(d, axis=1), 1e-300))[:, None]
    )


def nothing(d):
    return d


@pytest.mark.parametrize(
    ("choices", "clip_state", "clip_pre"),
    [
        ({"by": "value"}, by_value(0.3), nothing),
        ({"by": "norm"}, by_norm(0.3), nothing),
        ({"at": "gates"}, nothing, by_value(0.3)),
    ],
    ids=["value", "norm", "gates"],
)
def test_all_roads_equal_the_backward_loop(choices, clip_state, clip_pre):
    cell = cells.GradientClip(cell=ELMAN, limit=0.3, **choices)
    assert cells.is_gated(cell)
    params, xs = numbers_for(cell, num_steps=6)
    d_ys = np.random.default_rng(3).standard_normal((6, 3, 4))
    lengths = np.array([6, 0, 4])
    reset = np.zeros((6, 3), bool)
    reset[[2, 3], [0, 2]] = True
    valid = np.arange(6)[:, None] < lengths
    args = (params, np.asarray(xs), d_ys)
    want = backward(*args, clip_state, clip_pre, valid, reset)
    free = backward(*args, nothing, nothing, valid, reset)
    assert max(abs(a - b).max() for a, b in zip(want[0], free[0])) > 0.1, "nothing was clipped"

    @jax.jit
    def gradients(params, xs):
        def loss(params, xs, **options):
            marks = {"lengths": lengths, "reset": reset}
            return jnp.vdot(d_ys, drivers.scan(cell, params, xs, **marks, **options)[1])

        return [jax.grad(lambda p, x, o=o: loss(p, x, **o), (0, 1))(params, xs) for o in ROADS]

    for found in gradients(params, xs):
        assert_close(found, want)


def test_clipping_at_the_gates_of_an_lstm_equals_hooks_in_torch():
    torch = pytest.importorskip("torch")
    cell = cells.GradientClip(cell=LSTM, limit=0.05, at="gates")
    params, xs = numbers_for(cell)
    w_x, w_h, b = (torch.tensor(np.asarray(leaf), requires_grad=True) for leaf in params)
    h = c = torch.zeros(3, 4, dtype=torch.float64)
    total = 0.0
    for x in torch.tensor(np.asarray(xs)):
        pre = x @ w_x + h @ w_h + b
        pre.register_hook(lambda d: d.clamp(-0.05, 0.05))
        i, f, g, o = pre.chunk(4, dim=-1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        total = total + h.sum()
    total.backward()
    for options in ROADS[:2]:
        d = jax.grad(lambda p: drivers.scan(cell, p, xs, **options)[1].sum())(params)  # noqa: B023
        assert_close(d, cells.LSTMParams(*(leaf.grad.numpy() for leaf in (w_x, w_h, b))))


def test_a_row_is_clipped_by_its_own_norm_under_vmap():
    cell = cells.GradientClip(cell=LSTM, limit=0.1, by="norm")
    params, xs = numbers_for(cell)
    d_of = jax.grad(lambda xs: drivers.scan(cell, params, xs)[1].sum())
    found, want = jax.jit(lambda xs: (jax.vmap(d_of, in_axes=1, out_axes=1)(xs), d_of(xs)))(xs)
    assert_close(found, want)


def test_values_and_forward_mode_see_no_gradient_clip():
    cell = cells.GradientClip(cell=LSTM, limit=1e-3)
    params, xs = numbers_for(cell)
    assert not cells.is_affine(
        cells.GradientClip(cell=cells.MinGRU(input_size=3, hidden_size=4), limit=1.0)
    )
    f, g = (lambda p, c=c: drivers.scan(c, p, xs, gradient="autodiff")[1] for c in (cell, LSTM))
    assert_close(jax.jvp(f, (params,), (params,)), jax.jvp(g, (params,), (params,)))


def test_values_are_clipped_as_in_numpy():
    cell = cells.Clip(cell=LSTM, h_limit=0.2, c_limit=0.5)
    params, xs = numbers_for(cell)
    h = c = np.zeros((3, 4))
    want = []
    for x in np.asarray(xs):
        h, c = lstm(params, h, c, x)
        h, c = h.clip(-0.2, 0.2), c.clip(-0.5, 0.5)
        want.append(h)
    final, ys = run(cell, params, xs)
    assert_close((final.c, ys), (c, np.stack(want)))
    assert np.abs(ys).max() == 0.2 and np.abs(final.c).max() == 0.5
    assert cells.is_gated(cell) and not cells.is_affine(cell)
    one_step = lambda xs: drivers.scan(cell, params, xs[:1])[1]
    d_xs = jax.grad(lambda xs: jnp.where(abs(one_step(xs)) == 0.2, one_step(xs), 0).sum())(xs)
    assert bool((d_xs == 0).all()), "a clipped value passes no gradient"
    loose = cells.Clip(cell=LSTM)
    assert_close(run(loose, params, xs), run(LSTM, params, xs), 0.0)


def test_bad_choices_are_refused():
    before = cells.GRU(input_size=3, hidden_size=4, reset="before")
    with pytest.raises(ValueError, match="h_limit must be positive, got 0"):
        cells.Clip(cell=LSTM, h_limit=0)
    with pytest.raises(ValueError, match="c_limit is about the state's c"):
        cells.Clip(cell=ELMAN, c_limit=1.0)
    with pytest.raises(ValueError, match="limit must be positive, got -1"):
        cells.GradientClip(cell=LSTM, limit=-1)
    with pytest.raises(ValueError, match='by must be "value" or "norm", got \'length\''):
        cells.GradientClip(cell=LSTM, limit=1, by="length")
    with pytest.raises(ValueError, match='at must be "state" or "gates", got \'output\''):
        cells.GradientClip(cell=LSTM, limit=1, at="output")
    with pytest.raises(ValueError, match="needs a gated cell, got by='value' and GRU"):
        cells.GradientClip(cell=before, limit=1, at="gates")
    with pytest.raises(ValueError, match="got by='norm' and LSTM"):
        cells.GradientClip(cell=LSTM, limit=1, at="gates", by="norm")

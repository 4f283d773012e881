"""Stacked cells against the layers run one after another, a NumPy loop, and Haiku."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers
from tests.cells.reference import assert_close, draw, run
from tests.cells.wrappers.drawn import KEY, elman, numbers_for


def elmans(*sizes, **options):
    layers = [cells.Elman(input_size=d, hidden_size=h) for d, h in sizes]
    return cells.Stacked(cells=layers, **options)


@pytest.mark.parametrize(
    ("sizes", "residual", "skip"),
    [
        ([(3, 4), (4, 2)], False, False),
        ([(3, 3), (3, 4), (4, 4)], True, False),
        ([(3, 4), (7, 2), (5, 2)], False, True),
        ([(3, 3), (6, 3), (6, 2)], True, True),
    ],
)
def test_it_is_the_layers_one_after_another(sizes, residual, skip):
    cell = elmans(*sizes, residual=residual, skip=skip)
    params, xs = numbers_for(cell)
    ws = draw(jnp.zeros((5, 3, cell.output_size)), 5)

    @jax.jit
    def together(params, xs):
        final, ys = drivers.scan(cell, params, xs)
        return jnp.vdot(ws, ys), (final.cells, ys)

    @jax.jit
    def apart(params, xs):
        below, finals, outputs = xs, [], []
        for layer, p in zip(cell.cells, params):
            into = jnp.concatenate([xs, below], -1) if skip and outputs else below
            final, ys = drivers.scan(layer, p, into)
            if residual and ys.shape == below.shape:
                ys = ys + below
            below = ys
            finals.append(final)
            outputs.append(ys)
        ys = jnp.concatenate(outputs, -1) if skip else below
        return jnp.vdot(ws, ys), (tuple(finals), ys)

    one, two = (jax.grad(f, (0, 1), has_aux=True)(params, xs) for f in (together, apart))
    assert_close(one, two)


def test_residual_and_skip_in_numpy():
    cell = elmans((3, 3), (6, 3), residual=True, skip=True)
    params, xs = numbers_for(cell)
    h_1 = h_2 = np.zeros((3, 3))
    want = []
    for x in np.asarray(xs):
        h_1 = elman(params[0], h_1, x)
        y_1 = h_1 + x
        h_2 = elman(params[1], h_2, np.concatenate([x, y_1], -1))
        want.append(np.concatenate([y_1, h_2 + y_1], -1))
    final, ys = run(cell, params, xs)
    assert_close(ys, np.stack(want))
    assert_close(final.x, np.asarray(xs[-1]))


def test_skip_equals_haiku(standard_promotion):
    hk = pytest.importorskip("haiku")
    cell = cells.Stacked(
        cells=[
            cells.Elman(input_size=3, hidden_size=4, activation=jax.nn.relu),
            cells.Elman(input_size=7, hidden_size=2, activation=jax.nn.relu),
        ],
        skip=True,
    )
    params, xs = numbers_for(cell)

    def network(xs):
        core = hk.deep_rnn_with_skip_connections([hk.VanillaRNN(4), hk.VanillaRNN(2)])
        return hk.dynamic_unroll(core, xs, core.initial_state(xs.shape[1]))[0]

    network = hk.without_apply_rng(hk.transform(network))
    theirs = network.init(jax.random.key(0), xs)
    for module in theirs:
        p = params[1 if "vanilla_rnn_1" in module else 0]
        recurrent = module.endswith("linear_1")
        theirs[module] = {"w": p.w_h, "b": 0 * p.b} if recurrent else {"w": p.w_x, "b": p.b}
    assert_close(run(cell, params, xs)[1], np.asarray(network.apply(theirs, xs)))


def test_layers_draw_noise_of_their_own():
    zoned = cells.Zoneout(cell=cells.Elman(input_size=3, hidden_size=3), h_rate=0.5)
    cell = cells.Stacked(cells=(zoned, zoned))
    assert cells.is_stochastic(cell) and not cells.is_gated(cell) and not cells.is_affine(cell)
    params, xs = numbers_for(cell)
    noise = drivers.common.prepare(cell, params, xs, None, key=KEY).inputs.noise
    held = [layer.held[".h"] for layer in noise]
    assert held[0].shape == held[1].shape == (5, 3, 3) and bool((held[0] != held[1]).any())
    found = drivers.scan(cell, params, xs, key=KEY)
    assert_close(found, drivers.unrolled(cell, params, xs, key=KEY))


def test_mixed_precisions_join_in_the_wider():
    cell = elmans((3, 3), (6, 2), residual=True, skip=True)
    params, xs = numbers_for(cell)
    half = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), params[0])
    _, ys = run(cell, (half, params[1]), xs.astype(jnp.float32))
    assert ys.dtype == jnp.float64 and bool(jnp.isfinite(ys).all())


def test_bad_stacks_are_refused():
    with pytest.raises(ValueError, match="cells is empty"):
        cells.Stacked(cells=())
    with pytest.raises(ValueError, match=r"cells\[1\] has input_size=5, but 4 features.*=4"):
        elmans((3, 4), (5, 4))
    with pytest.raises(ValueError, match=r"cells\[1\] has input_size=4, but 3 of x \+ 4 feat.*=7"):
        elmans((3, 4), (4, 4), skip=True)
    twin = elmans((3, 4), (4, 2))
    assert twin == elmans((3, 4), (4, 2)) and hash(twin) == hash(elmans((3, 4), (4, 2)))

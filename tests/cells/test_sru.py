"""SRU against numbers of its authors' code, and its initial weights against theirs."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import cells, drivers

GOLDEN = Path(__file__).parent.parent / "golden" / "sru.npz"
H = 4


def columns(weight):
    """The authors' columns are unit by unit, each with its g f r (u); ours gate by gate."""
    return jnp.asarray(weight.reshape(len(weight), H, -1).swapaxes(1, 2).reshape(len(weight), -1))


@pytest.mark.parametrize(
    ("case", "size", "activation"), [("same", H, jax.nn.identity), ("other", 3, jnp.tanh)]
)
def test_equals_the_authors_code(case, size, activation):
    with np.load(GOLDEN) as file:
        g = {name.removeprefix(f"{case}_"): file[name] for name in file if name.startswith(case)}
    cell = cells.SRU(input_size=size, hidden_size=H, highway_bias=-0.5, activation=activation)
    params = cells.SRUParams(w_x=columns(g["weight"]), b=jnp.asarray(g["bias"]))
    zero = cell.initial_state(params, (2,))

    def loss(params, x, c):
        state, ys = drivers.associative(cell, params, x, zero._replace(c=c))
        return jnp.sin(ys).sum() + jnp.cos(state.c).sum(), (state, ys)

    differentiate = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True))
    arguments = params, jnp.asarray(g["x"]), jnp.asarray(g["c"])
    (_, (state, ys)), (d_params, d_x, d_c) = differentiate(*arguments)
    found = {"y": ys, "last": state.c, "d_x": d_x, "d_c": d_c}
    for name, value in found.items():
        np.testing.assert_allclose(value, g[name], atol=1e-12, err_msg=name)
    np.testing.assert_allclose(d_params.w_x, columns(g["d_weight"]), atol=1e-12)


def test_highway_starts_scaled():
    key, alpha = jax.random.key(0), float(np.sqrt(1 + 2 * np.exp(-1.0)))
    choices = {"input_size": 3, "hidden_size": H, "highway_bias": -1.0}
    plain = cells.SRU(**choices, rescale=False).init(key)
    scaled = cells.SRU(**choices).init(key)
    np.testing.assert_allclose(scaled.w_x[:, :12], plain.w_x[:, :12])
    np.testing.assert_allclose(scaled.w_x[:, 12:], alpha * np.asarray(plain.w_x[:, 12:]), rtol=1e-6)
    assert scaled.b.tolist() == [0, 0, 0, 0, -1, -1, -1, -1]
    same = cells.SRU(input_size=H, hidden_size=H, highway_bias=-1.0)
    z = same.encode(jax.tree.map(jnp.zeros_like, same.init(key)), jnp.ones(H, jnp.float32))
    np.testing.assert_allclose(z.skip, alpha / 2, rtol=1e-6)

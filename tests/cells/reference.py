"""What the tests of single cells share: golden numbers, random weights, one compiled run."""

import importlib
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnn_jax import drivers

GOLDEN = Path(__file__).parent.parent / "golden"
SOURCES = ("golden", "live")  # numbers in a file; and of the peer itself, where it is installed


def numbers(name: str, case: str, source: str, peer: str = "torch") -> dict[str, np.ndarray]:
    """The numbers of one case: from tests/golden, or made now by the peer from another seed."""
    if source == "live":
        pytest.importorskip(peer)
        return importlib.import_module(f"tests.golden.make_{name}").numbers(case, 1)
    with np.load(GOLDEN / f"{name}.npz") as file:
        start = f"{case}/"
        return {key.removeprefix(start): file[key] for key in file if key.startswith(start)}


def draw(tree: Any, seed: int) -> Any:
    """Standard normal numbers in float64 in the shapes of ``tree``."""
    random = np.random.default_rng(seed)
    return jax.tree.map(lambda leaf: jnp.asarray(random.standard_normal(leaf.shape)), tree)


def draw_case(cell: Any, seed: int = 0, num_steps: int = 4, num_rows: int = 2) -> Any:
    """Random params, state and inputs (T, B, D) for a cell."""
    params = draw(jax.eval_shape(cell.init, jax.random.key(0)), seed)
    state = draw(cell.initial_state(params, (num_rows,)), seed + 1)
    shape = getattr(cell, "input_shape", (cell.input_size,))
    return params, state, draw(jnp.zeros((num_steps, num_rows, *shape)), seed + 2)


run = jax.jit(drivers.scan, static_argnums=0)


@partial(jax.jit, static_argnums=0)
def differentiate(cell: Any, params: Any, state: Any, xs: jax.Array) -> Any:
    """((final state, ys), gradients by params, state, xs) of sum(sin(ys)) + sum(cos(final))."""

    def loss(params: Any, state: Any, xs: jax.Array) -> Any:
        final, ys = drivers.scan(cell, params, xs, state)
        ends = sum(jnp.cos(leaf).sum() for leaf in jax.tree.leaves(final))
        return jnp.sin(ys).sum() + ends, (final, ys)

    gradients, found = jax.grad(loss, argnums=(0, 1, 2), has_aux=True)(params, state, xs)
    return found, gradients


def assert_close(found: Any, expected: Any, tolerance: float = 1e-12) -> None:
    """Equal trees, every number to ``tolerance`` times the larger of 1 and the largest expected."""
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    pairs = zip(jax.tree_util.tree_leaves_with_path(found), jax.tree.leaves(expected))
    for (path, have), want in pairs:
        scale = max(1.0, float(np.abs(want).max()))
        where = jax.tree_util.keystr(path)
        np.testing.assert_allclose(have, want, rtol=0, atol=tolerance * scale, err_msg=where)


def check_torch(cell: Any, case: str, source: str, to_params: Any, to_gradients: Any) -> None:
    """Outputs, final states and all gradients of one layer of torch.nn; outputs in float32."""
    g = numbers("torch_cells", case, source)
    params = jax.tree.map(jnp.asarray, to_params(g))
    kind = type(cell.initial_state(params))
    leaves = [name for name in ("h", "c") if f"{name}_0" in g]
    state = kind(*(jnp.asarray(g[f"{name}_0"][0]) for name in leaves))
    (final, ys), (d_params, d_state, d_xs) = differentiate(cell, params, state, g["xs"])
    assert_close(ys, g["ys"])
    assert_close(final, kind(*(g[f"{name}_n"][0] for name in leaves)))
    assert_close(d_params, to_gradients(g))
    assert_close(d_state, kind(*(g[f"d_{name}_0"][0] for name in leaves)))
    assert_close(d_xs, g["d_xs"])
    if source == "golden":
        single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), (params, g["xs"], state))
        assert_close(run(cell, *single)[1], g["ys"].astype(np.float32), 1e-6)


def loop(cell: Any, one_step: Any, params: Any, state: Any, xs: jax.Array) -> Any:
    """Final state and outputs by a loop in NumPy: ``one_step(params, state, x)`` for each row."""
    params, state = jax.tree.map(np.asarray, (params, state))
    rows = [jax.tree.map(lambda leaf, row=row: leaf[row], state) for row in range(xs.shape[1])]
    ys = []
    for x in np.asarray(xs):
        rows = [type(state)(*one_step(params, row, x[k])) for k, row in enumerate(rows)]
        ys.append(np.stack([row.h for row in rows]))
    return jax.tree.map(lambda *leaves: np.stack(leaves), *rows), np.stack(ys)


def check_loop(cell: Any, one_step: Any, seed: int = 0) -> None:
    """The cell under ``scan`` is the paper's step in a NumPy loop."""
    params, state, xs = draw_case(cell, seed)
    assert_close(run(cell, params, xs, state), loop(cell, one_step, params, state, xs))


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))

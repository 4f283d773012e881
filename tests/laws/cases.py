"""Random but fixed parameters, states and inputs for every cell of the registry."""

from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax import drivers
from rnn_jax.cells.base import input_shape
from tests.registry import CELLS

NUM_STEPS, NUM_ROWS = 7, 3

LENGTHS = jnp.array([NUM_STEPS, 0, 4])
BY_LENGTH = jnp.arange(NUM_STEPS)[:, None] < LENGTHS[None]
MASK = jnp.array(  # holes, and a row of nothing
    [[1, 0, 1], [0, 0, 1], [1, 0, 0], [1, 0, 1], [0, 0, 1], [1, 0, 0], [1, 0, 1]], dtype=bool
)
RESET = jnp.array(  # at the start, in the middle, twice in a row, at the end
    [[0, 1, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]], dtype=bool
)


class Case(NamedTuple):
    """A cell with parameters off their starting values, a state that it has reached, and inputs."""

    cell: Any
    params: Any
    state: Any
    xs: jax.Array  # (T, B, ...)


def jitter(tree: Any, key: jax.Array, size: float = 0.2) -> Any:
    """Add normal noise to the floating leaves: zero biases and identities hide mistakes."""
    leaves, treedef = jax.tree.flatten(tree)
    keys = jax.random.split(key, max(len(leaves), 1))

    def one(leaf: jax.Array, key: jax.Array) -> jax.Array:
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            return leaf
        return leaf + size * jax.random.normal(key, leaf.shape, leaf.dtype)

    return treedef.unflatten([one(leaf, k) for leaf, k in zip(leaves, keys)])


@cache
def make_case(
    name: str, dtype: Any = jnp.float64, num_steps: int = NUM_STEPS, num_rows: int = NUM_ROWS
) -> Case:
    cell = CELLS[name]
    key_params, key_jitter, key_xs, key_warm = jax.random.split(jax.random.key(7), 4)
    params = jitter(cell.init(key_params, dtype), key_jitter)
    shape = (num_rows, *input_shape(cell))
    xs = jax.random.normal(key_xs, (num_steps, *shape), dtype)
    warm = jax.random.normal(key_warm, (2, *shape), dtype)
    state, _ = drivers.unrolled(cell, params, warm)
    return Case(cell, params, state, xs)


def assert_same(found: Any, expected: Any, tolerance: float = 1e-12, what: str = "") -> None:
    """Equal trees, dtypes, shapes; values to ``tolerance`` times the largest, or 1 if larger."""
    flat, treedef = jax.tree_util.tree_flatten_with_path(expected)
    assert treedef == jax.tree.structure(found), f"{what}: {treedef} != {jax.tree.structure(found)}"
    for (path, want), have in zip(flat, jax.tree.leaves(found)):
        where = what + jax.tree_util.keystr(path)
        have, want = np.asarray(have), np.asarray(want)  # where jnp would compile what compares
        assert have.shape == want.shape, f"{where}: shape {have.shape} != {want.shape}"
        assert have.dtype == want.dtype, f"{where}: dtype {have.dtype} != {want.dtype}"
        if want.size == 0 or not jnp.issubdtype(want.dtype, jnp.number):
            assert bool((have == want).all()), where
            continue
        error, scale = float(abs(have - want).max()), max(1.0, float(abs(want).max()))
        assert error <= tolerance * scale, f"{where}: off by {error:.3g} at scale {scale:.3g}"


def rows_of(tree: Any, row: int) -> Any:
    """One row of a state, as a batch of one."""
    return jax.tree.map(lambda leaf: leaf[row : row + 1], tree)


def poison(xs: jax.Array, valid: jax.Array) -> jax.Array:
    """Put NaN and inf where there is padding."""
    valid = valid.reshape(valid.shape + (1,) * (xs.ndim - 2))
    bad = jnp.where(jnp.arange(xs.shape[0]) % 2 == 0, jnp.nan, jnp.inf).astype(xs.dtype)
    bad = jnp.broadcast_to(bad.reshape(-1, *(1,) * (xs.ndim - 1)), xs.shape)
    return jnp.where(jnp.broadcast_to(valid, xs.shape), xs, bad)

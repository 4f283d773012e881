"""What learning forward in time carries from step to step, and how it begins."""

from dataclasses import dataclass, field
from math import prod
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.drivers.common import split_inexact
from rnn_jax.drivers.influence import Forward, Method, places
from rnn_jax.drivers.locality import graph
from rnn_jax.drivers.row_step import RowStep, Theta, influence_dtype, to_parts
from rnn_jax.drivers.uoro import RankOne
from rnn_jax.typing import Params, PyTree, State

METHODS = (None, "full", "diagonal", "snap1", "uoro")


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class RTRLMemory:
    """All that learning forward in time remembers; a pytree, made by ``rtrl_init``.

    Args:
        state: The cell's state, leaves (*B, ...).
        influence: What the parameters did to it, leaves (*B, ...).
        key: Draws the signs of UORO; None otherwise.
        method: The method that ``influence`` belongs to.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.Elman(input_size=2, hidden_size=3)
        >>> memory = drivers.rtrl_init(cell, cell.init(jax.random.key(0)), (4,))
        >>> [leaf.shape for leaf in memory.influence]
        [(4, 3, 2, 3), (4, 3, 3, 3), (4, 3, 3)]
    """

    state: State
    influence: PyTree
    key: jax.Array | None = None
    method: Method | None = field(default=None, metadata={"static": True})


def make_learner(
    cell: Any,
    params: Params,
    state: State,
    method: Method | None,
    batch_shape: tuple[int, ...],
    key: jax.Array | None = None,
) -> tuple[Forward | RankOne, Theta]:
    """What carries influences on, and the parameters that it takes.

    Raises:
        ValueError: If rows would have parameters of their own.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.Elman(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> learner, theta = make_learner(cell, params, cell.initial_state(params), "full", ())
        >>> len(learner.kept), len(theta)
        (3, 3)
    """
    paths = [jax.tree_util.keystr(p) for p, _ in jax.tree_util.tree_leaves_with_path(params)]
    bound = sorted(set(paths) - set(base.parameter_shapes(cell)))
    if bound:
        raise ValueError(
            f"params{bound[0]} is none of the parameters that {type(cell).__name__} makes, so it "
            f"may differ between rows: make it part of a cell, one for all rows."
        )
    theta, rebuild = split_inexact(params)
    dtype = influence_dtype(params, state)
    row = RowStep(cell=cell, rebuild=rebuild, dtype=dtype, key=key, batch_shape=batch_shape)
    if method == "uoro":
        return RankOne(row, graph(cell)), theta
    return Forward(row, graph(cell), places(cell, method)), theta


def begin(
    learner: Forward | RankOne,
    theta: Theta,
    state: State,
    batch_shape: tuple[int, ...],
    is_start: bool,
    method: Method | None,
    key: jax.Array | None,
) -> RTRLMemory:
    """The memory before the first step; ``is_start``: the state is the cell's initial one.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.Elman(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state = cell.initial_state(params)
        >>> memory = begin(
        ...     *make_learner(cell, params, state, "full", ()), state, (), True, None, None
        ... )
        >>> memory.influence[2].shape
        (3, 3)
    """
    count = prod(batch_shape)
    if key is not None:
        key, now = jax.random.split(key)
        keys = jax.random.split(now, count)
    if is_start:
        start = jax.vmap(learner.start, (None, 0, None if key is None else 0))
        influence = start(theta, jnp.arange(count), None if key is None else keys)
    else:
        rows = fold_rows(state, len(batch_shape))
        dtype = learner.row.dtype
        influence = jax.vmap(lambda s: learner.zeros(theta, to_parts(s, dtype)))(rows)
    return RTRLMemory(
        state=state, influence=unfold_rows(influence, batch_shape), key=key, method=method
    )


def check_influence(
    learner: Forward | RankOne,
    theta: Theta,
    memory: RTRLMemory,
    state: State,
    batch_shape: tuple[int, ...],
) -> None:
    """Check that the influence is of this cell, these parameters and rows.

    Raises:
        ValueError: If it is not.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.Elman(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> state = cell.initial_state(params)
        >>> learner, theta = make_learner(cell, params, state, "full", ())
        >>> memory = begin(learner, theta, state, (), True, "full", None)
        >>> check_influence(learner, theta, memory, state, ())
    """
    key = memory.key
    want = jax.eval_shape(
        lambda: begin(learner, theta, state, batch_shape, False, memory.method, key).influence
    )
    structure: Any = jax.tree.structure(want)  # jax 0.10 gives it no type
    same = structure == jax.tree.structure(memory.influence)
    pairs = zip(jax.tree.leaves(want), jax.tree.leaves(memory.influence), strict=False)
    if not same or any((a.shape, a.dtype) != (b.shape, b.dtype) for a, b in pairs):
        raise ValueError(
            f"memory.influence does not fit {type(learner.row.cell).__name__}, its parameters and "
            f"rows {batch_shape}: make the memory with rtrl_init for the same three."
        )


def fold_rows(tree: PyTree, ndim: int) -> PyTree:
    """(*B, ...) -> (R, ...).

    Example:
        >>> fold_rows(jnp.zeros((2, 3, 4)), 2).shape
        (6, 4)
    """
    if ndim == 1:
        return tree
    return jax.tree.map(
        lambda leaf: leaf.reshape(prod(leaf.shape[:ndim]), *leaf.shape[ndim:]), tree
    )


def unfold_rows(tree: PyTree, batch_shape: tuple[int, ...]) -> PyTree:
    """(R, ...) -> (*B, ...).

    Example:
        >>> unfold_rows(jnp.zeros((6, 4)), (2, 3)).shape
        (2, 3, 4)
    """
    if len(batch_shape) == 1:
        return tree
    return jax.tree.map(lambda leaf: leaf.reshape(*batch_shape, *leaf.shape[1:]), tree)

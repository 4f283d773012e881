"""Loops over time in chunks: the pieces that the scanning drivers are made of."""

from collections.abc import Callable
from typing import Any

import jax

from rnn_jax.cells import base
from rnn_jax.drivers.common import Inputs, advance
from rnn_jax.typing import Params, PyTree, State


def run_steps(
    cell: Any,
    reverse: bool,
    unroll: int,
    params: Params,
    start: State,
    state: State,
    inputs: Inputs,
) -> tuple[State, State]:
    """Encode all given steps at once, then scan over them: the final state, and all states.

    Example:
        >>> import jax.numpy as jnp
        >>> from rnn_jax import cells
        >>> cell = cells.Elman(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> inputs = Inputs(jnp.ones((5, 2)), None, None, None)
        >>> final, states = run_steps(
        ...     cell, False, 1, params, None, cell.initial_state(params), inputs
        ... )
        >>> states.h.shape
        (5, 3)
    """
    zs = base.encode(cell, params, inputs.xs, inputs.noise)

    def body(state: State, at: tuple[Any, Inputs]) -> tuple[State, State]:
        z, marks = at
        new = advance(cell, params, start, state, z, marks)
        return new, new

    marks = inputs._replace(xs=None, noise=None)
    return jax.lax.scan(body, state, (zs, marks), reverse=reverse, unroll=unroll)


def num_rows(tree: PyTree) -> int:
    """Size of the leading axis.

    Example:
        >>> import jax.numpy as jnp
        >>> num_rows({"a": jnp.ones((5, 2))})
        5
    """
    return jax.tree.leaves(tree)[0].shape[0]


def cut(tree: PyTree, begin: int, end: int) -> PyTree:
    """Rows begin..end of every leaf, by a static slice.

    Example:
        >>> import jax.numpy as jnp
        >>> cut(jnp.arange(5), 1, 3).tolist()
        [1, 2]
    """

    def one(leaf: jax.Array) -> jax.Array:
        whole = (begin, end) == (0, leaf.shape[0])
        return leaf if whole else jax.lax.slice_in_dim(leaf, begin, end)

    return jax.tree.map(one, tree)


def fold(tree: PyTree, size: int) -> PyTree:
    """(n * size, ...) -> (n, size, ...).

    Example:
        >>> import jax.numpy as jnp
        >>> fold(jnp.arange(4), 2).tolist()
        [[0, 1], [2, 3]]
    """
    return jax.tree.map(
        lambda leaf: leaf.reshape(leaf.shape[0] // size, size, *leaf.shape[1:]), tree
    )


def unfold(tree: PyTree) -> PyTree:
    """(n, size, ...) -> (n * size, ...).

    Example:
        >>> import jax.numpy as jnp
        >>> unfold(jnp.array([[0, 1], [2, 3]])).tolist()
        [0, 1, 2, 3]
    """
    return jax.tree.map(
        lambda leaf: leaf.reshape(leaf.shape[0] * leaf.shape[1], *leaf.shape[2:]), tree
    )


def concatenate(parts: list[PyTree]) -> PyTree:
    """Join trees along the leading axis.

    Example:
        >>> import jax.numpy as jnp
        >>> concatenate([jnp.zeros(1), jnp.ones(2)]).tolist()
        [0.0, 1.0, 1.0]
    """
    if len(parts) == 1:
        return parts[0]
    return jax.tree.map(lambda *leaves: jax.lax.concatenate(leaves, 0), *parts)


def scan_chunks(
    body: Callable[..., tuple[PyTree, PyTree]],
    carry: PyTree,
    rows: PyTree,
    size: int,
    reverse: bool,
    each: PyTree = None,
) -> tuple[PyTree, PyTree]:
    """``lax.scan`` whose ``body`` takes ``size`` rows at a time, and the remainder at once.

    ``body(carry, rows, one)`` gets the rows of a chunk and the chunk's own row of ``each``.

    Example:
        >>> import jax.numpy as jnp
        >>> add = lambda total, x, _: (total + x.sum(), x)
        >>> total, parts = scan_chunks(add, 0, jnp.arange(5), 2, False)
        >>> int(total), parts.tolist()
        (10, [0, 1, 2, 3, 4])
    """
    total = num_rows(rows)
    whole = total // size * size
    spans = [(0, whole)] if whole else []
    spans += [(whole, total)] if whole < total else []
    outputs = []
    for begin, end in reversed(spans) if reverse else spans:
        part, own = cut(rows, begin, end), cut(each, begin // size, -(-end // size))
        if end - begin <= size:
            carry, out = body(carry, part, jax.tree.map(lambda leaf: leaf[0], own))
        else:
            carry, out = jax.lax.scan(
                lambda carry, at: body(carry, *at), carry, (fold(part, size), own), reverse=reverse
            )
            out = unfold(out)
        outputs.append(out)
    return carry, concatenate(outputs[::-1] if reverse else outputs)

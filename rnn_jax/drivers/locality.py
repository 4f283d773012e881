"""Which parameters act on which units of the state, found from a cell's derivatives.

A parameter's leaf is *local* to a part of the state of H units if its last axis holds blocks of H
columns and column k of a block acts in one step on unit k alone: the weights of an LSTM's gates,
but not those of a layer norm. A part of the state *keeps to itself* if in one step its unit k acts
on unit k alone, there and in other parts: the memory of an affine cell, but not an LSTM's h.

What acts on what at all is read from traces. Whether it does so unit by unit is seen in products of
the Jacobian with random vectors: each is the vector times the product with ones, or almost surely
it is not. Several random parameters, sequences and states are asked.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.drivers.probes import probed, traced


class Reach(NamedTuple):
    """What one leaf of the parameters acts on in one step, or in the initial state."""

    parts: tuple[int, ...]  # those of the state
    is_local: bool
    blocks: tuple[tuple[bool, ...], ...]  # if local, for each part: which blocks act on it


class Graph(NamedTuple):
    """What acts on what, in one step."""

    paths: tuple[str, ...]  # the names of the parameters' leaves
    acts: tuple[tuple[int, ...], ...]  # the parts of the state that each leaf acts on
    shapes: tuple[tuple[int, ...], ...]  # of each part of the state
    spreads: tuple[tuple[int, ...], ...]  # the parts that each part acts on
    learns_start: bool  # whether the initial state depends on the parameters


class Locality(NamedTuple):
    """What acts unit by unit."""

    graph: Graph
    reaches: tuple[Reach, ...]  # of each leaf
    keeps: tuple[bool, ...]  # whether the part of the state keeps to itself

    def closure(self, parts: tuple[int, ...]) -> tuple[int, ...]:
        """These parts and all that they ever act on."""
        found = set(parts)
        while grown := {to for part in found for to in self.graph.spreads[part]} - found:
            found |= grown
        return tuple(sorted(found))

    def stays_local(self, leaf: int) -> bool:
        """Whether the leaf's influence on the state stays unit by unit for ever."""
        reach = self.reaches[leaf]
        parts = self.closure(reach.parts)
        same = len({self.graph.shapes[part] for part in parts}) == 1
        return reach.is_local and same and all(self.keeps[part] for part in parts)


@lru_cache(maxsize=256)
def graph(cell: Any) -> Graph:
    """Read from a cell's traces what acts on what.

    Example:
        >>> from rnn_jax import cells
        >>> found = graph(cells.LRU(input_size=2, hidden_size=3))
        >>> dict(zip(found.paths, found.acts))[".w_y"], found.spreads
        ((), ((0, 1), (0, 1), ()))
    """
    params = jax.eval_shape(cell.init, jax.random.key(0))
    paths = tuple(
        jax.tree_util.keystr(path)
        for path, leaf in jax.tree_util.tree_leaves_with_path(params)
        if jnp.issubdtype(leaf.dtype, jnp.inexact)
    )
    parts, acts, spreads, learns_start = traced(cell)
    by_leaf = (tuple(p for p, leaves in enumerate(acts) if i in leaves) for i in range(len(paths)))
    shapes = tuple(part.shape for part in parts)
    return Graph(paths, tuple(by_leaf), shapes, tuple(map(tuple, spreads)), learns_start)


@lru_cache(maxsize=256)
def locality(cell: Any) -> Locality:
    """Find out about a cell.

    Example:
        >>> from rnn_jax import cells
        >>> found = locality(cells.LSTM(input_size=2, hidden_size=3))
        >>> [reach.is_local for reach in found.reaches], found.keeps
        ([True, True, True], (False, True))
        >>> found = locality(cells.MinGRU(input_size=2, hidden_size=3))
        >>> [reach.is_local for reach in found.reaches], found.keeps
        ([True, True], (True,))
    """
    known, seen = graph(cell), probed(cell)
    shapes = known.shapes

    def reach(leaf: int) -> Reach:
        found = known.acts[leaf]
        same = len({shapes[p] for p in found}) == 1 and len(shapes[found[0]]) == 1
        blocks = [seen.blocks[p][leaf].any((0, 1)) for p in found]
        is_local = same and all(
            seen.local[p][leaf].all() and block.any()
            for p, block in zip(found, blocks, strict=True)
        )
        return Reach(found, is_local, tuple(tuple(map(bool, b)) for b in blocks if is_local))

    def keeps(part: int) -> bool:
        others = {shapes[to] for to in known.spreads[part]}
        same = len(shapes[part]) == 1 and others <= {shapes[part]}
        return same and all(bool(seen.keeps[part][to].all()) for to in known.spreads[part])

    leaves, parts = range(len(known.paths)), range(len(shapes))
    return Locality(known, tuple(map(reach, leaves)), tuple(map(keeps, parts)))

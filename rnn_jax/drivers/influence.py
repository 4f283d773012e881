"""Influences of the parameters on the state, carried forward by one step.

The influence of a parameter's leaf is kept in one of two ways, both for each row:

*full*: (n, *leaf), how it moves each of the state's n numbers, J' = D J + I.
*local*: (m, *leaf), how its entry in column k of a block moves unit k of each of m parts.

``D = d s' / d s`` and ``I = d s' / d theta`` are those of the cell's own step.
"""

from functools import lru_cache
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.drivers.locality import Graph, graph, locality
from rnn_jax.drivers.probes import gate_holds
from rnn_jax.drivers.row_step import At, Parts, RowStep, Theta, ones_at, to_parts
from rnn_jax.ops.types import vary_like
from rnn_jax.typing import State

Method = Literal["full", "diagonal", "snap1", "uoro"]
Influence = list[jax.Array | None]  # of each leaf of theta, None where it never acts on the state


class Place(NamedTuple):
    """How the influence of one leaf is kept."""

    parts: tuple[int, ...] | None  # local: of which parts' units; None: full
    blocks: tuple[tuple[bool, ...], ...] = ()  # local: which blocks count for which part; () all


@lru_cache(maxsize=256)
def places(cell: Any, method: Method | None) -> tuple[Place | None, ...]:
    """How each leaf's influence is kept under a method.

    Raises:
        ValueError: For "diagonal", if the cell's recurrence is not.

    Example:
        >>> from rnn_jax import cells
        >>> places(cells.MinGRU(input_size=2, hidden_size=3), None)
        (Place(parts=(0,), blocks=()), Place(parts=(0,), blocks=()))
    """
    acts = graph(cell).acts
    if method == "full":
        return tuple(Place(None) if parts else None for parts in acts)
    known = locality(cell)
    found: list[Place | None] = []
    for leaf, reach in enumerate(known.reaches):
        if not reach.parts:
            found.append(None)
        elif method == "snap1" and reach.is_local:
            some = reach.blocks if not all(map(all, reach.blocks)) else ()
            found.append(Place(reach.parts, some))
        elif method != "snap1" and known.stays_local(leaf):
            found.append(Place(known.closure(reach.parts)))
        elif method == "diagonal":
            raise ValueError(
                f'method="diagonal", but what {known.graph.paths[leaf]} of {type(cell).__name__} '
                f'does to a unit spreads to others: use method="full" (exact), "snap1" or "uoro".'
            )
        else:
            found.append(Place(None))
    return tuple(found)


@lru_cache(maxsize=256)
def _by_gate(cell: Any) -> bool:
    return gate_holds(cell)


class Forward(NamedTuple):
    """What carries influences on: a row's step, and how its influences are kept."""

    row: RowStep
    known: Graph
    kept: tuple[Place | None, ...]

    def start(self, theta: Theta, index: Any, key: jax.Array | None) -> Influence:
        """The influence on the initial state of one row; nothing is drawn by the key."""
        parts, pull = jax.vjp(lambda theta: self.row.start(theta, index), theta)
        if not self.known.learns_start:
            return self.zeros(theta, parts)
        return self._immediate(lambda cotangent: pull(cotangent)[0], parts)

    def zeros(self, theta: Theta, parts: Parts) -> Influence:
        """No influence at all."""
        count = sum(part.size for part in parts)

        def one(place: Place | None, leaf: jax.Array) -> jax.Array | None:
            if place is None:
                return None
            sizes = (count if place.parts is None else len(place.parts), *leaf.shape)
            return vary_like(jnp.zeros(sizes, self.row.dtype), parts[0])

        return [one(place, leaf) for place, leaf in zip(self.kept, theta, strict=True)]

    def step(
        self, theta: Theta, state: State, influence: Influence, at: At
    ) -> tuple[State, Influence]:
        """One row's next state, and the influence on it."""
        parts = to_parts(state, self.row.dtype)

        def after(theta: Theta, parts: Parts) -> tuple[Parts, State]:
            return self.row.after(theta, parts, state, at)

        _, pull, new = jax.vjp(after, theta, parts, has_aux=True)
        now = self._immediate(lambda cotangent: pull(cotangent)[0], parts)
        jacobian = units = None
        if Place(None) in self.kept:
            jacobian = flat(jax.vmap(pull)(_basis(parts))[1], 1)
        if any(place is not None and place.parts is not None for place in self.kept):
            units = self._units(theta, parts, state, at, pull, jacobian)

        def one(place: Place | None, old: Any, new: Any) -> jax.Array | None:
            if place is None:
                return None
            if jacobian is not None and place.parts is None:
                return jnp.tensordot(jacobian, old, 1) + new
            return _couple(place, units or {}, old) + new

        return new, [one(*each) for each in zip(self.kept, influence, now, strict=True)]

    def _immediate(self, pull: Any, parts: Parts) -> Influence:
        """I, from the pullbacks of one-hot vectors (full) or of ones (local)."""
        whole = jax.vmap(pull)(_basis(parts)) if Place(None) in self.kept else None
        needed = {part for place in self.kept if place for part in place.parts or ()}
        seen = {part: pull(ones_at(parts, part)) for part in sorted(needed)}

        def one(leaf: int, place: Place | None) -> jax.Array | None:
            if place is None:
                return None
            if place.parts is None:
                # such a place is kept, so `whole` was made
                return whole[leaf].astype(self.row.dtype)  # type: ignore[index]
            return jnp.stack([seen[part][leaf].astype(self.row.dtype) for part in place.parts])

        return [one(leaf, place) for leaf, place in enumerate(self.kept)]

    def _units(
        self,
        theta: Theta,
        parts: Parts,
        state: State,
        at: At,
        pull: Any,
        jacobian: jax.Array | None,
    ) -> dict[tuple[int, int], jax.Array]:
        """The diagonals of D, by (to, from) part, at the least cost that is right for the cell."""
        needed = {part for place in self.kept if place for part in place.parts or ()}
        if all(locality(self.row.cell).keeps[part] for part in needed):

            def after(parts: Parts) -> Parts:
                return self.row.after(theta, parts, state, at)[0]

            pushed = {p: jax.jvp(after, (parts,), (ones_at(parts, p),))[1] for p in sorted(needed)}
            return {(to, p): pushed[p][to] for to in needed for p in needed}
        if jacobian is None and _by_gate(self.row.cell):
            return self.row.unit_jacobian(theta, parts, state, at)
        if jacobian is None:
            jacobian = flat(jax.vmap(pull)(_basis(parts))[1], 1)
        ends = [sum(part.size for part in parts[: i + 1]) for i in range(len(parts))]
        block = {p: slice(ends[p] - parts[p].size, ends[p]) for p in needed}
        pairs = [(to, p) for to in needed for p in needed if parts[to].size == parts[p].size]
        return {(to, p): jnp.diagonal(jacobian[block[to], block[p]]) for to, p in pairs}

    def gradient(self, influence: Influence, d_parts: Parts, theta: Theta) -> Theta:
        """What a gradient by the state, leaves (R, ...), is by theta: the sum over the rows."""
        by_state = flat(d_parts, 1)

        def one(place: Place | None, moved: Any, leaf: jax.Array) -> jax.Array:
            if place is None:
                return vary_like(jnp.zeros(leaf.shape, self.row.dtype), by_state)
            if place.parts is None:
                return jnp.tensordot(by_state, moved, 2)
            size = self.known.shapes[place.parts[0]][0]
            units = moved.reshape(*moved.shape[:2], -1, size)
            pairs = [
                jnp.einsum("ru,rqu->qu", d_parts[part], units[:, i])
                for i, part in enumerate(place.parts)
            ]
            return sum(pairs[1:], pairs[0]).reshape(leaf.shape)

        return [one(*each) for each in zip(self.kept, influence, theta, strict=True)]


def flat(parts: Parts, axis: int = 0) -> jax.Array:
    """All parts in one vector, behind ``axis`` leading axes.

    Example:
        >>> flat([jnp.zeros((2, 1)), jnp.ones((2, 2, 2))], 1).tolist()
        [[0.0, 1.0, 1.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0, 1.0]]
    """
    return jnp.concatenate([part.reshape(*part.shape[:axis], -1) for part in parts], axis)


def _basis(parts: Parts) -> Parts:
    """All one-hot vectors of the state, (n, ...)."""
    count, begin, basis = sum(part.size for part in parts), 0, []
    for part in parts:
        eye = jnp.eye(count, part.size, -begin, dtype=part.dtype)
        basis.append(vary_like(eye.reshape(count, *part.shape), part))
        begin += part.size
    return basis


def _couple(place: Place, units: dict[tuple[int, int], jax.Array], moved: jax.Array) -> jax.Array:
    """D J unit by unit; what lies outside the blocks that count is dropped."""
    assert place.parts is not None
    size = units[place.parts[0], place.parts[0]].shape[0]
    old = moved.reshape(len(place.parts), -1, size)
    rows = []
    for i, to in enumerate(place.parts):
        terms = [
            old[j] * jnp.broadcast_to(units[to, source][None], old[j].shape)
            for j, source in enumerate(place.parts)
        ]
        row = sum(terms[1:], terms[0])
        if place.blocks and not all(place.blocks[i]):
            counts = jnp.array(place.blocks[i])
            by_block = row.reshape(-1, len(place.blocks[i]), size)
            counts = jnp.broadcast_to(counts[None, :, None], by_block.shape)
            row = jnp.where(counts, by_block, jnp.zeros((), row.dtype)).reshape(row.shape)
        rows.append(row)
    return jnp.stack(rows).reshape(moved.shape)

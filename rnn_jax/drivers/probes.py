"""A cell's derivatives at random points: what acts on what, and whether unit by unit."""

from itertools import accumulate
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.drivers.common import split_inexact
from rnn_jax.drivers.row_step import At, Parts, RowStep, Theta, influence_dtype, to_parts
from rnn_jax.ops.tracing import dependencies
from rnn_jax.typing import State

STEPS = 2  # of each random sequence
TOLERANCE = 1e-3  # of float32; what is not local is off by about 1


def _row(cell: Any, numbers: jax.Array) -> tuple[RowStep, Theta, State]:
    """Parameters of random numbers, of which zero biases and identities show less, and a state."""
    shapes = jax.eval_shape(cell.init, jax.random.key(0))
    theta, rebuild = split_inexact(shapes)
    if len(theta) < len(jax.tree.leaves(shapes)):
        rebuild = split_inexact(cell.init(jax.random.key(0)))[1]
    theta = _shaped(numbers, theta)
    row = RowStep(cell=cell, rebuild=rebuild, dtype=influence_dtype(shapes))
    return row, theta, cell.initial_state(rebuild(theta))


def _shaped(numbers: jax.Array, like: list[Any]) -> list[jax.Array]:
    """The first of the numbers in the shapes and dtypes of some arrays."""
    ends = list(accumulate(prod(leaf.shape) for leaf in like))
    pieces = jnp.split(numbers[: ends[-1]], ends[:-1])
    pairs = zip(pieces, like, strict=True)
    return [piece.reshape(leaf.shape).astype(leaf.dtype) for piece, leaf in pairs]


def traced(cell: Any) -> tuple[Any, Any, Any, bool]:
    """Shapes of the parts; for each the leaves that act on it, the parts it acts on; the start.

    Example:
        >>> from rnn_jax import cells
        >>> traced(cells.MinGRU(input_size=2, hidden_size=3))[1:]
        ([[0, 1]], [[0]], False)
    """
    count = num_random(cell)
    with jax.ensure_compile_time_eval():
        shapes = jax.eval_shape(lambda: to_parts(_row(cell, jnp.zeros(count))[2], jnp.float32))

    def seen(v: Parts) -> tuple[Theta, Theta, Parts]:
        row, theta, state = _row(cell, jnp.zeros(count))
        at = At(jnp.zeros(base.input_shape(cell), row.dtype), None, 0)
        v = [part.astype(row.dtype) for part in v]

        def step(theta: Theta, parts: Parts) -> Parts:
            return row.after(theta, parts, state, at)[0]

        parts = to_parts(state, row.dtype)
        pulled = jax.vjp(step, theta, parts)[1](v)[0]
        begun = jax.vjp(row.start, theta)[1](v)[0]
        return pulled, begun, jax.jvp(lambda parts: step(theta, parts), (parts,), (v,))[1]

    with jax.numpy_dtype_promotion("standard"):
        found = dependencies(seen, shapes)
    num = (len(found) - len(shapes)) // 2
    pulled, begun, pushed = found[:num], found[num : 2 * num], found[2 * num :]
    acts = [[i for i in range(num) if p in pulled[i] | begun[i]] for p in range(len(shapes))]
    spreads = [[to for to, read in enumerate(pushed) if p in read] for p in range(len(shapes))]
    return shapes, acts, spreads, any(begun)


class Probes(NamedTuple):
    """What was seen at some points, in lists by part of the state."""

    local: list[list[Any]]  # [part][leaf] whether the leaf acts unit by unit
    blocks: list[list[Any]]  # [part][leaf] (g,) which of its blocks act
    keeps: list[list[Any]]  # [from][to] whether the part acts unit by unit


def num_random(cell: Any) -> int:
    """The random numbers that a probe needs.

    Example:
        >>> from rnn_jax import cells
        >>> num_random(cells.Elman(input_size=2, hidden_size=3))
        25
    """
    sizes = (*base.parameter_shapes(cell).values(), *base.state_shapes(cell).values())
    return sum(map(prod, sizes)) + STEPS * prod(base.input_shape(cell))


def probed(cell: Any) -> Probes:
    """Ask at several random parameters, sequences and states.

    Example:
        >>> from rnn_jax import cells
        >>> bool(probed(cells.MinGRU(input_size=2, hidden_size=3)).keeps[0][0].all())
        True
    """
    return _ask(cell, _probe)


def gate_holds(cell: Any) -> bool:
    """Whether the Jacobian's diagonals come right from a cell's gate alone.

    Example:
        >>> from rnn_jax import cells
        >>> gate_holds(cells.GRU(input_size=2, hidden_size=3))
        True
        >>> gate_holds(cells.LayerNormLSTM(input_size=2, hidden_size=3))
        False
    """
    shapes = traced(cell)[0]
    w_h = jax.eval_shape(lambda key: _recurrent(cell, key), jax.random.key(0))
    units = {shape.shape for shape in shapes} == {w_h.shape[:1]} if w_h is not None else False
    if not units or w_h.shape[1] % w_h.shape[0]:
        return False
    return bool(_ask(cell, _probe_gate).all())


def _recurrent(cell: Any, key: jax.Array) -> Any:
    return cell.recurrent(cell.init(key)) if base.is_gated(cell) else None


def _ask(cell: Any, probe: Any) -> Any:
    """What a probe sees with several rows of random numbers."""
    count = num_random(cell)

    def probes() -> Any:
        some = (max(4, min(64, 2**20 // count)), count)
        numbers = jax.random.uniform(jax.random.key(1), some, minval=-1.0)
        return jax.vmap(lambda numbers: probe(cell, numbers))(numbers)

    with jax.numpy_dtype_promotion("standard"):
        program = jax.jit(probes).lower().compile()  # so that it can be asked inside a trace
    return jax.device_get(program())


def _points(cell: Any, numbers: jax.Array) -> tuple[RowStep, Theta, State, jax.Array]:
    """Random parameters, and states and inputs (STEPS, ...) of a random sequence."""
    row, theta, state = _row(cell, numbers)
    sizes = (STEPS, *base.input_shape(cell))
    xs = 2 * numbers[-prod(sizes) :].reshape(sizes).astype(row.dtype)

    def body(state: State, x: jax.Array) -> tuple[State, State]:
        parts = to_parts(state, row.dtype)
        return row.after(theta, parts, state, At(x, None, 0))[1], state

    return row, theta, jax.lax.scan(body, state, xs)[1], xs


def _probe_gate(cell: Any, numbers: jax.Array) -> jax.Array:
    row, theta, states, xs = _points(cell, numbers)

    def at_point(state: State, x: jax.Array) -> jax.Array:
        parts, at = to_parts(state, row.dtype), At(x, None, 0)
        found = row.unit_jacobian(theta, parts, state, at)
        whole = jax.jacfwd(lambda parts: row.after(theta, parts, state, at)[0])(parts)
        pairs = [(found[to, of], jnp.diagonal(whole[to][of])) for to, of in found]
        return jnp.stack([(jnp.abs(a - b) <= TOLERANCE).all() for a, b in pairs]).all()

    return jax.vmap(at_point)(states, xs)


def _probe(cell: Any, numbers: jax.Array) -> Probes:
    row, theta, states, xs = _points(cell, numbers)

    def at_point(state: State, x: jax.Array) -> Probes:
        parts, at = to_parts(state, row.dtype), At(x, None, 0)

        def step(theta: Theta, parts: Parts) -> Parts:
            return row.after(theta, parts, state, at)[0]

        noise = [0.5 + _shaped(numbers[::-1], [part])[0] for part in parts]
        ones, some = _one_by_one(list(map(jnp.ones_like, parts))), _one_by_one(noise)
        pull = jax.vjp(lambda theta: (row.start(theta), step(theta, parts)), theta)[1]
        nothing = jax.tree.map(jnp.zeros_like, ones)
        plain, seen = (
            [jax.vmap(pull)(v)[0] for v in ((a, nothing), (nothing, a))] for a in (ones, some)
        )
        plain, seen = (jax.tree.map(lambda a, b: jnp.stack([a, b], 1), *v) for v in (plain, seen))
        push = jax.vmap(lambda v: jax.jvp(lambda parts: step(theta, parts), (parts,), (v,))[1])
        moved, mixed = push(ones), push(some)
        places = range(len(parts))
        return Probes(
            [
                [_times(a[p], noise[p], b[p]) for a, b in zip(plain, seen, strict=True)]
                for p in places
            ],
            [[_by_block(leaf[p], parts[p]) for leaf in seen] for p in places],
            [
                [_times(a[p], noise[p], b[p]) for a, b in zip(moved, mixed, strict=True)]
                for p in places
            ],
        )

    return jax.vmap(at_point)(states, xs)


def _one_by_one(parts: Parts) -> Parts:
    """One part after the other, (m, ...), the others zero."""
    masks = jnp.eye(len(parts), dtype=parts[0].dtype)
    return [jnp.multiply.outer(mask, part) for mask, part in zip(masks, parts, strict=True)]


def _times(plain: jax.Array, v: jax.Array, seen: jax.Array) -> jax.Array:
    """Whether ``seen`` is ``plain`` times the vector, column by column."""
    if v.ndim != 1 or seen.ndim == 0 or seen.shape[-1] % v.shape[0]:
        return (seen == 0).all()
    units = seen.reshape(-1, v.shape[0])
    error = jnp.abs(plain.reshape(units.shape) * jnp.broadcast_to(v[None], units.shape) - units)
    return (error <= TOLERANCE * jnp.maximum(jnp.abs(seen).max(), 1e-6)).all()


def _by_block(leaf: jax.Array, part: jax.Array) -> jax.Array:
    if part.ndim != 1 or leaf.ndim == 0 or leaf.shape[-1] % part.shape[0]:
        return jnp.zeros(0, bool)
    return (leaf.reshape(-1, leaf.shape[-1] // part.shape[0], part.shape[0]) != 0).any((0, 2))

"""``time_loop``: what ``jax.lax.scan`` does, as one TPU kernel.

The grid goes over blocks of rows and, within them, over blocks of steps, one after the other.
What is the same at every step (weights, peepholes, masks) is read into VMEM once and stays there,
and so does the carry; inputs and outputs of the steps stream past, the next block arriving while
one is worked on.

    for rows: carry = begin;  for t: carry, out_t = body(shared, fixed, carry, step_t)
"""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu

from rnn_jax.kernels.blocks import Blocks, choose_blocks
from rnn_jax.kernels.program import Program, trace
from rnn_jax.typing import PyTree

SHARED, FIXED, CARRY, STEP, BEFORE = range(5)  # kinds of arguments
EDGE, FIRST = range(5, 7)  # what else is needed of BEFORE


class Operand(NamedTuple):
    """An array that goes into the kernel."""

    kind: int
    value: jax.Array  # as the kernel sees it: two axes at least, no booleans
    like: Any  # shape and dtype as the body sees it
    is_read: bool  # by the body


def time_loop(
    body: Callable[..., tuple[PyTree, PyTree]],
    shared: PyTree,
    fixed: PyTree,
    carry: PyTree,
    steps: PyTree,
    states: PyTree = None,
    first: PyTree = None,
    *,
    reverse: bool = False,
    interpret: bool = False,
    name: str = "time_loop",
) -> tuple[PyTree, PyTree]:
    """Run ``body(shared, fixed, carry, step, state) -> (carry, out)`` over the steps.

    Rows do not meet in ``body``: it is traced for a block of them.

    To go back over a loop that went the other way, give its ``states``, those after each of its
    steps, and the ``first`` before them all: ``body`` gets the one before its step. No array of
    these is made.

    Args:
        body: One step, of what a kernel can hold: elementwise work, products, sums over features.
        shared: What all rows share, arrays of any shape.
        fixed: What each row has of its own at all steps, leaves (B, n).
        carry: Where to begin, leaves (B, n), of the dtypes that ``body`` returns.
        steps: Leaves (T, B, n).
        states: Leaves (T, B, n), None for none.
        first: Leaves (B, n).
        reverse: From the last step to the first.
        interpret: Run the kernel's program on any device, slowly, for tests.
        name: The kernel's in profiles.

    Returns:
        The last carry, and the outputs, leaves (T, B, n).

    Raises:
        ValueError: If the body or the sizes do not fit a kernel.

    Example:
        >>> xs = jnp.arange(6, dtype=jnp.float32).reshape(3, 1, 2)
        >>> add = lambda w, _, total, x, __: (total + w * x, total)
        >>> w, begin = jnp.full((1, 2), 2.0, jnp.float32), jnp.zeros((1, 2), jnp.float32)
        >>> total, before = time_loop(add, w, None, begin, xs, interpret=True)
        >>> total.tolist(), before.tolist()
        ([[12.0, 18.0]], [[[0.0, 0.0]], [[0.0, 2.0]], [[4.0, 8.0]]])
    """
    arguments = (shared, fixed, carry, steps, states)
    num_steps, num_rows = jax.tree.leaves(steps)[0].shape[:2]
    program = _trace(body, arguments, num_rows)
    operands = list(_operands(arguments, jax.tree.leaves(first), program))
    begin = jax.tree.leaves(carry)
    outs = program.outputs[len(begin) :]
    streamed = [x.value for x in operands if x.kind in (STEP, BEFORE)] + outs
    blocks = choose_blocks(
        num_steps,
        num_rows,
        whole=[x.value for x in operands if x.kind == SHARED],
        held=[x.value for x in operands if x.kind in (FIXED, CARRY, FIRST, EDGE, EDGE)] + begin,
        streamed=streamed,
        inner=program.inner,
    )
    if blocks.rows != num_rows:
        program = _trace(body, arguments, blocks.rows)
    grid = (pl.cdiv(num_rows, blocks.rows), pl.cdiv(num_steps, blocks.steps))
    spec = partial(_spec, blocks, num_steps, grid[1] - 1 if reverse else None)
    like = jax.typeof(jax.tree.leaves(steps)[0]).manual_axis_type

    def result(shape: tuple[int, ...], leaf: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(shape, leaf.dtype, manual_axis_type=like)

    call = pl.pallas_call(
        partial(_kernel, program, operands, blocks.steps, num_steps, reverse),
        grid=grid,
        in_specs=[spec(x.kind, x.value.shape) for x in operands],
        out_specs=[spec(CARRY, leaf.shape) for leaf in begin]
        + [spec(STEP, (num_steps, *leaf.shape)) for leaf in outs],
        out_shape=[result(leaf.shape, leaf) for leaf in begin]
        + [result((num_steps, num_rows, leaf.shape[-1]), leaf) for leaf in outs],
        compiler_params=pltpu.CompilerParams(
            dimension_semantics=("parallel", "arbitrary"), vmem_limit_bytes=blocks.vmem_bytes
        ),
        interpret=interpret,
        name=name,
    )
    # Where 64-bit numbers are on, so are the kernel's counters, and Mosaic has none.
    with nullcontext() if interpret else jax.enable_x64(False):
        found = call(*(x.value for x in operands))
    return jax.tree.unflatten(program.structure, found)


def _trace(body: Callable[..., Any], arguments: tuple[PyTree, ...], num_rows: int) -> Program:
    """The program of one step of some rows."""

    def one(kind: int, leaf: jax.Array) -> jax.ShapeDtypeStruct:
        shape = leaf.shape if kind == SHARED else (num_rows, leaf.shape[-1])
        return jax.ShapeDtypeStruct(shape, leaf.dtype)

    shapes = (jax.tree.map(partial(one, kind), tree) for kind, tree in enumerate(arguments))
    return trace(body, *shapes)


def _operands(
    arguments: tuple[PyTree, ...], first: list[jax.Array], program: Program
) -> Iterator[Operand]:
    """All that the kernel has to be given: the carry, and what is read."""
    pairs = [(kind, leaf) for kind, tree in enumerate(arguments) for leaf in jax.tree.leaves(tree)]
    firsts = iter(first)
    for place, (kind, leaf) in enumerate(pairs):
        is_read = place in program.reads
        begin = next(firsts) if kind == BEFORE else None
        if kind == CARRY or is_read:
            yield Operand(kind, _storable(leaf), leaf, is_read)
        if begin is not None and is_read:
            yield Operand(EDGE, leaf, leaf, False)
            yield Operand(FIRST, begin, begin, False)
    yield from (Operand(SHARED, _storable(leaf), leaf, True) for leaf in program.constants)


def _storable(leaf: jax.Array) -> jax.Array:
    """An array of at least two axes, of a dtype that can be read from memory."""
    leaf = leaf.astype(jnp.int32) if leaf.dtype == jnp.bool_ else leaf
    return leaf.reshape((1,) * (2 - leaf.ndim) + leaf.shape)


def _spec(
    blocks: Blocks, num_steps: int, last: int | None, kind: int, shape: tuple[int, ...]
) -> pl.BlockSpec:
    """Which part of an array stands in VMEM at each place of the grid; ``last``: backwards."""
    rows, steps = blocks.rows, blocks.steps

    def edge(i: jax.Array, j: jax.Array) -> tuple[Any, ...]:
        """The step before the block, in the order of the loop that made the states."""
        if last is None:  # which went from the end to the begin
            return jnp.minimum((j + 1) * steps, num_steps - 1), i, 0
        return jnp.maximum((last - j) * steps - 1, 0), i, 0

    if kind == SHARED:
        once = pl.Buffered(1)  # it never changes: no second buffer
        return pl.BlockSpec(shape, lambda i, j: (0,) * len(shape), pipeline_mode=once)
    if kind in (STEP, BEFORE):
        block = (steps, rows, shape[-1])
        return pl.BlockSpec(block, lambda i, j: (j if last is None else last - j, i, 0))
    if kind == EDGE:
        return pl.BlockSpec((1, rows, shape[-1]), edge)
    return pl.BlockSpec((rows, shape[-1]), lambda i, j: (i, 0))


def _kernel(
    program: Program,
    operands: list[Operand],
    block_steps: int,
    num_steps: int,
    reverse: bool,
    *refs: Any,
) -> None:
    """One block of steps of one block of rows."""
    j, last = pl.program_id(1), pl.num_programs(1) - 1
    rest = iter(refs)
    ins = list(islice(rest, len(operands)))
    num_carry = sum(x.kind == CARRY for x in operands)
    carries, outs = list(islice(rest, num_carry)), list(rest)
    begins = [ref for x, ref in zip(operands, ins, strict=True) if x.kind == CARRY]

    @pl.when(j == 0)
    def _() -> None:
        for now, begin in zip(carries, begins, strict=True):
            now[...] = begin[...]

    # The last block can be shorter than the others.
    block = last - j if reverse else j
    whole = num_steps % block_steps == 0
    count = block_steps if whole else jnp.minimum(block_steps, num_steps - block * block_steps)

    def before(k: jax.Array, ref: Any, edge: Any, first: Any) -> jax.Array:
        """The state before step k of the block."""
        beside = jnp.maximum(k - 1, 0) if reverse else jnp.minimum(k + 1, count - 1)
        is_edge, t = k == (0 if reverse else count - 1), block * block_steps + k
        state = jax.lax.select(is_edge, edge[0], ref[beside])
        return jax.lax.select(t == (0 if reverse else num_steps - 1), first[...], state)

    def step(i: jax.Array, _: None) -> None:
        k = count - 1 - i if reverse else i
        state, at, values = iter(carries), iter(ins), []
        for x in operands:
            if x.kind in (EDGE, FIRST):
                continue
            ref = next(at)
            ref = next(state) if x.kind == CARRY else ref
            if x.kind == BEFORE:
                values.append(before(k, ref, next(at), next(at)))
            elif x.is_read:
                values.append(_restore(ref[k] if x.kind == STEP else ref[...], x.like))
        results = program.run(*values)
        for ref, value in zip(carries, results[:num_carry], strict=True):
            ref[...] = value
        for ref, value in zip(outs, results[num_carry:], strict=True):
            ref[k] = value

    jax.lax.fori_loop(0, count, step, None)


def _restore(value: jax.Array, like: Any) -> jax.Array:
    """What ``_storable`` has changed, as the body knows it."""
    value = value != 0 if like.dtype == jnp.bool_ else value
    return value.reshape(like.shape) if like.ndim < 2 else value

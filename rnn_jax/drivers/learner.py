"""One step of learning forward in time: restart, step, hold, output, gradient."""

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.drivers.common import Inputs, Plan, cast_like, prepare, split_inexact
from rnn_jax.drivers.row_step import At, Parts, Theta, to_parts
from rnn_jax.drivers.rtrl_memory import (
    RTRLMemory,
    begin,
    check_influence,
    fold_rows,
    make_learner,
    unfold_rows,
)
from rnn_jax.ops.masks import select
from rnn_jax.ops.types import batch_like, vary_like
from rnn_jax.typing import Params, PyTree, State


class Run(NamedTuple):
    """A checked call."""

    learner: Any  # Forward | RankOne, which goes with the memory's influence
    theta: Theta  # typed like the inputs
    plan: Plan
    batch_shape: tuple[int, ...]
    memory: RTRLMemory
    finish: Callable[[Theta], Params]  # from a gradient by theta to one like the parameters

    def step(
        self,
        memory: RTRLMemory,
        marks: Inputs,
        loss: Callable[..., jax.Array],
        target: PyTree = None,
    ) -> tuple[RTRLMemory, Theta, jax.Array, jax.Array]:
        """The memory after a step, the gradient of its loss, the loss, the output."""
        theta, learner, ndim = self.theta, self.learner, len(self.batch_shape)
        count = prod(self.batch_shape)
        index = jnp.arange(count)
        marks = fold_rows(marks, ndim)
        state, influence = fold_rows((memory.state, memory.influence), ndim)
        key, keys = memory.key, (None, None)
        if key is not None:
            key, now = jax.random.split(key)
            keys = tuple(jax.random.split(now, (2, count)))
        if marks.reset is not None:
            fresh = jax.vmap(learner.start, (None, 0, 0))(theta, index, keys[0])
            start = fold_rows(self.plan.start, ndim)
            state, influence = select(marks.reset, (start, fresh), (state, influence))
        at = At(marks.xs, marks.noise, index, keys[1])
        new = jax.vmap(learner.step, (None, 0, 0, 0))(theta, state, influence, at)
        if marks.valid is not None:
            new = select(marks.valid, new, (state, influence))
        state, influence = new
        value, y, direct, d_parts = self._differentiate(state, index, marks.valid, loss, target)
        carried = learner.gradient(influence, d_parts, theta)
        gradient = [a.astype(b.dtype) + b for a, b in zip(direct, carried, strict=True)]
        state, influence = unfold_rows((state, influence), self.batch_shape)
        memory = replace(memory, state=state, influence=influence, key=key)
        return memory, gradient, value, y

    def _differentiate(
        self,
        state: State,
        index: jax.Array,
        valid: jax.Array | None,
        loss: Callable[..., jax.Array],
        target: PyTree,
    ) -> tuple[jax.Array, jax.Array, Theta, Parts]:
        """Loss, output, the loss's gradient by theta with the state held fixed, and by state."""
        row = self.learner.row

        def output(theta: Theta, parts: Parts) -> jax.Array:
            ys = jax.vmap(row.output, (None, 0, 0, 0))(theta, parts, state, index)
            if valid is not None:
                ys = select(valid, ys, jnp.zeros((), ys.dtype))
            return unfold_rows(ys, self.batch_shape)

        parts = jax.vmap(lambda state: to_parts(state, row.dtype))(state)
        y, pull = jax.vjp(output, self.theta, parts)
        others = () if target is None else (target,)
        value, dy = jax.value_and_grad(loss)(y, *others)
        if valid is not None:  # what the loss says of padding, NaN perhaps, does not count
            dy = select(unfold_rows(valid, self.batch_shape), dy, jnp.zeros((), dy.dtype))
        direct, d_parts = pull(dy)
        return value, y, direct, d_parts


def prepare_run(
    cell: Any,
    params: Params,
    xs: jax.Array,
    memory: RTRLMemory | None,
    *,
    lengths: jax.Array | None = None,
    mask: jax.Array | None = None,
    reset: jax.Array | None = None,
    key: jax.Array | None = None,
) -> Run:
    """Check the arguments, type everything like the inputs.

    Raises:
        ValueError: If an argument does not fit the cell or the inputs.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.Elman(input_size=2, hidden_size=3)
        >>> run = prepare_run(cell, cell.init(jax.random.key(0)), jnp.ones((5, 4, 2)), None)
        >>> run.batch_shape, len(run.theta)
        ((4,), 3)
    """
    given = None if memory is None else memory.state
    plan = prepare(cell, params, xs, given, lengths=lengths, mask=mask, reset=reset, key=key)
    xs = plan.inputs.xs
    batch_shape = xs.shape[1 : xs.ndim - len(base.input_shape(cell))]
    method = None if memory is None else memory.method
    key_sequence = None if key is None else jax.random.split(key)[0]
    varied = vary_like(params, xs)
    learner, theta = make_learner(cell, varied, plan.state, method, batch_shape, key_sequence)
    if memory is None:
        memory = begin(learner, theta, plan.state, batch_shape, True, None, None)
    else:
        check_influence(learner, theta, memory, plan.state, batch_shape)
        influence = batch_like(memory.influence, xs, len(batch_shape))
        memory = replace(memory, state=plan.state, influence=influence)

    def finish(gradient: Theta) -> Params:
        leaves, rebuild = split_inexact(params)
        # Its transpose sums over the devices over which the inputs vary.
        _, pull = jax.vjp(lambda leaves: vary_like(leaves, xs), leaves)
        zeros = rebuild(leaves)
        _, put = split_inexact(jax.tree.map(jnp.zeros_like, zeros))
        return put(pull(cast_like(gradient, leaves))[0])

    return Run(learner, theta, plan, batch_shape, memory, finish)

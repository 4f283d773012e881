"""Newton's iterations over all steps at once, and the derivative of what they reach."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.drivers.newton_linear import block_recurrence, damped_recurrence
from rnn_jax.drivers.newton_system import Operands, System, sequential, spread
from rnn_jax.ops.masks import select
from rnn_jax.ops.types import vary_like
from rnn_jax.typing import State

FIRST_DAMPING = 1.0
EASIER, HARDER = 0.1, 4.0  # factors of the damping after a step that helped, and one that did not


class NewtonInfo(NamedTuple):
    """What the iterations reached.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.ParaGRU(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> _, _, info = drivers.newton_info(cell, params, jnp.ones((5, 4, 2)))
        >>> info.residual.shape, bool(info.converged), bool(info.fell_back)
        ((4,), True, False)
    """

    iterations: jax.Array  # () int, corrections of all states
    residual: jax.Array  # (*B,) largest |s_t - f_t(s_{t-1})| / (1 + |s_t|) over the steps
    converged: jax.Array  # () bool, every row's residual is within the tolerance
    fell_back: jax.Array  # () bool, the result is that of a loop over the steps


class _Point(NamedTuple):
    """Where the iterations are; arrays (T, *B, G, K)."""

    states: jax.Array
    values: jax.Array  # f_t(s_{t-1})
    jacobian: jax.Array  # (T, *B, G, K, K)
    residual: jax.Array  # (*B,)


class Found(NamedTuple):
    """A solution; the numbers are floating-point ones, which have tangents like the states'."""

    states: State  # after each step, leaves (T, *B, ...)
    residual: jax.Array  # (*B,)
    iterations: jax.Array  # ()

    def info(self, system: System) -> NewtonInfo:
        """What the caller is told."""
        residual = jax.lax.stop_gradient(self.residual)
        converged = jnp.all(residual <= system.tolerance)
        iterations = jax.lax.stop_gradient(self.iterations).astype(jnp.int32)
        return NewtonInfo(iterations, residual, converged, jnp.logical_not(converged))


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def solution(system: System, operands: Operands) -> Found:
    """The states after each step, and how they were found."""
    point, iterations = _iterate(system, operands)
    states = jax.lax.cond(
        jnp.all(point.residual <= system.tolerance),
        lambda: system.blocks.unpack(point.values),
        lambda: sequential(system, operands),
    )
    return Found(states, point.residual, iterations.astype(point.residual.dtype))


@solution.defjvp
def _derivative(
    system: System, primals: tuple[Operands], tangents: tuple[Operands]
) -> tuple[Found, Found]:
    """By the implicit rule: ``ds_t = J_t ds_{t-1} + df_t``, one linear recurrence."""
    found = solution(system, *primals)

    def own(operands: Operands) -> State:
        return system.steps(operands, system.before(operands, found.states))

    d_own = jax.jvp(own, primals, tangents)[1]
    converged = found.info(system).converged
    d_states = spread(system, primals[0], found.states, d_own, converged)
    zero = jax.tree.map(jnp.zeros_like, found)
    return found, zero._replace(states=d_states)


class _Progress(NamedTuple):
    """What the loop carries."""

    guess: jax.Array  # the states to try next
    kept: _Point  # the last one; with damping the best so far
    damping: jax.Array  # (*B,)
    tries: jax.Array  # ()


def _iterate(system: System, operands: Operands) -> tuple[_Point, jax.Array]:
    """Newton's steps, s + d with ``d_t = J_t d_{t-1} + f_t(s_{t-1}) - s_t``, until done."""
    blocks = system.blocks

    def unfinished(now: _Progress) -> jax.Array:
        residual = now.kept.residual
        done = jnp.all(residual <= system.tolerance)
        hopeless = jnp.logical_not(jnp.all(jnp.isfinite(residual)))
        over = jnp.logical_or(now.tries > system.max_iterations, jnp.logical_or(done, hopeless))
        return jnp.logical_or(now.tries == 0, jnp.logical_not(over))

    def once(now: _Progress) -> _Progress:
        values, jacobian = system.linearise(operands, blocks, blocks.unpack(now.guess))
        new = _Point(now.guess, values, jacobian, _residual(now.guess, values))
        if not system.damped:
            wrong = values - now.guess
            step = block_recurrence(jacobian, wrong, system.reverse, operands.marks.reset)
            return _Progress(now.guess + step, new, now.damping, now.tries + 1)
        better = jnp.logical_or(_merit(new) < _merit(now.kept), new.residual <= system.tolerance)
        better = jnp.logical_or(better, now.tries == 0)
        kept = jax.tree.map(partial(_choose, better), new, now.kept)
        factor = select(
            better, jnp.full_like(now.damping, EASIER), jnp.asarray(HARDER, values.dtype)
        )
        damping = now.damping * factor
        step = damped_recurrence(kept.jacobian, kept.values - kept.states, damping, system.reverse)
        return _Progress(kept.states + step, kept, damping, now.tries + 1)

    begin = blocks.pack(operands.begin)
    num_steps = jax.tree.leaves(operands.z)[0].shape[0]
    guess = jnp.broadcast_to(begin, (num_steps, *begin.shape))
    residual = begin[..., 0, 0]
    jacobian = jnp.broadcast_to(guess[..., None], (*guess.shape, guess.shape[-1]))
    kept = _Point(guess, guess, jacobian, residual)  # none of it is looked at in the first round
    damping = vary_like(jnp.full_like(residual, FIRST_DAMPING / EASIER), residual)
    tries = jnp.zeros((), jnp.int32)
    last = jax.lax.while_loop(unfinished, once, _Progress(guess, kept, damping, tries))
    return last.kept, last.tries - 1


def _choose(better: jax.Array, new: jax.Array, old: jax.Array) -> jax.Array:
    """Row by row; all but the residual have time first."""
    if new.ndim == better.ndim:
        return select(better, new, old)
    return select(jnp.broadcast_to(better, new.shape[: 1 + better.ndim]), new, old)


def _residual(states: jax.Array, values: jax.Array) -> jax.Array:
    """Largest relative error of any step of each row, (*B,)."""
    wrong = jnp.max(abs(values - states), (-2, -1)) / (1 + jnp.max(abs(states), (-2, -1)))
    return jnp.max(wrong, 0)


def _merit(point: _Point) -> jax.Array:
    """What damped steps make smaller, for each row: the sum of squares of all errors."""
    return jnp.sum(jnp.square(point.values - point.states), (0, -2, -1))

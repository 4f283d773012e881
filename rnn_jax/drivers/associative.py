"""``associative``: affine cells in parallel over time."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.cells.affine import is_replaced
from rnn_jax.drivers.common import Plan, cast_like, finish, prepare, widen
from rnn_jax.ops.masks import select
from rnn_jax.ops.types import vary_like
from rnn_jax.typing import Params, PyTree, State


def associative(
    cell: Any,
    params: Params,
    xs: jax.Array,
    state: State | None = None,
    *,
    lengths: jax.Array | None = None,
    mask: jax.Array | None = None,
    reset: jax.Array | None = None,
    reverse: bool = False,
    key: jax.Array | None = None,
) -> tuple[State, jax.Array]:
    """Run an affine cell over a sequence in about 2 log2(T) parallel steps.

        s_t = a_t * s_{t-1} + b_t,   (a, b) then (a', b') = (a' * a, a' * b + b')

    Pairs of steps combine into steps, whatever the order of combining, so
    ``jax.lax.associative_scan`` applies. Padding is the step (1, 0), a reset at t the step
    (0, a_t * start + b_t) with a flag that selects b' where steps combine, so that no NaN comes
    across by 0 * NaN, and the state to begin with is folded into the first step. The gradient is
    one more such scan, from the last step to the first; of the forward pass only a and the states
    are kept. It does a few times the work of ``scan``, so it pays where that has time to
    spare: long sequences and small batches on a GPU or TPU; on a CPU ``scan`` is faster.

    The arguments and the results are those of ``scan``. Only a state in bfloat16 shows a
    difference: it is rounded once here, and at every step there.

    Raises:
        ValueError: If the cell is not affine, or an argument does not fit; the message says what
            and how.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.MinGRU(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> xs = jnp.ones((5, 2, 2))
        >>> state, ys = associative(cell, params, xs, lengths=jnp.array([5, 3]))
        >>> ys.shape, bool((ys[3:, 1] == 0).all())
        ((5, 2, 3), True)

    References:
        Blelloch, Prefix sums and their applications, 1990.
        Martin and Cundy, Parallelizing linear recurrent neural nets over sequence length, 2018,
        arXiv:1709.04057.
    """
    if not base.is_affine(cell):
        raise ValueError(
            f"{type(cell).__name__} is not affine (its next state is no a * state + b with a and b "
            f"from the input), so its steps cannot be combined in parallel: use drivers.scan."
        )
    plan = prepare(cell, params, xs, state, lengths=lengths, mask=mask, reset=reset, key=key)
    states = _states(cell, plan, reverse)
    last = 0 if reverse else -1
    return jax.tree.map(lambda leaf: leaf[last], states), finish(cell, plan, states)


def _states(cell: Any, plan: Plan, reverse: bool) -> State:
    """The states after each step, in the dtype of the state given."""
    z = base.encode(cell, plan.params, plan.inputs.xs, plan.inputs.noise)
    start = plan.state if plan.start is None else plan.start
    begin, start, z = widen(plan.state, start, z)
    a, b = cell.affine(plan.params, z)

    def one(begin: jax.Array, start: jax.Array, a: Any, b: jax.Array) -> jax.Array:
        if is_replaced(a) and plan.inputs.valid is None:
            return b
        a, b, reset = _marked(plan, a, b, start)
        return linear_recurrence(a, b, begin, reverse, reset)

    return cast_like(jax.tree.map(one, begin, start, a, b), plan.state)


def _marked(
    plan: Plan, a: Any, b: jax.Array, start: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array | None]:
    """Make padding hold the state and resets forget it, in the order of ``common.advance``.

    Returns a, b, and where nothing of the state before may come through, not even NaN.
    """
    _, _, valid, reset = plan.inputs
    forget = reset
    if is_replaced(a) and valid is not None:
        forget = valid if reset is None else jnp.logical_or(valid, reset)
    a = jnp.broadcast_to(a, b.shape).astype(b.dtype)
    zero, one = jnp.zeros((), a.dtype), jnp.ones((), a.dtype)
    if valid is not None:
        a, b = select(valid, a, one), select(valid, b, zero)
    if reset is not None:  # zero elsewhere: a NaN in a must not reach the gradient of start
        starts = select(reset, jnp.broadcast_to(start[None], b.shape), zero)
        b = select(reset, a * starts + b, b)
    return a, b, forget


@partial(jax.jit, static_argnames="reverse")  # so that it is fast outside jit, too
def linear_recurrence(
    a: jax.Array,
    b: jax.Array,
    begin: jax.Array,
    reverse: bool = False,
    reset: jax.Array | None = None,
) -> jax.Array:
    """Solve ``s_t = a_t * s_{t-1} + b_t`` with ``s_{-1} = begin``, in parallel over time.

    Its derivative is of the same kind: with d for tangents or, read backwards, for gradients,
    ``ds_t = a_t * ds_{t-1} + (da_t * s_{t-1} + db_t)``. Saying that the states solve a linear
    system makes JAX use just this, in every order and both modes.

    Args:
        a: (T, ...), real or complex.
        b: (T, ...) of the same shape and dtype.
        begin: (...), the state before the first step.
        reverse: From the last step to the first.
        reset: (T, ...) bool, of the leading axes of a; True for ``s_t = b_t``, whatever a_t and
            s_{t-1} are: NaN and inf do not come across, nor do those of a gradient, backwards.

    Returns:
        All states (T, ...).

    Example:
        >>> a, b = jnp.array([0.5, 0.5, 0.5]), jnp.array([1.0, 1.0, 1.0])
        >>> linear_recurrence(a, b, jnp.array(2.0)).tolist()
        [2.0, 2.0, 2.0]
    """
    first = -1 if reverse else 0
    if reset is not None:
        reset = vary_like(reset, b)
        a = select(reset, jnp.zeros_like(a), a)
        begin = select(reset[first], jnp.zeros_like(begin), begin)
    b = b.at[first].add(a[first] * begin)

    def residual(states: jax.Array) -> jax.Array:
        previous = _shift(states, reverse)
        if reset is not None:
            previous = select(reset, jnp.zeros_like(previous), previous)
        return states - a * previous

    def solve(_: Any, b: jax.Array) -> jax.Array:
        return _combine(a, b, reset, reverse)

    def transposed(_: Any, d_states: jax.Array) -> jax.Array:
        cut = None if reset is None else _shift(reset, not reverse)
        return _combine(_shift(a, not reverse), d_states, cut, not reverse)

    return jax.lax.custom_linear_solve(residual, b, solve, transposed)


def _combine(a: jax.Array, b: jax.Array, reset: jax.Array | None, reverse: bool) -> jax.Array:
    def then(first: PyTree, second: PyTree) -> PyTree:
        a, b, cut = second[0] * first[0], second[0] * first[1] + second[1], second[2]
        if cut is None:
            return a, b, None
        return a, select(cut, second[1], b), jnp.logical_or(first[2], cut)

    return jax.lax.associative_scan(then, (a, b, reset), reverse=reverse)[1]


def _shift(x: jax.Array, reverse: bool) -> jax.Array:
    """The value of the step before, zero before the first."""
    edge = jnp.zeros_like(x[:1])
    return jnp.concatenate([x[1:], edge] if reverse else [edge, x[:-1]])

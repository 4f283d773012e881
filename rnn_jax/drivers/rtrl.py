"""``rtrl``: gradients carried forward in time, in memory that does not grow with it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.drivers.checks import check_cell, check_params, check_state
from rnn_jax.drivers.common import Inputs
from rnn_jax.drivers.influence import Method
from rnn_jax.drivers.learner import prepare_run
from rnn_jax.drivers.row_step import Theta
from rnn_jax.drivers.rtrl_memory import METHODS, RTRLMemory, begin, make_learner
from rnn_jax.ops.types import vary_like
from rnn_jax.typing import Params, PyTree, State


class Learned(NamedTuple):
    """What a step, or a sequence, has taught."""

    gradient: Params  # of the sum of the losses by the parameters
    loss: jax.Array  # (), or (T,) of a sequence
    memory: RTRLMemory  # to go on from
    y: jax.Array  # (*B, O), or (T, *B, O)


def rtrl_init(
    cell: Any,
    params: Params,
    batch_shape: tuple[int, ...] = (),
    state: State | None = None,
    *,
    method: Method | None = None,
    key: jax.Array | None = None,
) -> RTRLMemory:
    """Begin to learn forward in time, and choose how.

    With n numbers in the state and P parameters, for each row:

    ==========  ===============================================================  ======  ========
    method      what is carried                                                  memory  a step
    ==========  ===============================================================  ======  ========
    None        "diagonal" for each parameter for which it is exact, else "full"
    "full"      d state / d params, exact for every cell                         n P     n^2 P
    "diagonal"  the same where unit k is all that a parameter of unit k moves    P       P
    "snap1"     the same, dropping what other units pass on: biased              P       n^2 + P
    "uoro"      one random vector for n, one for P: unbiased, with variance      n + P   n^2 + P
    ==========  ===============================================================  ======  ========

    "diagonal" holds for cells whose units meet in no product of the loop: IndRNN and the affine
    ones. Under "snap1" parameters that act on many units in one step (a layer norm's, a projection,
    Cho's reset gate) are carried in full. Which parameter acts on which unit is found once for each
    cell, by probing its derivatives. Parameters that act on outputs alone are not carried at all.

    Args:
        cell: A cell.
        params: Its parameters.
        batch_shape: *B.
        state: State to begin with, a constant; None for the cell's initial state, whose parameters,
            if it has any, learn.
        method: See above.
        key: Draws the signs of "uoro".

    Returns:
        What ``rtrl`` and ``rtrl_step`` go on from.

    Raises:
        ValueError: If "diagonal" is not exact for the cell, or an argument does not fit.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.MinGRU(input_size=2, hidden_size=3)
        >>> memory = rtrl_init(cell, cell.init(jax.random.key(0)), method="diagonal")
        >>> [leaf.shape for leaf in memory.influence]
        [(1, 2, 6), (1, 6)]

    References:
        Williams and Zipser, A learning algorithm for continually running fully recurrent neural
        networks, 1989, doi:10.1162/neco.1989.1.2.270.
        Menick et al., Practical real time recurrent learning with a sparse approximation to the
        Jacobian, 2021, arXiv:2006.07232.
        Tallec and Ollivier, Unbiased online recurrent optimization, 2017, arXiv:1702.05043.
    """
    check_cell(cell, key)
    check_params(cell, params)
    if method not in METHODS:
        raise ValueError(f"method must be one of {METHODS}, got {method!r}.")
    if (method == "uoro") != (key is not None):
        raise ValueError(f'method="uoro" and no other needs a key, got {method!r} and key={key}.')
    initial = cell.initial_state(params, tuple(batch_shape))
    if state is not None:
        check_state(cell, state, initial)
    now = initial if state is None else jax.tree.map(jnp.asarray, state)
    learner, theta = make_learner(cell, params, now, method, tuple(batch_shape))
    return begin(learner, theta, now, tuple(batch_shape), state is None, method, key)


def rtrl_step(
    cell: Any,
    params: Params,
    memory: RTRLMemory,
    x: jax.Array,
    loss: Callable[..., jax.Array],
    *,
    mask: jax.Array | None = None,
    reset: jax.Array | None = None,
) -> Learned:
    """One step, and the gradient of its loss: the parameters may be updated after each.

    An influence that was carried under earlier parameters belongs to them, so updates at every step
    make the gradient a little stale, the less the smaller they are. Stochastic cells evaluate.

    Args:
        cell: A cell. Losses of a network behind it need ``cells.OutputHead``.
        params: Its parameters.
        memory: From ``rtrl_init``, or from the step before.
        x: One input (*B, D).
        loss: From the output (*B, O) to a scalar, the sum over rows or a mean.
        mask: (*B,) bool; False holds a row and makes its output zero.
        reset: (*B,) bool; True restarts a row, and its influence, before the step.

    Returns:
        The gradient of the loss of this step by the parameters, the loss, the memory, the output.

    Raises:
        ValueError: If an argument does not fit the cell or the inputs.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.GRU(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> memory = rtrl_init(cell, params, (4,))
        >>> for x in jnp.ones((5, 4, 2)):
        ...     step = rtrl_step(cell, params, memory, x, lambda y: jnp.square(y - 1).mean())
        ...     params = jax.tree.map(lambda p, d: p - 0.1 * d, params, step.gradient)
        ...     memory = step.memory
        >>> step.y.shape
        (4, 3)
    """
    marks = [None if value is None else jnp.asarray(value)[None] for value in (mask, reset)]
    xs = jnp.asarray(x)[None]
    run = prepare_run(cell, params, xs, memory, mask=marks[0], reset=marks[1])
    now = jax.tree.map(lambda leaf: leaf[0], run.plan.inputs)
    memory, gradient, value, y = run.step(run.memory, now, loss)
    return Learned(run.finish(gradient), value, memory, y)


def rtrl(
    cell: Any,
    params: Params,
    xs: jax.Array,
    memory: RTRLMemory | None = None,
    *,
    loss: Callable[..., jax.Array],
    targets: PyTree = None,
    lengths: jax.Array | None = None,
    mask: jax.Array | None = None,
    reset: jax.Array | None = None,
    reverse: bool = False,
    key: jax.Array | None = None,
) -> Learned:
    """The gradient of a sum of losses over a sequence, computed forward in time.

        J_t = D_t J_{t-1} + I_t,   gradient = sum_t (dloss_t/ds_t J_t + dloss_t/dparams)

    with D = d step / d state and I = d step / d params, s the state. The same, where the method is
    exact, as ``jax.grad`` of the losses of the outputs of ``scan``, but nothing is stored for each
    step, and a second call goes on where the first ended: the gradient of both is their sum.

    Args:
        cell: A cell. Losses of a network behind it need ``cells.OutputHead``.
        params: Its parameters.
        xs: Inputs (T, *B, D), constants.
        memory: From ``rtrl_init``, which chooses the method, or from a call before; None for the
            exact one from the cell's initial state.
        loss: ``loss(y)`` or, with targets, ``loss(y, target)``: from the outputs (*B, O) of one
            step, zero on padding, to a scalar.
        targets: What else the loss needs, leaves (T, ...).
        lengths: As for ``scan``.
        mask: As for ``scan``.
        reset: As for ``scan``; no influence comes across.
        reverse: As for ``scan``: the first step is the last.
        key: As for ``scan``: the noise of stochastic cells.

    Returns:
        The gradient, the losses (T,), the memory, the outputs (T, *B, O).

    Raises:
        ValueError: If an argument does not fit the cell or the inputs.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.GRU(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> xs = jnp.ones((5, 4, 2))
        >>> learned = rtrl(cell, params, xs, loss=lambda y: jnp.square(y - 1).mean())
        >>> learned.gradient.w_h.shape, learned.loss.shape
        ((3, 9), (5,))
    """
    marks = {"lengths": lengths, "mask": mask, "reset": reset}
    run = prepare_run(cell, params, xs, memory, **marks, key=key)

    def body(carry: tuple[RTRLMemory, Theta], at: tuple[Inputs, PyTree]) -> tuple[Any, Any]:
        memory, total = carry
        memory, gradient, value, y = run.step(memory, at[0], loss, at[1])
        return (memory, [a + b for a, b in zip(total, gradient, strict=True)]), (value, y)

    zeros = [jnp.zeros(leaf.shape, run.learner.row.dtype) for leaf in run.theta]
    carry = (run.memory, vary_like(zeros, run.plan.inputs.xs))
    at = (run.plan.inputs, targets)
    (memory, total), (values, ys) = jax.lax.scan(body, carry, at, reverse=reverse)
    return Learned(run.finish(total), values, memory, ys)

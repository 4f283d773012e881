"""``newton``: any cell in parallel over time, by Newton's method."""

from typing import Any, Literal

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.drivers.common import cast_like, finish, prepare, widen
from rnn_jax.drivers.newton_blocks import Structure, blocks_of, check_floating
from rnn_jax.drivers.newton_solve import NewtonInfo, solution
from rnn_jax.drivers.newton_system import Operands, System
from rnn_jax.typing import Params, State

FULL_LIMIT = 32  # numbers in a state up to which "auto" takes the full Jacobian
ROUNDINGS = 32  # the default tolerance, in units of the rounding of the computation


def newton(
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
    jacobian: Literal["auto"] | Structure = "auto",
    damped: bool = False,
    tolerance: float | None = None,
    max_iterations: int = 100,
) -> tuple[State, jax.Array]:
    """Run any cell over a sequence in parallel over time: guess all states, and correct them.

        d_t = J_t d_{t-1} + step(s_{t-1}) - s_t,   s_t + d_t is the next guess for s_t

    The steps of all times are evaluated at once from the guessed states, and linearised; the linear
    recurrence is solved by an associative scan. It converges quadratically where it converges
    (DEER), in few iterations whatever T for networks that forget. Where it does not converge within
    ``max_iterations``, or leaves the range of numbers, the sequence is run by a loop, so the result
    is that of ``scan`` in any case; ``newton_info`` tells which. Under ``vmap`` the loop always
    runs beside: give batch axes instead.

    One iteration costs ``jacobian`` times as much as a step and more memory, so it pays where
    ``scan`` leaves a GPU or TPU idle: long sequences, small batches, small states, or cells whose
    units do not meet (``ParaGRU``, ``ParaLSTM``, ``IndRNN``).

    The gradient is one linear recurrence from the last step to the first, exact at the solution
    (the implicit rule): parallel over time with the full Jacobian or where the cell's blocks are
    all of it, else, and after falling back, a loop. Forward mode and second derivatives are as
    exact.

    The arguments up to ``key`` and the results are those of ``scan``. A state in bfloat16 is
    rounded once here, and at every step there.

    Args:
        cell: A cell whose state is made of real or complex numbers.
        params: Its parameters.
        xs: Inputs (T, *B, D), time first.
        state: State to begin with, leaves (*B, ...); None for the cell's initial state.
        lengths: Real steps of each row, (*B,), integer in 0..T.
        mask: Which steps are real, (T, *B) bool; with ``lengths``, both must hold.
        reset: (T, *B) bool; True restarts the row from the cell's initial state before that step.
        reverse: Run from the last step to the first.
        key: Draws the noise of stochastic cells; None for evaluation.
        jacobian: What each iteration knows of the derivative of a step by the state before it.
            "full": all, N x N for a state of N numbers (DEER); "block": that of a unit's h and c by
            its own h and c; "diagonal": the diagonal (quasi-DEER), which takes more and cheaper
            iterations. "auto": "block" where that is all there is (cells with ``is_elementwise``,
            affine cells), else "full" up to N = 32 and "block" above.
        damped: Keep every step within what the linearisation is good for, by a Kalman smoother
            (ELK). Each row's error falls at every step taken, so the iterations cannot diverge, at
            several times the cost of one; how many a chaotic network takes still grows with T.
        tolerance: Largest error of a step, relative to 1 + its largest number, with which a row is
            done. None for 32 roundings of the computation, or one of the parameters if coarser;
            name a coarser one for ``Precision``, whose products are coarser than its parameters.
        max_iterations: Iterations after which it falls back.

    Returns:
        The final state, leaves (*B, ...), and the outputs (T, *B, O).

    Raises:
        ValueError: If an argument does not fit; the message says what and how.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.GRU(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> xs = jnp.ones((5, 2, 2))
        >>> state, ys = newton(cell, params, xs, lengths=jnp.array([5, 3]))
        >>> ys.shape, bool((ys[3:, 1] == 0).all())
        ((5, 2, 3), True)

    References:
        Lim, Zhu, Selfridge and Kasim, Parallelizing non-linear sequential models over the sequence
        length, 2024, arXiv:2309.12252 (DEER).
        Gonzalez, Warrington, Smith and Linderman, Towards scalable and stable parallelization of
        nonlinear RNNs, 2024, arXiv:2407.19115 (quasi-DEER, ELK).
        Danieli et al., ParaRNN: unlocking parallel training of nonlinear RNNs for large language
        models, 2025, arXiv:2510.21450.
    """
    return newton_info(
        cell,
        params,
        xs,
        state,
        lengths=lengths,
        mask=mask,
        reset=reset,
        reverse=reverse,
        key=key,
        jacobian=jacobian,
        damped=damped,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )[:2]


def newton_info(
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
    jacobian: Literal["auto"] | Structure = "auto",
    damped: bool = False,
    tolerance: float | None = None,
    max_iterations: int = 100,
) -> tuple[State, jax.Array, NewtonInfo]:
    """``newton``, and what it reached: iterations, residuals, whether it fell back to a loop.

    Args and what is raised are those of ``newton``.

    Returns:
        The final state, the outputs, and a ``NewtonInfo``.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.IndRNN(input_size=2, hidden_size=3, activation=jnp.tanh)
        >>> params = cell.init(jax.random.key(0))
        >>> _, _, info = newton_info(cell, params, jnp.ones((50, 2)))
        >>> bool(info.converged), int(info.iterations) < 10
        (True, True)
    """
    _check_choices(jacobian, tolerance, max_iterations)
    plan = prepare(cell, params, xs, state, lengths=lengths, mask=mask, reset=reset, key=key)
    check_floating(plan.state, type(cell).__name__)
    z = base.encode(cell, plan.params, plan.inputs.xs, plan.inputs.noise)
    begin, start, z = widen(plan.state, plan.start, z)
    marks = plan.inputs._replace(xs=None, noise=None)
    num_axes = plan.inputs.xs.ndim - 1 - len(base.input_shape(cell))
    per_unit = blocks_of(begin, num_axes, "block")
    if jacobian == "auto":
        small = sum(per_unit.sizes) <= FULL_LIMIT
        jacobian = "full" if small and not base.is_elementwise(cell) else "block"
    blocks = blocks_of(begin, num_axes, jacobian)
    exact = per_unit if base.is_elementwise(cell) else blocks if jacobian == "full" else None
    system = System(
        cell=cell,
        blocks=blocks,
        exact=exact,
        is_elementwise=base.is_elementwise(cell),
        reverse=reverse,
        damped=damped,
        tolerance=_rounding(plan.params, begin) if tolerance is None else tolerance,
        max_iterations=max_iterations,
        dtypes=tuple(leaf.dtype for leaf in jax.tree.leaves(plan.state)),
    )
    found = solution(system, Operands(plan.params, begin, start, z, marks))
    states = cast_like(found.states, plan.state)
    last = 0 if reverse else -1
    final = jax.tree.map(lambda leaf: leaf[last], states)
    return final, finish(cell, plan, states), found.info(system)


def _rounding(params: Params, state: State) -> float:
    """How near to the solution this precision comes."""

    def coarsest(tree: Any) -> float:
        leaves = [leaf.dtype for leaf in jax.tree.leaves(tree)]
        return max(
            (float(jnp.finfo(d).eps) for d in leaves if jnp.issubdtype(d, jnp.inexact)), default=0.0
        )

    return max(ROUNDINGS * coarsest(state), coarsest(params))


def _check_choices(jacobian: str, tolerance: float | None, max_iterations: int) -> None:
    if jacobian not in ("auto", "full", "block", "diagonal"):
        raise ValueError(
            f'jacobian must be "auto", "full", "block" or "diagonal", got {jacobian!r}.'
        )
    if tolerance is not None and not tolerance > 0:
        raise ValueError(f"tolerance must be above 0 or None, got {tolerance!r}.")
    if not isinstance(max_iterations, int) or max_iterations < 1:
        raise ValueError(f"max_iterations must be a whole number >= 1, got {max_iterations!r}.")

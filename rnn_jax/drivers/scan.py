"""``scan``: a cell over time by ``jax.lax.scan``; the driver to start with."""

from functools import partial
from math import isqrt
from typing import Any, Literal

import jax

from rnn_jax.drivers.chunks import run_steps, scan_chunks
from rnn_jax.drivers.common import Inputs, Plan, finish, prepare
from rnn_jax.drivers.deferred import run_deferred, supports_deferred
from rnn_jax.drivers.deferred_store import Store
from rnn_jax.typing import Params, State


def scan(
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
    unroll: int | None = None,
    remat: Literal["step", "sqrt"] | int | None = None,
    gradient: Literal["deferred", "autodiff"] = "deferred",
    chunk: int | None = None,
    store: Store | None = None,
) -> tuple[State, jax.Array]:
    """Run a cell over a sequence.

        s_t = step(params, s_{t-1}, encode(params, x_t)),   y_t = readout(params, s_t)

    Steps that are not real (``t >= lengths`` or ``mask`` False) hold the state and give zero
    outputs; what stands there, NaN included, changes nothing, not even gradients. A row of length 0
    keeps its initial state.

    For gated cells (LSTM, GRU, ...) the backward pass is the *chunked deferred gradient*: it keeps
    only the states and recomputes the gates of a chunk of steps with one matrix product, or keeps
    what the gates read too (``store``), and forms the gradient of all weights outside the time
    loop. It is faster, smaller and, in bfloat16, far more accurate than differentiating the loop,
    and the same to rounding. It is a reverse-mode rule: it can be differentiated again in reverse;
    for forward mode (``jax.jvp``, ``jax.jacfwd``, ``jax.hessian``) pass ``gradient="autodiff"``.

    Args:
        cell: A cell.
        params: Its parameters.
        xs: Inputs (T, *B, D), time first.
        state: State to begin with, leaves (*B, ...); None for the cell's initial state.
        lengths: Real steps of each row, (*B,), integer in 0..T.
        mask: Which steps are real, (T, *B) bool; with ``lengths``, both must hold.
        reset: (T, *B) bool; True restarts the row from the cell's initial state before that step.
        reverse: Run from the last step to the first; outputs stay aligned with xs. With
            right-padded rows this is the backward half of a bidirectional network: nothing is
            flipped.
        key: Draws the noise of stochastic cells (zoneout, dropout); None for evaluation.
        unroll: Steps laid out in one iteration of the loop; None chooses, by the platform (JAX's
            default, or that of ``drivers.compiling_for``) where the gradient is deferred.
        remat: What the backward pass recomputes instead of storing: "step" (stores one state for
            each step), "sqrt" or a number of steps (stores one state for each such chunk). It
            implies ``gradient="autodiff"``. None for the driver's own choice.
        gradient: "deferred" (where the cell is gated) or "autodiff", plain differentiation of the
            loop.
        chunk: Steps that the deferred gradient takes at once, each of its products being one for
            all of them; None chooses, by the platform. More take more memory.
        store: What the deferred gradient keeps: "states", the least, and forms the gates again; or
            "gates" too, which spares a quarter of the products and takes twice (LSTM) or three
            times (GRU) the memory, still a third or a half of what "autodiff" takes. None chooses:
            gates on a CPU up to 512 MiB, states elsewhere. That is counted for this call alone:
            further layers, rows of ``jax.vmap`` and blocks of ``truncated`` come on top.

    Returns:
        The final state, leaves (*B, ...), and the outputs (T, *B, O).

    Raises:
        ValueError: If an argument does not fit the cell or the inputs; the message says what and
            how.

    Example:
        >>> import jax.numpy as jnp
        >>> from rnn_jax import cells
        >>> cell = cells.LSTM(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> xs = jnp.ones((5, 2, 2))
        >>> state, ys = scan(cell, params, xs, lengths=jnp.array([5, 3]))
        >>> ys.shape, bool((ys[3:, 1] == 0).all())
        ((5, 2, 3), True)
    """
    plan = prepare(cell, params, xs, state, lengths=lengths, mask=mask, reset=reset, key=key)
    num_steps = plan.inputs.xs.shape[0]
    _check_choices(unroll, remat, gradient, chunk, store)
    if remat is not None:
        final, states = _run_remat(cell, plan, _chunk_size(remat, num_steps), reverse, unroll or 1)
    elif gradient == "deferred" and supports_deferred(cell, plan.state):
        final, states = run_deferred(cell, plan, reverse, unroll, chunk, store)
    else:
        final, states = _run_plain(cell, plan, reverse, unroll or 1)
    return final, finish(cell, plan, states)


def _check_choices(
    unroll: int | None, remat: Any, gradient: str, chunk: int | None, store: str | None
) -> None:
    for name, number in (("unroll", unroll), ("chunk", chunk)):
        if number is not None and (not isinstance(number, int) or number < 1):
            raise ValueError(f"{name} must be a whole number >= 1 or None, got {number!r}.")
    if gradient not in ("deferred", "autodiff"):
        raise ValueError(f'gradient must be "deferred" or "autodiff", got {gradient!r}.')
    if store not in (None, "states", "gates"):
        raise ValueError(f'store must be "states", "gates" or None, got {store!r}.')
    is_size = isinstance(remat, int) and not isinstance(remat, bool) and remat >= 1
    if remat not in (None, "step", "sqrt") and not is_size:
        raise ValueError(f'remat must be None, "step", "sqrt" or a chunk size >= 1, got {remat!r}.')


def _chunk_size(remat: Literal["step", "sqrt"] | int, num_steps: int) -> int:
    if isinstance(remat, int):
        return min(remat, num_steps)
    return 1 if remat == "step" else isqrt(num_steps - 1) + 1


def _run_plain(cell: Any, plan: Plan, reverse: bool, unroll: int) -> tuple[State, State]:
    return run_steps(cell, reverse, unroll, plan.params, plan.start, plan.state, plan.inputs)


def _run_remat(cell: Any, plan: Plan, size: int, reverse: bool, unroll: int) -> tuple[State, State]:
    """Chunks of ``size`` steps under ``jax.checkpoint``: only the states between them are kept."""
    run = jax.checkpoint(partial(run_steps, cell, reverse, unroll), prevent_cse=False)

    def body(state: State, inputs: Inputs, _: None) -> tuple[State, State]:
        return run(plan.params, plan.start, state, inputs)

    return scan_chunks(body, plan.state, plan.inputs, size, reverse)

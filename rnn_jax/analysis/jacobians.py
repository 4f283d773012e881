"""How far a change of the first state reaches: norms of the Jacobians over time."""

from typing import Any, Literal

import jax
import jax.numpy as jnp

from rnn_jax.analysis.tangents import batch_ndim, columns, push, ravel, steps_of
from rnn_jax.drivers.common import prepare
from rnn_jax.typing import Params, State


def jacobian_norms(
    cell: Any,
    params: Params,
    xs: jax.Array,
    state: State | None = None,
    *,
    names: tuple[str, ...] | None = None,
    norm: Literal["spectral", "frobenius"] = "spectral",
    lengths: jax.Array | None = None,
    reset: jax.Array | None = None,
    key: jax.Array | None = None,
) -> jax.Array:
    """The size of d s_t / d s_0 for every step: whether gradients vanish or explode.

        n_t = || J_t J_{t-1} ... J_1 ||,   J_t = d s_t / d s_{t-1}

    For a linear network it is the norm of the matrix power. The product is carried forward, N
    tangents for a state of N numbers, so memory does not grow with T; each step costs N products
    with J_t and, for the spectral norm, one singular value decomposition.

    A step that is not real holds the state, so the norm stays; a reset makes it 0. Complex states
    count as pairs of real numbers: where the step is complex linear (``cells.LRU``) the spectral
    norm is the complex one, and the Frobenius norm that times sqrt 2.

    Args:
        cell: A cell.
        params: Its parameters.
        xs: Inputs (T, *B, D).
        state: State to begin with, leaves (*B, ...); None for the cell's initial state.
        names: Fields of the state that are compared, both at 0 and at t: ("h",) for d h_t / d h_0,
            what an LSTM's memory carries from h_0 to h_t included; None for the whole state.
        norm: "spectral", the most that any small change grows, or "frobenius".
        lengths: Real steps of each row, (*B,).
        reset: (T, *B) bool, as for ``drivers.scan``.
        key: Draws the noise of stochastic cells; None for evaluation.

    Returns:
        (T, *B), float32 or wider. Where it leaves the range of numbers it is 0 or inf; its
        logarithm, ``log_jacobian_norms``, does not.

    Raises:
        ValueError: If ``norm`` or ``names`` is none of these, or as for ``drivers.scan``.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.irnn(1, 2, scale=0.5)
        >>> state = cells.ElmanState(h=jnp.ones(2))
        >>> norms = jacobian_norms(cell, cell.init(jax.random.key(0)), jnp.zeros((3, 1)), state)
        >>> [round(n, 3) for n in norms.tolist()]
        [0.5, 0.25, 0.125]

    References:
        Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks, 2013,
        arXiv:1211.5063.
    """
    marks: dict[str, Any] = {"lengths": lengths, "reset": reset, "key": key}
    return jnp.exp(log_jacobian_norms(cell, params, xs, state, names=names, norm=norm, **marks))


def log_jacobian_norms(
    cell: Any,
    params: Params,
    xs: jax.Array,
    state: State | None = None,
    *,
    names: tuple[str, ...] | None = None,
    norm: Literal["spectral", "frobenius"] = "spectral",
    lengths: jax.Array | None = None,
    reset: jax.Array | None = None,
    key: jax.Array | None = None,
) -> jax.Array:
    """The natural logarithm of ``jacobian_norms``, at any length of the sequence.

    The product is scaled at every step, so it neither underflows nor overflows.

    Returns:
        (T, *B), float32 or wider; -inf where the Jacobian is exactly 0.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.irnn(1, 2, scale=0.5)
        >>> state, params = cells.ElmanState(h=jnp.ones(2)), cell.init(jax.random.key(0))
        >>> logs = log_jacobian_norms(cell, params, jnp.zeros((50, 1)), state)
        >>> round(float(logs[-1] / jnp.log(0.5)), 3)
        50.0
    """
    if norm not in ("spectral", "frobenius"):
        raise ValueError(f'norm must be "spectral" or "frobenius", got {norm!r}.')
    plan = prepare(cell, params, xs, state, lengths=lengths, reset=reset, key=key)
    batch = batch_ndim(cell, plan)
    step, inputs = steps_of(cell, plan)
    rows, _, chosen = ravel(plan.state, batch, names)
    tangents = columns(jnp.eye(rows.shape[-1], chosen, dtype=rows.dtype), rows)

    def body(carry: Any, at: Any) -> tuple[Any, jax.Array]:
        state, tangents, log_scale = carry
        state, tangents = push(step, state, at, tangents, batch, names)
        largest = jnp.abs(tangents).max((0, -1))
        largest = jnp.where(largest > 0, largest, 1)
        tangents = tangents / jnp.broadcast_to(largest[None, ..., None], tangents.shape)
        log_scale = log_scale + jnp.log(largest)
        block = jnp.moveaxis(tangents[..., :chosen], 0, -1)
        size = jnp.linalg.norm(block, 2 if norm == "spectral" else "fro", axis=(-2, -1))
        return (state, tangents, log_scale), jnp.log(size) + log_scale

    start = (plan.state, tangents, jnp.zeros_like(rows[..., 0]))
    return jax.lax.scan(body, start, inputs)[1]

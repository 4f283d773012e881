"""What the gates of a cell do over time, and how often they are saturated."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax import cells
from rnn_jax.analysis.tangents import steps_of
from rnn_jax.drivers.checks import check_cell
from rnn_jax.drivers.common import prepare, widen
from rnn_jax.ops.checks import check_lengths
from rnn_jax.ops.linear import matmul, scale, shift, wider
from rnn_jax.ops.masks import length_mask, select
from rnn_jax.typing import Params, PyTree, State

Gates = dict[str, jax.Array]


def gate_activations(
    cell: Any,
    params: Params,
    xs: jax.Array,
    state: State | None = None,
    *,
    lengths: jax.Array | None = None,
    reset: jax.Array | None = None,
) -> Gates:
    """The gates of a cell after their nonlinearities, at every step.

        LSTM and its peephole, projected and multiplicative forms    i f g o
        CoupledLSTM                                                  f g o
        GRU                                                          r z n
        MinimalGatedUnit                                             f n

    Gates lie in 0..1, the candidates g and n in -1..1. With them c' = f * c + i * g holds for an
    LSTM, and h' = z * h + (1 - z) * n for a GRU.

    Args:
        cell: One of the cells above; of a wrapper give the inner cell and its parameters, of a
            stack its layers one by one.
        params: Its parameters.
        xs: Inputs (T, *B, D).
        state: State to begin with, leaves (*B, ...); None for the cell's initial state.
        lengths: Real steps of each row, (*B,).
        reset: (T, *B) bool, as for ``drivers.scan``.

    Returns:
        For each gate an array (T, *B, H) in float32 or wider, zero on padding.

    Raises:
        ValueError: If the cell is none of these, or as for ``drivers.scan``.

    Example:
        >>> cell = cells.GRU(input_size=2, hidden_size=3)
        >>> gates = gate_activations(cell, cell.init(jax.random.key(0)), jnp.ones((5, 4, 2)))
        >>> {name: gate.shape for name, gate in gates.items()}
        {'r': (5, 4, 3), 'z': (5, 4, 3), 'n': (5, 4, 3)}
    """
    check_cell(cell, None)
    family = _FAMILIES.get(type(cell))
    if family is None:
        raise ValueError(
            f"gate_activations does not know the gates of {type(cell).__name__}: give one of "
            f"{', '.join(kind.__name__ for kind in _FAMILIES)}, of a wrapper the inner cell."
        )
    plan = prepare(cell, params, xs, state, lengths=lengths, reset=reset)
    step, inputs = steps_of(cell, plan)

    def body(state: State, at: Any) -> tuple[State, Gates]:
        marks = at[1]
        before = state if marks.reset is None else select(marks.reset, plan.start, state)
        gates = family(cell, plan.params, *widen(before, at[0]))
        if marks.valid is not None:
            gates = select(
                marks.valid, gates, {k: jnp.zeros((), g.dtype) for k, g in gates.items()}
            )
        return step(state, at), gates

    found = jax.lax.scan(body, plan.state, inputs)[1]
    return {name: found[name] for name in "ifgorzn" if name in found}


class Saturation(NamedTuple):
    """How often each unit of a gate is at one of its ends."""

    low: jax.Array  # (H,) share of the steps below the lower bound
    high: jax.Array  # (H,) share of the steps above the upper bound


def saturation(
    gate: jax.Array,
    lengths: jax.Array | None = None,
    *,
    low: float = 0.1,
    high: float = 0.9,
) -> Saturation:
    """The share of steps at which each unit of a gate is nearly closed, and nearly open.

    A forget gate that is always high remembers, one always low makes the unit feed-forward.

    Args:
        gate: Activations (T, *B, H), of ``gate_activations``.
        lengths: Real steps of each row, (*B,); the others do not count.
        low: Below it a gate is closed.
        high: Above it a gate is open.

    Returns:
        Two shares in 0..1 for each unit, (H,), float32 or wider; both 0 where no step is real.

    Raises:
        ValueError: If the bounds are not low < high, a shape does not fit, or lengths are beyond
            0..T.

    Example:
        >>> share = saturation(jnp.array([[0.05, 0.5], [0.95, 0.5]]))
        >>> share.low.tolist(), share.high.tolist()
        ([0.5, 0.0], [0.5, 0.0])

    References:
        Karpathy, Johnson and Fei-Fei, Visualizing and understanding recurrent networks, 2015,
        arXiv:1506.02078.
    """
    if not low < high:
        raise ValueError(f"saturation: low must lie below high, got low={low}, high={high}.")
    gate = jnp.asarray(gate)
    if gate.ndim < 2:
        raise ValueError(f"saturation: gate has shape {gate.shape}, but it must be (T, *B, H).")
    valid = jnp.ones(gate.shape[:-1], bool)
    if lengths is not None:
        lengths = jnp.asarray(lengths)
        check_lengths(lengths, gate.shape[:-1], "gate")
        valid = length_mask(lengths, gate.shape[0])
    axes, dtype = tuple(range(gate.ndim - 1)), wider(gate.dtype, jnp.float32)
    count = jnp.maximum(valid.sum(), 1).astype(dtype)
    shares = (
        select(valid, at_end.astype(dtype), jnp.zeros((), dtype)).sum(axes) / count
        for at_end in (gate < low, gate > high)
    )
    return Saturation(*shares)


def _lstm_gates(sums: jax.Array) -> Gates:
    i, f, g, o = jnp.split(sums, 4, axis=-1)
    gates = {name: jax.nn.sigmoid(gate) for name, gate in zip("ifo", (i, f, o))}
    return {"i": gates["i"], "f": gates["f"], "g": jnp.tanh(g), "o": gates["o"]}


def _lstm(cell: Any, params: Any, state: Any, z: PyTree) -> Gates:
    return _lstm_gates(z + matmul(state.h, params.w_h))


def _peephole(cell: Any, params: Any, state: Any, z: PyTree) -> Gates:
    i, f, g, o = jnp.split(z + matmul(state.h, params.w_h), 4, axis=-1)
    i, f = i + scale(state.c, params.p_i), f + scale(state.c, params.p_f)
    o = o + scale(cell.step(params, state, z).c, params.p_o)  # it looks at the new memory
    return _lstm_gates(jnp.concatenate([i, f, g, o], axis=-1))


def _multiplicative(cell: Any, params: Any, state: Any, z: Any) -> Gates:
    return _lstm_gates(z.gates + matmul(z.m * matmul(state.h, params.w_mh), params.w_m))


def _coupled(cell: Any, params: Any, state: Any, z: PyTree) -> Gates:
    f, g, o = jnp.split(z + matmul(state.h, params.w_h), 3, axis=-1)
    return {"f": jax.nn.sigmoid(f), "g": jnp.tanh(g), "o": jax.nn.sigmoid(o)}


def _gru(cell: Any, params: Any, state: Any, z: PyTree) -> Gates:
    size = cell.hidden_size
    sums = z[..., :-size] + matmul(state.h, params.w_h[:, :-size])
    gates = [jax.nn.sigmoid(a) for a in jnp.split(sums, sums.shape[-1] // size, axis=-1)]
    reset, w_n = gates[0], params.w_h[:, -size:]
    if cell.reset == "after":
        r = reset * shift(matmul(state.h, w_n), params.b_h)
    else:
        r = shift(matmul(reset * state.h, w_n), params.b_h)
    names = "rz" if len(gates) == 2 else "f"
    return {**dict(zip(names, gates, strict=True)), "n": jnp.tanh(z[..., -size:] + r)}


_FAMILIES: dict[type, Callable[..., Gates]] = {
    cells.LSTM: _lstm,
    cells.PeepholeLSTM: _peephole,
    cells.ProjectedLSTM: _lstm,
    cells.MultiplicativeLSTM: _multiplicative,
    cells.CoupledLSTM: _coupled,
    cells.GRU: _gru,
    cells.MinimalGatedUnit: _gru,
}

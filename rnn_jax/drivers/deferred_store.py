"""What the forward loop of the deferred gradient leaves for its backward loop beside the states.

Without it the backward loop forms the pre-activations z and r of each chunk again, four products
for every three. With it training keeps twice as much (LSTM) or three times (GRU), a third or a half
of what differentiating the loop keeps.
"""

from math import prod
from typing import Any, Literal, NamedTuple

import jax

from rnn_jax.cells import base
from rnn_jax.drivers.common import Inputs, Plan, advance_by, widen
from rnn_jax.ops.linear import matmul
from rnn_jax.ops.platforms import target_platform
from rnn_jax.ops.tracing import reads_only_sum
from rnn_jax.typing import Params, PyTree, State

Store = Literal["states", "gates"]
# Most bytes of a call that are stored unasked, by platform: enough for an LSTM of 512 units, 64
# rows and 1000 steps. With them and ``ops.row_products`` training an LSTM takes 1.04 of flax'
# time where it took 1.25 (512 units, T 100), 0.79 for 0.87 (256, T 128) and 0.53 for 0.70 (512, T
# 1024): benchmarks/results/cpu.md. Elsewhere memory is dearer; not timed there.
MOST_BYTES = {"cpu": 512 * 2**20}


class Kept(NamedTuple):
    """Of each step, leaves (T, *B, ...): z + r alone where the gate reads no more, or z and r."""

    total: jax.Array | None = None
    z: PyTree = None
    r: jax.Array | None = None


class Stored(NamedTuple):
    """What is stored."""

    gates: bool
    total: bool = False  # of z and r their sum alone


def choose_store(cell: Any, plan: Plan, store: Store | None) -> Stored:
    """Follow ``store``, or if None the platform and the size.

    Example:
        >>> import jax.numpy as jnp
        >>> from rnn_jax import cells
        >>> from rnn_jax.drivers.common import prepare
        >>> cell = cells.LSTM(input_size=2, hidden_size=3)
        >>> plan = prepare(cell, cell.init(jax.random.key(0)), jnp.ones((5, 2)), None)
        >>> choose_store(cell, plan, "gates"), choose_store(cell, plan, "states")
        (Stored(gates=True, total=True), Stored(gates=False, total=False))
    """
    most = MOST_BYTES.get(target_platform())
    if store == "states" or (store is None and most is None):
        return Stored(False)
    total = False

    def probe(params: Params, state: State, inputs: Inputs) -> tuple[PyTree, jax.Array]:
        nonlocal total
        zs = base.encode(cell, params, inputs.xs, inputs.noise)
        state, z = widen(state, jax.tree.map(lambda leaf: leaf[0], zs))
        r = matmul(base.hidden(cell, params, state), cell.recurrent(params))
        if isinstance(z, jax.Array) and (z.shape, z.dtype) == (r.shape, r.dtype):
            total = reads_only_sum(lambda z, r: cell.gate(params, state, z, r), z, r)
        return z, r

    z, r = jax.eval_shape(probe, plan.params, plan.state, plan.inputs)
    leaves = jax.tree.leaves(r if total else (z, r))
    num_bytes = plan.inputs.xs.shape[0] * sum(prod(x.shape) * x.dtype.itemsize for x in leaves)
    return Stored(store == "gates" or (most is not None and num_bytes <= most), total)


def run_keeping(
    cell: Any,
    reverse: bool,
    unroll: int,
    total: bool,
    params: Params,
    start: State,
    state: State,
    inputs: Inputs,
) -> tuple[State, tuple[State, Kept]]:
    """``chunks.run_steps`` that gives, beside all states, what the backward loop wants to know.

    Example:
        >>> import jax.numpy as jnp
        >>> from rnn_jax import cells
        >>> cell = cells.LSTM(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> inputs = Inputs(jnp.ones((5, 2)), None, None, None)
        >>> _, (_, kept) = run_keeping(
        ...     cell, False, 1, False, params, None, cell.initial_state(params), inputs
        ... )
        >>> kept.z.shape, kept.r.shape, kept.total
        ((5, 12), (5, 12), None)
    """
    zs = base.encode(cell, params, inputs.xs, inputs.noise)

    def body(state: State, at: tuple[PyTree, Inputs]) -> tuple[State, tuple[State, Kept]]:
        kept = Kept()

        def step(state: State, z: PyTree) -> State:
            nonlocal kept
            r = matmul(base.hidden(cell, params, state), cell.recurrent(params))
            kept = Kept(total=z + r) if total else Kept(z=z, r=r)
            return cell.gate(params, state, z, r)

        z, marks = at
        new = advance_by(step, start, state, z, marks)
        return new, (new, kept)

    marks = inputs._replace(xs=None, noise=None)
    return jax.lax.scan(body, state, (zs, marks), reverse=reverse, unroll=unroll)

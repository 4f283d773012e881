"""``fused``: a gated cell over time as one TPU kernel, and one more back."""

from math import prod
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.drivers.common import Plan, finish, prepare
from rnn_jax.drivers.deferred import supports_deferred
from rnn_jax.drivers.fused_run import Choices, run_fused
from rnn_jax.typing import Params, State


def fused(
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
    interpret: bool = False,
) -> tuple[State, jax.Array]:
    """Run a gated cell over a sequence in one kernel of a TPU.

        z = encode(params, xs)                                   one product, before the kernel
        s_t = gate(params, s_{t-1}, z_t, h_{t-1} @ w_h)          in the kernel, w_h in its memory
        y = readout(params, s)                                   after it

    The result of ``scan``, which names the arguments. The kernel is made of the cell's own
    ``gate``: ``w_h`` and what else the gate reads are fetched once and stay in VMEM, as does the
    state; z streams past, states stream out. The gradient is the deferred one: a second kernel goes
    back over the steps, recomputes ``h_{t-1} @ w_h``, differentiates the gate on the spot and
    writes dz; the weights' gradients are large products after it. It is a rule of first order in
    reverse mode.

    It is for one device, or for each device inside ``jax.shard_map``: the compiler cannot split a
    kernel. Rows may be any number; sizes that are multiples of 128 waste nothing.

    Args:
        interpret: Compute what the kernel would, on any device, slowly: for tests. Without it the
            program can be made (traced, exported, compiled ahead of time) anywhere and runs on
            TPUs alone.

    Raises:
        ValueError: As for ``scan``; if the cell is not gated, if its gate does what a kernel cannot
            hold, if it does not fit the kernel's memory, for float64 without ``interpret``.

    Example:
        >>> from rnn_jax import cells
        >>> cell = cells.LSTM(input_size=2, hidden_size=3)
        >>> params = cell.init(jax.random.key(0))
        >>> xs = jnp.ones((5, 2, 2), jnp.float32)
        >>> state, ys = fused(cell, params, xs, lengths=jnp.array([5, 3]), interpret=True)
        >>> ys.shape, bool((ys[3:, 1] == 0).all())
        ((5, 2, 3), True)

    References:
        Appleyard, Kocisky and Blunsom, Optimizing performance of recurrent neural networks on GPUs,
        2016, arXiv:1604.01946.
        Poppel, Beck and Hochreiter, FlashRNN: I/O-aware optimization of traditional RNNs on modern
        hardware, 2024, arXiv:2412.07752.
    """
    plan = prepare(cell, params, xs, state, lengths=lengths, mask=mask, reset=reset, key=key)
    _check(cell, plan, interpret)
    flat, by_row = _flatten(cell, params, plan, key)
    try:
        found = run_fused(cell, Choices(reverse, interpret, by_row), *flat)
    except TypeError as error:
        if "custom_vjp" not in str(error):
            raise
        raise ValueError(
            "the fused kernel has a rule for reverse mode alone: for forward mode (jax.jvp, "
            'jax.jacfwd, jax.hessian) use drivers.scan with gradient="autodiff".'
        ) from error
    batch_shape = _batch_shape(cell, plan)
    final = jax.tree.map(lambda leaf: leaf.reshape(*batch_shape, leaf.shape[-1]), found[0])
    num_steps = plan.inputs.xs.shape[0]
    states = jax.tree.map(
        lambda leaf: leaf.reshape(num_steps, *batch_shape, leaf.shape[-1]), found[1]
    )
    return final, finish(cell, plan, states)


def _batch_shape(cell: Any, plan: Plan) -> tuple[int, ...]:
    xs = plan.inputs.xs
    return xs.shape[1 : xs.ndim - len(base.input_shape(cell))]


def _check(cell: Any, plan: Plan, interpret: bool) -> None:
    """What can be said before tracing."""
    name, leaves = type(cell).__name__, jax.tree.leaves((plan.params, plan.state, plan.inputs))
    if not supports_deferred(cell, plan.state):
        raise ValueError(
            f"{name} is not gated (one matrix product and elementwise work in a step), so no "
            "kernel can be made of it: use drivers.scan."
        )
    batch_ndim = len(_batch_shape(cell, plan))
    for path, leaf in jax.tree_util.tree_leaves_with_path(plan.state):
        if leaf.ndim != batch_ndim + 1:
            raise ValueError(
                f"state{jax.tree_util.keystr(path)} of {name} has shape {leaf.shape}, and the "
                "kernel holds one axis of features beside those of the batch: use drivers.scan."
            )
    if interpret:
        return
    if wide := [leaf for leaf in leaves if leaf.dtype in (jnp.float64, jnp.complex128)]:
        raise ValueError(
            f"there is an array of dtype {wide[0].dtype}, which TPUs do not compute with: use "
            "float32 or bfloat16, drivers.scan, or interpret=True in a test."
        )
    traced = any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)
    if not traced and jax.default_backend() != "tpu":
        raise ValueError(
            f"the fused kernel runs on TPUs, and the arrays are on {jax.default_backend()}: use "
            "drivers.scan, or interpret=True in a test."
        )


def _flatten(
    cell: Any, params: Params, plan: Plan, key: jax.Array | None
) -> tuple[Plan, tuple[bool, ...]]:
    """The plan with one batch axis, and which of the parameters' leaves have it (noise)."""
    batch_shape = _batch_shape(cell, plan)
    num_rows = prod(batch_shape)

    def rows(leaf: jax.Array) -> jax.Array:
        return leaf.reshape(num_rows, *leaf.shape[len(batch_shape) :])

    def steps(leaf: jax.Array) -> jax.Array:
        return leaf.reshape(leaf.shape[0], num_rows, *leaf.shape[1 + len(batch_shape) :])

    def shapes(count: int) -> list[tuple[int, ...]]:
        if key is None:
            return [leaf.shape for leaf in jax.tree.leaves(plan.params)]
        drawn = jax.eval_shape(lambda p, k: base.perturb(cell, p, k, (count,)), params, key)
        return [leaf.shape for leaf in jax.tree.leaves(drawn)]

    wanted = shapes(num_rows)
    treedef: Any = jax.tree.structure(plan.params)  # jax 0.10 gives it no type
    by_row = tuple(a != b for a, b in zip(wanted, shapes(num_rows + 1), strict=True))
    leaves = [
        leaf.reshape(shape) if is_drawn else leaf
        for leaf, shape, is_drawn in zip(jax.tree.leaves(plan.params), wanted, by_row, strict=True)
    ]
    flat = Plan(
        treedef.unflatten(leaves),
        jax.tree.map(rows, plan.state),
        jax.tree.map(rows, plan.start),
        jax.tree.map(steps, plan.inputs),
    )
    return flat, by_row

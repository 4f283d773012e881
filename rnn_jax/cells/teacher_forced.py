"""Teacher forcing: the previous target in the place of the output that a network feeds back."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.cells.affine import REPLACED
from rnn_jax.cells.elman import ElmanState
from rnn_jax.cells.feedback import FeedbackState
from rnn_jax.ops.linear import join, matmul
from rnn_jax.ops.masks import length_mask, select
from rnn_jax.typing import Params


@dataclass(frozen=True, kw_only=True)
class TeacherForced:
    """A network with output feedback that reads the previous target instead of its own output.

        x, t = split(input),   h' = update(h, encode(x) + t @ w_back, h @ w_h),   y' = output(h')

    The parameters are the inner cell's. The output no longer stands in the loop, so the state is h
    alone. FeedbackRNN and EchoState become gated; Jordan, which has no ``w_h``, becomes affine with
    a = 0, and ``drivers.associative`` runs all its steps at once. Make the inputs with
    ``teacher_inputs``, and the state to go on running freely from with ``free_state``.

    Args:
        cell: ``Jordan``, ``FeedbackRNN``, or ``EchoState`` with ``feedback=True``.

    Raises:
        ValueError: If the cell feeds no output back.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.Jordan(input_size=2, hidden_size=3, output_size=1)
        >>> params = cell.init(jax.random.key(0))
        >>> xs, targets = jnp.ones((5, 4, 2)), jnp.zeros((5, 4, 1))
        >>> inputs = cells.teacher_inputs(xs, targets)
        >>> state, ys = drivers.associative(cells.TeacherForced(cell=cell), params, inputs)
        >>> ys.shape
        (5, 4, 1)

    References:
        Williams and Zipser, A learning algorithm for continually running fully recurrent neural
        networks, 1989, doi:10.1162/neco.1989.1.2.270.
    """

    cell: Any

    def __post_init__(self) -> None:
        if not getattr(self.cell, "feedback", False):
            raise ValueError(
                f"TeacherForced: cell must feed its output back, got {self.cell!r}: use Jordan, "
                f"FeedbackRNN or EchoState(feedback=True)."
            )

    @property
    def input_size(self) -> int:
        return self.cell.input_size + self.cell.output_size

    @property
    def hidden_size(self) -> int:
        return self.cell.hidden_size

    @property
    def output_size(self) -> int:
        return self.cell.output_size

    @property
    def is_gated(self) -> bool:
        return hasattr(self.cell, "recurrent")

    @property
    def is_affine(self) -> bool:
        return not self.is_gated

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> Params:
        return self.cell.init(key, dtype)

    def initial_state(self, params: Params, batch_shape: tuple[int, ...] = ()) -> ElmanState:
        return ElmanState(h=self.cell.initial_state(params, batch_shape).h)

    def free_state(self, params: Params, state: ElmanState) -> FeedbackState:
        """The state from which the inner cell goes on with its own outputs."""
        return FeedbackState(h=state.h, y=self.readout(params, state))

    def encode(self, params: Params, x: jax.Array) -> jax.Array:
        x, target = jnp.split(x, [self.cell.input_size], axis=-1)
        z = self.cell.encode(params, x)
        return z + self.cell.feed(params, target.astype(z.dtype)).astype(z.dtype)

    def recurrent(self, params: Params) -> jax.Array:
        return self.cell.recurrent(params)

    def gate(self, params: Params, state: ElmanState, z: jax.Array, r: jax.Array) -> ElmanState:
        return ElmanState(h=self.cell.update(params, state.h, z, r))

    def affine(self, params: Params, z: jax.Array) -> tuple[ElmanState, ElmanState]:
        return ElmanState(h=REPLACED), ElmanState(h=self.cell.update(params, None, z, None))

    def step(self, params: Params, state: ElmanState, z: jax.Array) -> ElmanState:
        r = matmul(state.h, self.recurrent(params)) if self.is_gated else None
        return ElmanState(h=self.cell.update(params, state.h, z, r))

    def readout(self, params: Params, state: ElmanState) -> jax.Array:
        return self.cell.output(params, state.h)


def teacher_inputs(
    xs: jax.Array,
    targets: jax.Array,
    state: FeedbackState | None = None,
    *,
    lengths: jax.Array | None = None,
    mask: jax.Array | None = None,
    reset: jax.Array | None = None,
    reverse: bool = False,
) -> jax.Array:
    """The inputs of ``TeacherForced``: each x beside the target of the step before.

        input_t = [x_t, target_{t-1}],   target_{-1} = state.y

    Give lengths, mask, reset and reverse as to the driver. The step before is then the last real
    one in the order in which the driver runs: over a hole the target before it is carried on, and
    targets on padding are not read, even NaN.

    Args:
        xs: Inputs (T, *B, D) of the inner cell.
        targets: (T, *B, O).
        state: State of the inner cell to begin with; its y stands before the first target. None
            for zeros, which its initial state has there.
        lengths: Number of real steps of each row, (*B,), integer.
        mask: (T, *B) bool, True = real.
        reset: (T, *B) bool: a row that begins anew has zeros there, too.
        reverse: The driver runs from the last step to the first: input_t = [x_t, target_{t+1}].

    Returns:
        (T, *B, D + O), in the wider dtype of xs and targets.

    Raises:
        ValueError: If the axes of time and batch of xs and targets differ, or the state's y does
            not fit one step of the targets, or lengths, mask or reset do not fit xs.

    Example:
        >>> xs, targets = jnp.zeros((3, 1)), jnp.array([[1.0], [2.0], [3.0]])
        >>> teacher_inputs(xs, targets).tolist()
        [[0.0, 0.0], [0.0, 1.0], [0.0, 2.0]]
    """
    if xs.shape[:-1] != targets.shape[:-1]:
        raise ValueError(
            f"targets has shape {targets.shape} and xs {xs.shape}: all axes but the last, time and "
            f"batch, must agree."
        )
    first = jnp.zeros_like(targets[0]) if state is None else state.y.astype(targets.dtype)
    if first.shape != targets.shape[1:]:
        raise ValueError(
            f"state.y has shape {first.shape}, but one step of targets is {targets.shape[1:]}."
        )
    marks = {"lengths": (lengths, xs.shape[1:-1]), "mask": (mask, xs.shape[:-1])}
    for name, (given, shape) in {**marks, "reset": (reset, xs.shape[:-1])}.items():
        if given is not None and jnp.shape(given) != shape:
            raise ValueError(
                f"{name} has shape {jnp.shape(given)}, but by the axes of time and batch of xs it "
                f"must be {shape}."
            )
    if lengths is not None:
        by_length = length_mask(jnp.asarray(lengths), xs.shape[0])
        mask = by_length if mask is None else jnp.logical_and(by_length, mask)
    return join(xs, _previous(targets, first, mask, reset, reverse))


def _previous(
    targets: jax.Array,
    first: jax.Array,
    mask: jax.Array | None,
    reset: jax.Array | None,
    reverse: bool,
) -> jax.Array:
    """At each step the target of the last real step before it, in running order."""
    if reverse:
        mask, reset = jax.tree.map(lambda marks: jnp.flip(marks, 0), (mask, reset))
        return jnp.flip(_previous(jnp.flip(targets, 0), first, mask, reset, False), 0)
    shifted = jnp.concatenate([first[None], targets[:-1]])
    if mask is None:
        return shifted if reset is None else select(reset, jnp.zeros_like(shifted), shifted)
    # steps as numbers from 1, so that 0 is where nothing was: the place of the first in shifted
    steps = jax.lax.broadcasted_iota(jnp.int32, mask.shape, 0)
    real = jax.lax.cummax(jnp.where(mask, steps + 1, 0), axis=0)
    real = jnp.concatenate([jnp.zeros_like(real[:1]), real[:-1]])
    places = jnp.expand_dims(real, tuple(range(real.ndim, targets.ndim)))
    carried = jnp.take_along_axis(shifted, places, axis=0)
    if reset is None:
        return carried
    began = jax.lax.cummax(jnp.where(reset, steps + 1, 0), axis=0)
    return select(began > real, jnp.zeros_like(carried), carried)

"""Dropout of what an LSTM or GRU writes into its memory, and of the memory itself."""

import inspect
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells import base
from rnn_jax.cells.wrapper import Wrapper, check_field, check_rate
from rnn_jax.ops.dropout import drop, keep_mask
from rnn_jax.typing import Params, PyTree, State


class RecurrentDropoutParams(NamedTuple):
    """The inner cell's parameters, and the mask of the sequence at hand (None in evaluation)."""

    cell: Params
    keep: jax.Array | None = None  # (*B, H) bool


class RecurrentDropoutInput(NamedTuple):
    """What arrives at each step of ``RecurrentDropout``; also its noise, before encoding."""

    z: PyTree  # the inner cell's
    keep: jax.Array | None  # (*B, H) bool


_NONE = RecurrentDropoutInput(None, None)


@dataclass(frozen=True, kw_only=True)
class RecurrentDropout(Wrapper):
    """Recurrent dropout without memory loss: what is about to be written is dropped, no memory.

        c' = f * c + i * d(g)              LSTM
        h' = z * h + (1 - z) * d(n)        GRU

    with d(g) = m * g / (1 - rate). What the memory holds stays, whatever the masks.

    Args:
        cell: The inner cell: one whose gate takes ``update`` (LSTM, GRU with reset="after").
        rate: Probability of dropping, in [0, 1).
        per: "step" draws a mask for every step, "sequence" one for all.

    Raises:
        ValueError: If the rate lies outside [0, 1), or the cell has no such gate.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> gru = cells.GRU(input_size=2, hidden_size=3)
        >>> cell = cells.RecurrentDropout(cell=gru, rate=0.25)
        >>> params = cell.init(jax.random.key(0))
        >>> _, ys = drivers.scan(cell, params, jnp.ones((5, 4, 2)), key=jax.random.key(1))
        >>> ys.shape
        (5, 4, 3)

    References:
        Semeniuta, Severyn and Barth, Recurrent dropout without memory loss, 2016, arXiv:1603.05118.
    """

    rate: float
    per: Literal["step", "sequence"] = "step"
    has_params: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_rate(self, "rate")
        _check_update(self)
        if self.per not in ("step", "sequence"):
            raise ValueError(
                f'RecurrentDropout: per must be "step" or "sequence", got {self.per!r}.'
            )

    @property
    def is_affine(self) -> bool:
        return False

    @property
    def is_stochastic(self) -> bool:
        return base.is_stochastic(self.cell) or self.rate > 0

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> RecurrentDropoutParams:
        return RecurrentDropoutParams(cell=self.cell.init(key, dtype))

    def perturb(
        self, params: RecurrentDropoutParams, key: jax.Array, batch_shape: tuple[int, ...]
    ) -> RecurrentDropoutParams:
        key_cell, key_own = jax.random.split(key)
        inner = base.perturb(self.cell, params.cell, key_cell, batch_shape)
        keep = None
        if self.per == "sequence":
            keep = keep_mask(key_own, self.rate, (*batch_shape, *_memory_shape(self.cell)))
        return RecurrentDropoutParams(inner, keep)

    def noise(
        self, params: RecurrentDropoutParams, key: jax.Array, shape: tuple[int, ...]
    ) -> RecurrentDropoutInput:
        key_cell, key_own = jax.random.split(key)
        keep = None
        if self.per == "step":
            keep = keep_mask(key_own, self.rate, (*shape, *_memory_shape(self.cell)))
        return RecurrentDropoutInput(base.noise(self.cell, params.cell, key_cell, shape), keep)

    def encode(
        self,
        params: RecurrentDropoutParams,
        x: jax.Array,
        noise: RecurrentDropoutInput = _NONE,
    ) -> RecurrentDropoutInput:
        return RecurrentDropoutInput(base.encode(self.cell, params.cell, x, noise.z), noise.keep)

    def gate(
        self, params: RecurrentDropoutParams, state: State, z: RecurrentDropoutInput, r: jax.Array
    ) -> State:
        keep = z.keep if self.per == "step" else params.keep
        update = base.identity if keep is None else partial(drop, keep=keep, rate=self.rate)
        return self.cell.gate(params.cell, state, z.z, r, update=update)

    def step(self, params: RecurrentDropoutParams, state: State, z: RecurrentDropoutInput) -> State:
        return base.gated_step(self, params, state, z)


@dataclass(frozen=True, kw_only=True)
class RNNDrop(Wrapper):
    """rnnDrop: some memory cells are absent for a whole sequence.

        m ~ Bernoulli(1 - rate), once for a sequence
        c' = m * (f * c + i * g)
        h' = m * o * tanh(c') / (1 - rate)

    A mask drawn at every step would wipe out every memory after a few; this one leaves each memory
    cell whole or not there. The scaling stands where the memory is read: on c' itself it would grow
    with every step. (The paper scales in evaluation instead.)

    The mask on h changes nothing where h' is 0 with c', as in an LSTM; it keeps the absent cells of
    a ``LayerNormLSTM`` absent, whose norm (over all cells, zeros included) would shift them off
    zero. Where h is a projection of the memory (``ProjectedLSTM``) its units are not memory cells,
    and it has no mask.

    Args:
        cell: The inner cell: one with a memory c whose gate takes ``update`` (LSTM).
        rate: Probability of dropping a memory cell, in [0, 1).

    Raises:
        ValueError: If the rate lies outside [0, 1), or the cell has no memory c or no such gate.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.RNNDrop(cell=cells.LSTM(input_size=2, hidden_size=3), rate=0.25)
        >>> params = cell.init(jax.random.key(0))
        >>> _, ys = drivers.scan(cell, params, jnp.ones((5, 4, 2)), key=jax.random.key(1))
        >>> ys.shape
        (5, 4, 3)

    References:
        Moon, Choi, Lee and Song, RNNDROP: a novel dropout for RNNs in ASR, 2015,
        doi:10.1109/ASRU.2015.7404775.
    """

    rate: float
    has_params: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_rate(self, "rate")
        check_field(self, "rate", "c")
        _check_update(self)

    @property
    def is_affine(self) -> bool:
        return False

    @property
    def is_stochastic(self) -> bool:
        return base.is_stochastic(self.cell) or self.rate > 0

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> RecurrentDropoutParams:
        return RecurrentDropoutParams(cell=self.cell.init(key, dtype))

    def perturb(
        self, params: RecurrentDropoutParams, key: jax.Array, batch_shape: tuple[int, ...]
    ) -> RecurrentDropoutParams:
        key_cell, key_own = jax.random.split(key)
        inner = base.perturb(self.cell, params.cell, key_cell, batch_shape)
        keep = keep_mask(key_own, self.rate, (*batch_shape, *_memory_shape(self.cell)))
        return RecurrentDropoutParams(inner, keep)

    def gate(self, params: RecurrentDropoutParams, state: State, z: PyTree, r: jax.Array) -> State:
        if params.keep is None:
            return self.cell.gate(params.cell, state, z, r)
        absent = partial(drop, keep=params.keep, rate=0)
        state = state._replace(c=absent(state.c))
        new = self.cell.gate(params.cell, state, z, r, update=absent)
        if hasattr(self.cell, "projection_size"):  # h mixes the cells, also where P = H
            return new._replace(h=new.h / (1 - self.rate))
        return new._replace(h=drop(new.h, params.keep, self.rate))

    def step(self, params: RecurrentDropoutParams, state: State, z: PyTree) -> State:
        return base.gated_step(self, params, state, z)


def _check_update(wrapper: Any) -> None:
    cell = wrapper.cell
    if not (base.is_gated(cell) and "update" in inspect.signature(cell.gate).parameters):
        raise ValueError(
            f"{type(wrapper).__name__}: {type(cell).__name__} has no gate that takes update, the "
            f'hook at which the dropout acts: use an LSTM, or a GRU with reset="after", and put '
            f"this wrapper innermost."
        )


def _memory_shape(cell: Any) -> tuple[int, ...]:
    """Shape of what is written: of c where there is one, else of h."""
    shapes = {path.rpartition(".")[2]: shape for path, shape in base.state_shapes(cell).items()}
    return shapes["c"] if "c" in shapes else shapes["h"]

"""Two clocks: a network that steps always, under one that steps once for each segment."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax import drivers
from rnn_jax.cells import base
from rnn_jax.drivers.checks import check_cell
from rnn_jax.layers.base import Output
from rnn_jax.layers.common import as_array, prepare
from rnn_jax.layers.stack import join
from rnn_jax.ops.masks import select
from rnn_jax.typing import Params, PyTree, State


class HierarchicalParams(NamedTuple):
    """Parameters of ``Hierarchical``."""

    lower: Params
    upper: Params


class HierarchicalState(NamedTuple):
    """State of ``Hierarchical``."""

    lower: State
    upper: State
    phase: jax.Array  # (*B,) int32, steps done in the segment at hand


class HierarchicalInput(NamedTuple):
    """What arrives at each step of ``Hierarchical``."""

    x: jax.Array  # (*B, D)
    end: jax.Array | None  # (*B,) bool, the last step of a segment
    lower: PyTree  # noise of the two
    upper: PyTree


@dataclass(frozen=True, kw_only=True)
class Hierarchical:
    """A lower cell at every step, an upper one at the end of every segment, which conditions it.

        u   = readout_up(S)
        s'  = step_low(s, [x, u]),   y = readout_low(s')
        S'  = step_up(S, y)     at the last step of a segment, else S

    Causal: what the upper cell makes of a segment reaches the lower one with the next segment. So
    a gradient crosses T / period steps of the upper cell instead of T. The upper step is computed
    always and kept at the ends, so rows may have ends of their own, streams may be cut anywhere,
    and ``reset`` begins a new segment; it costs one step of the upper cell each time.

    Args:
        lower: A cell that reads D features of the inputs and the upper cell's output.
        upper: A cell that reads the lower cell's output.
        period: Steps in a segment; None: ``apply`` is given ``boundaries``, the last step of every
            segment (the spaces of a text).
        restart: Begin every segment with the lower cell's initial state, so that all it knows of
            the past comes from above.

    Raises:
        ValueError: If the sizes do not fit each other, or ``boundaries`` are missing or too many.

    Example:
        >>> from rnn_jax import cells
        >>> layer = Hierarchical(
        ...     lower=cells.GRU(input_size=2 + 4, hidden_size=3),
        ...     upper=cells.GRU(input_size=3, hidden_size=4),
        ...     period=5,
        ... )
        >>> params = layer.init(jax.random.key(0))
        >>> out = layer.apply(params, jnp.ones((12, 2, 2)))
        >>> out.ys.shape, out.state.upper.h.shape, out.state.phase.tolist()
        ((12, 2, 3), (2, 4), [2, 2])

    References:
        El Hihi and Bengio, Hierarchical recurrent neural networks for long-term dependencies, 1996.
        Sordoni et al., A hierarchical recurrent encoder-decoder for generative context-aware query
        suggestion, 2015, arXiv:1507.02221 (restart).
    """

    lower: Any
    upper: Any
    period: int | None = None
    restart: bool = False

    def __post_init__(self) -> None:
        check_cell(self.lower, None)
        check_cell(self.upper, None)
        if self.period is not None and (not isinstance(self.period, int) or self.period < 1):
            raise ValueError(
                f"Hierarchical: period must be a whole number >= 1 or None, got {self.period!r}."
            )
        if self.upper.input_size != self.lower.output_size:
            raise ValueError(
                f"Hierarchical: upper has input_size={self.upper.input_size}, but lower gives "
                f"{self.lower.output_size} features: make them equal."
            )
        if self.lower.input_size <= self.upper.output_size:
            raise ValueError(
                f"Hierarchical: lower has input_size={self.lower.input_size}, but upper's "
                f"{self.upper.output_size} features arrive beside the inputs: make lower with the "
                f"inputs' size + {self.upper.output_size}."
            )

    @property
    def input_size(self) -> int:
        return self.lower.input_size - self.upper.output_size

    @property
    def output_size(self) -> int:
        return self.lower.output_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> HierarchicalParams:
        key_lower, key_upper = jax.random.split(key)
        return HierarchicalParams(
            self.lower.init(key_lower, dtype), self.upper.init(key_upper, dtype)
        )

    def initial_state(
        self, params: HierarchicalParams, batch_shape: tuple[int, ...] = ()
    ) -> HierarchicalState:
        return HierarchicalState(
            self.lower.initial_state(params.lower, batch_shape),
            self.upper.initial_state(params.upper, batch_shape),
            jnp.zeros(batch_shape, jnp.int32),
        )

    def apply(
        self,
        params: Params,
        xs: jax.Array,
        state: State | None = None,
        *,
        lengths: jax.Array | None = None,
        reset: jax.Array | None = None,
        key: jax.Array | None = None,
        boundaries: jax.Array | None = None,
    ) -> Output:
        """Run over xs (T, *B, D); ``boundaries`` (T, *B) bool, True at a segment's last step."""
        xs, lengths, reset, batch_shape = prepare(self, xs, lengths, reset)
        boundaries = as_array(boundaries)
        if (boundaries is None) == (self.period is None):
            given = "no boundaries are" if boundaries is None else "boundaries are"
            raise ValueError(
                f"Hierarchical: {given} given and period is {self.period}: a segment ends after "
                "period steps or, with period=None, at boundaries."
            )
        if boundaries is not None:
            _check_boundaries(boundaries, (xs.shape[0], *batch_shape))
            xs = join([xs, boundaries[..., None].astype(xs.dtype)])
        state, ys = drivers.scan(
            _Cell(layer=self), params, xs, state, lengths=lengths, reset=reset, key=key
        )
        return Output(ys, lengths, state)


def _check_boundaries(boundaries: jax.Array, shape: tuple[int, ...]) -> None:
    if boundaries.shape != shape or boundaries.dtype != jnp.bool_:
        raise ValueError(
            f"boundaries has shape {boundaries.shape} and dtype {boundaries.dtype}: give booleans "
            f"in the time and batch axes of xs, {shape}."
        )


@dataclass(frozen=True, kw_only=True)
class _Cell:
    """``Hierarchical`` as a cell; without a period the last input feature marks the ends."""

    layer: Hierarchical

    @property
    def input_size(self) -> int:
        return self.layer.input_size + (self.layer.period is None)

    @property
    def output_size(self) -> int:
        return self.layer.output_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> HierarchicalParams:
        return self.layer.init(key, dtype)

    def initial_state(
        self, params: HierarchicalParams, batch_shape: tuple[int, ...] = ()
    ) -> HierarchicalState:
        return self.layer.initial_state(params, batch_shape)

    def perturb(
        self, params: HierarchicalParams, key: jax.Array, batch_shape: tuple[int, ...]
    ) -> HierarchicalParams:
        keys = jax.random.split(key)
        pair = zip((self.layer.lower, self.layer.upper), params, keys, strict=True)
        return HierarchicalParams(*(base.perturb(c, p, k, batch_shape) for c, p, k in pair))

    def noise(
        self, params: HierarchicalParams, key: jax.Array, shape: tuple[int, ...]
    ) -> tuple[PyTree, PyTree]:
        keys = jax.random.split(key)
        pair = zip((self.layer.lower, self.layer.upper), params, keys, strict=True)
        lower, upper = (base.noise(c, p, k, shape) for c, p, k in pair)
        return lower, upper

    def encode(
        self, params: HierarchicalParams, x: jax.Array, noise: tuple[PyTree, PyTree] = (None, None)
    ) -> HierarchicalInput:
        end = None
        if self.layer.period is None:
            x, end = x[..., :-1], x[..., -1] > 0
        return HierarchicalInput(x, end, *noise)

    def step(
        self, params: HierarchicalParams, state: HierarchicalState, z: HierarchicalInput
    ) -> HierarchicalState:
        lower, upper = self.layer.lower, self.layer.upper
        before = state.lower
        if self.layer.restart:
            fresh = lower.initial_state(params.lower, state.phase.shape)
            fresh = jax.tree.map(lambda new, old: new.astype(old.dtype), fresh, before)
            before = select(state.phase == 0, fresh, before)
        x = join([z.x, upper.readout(params.upper, state.upper)])
        below = lower.step(params.lower, before, base.encode(lower, params.lower, x, z.lower))
        phase = state.phase + 1
        end = phase >= jnp.int32(self.layer.period or 0) if z.end is None else z.end
        y = lower.readout(params.lower, below)
        above = upper.step(params.upper, state.upper, base.encode(upper, params.upper, y, z.upper))
        return HierarchicalState(below, select(end, above, state.upper), jnp.where(end, 0, phase))

    def readout(self, params: HierarchicalParams, state: HierarchicalState) -> jax.Array:
        return self.layer.lower.readout(params.lower, state.lower)

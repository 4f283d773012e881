"""Dilated recurrence: a step continues from the one d before it."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.layers.base import Output
from rnn_jax.layers.common import check_layer, prepare, shift_rows, turned
from rnn_jax.layers.rnn import RNN
from rnn_jax.layers.time_reduction import group
from rnn_jax.typing import Params, State


@dataclass(frozen=True, kw_only=True)
class Dilated:
    """A recurrent layer whose steps continue from ``dilation`` steps before: skips of length d.

        s_t = step(s_{t-d}, x_t)

    That is d sequences, each of every d-th step, which share the weights and run side by side as
    rows of one batch: T / d steps in time. The state holds one state for each, leaves (*B, d, ...),
    that of the next step first, so a stream may be cut anywhere. The paper's network is a ``Stack``
    of these with dilations 1, 2, 4, ...

    Args:
        layer: An ``RNN``, of any cell and driver.
        dilation: d >= 1; 1 is the layer itself but for the state's axis.

    Raises:
        ValueError: If ``layer`` is no ``RNN`` or ``dilation`` no whole number >= 1.

    Example:
        >>> from rnn_jax import cells, layers
        >>> rnn = layers.RNN(cell=cells.GRU(input_size=2, hidden_size=3))
        >>> layer = Dilated(layer=rnn, dilation=4)
        >>> params = layer.init(jax.random.key(0))
        >>> out = layer.apply(params, jnp.ones((10, 2, 2)), lengths=jnp.array([10, 7]))
        >>> out.ys.shape, out.state.h.shape
        ((10, 2, 3), (2, 4, 3))

    References:
        Chang et al., Dilated recurrent neural networks, 2017, arXiv:1710.02224.
    """

    layer: Any
    dilation: int

    def __post_init__(self) -> None:
        check_layer("Dilated", "layer", self.layer)
        if not isinstance(self.layer, RNN):
            raise ValueError(
                f"Dilated: layer is a {type(self.layer).__name__}: give a layers.RNN, and put "
                "dilated layers into others, not others into these."
            )
        wrong = not isinstance(self.dilation, int) or isinstance(self.dilation, bool)
        if wrong or self.dilation < 1:
            raise ValueError(
                f"Dilated: dilation must be a whole number >= 1, got {self.dilation!r}."
            )

    @property
    def input_size(self) -> int:
        return self.layer.input_size

    @property
    def input_shape(self) -> tuple[int, ...]:
        return self.layer.input_shape

    @property
    def output_size(self) -> int:
        return self.layer.output_size

    def turned(self) -> "Dilated":
        """The same, running the other way."""
        return replace(self, layer=turned(self.layer))

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> Params:
        return self.layer.init(key, dtype)

    def initial_state(self, params: Params, batch_shape: tuple[int, ...] = ()) -> State:
        return self.layer.initial_state(params, (*batch_shape, self.dilation))

    def apply(
        self,
        params: Params,
        xs: jax.Array,
        state: State | None = None,
        *,
        lengths: jax.Array | None = None,
        reset: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> Output:
        """Run over xs (T, *B, D); ``reset`` restarts all d states of a row."""
        xs, lengths, reset, batch_shape = prepare(self, xs, lengths, reset)
        num_steps, batch_ndim = xs.shape[0], len(batch_shape)
        counts = lengths
        if counts is None:
            row = xs[(0, ..., *(0,) * len(self.input_shape))]
            counts = jnp.full_like(row, num_steps, dtype=jnp.int32)
        if state is not None and self.layer.reverse:  # the next part's first step follows our last
            state = self._rotate(state, -counts, batch_ndim)
        uneven = num_steps % self.dilation != 0 or reset is not None
        out = self.layer.apply(
            params,
            self._fold(xs, batch_ndim, reset is not None),
            state,
            lengths=self._lengths(counts) if lengths is not None or uneven else None,
            reset=None if reset is None else self._restarts(reset),
            key=key,
        )
        ys = jnp.moveaxis(out.ys, 1 + batch_ndim, 1)
        ys = ys.reshape(-1, *ys.shape[2:])[:num_steps]
        end = out.state if self.layer.reverse else self._rotate(out.state, counts, batch_ndim)
        return Output(ys, lengths, end)

    def _fold(self, xs: jax.Array, batch_ndim: int, one_more: bool = False) -> jax.Array:
        """Every d-th step a row of its own: (T, *B, ...) -> (ceil(T / d), *B, d, ...).

        With ``one_more`` there is a last step of padding, where resets behind a row's end act.
        """
        groups = group(xs, self.dilation)
        if one_more:
            groups = jnp.concatenate([groups, jnp.zeros_like(groups[:1])])
        return jnp.moveaxis(groups, 1, 1 + batch_ndim)

    def _lengths(self, counts: jax.Array) -> jax.Array:
        """How many of the first n steps are each sequence's: ceil((n - j) / d), (*B, d)."""
        places = jax.lax.broadcasted_iota(counts.dtype, (*counts.shape, self.dilation), counts.ndim)
        rest = jnp.broadcast_to(counts[..., None], places.shape) - places
        return jnp.maximum((rest + self.dilation - 1) // self.dilation, 0)

    def _restarts(self, reset: jax.Array) -> jax.Array:
        """Where each sequence restarts: if any of its last d steps had a reset."""
        num_steps = reset.shape[0]
        behind = jnp.zeros_like(group(reset, self.dilation)[:1]).reshape(-1, *reset.shape[1:])
        total = -(-num_steps // self.dilation) * self.dilation + self.dilation
        line = jnp.concatenate([reset, behind, behind])[:total]
        found, reach = line, 1
        while reach < self.dilation:  # any of the last ``reach`` steps, doubling
            step = min(reach, self.dilation - reach)
            before = jnp.concatenate([jnp.zeros_like(found[:step]), found[: total - step]])
            found, reach = jnp.logical_or(found, before), reach + step
        return self._fold(found, reset.ndim - 1)

    def _rotate(self, state: State, counts: jax.Array, batch_ndim: int) -> State:
        """Put the sequence that the step after ``counts`` belongs to first."""
        steps = counts.astype(jnp.int32) % self.dilation

        def one(leaf: jax.Array) -> jax.Array:
            places = jnp.moveaxis(jnp.asarray(leaf), batch_ndim, 0)
            return jnp.moveaxis(shift_rows(places, steps), 0, batch_ndim)

        return jax.tree.map(one, state)

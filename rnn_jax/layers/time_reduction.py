"""Fewer steps: neighbours in time made one."""

from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp

from rnn_jax.cells.base import check_sizes
from rnn_jax.layers.base import Output
from rnn_jax.layers.common import check_stateless, clean, prepare
from rnn_jax.ops.linear import wider
from rnn_jax.ops.masks import length_mask, select
from rnn_jax.typing import Params, State


@dataclass(frozen=True, kw_only=True)
class TimeReduction:
    """Make every ``factor`` neighbouring steps one.

        y_t = [x_{ft}, x_{ft+1}, ..., x_{ft+f-1}]         "concat"; also "mean", "max"
        y_t = x_{ft}                                      "stride"
        new length = ceil(length / f)

    A row's last group may be short: what it lacks is zero for "concat", and does not count for
    "mean" and "max". A row of length 0 stays one. No parameters and no memory: the parts of a long
    sequence may come one after another if all but the last have a multiple of ``factor`` steps.

    Args:
        input_size: D.
        factor: f, steps in a group; 1 changes nothing.
        mode: "concat" (f * D features), "stride", "mean" or "max" (D features).

    Raises:
        ValueError: If ``factor`` is no whole number >= 1, or there is no such mode; in ``apply``
            for ``reset``, since a group would mix two sequences.

    Example:
        >>> layer = TimeReduction(input_size=1, factor=2)
        >>> xs = jnp.arange(1.0, 6.0)[:, None, None] * jnp.ones((1, 2, 1))
        >>> out = layer.apply((), xs, lengths=jnp.array([5, 2]))
        >>> out.ys[:, 0].tolist(), out.lengths.tolist()
        ([[1.0, 2.0], [3.0, 4.0], [5.0, 0.0]], [3, 1])

    References:
        Chan, Jaitly, Le and Vinyals, Listen, attend and spell, 2015, arXiv:1508.01211.
    """

    input_size: int
    factor: int = 2
    mode: Literal["concat", "stride", "mean", "max"] = "concat"

    def __post_init__(self) -> None:
        check_sizes(self)
        if not isinstance(self.factor, int) or isinstance(self.factor, bool) or self.factor < 1:
            raise ValueError(
                f"TimeReduction: factor must be a whole number >= 1, got {self.factor!r}; 1 keeps "
                "every step."
            )
        modes = ("concat", "stride", "mean", "max")
        if self.mode not in modes:
            raise ValueError(f"TimeReduction: mode must be one of {modes}, got {self.mode!r}.")

    @property
    def output_size(self) -> int:
        return self.input_size * (self.factor if self.mode == "concat" else 1)

    @property
    def keeps_time(self) -> bool:
        return self.factor == 1

    def turned(self) -> "TimeReduction":
        """Itself: it has no direction."""
        return self

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> Params:
        return ()

    def initial_state(self, params: Params, batch_shape: tuple[int, ...] = ()) -> State:
        return ()

    def new_lengths(self, lengths: jax.Array) -> jax.Array:
        """The lengths of the outputs: ``ceil(lengths / factor)``."""
        lengths = jnp.asarray(lengths)
        return lengths // self.factor + (lengths % self.factor != 0).astype(lengths.dtype)

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
        """Group the steps of xs (T, *B, D) into (ceil(T / f), *B, O)."""
        if reset is not None:
            raise ValueError(
                "TimeReduction: reset is given, but a group of steps may not span two sequences: "
                "give the sequences as rows of their own, with lengths."
            )
        check_stateless(self, state)
        xs, lengths, _, batch_shape = prepare(self, xs, lengths)
        if lengths is not None:
            new = self.new_lengths(lengths)
            return Output(clean(self._reduce(xs, lengths, batch_shape), new), new, ())
        return Output(self._reduce(xs, None, batch_shape), None, ())

    def _reduce(
        self, xs: jax.Array, lengths: jax.Array | None, batch_shape: tuple[int, ...]
    ) -> jax.Array:
        if self.mode == "concat":
            # Slices: XLA, splitting the batch over a TPU's chips, would exchange what a reshape of
            # time takes apart, forward and backward (see benchmarks.aot; jax 0.10.2).
            whole = whole_groups(xs, self.factor)
            return jnp.concatenate([whole[i :: self.factor] for i in range(self.factor)], -1)
        groups = group(xs, self.factor)  # (T', f, *B, D)
        if self.mode == "stride":
            return groups[:, 0]
        if lengths is None:
            full = jnp.arange(groups.shape[0] * self.factor) < xs.shape[0]
            full = full.reshape(*groups.shape[:2], *(1,) * len(batch_shape))
            real = jnp.broadcast_to(full, groups.shape[:-1])
        else:
            real = group(length_mask(lengths, xs.shape[0]), self.factor)
        if self.mode == "max":
            lowest = jnp.array(-jnp.inf, xs.dtype)
            most = jnp.max(select(real, groups, lowest), axis=1)
            return select(jnp.any(real, axis=1), most, jnp.zeros((), xs.dtype))
        count = jnp.maximum(jnp.sum(real, axis=1, dtype=jnp.int32), 1)
        total = jnp.sum(groups.astype(wider(xs.dtype, jnp.float32)), axis=1)
        return (total / count[..., None].astype(total.dtype)).astype(xs.dtype)


def group(xs: jax.Array, factor: int) -> jax.Array:
    """Cut time (T, ...) into groups (ceil(T / f), f, ...), zeros (False) behind the end.

    Example:
        >>> group(jnp.array([1, 2, 3]), 2).tolist()
        [[1, 2], [3, 0]]
    """
    return whole_groups(xs, factor).reshape(-1, factor, *xs.shape[1:])


def whole_groups(xs: jax.Array, factor: int) -> jax.Array:
    """Time (T, ...) lengthened to a multiple of ``factor``, zeros (False) behind the end.

    Example:
        >>> whole_groups(jnp.array([1, 2, 3]), 2).tolist()
        [1, 2, 3, 0]
    """
    missing = -xs.shape[0] % factor
    if not missing:
        return xs
    rest = jnp.broadcast_to(jnp.zeros_like(xs[:1]), (missing, *xs.shape[1:]))
    return jnp.concatenate([xs, rest])

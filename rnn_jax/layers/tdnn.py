"""Time-delay networks: a window of delays that slides over time, the same weights everywhere."""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.base import check_sizes
from rnn_jax.drivers.checks import check_params, check_state
from rnn_jax.layers.base import Output
from rnn_jax.layers.common import check_stateless, clean, prepare, shift_rows
from rnn_jax.ops.initializers import Glorot
from rnn_jax.ops.linear import affine
from rnn_jax.ops.masks import select
from rnn_jax.ops.types import batch_like, vary_like
from rnn_jax.typing import Activation, Initializer, State


class TDNNParams(NamedTuple):
    """Parameters of ``TDNN``."""

    w: jax.Array  # (K, D, O) of each delay, oldest first
    b: jax.Array  # (O,)


class TDNNState(NamedTuple):
    """What a causal ``TDNN`` has read last."""

    xs: jax.Array  # (*B, (K - 1) * dilation, D) oldest first, zero before a sequence's first step


@dataclass(frozen=True, kw_only=True)
class TDNN:
    """Time-delay neural network: every output reads a window of neighbouring steps.

        y_t = activation(b + sum_k x_{t + k*d - left} @ w_k),   k = 0 .. K-1,   d = dilation

    It is a convolution over time: ``w_k`` is PyTorch's ``Conv1d.weight[:, :, k].T``. The paper's
    network is a ``Stack`` of these. Steps outside the sequence are zero, and with ``reset`` so are
    those of a neighbouring sequence.

    Args:
        input_size: D.
        output_size: O.
        kernel_size: K, delays in a window.
        dilation: d, steps from one delay to the next.
        padding: "causal" looks back only (left = (K-1)*d) and streams: the state holds the last
            steps. "same" centres the window (left = (K-1)*d // 2, so an even K looks one step more
            ahead than back, as PyTorch's). "valid" gives only the outputs whose window is real:
            new length = max(length - (K-1)*d, 0); no ``reset``.
        activation: The paper has the logistic sigmoid.
        kernel_init: Initialiser of ``w`` as (K * D, O).

    Raises:
        ValueError: If a size is below 1 or ``padding`` is none of the three; in ``apply`` if
            "valid" is given fewer steps than a window has, or ``reset``.

    Example:
        >>> layer = TDNN(input_size=2, output_size=3, kernel_size=3, padding="valid")
        >>> params = layer.init(jax.random.key(0))
        >>> out = layer.apply(params, jnp.ones((6, 4, 2)), lengths=jnp.array([6, 3, 2, 0]))
        >>> out.ys.shape, out.lengths.tolist()
        ((4, 4, 3), [4, 1, 0, 0])

    References:
        Waibel, Hanazawa, Hinton, Shikano and Lang, Phoneme recognition using time-delay neural
        networks, 1989, doi:10.1109/29.21701.
        Peddinti, Povey and Khudanpur, A time delay neural network architecture for efficient
        modeling of long temporal contexts, 2015 (dilation).
    """

    input_size: int
    output_size: int
    kernel_size: int
    dilation: int = 1
    padding: Literal["causal", "same", "valid"] = "causal"
    activation: Activation = jax.nn.sigmoid
    kernel_init: Initializer = Glorot()

    def __post_init__(self) -> None:
        check_sizes(self)
        if not isinstance(self.dilation, int) or self.dilation < 1:
            raise ValueError(f"TDNN: dilation must be a whole number >= 1, got {self.dilation!r}.")
        if self.padding not in ("causal", "same", "valid"):
            raise ValueError(
                f'TDNN: padding must be "causal", "same" or "valid", got {self.padding!r}.'
            )

    @property
    def reach(self) -> int:
        """Steps from the first delay of a window to its last, (K - 1) * d."""
        return (self.kernel_size - 1) * self.dilation

    @property
    def keeps_time(self) -> bool:
        return self.padding != "valid" or self.reach == 0

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> TDNNParams:
        shape = (self.kernel_size, self.input_size, self.output_size)
        w = self.kernel_init(key, (self.kernel_size * self.input_size, self.output_size), dtype)
        return TDNNParams(w.reshape(shape), jnp.zeros((self.output_size,), dtype))

    def initial_state(self, params: TDNNParams, batch_shape: tuple[int, ...] = ()) -> State:
        if self.padding != "causal":
            return ()
        return TDNNState(jnp.zeros((*batch_shape, self.reach, self.input_size), params.w.dtype))

    def apply(
        self,
        params: TDNNParams,
        xs: jax.Array,
        state: State | None = None,
        *,
        lengths: jax.Array | None = None,
        reset: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> Output:
        """Slide over xs (T, *B, D); ys (T, *B, O), or (T - (K-1)*d, *B, O) for "valid"."""
        check_params(self, params)
        if self.padding != "causal":
            check_stateless(self, state)
        xs, lengths, reset, batch_shape = prepare(self, xs, lengths, reset)
        self._check(xs, reset)
        params = vary_like(params, xs)
        left, right = 0, 0
        if self.padding != "valid":
            right = 0 if self.padding == "causal" else self.reach - self.reach // 2
            left = self.reach - right
        before = _zeros(xs, left)
        if state is not None and self.padding == "causal":
            check_state(self, state, self.initial_state(params, batch_shape))
            given = batch_like(jnp.asarray(state.xs), xs, len(batch_shape))
            before = jnp.moveaxis(given, len(batch_shape), 0).astype(xs.dtype)
        line = jnp.concatenate([before, xs, _zeros(xs, right)])
        part = None if reset is None else _parts(reset, left, right)
        num_steps = line.shape[0] - self.reach
        w = params.w.reshape(-1, self.output_size)
        z = affine(self._windows(line, part, left, num_steps), w, params.b)
        new = lengths
        if lengths is not None and self.padding == "valid":
            new = jnp.maximum(lengths - self.reach, 0)
        ys = clean(self.activation(z), new)
        if self.padding != "causal":
            return Output(ys, new, ())
        return Output(ys, new, self._last(params, line, part, lengths, state))

    def _windows(
        self, line: jax.Array, part: jax.Array | None, left: int, num_steps: int
    ) -> jax.Array:
        """The window of every output, oldest step first: (T', *B, K * D)."""
        columns = []
        for k in range(self.kernel_size):
            column = jax.lax.slice_in_dim(line, k * self.dilation, k * self.dilation + num_steps)
            if part is not None:
                begin = k * self.dilation
                theirs = jax.lax.slice_in_dim(part, begin, begin + num_steps)
                ours = jax.lax.slice_in_dim(part, left, left + num_steps)
                column = select(theirs == ours, column, jnp.zeros((), column.dtype))
            columns.append(column)
        return jnp.concatenate(columns, axis=-1)

    def _last(
        self,
        params: TDNNParams,
        line: jax.Array,
        part: jax.Array | None,
        lengths: jax.Array | None,
        state: State | None,
    ) -> TDNNState:
        """The steps that the next part's first windows reach back to."""
        if part is not None:  # what stands before the last reset is no context any more
            same = part == jnp.broadcast_to(part[-1:], part.shape)
            line = select(same, line, jnp.zeros((), line.dtype))
        if lengths is None:
            last = line[line.shape[0] - self.reach :]
        else:
            last = shift_rows(line, lengths)[: self.reach]
        dtype = params.w.dtype if state is None else state.xs.dtype
        return TDNNState(jnp.moveaxis(last, 0, -2).astype(dtype))

    def _check(self, xs: jax.Array, reset: jax.Array | None) -> None:
        if self.padding != "valid":
            return
        if reset is not None:
            raise ValueError(
                'TDNN: reset is given, but with padding="valid" a window would span two sequences: '
                'take padding="same" or "causal", or give the sequences as rows of their own.'
            )
        if xs.shape[0] <= self.reach:
            raise ValueError(
                f'TDNN: xs has {xs.shape[0]} steps, but with padding="valid" a window of '
                f"kernel_size={self.kernel_size} and dilation={self.dilation} spans "
                f'{self.reach + 1}: give more steps, or padding="same".'
            )


def _zeros(xs: jax.Array, num_steps: int) -> jax.Array:
    return jnp.broadcast_to(jnp.zeros_like(xs[:1]), (num_steps, *xs.shape[1:]))


def _parts(reset: jax.Array, left: int, right: int) -> jax.Array:
    """The number of the sequence to which each step belongs; padding belongs to its neighbour."""
    count = jnp.cumsum(reset, axis=0, dtype=jnp.int32)
    before = _zeros(count, left)
    after = jnp.broadcast_to(count[-1:], (right, *count.shape[1:]))
    return jnp.concatenate([before, count, after])

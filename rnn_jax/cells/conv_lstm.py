"""The convolutional LSTM (Shi et al. 2015) in any number of spatial dimensions."""

import math
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.cells.base import check_sizes, zeros
from rnn_jax.cells.lstm import LSTMState
from rnn_jax.ops.initializers import Glorot, Orthogonal, Uniform, per_gate
from rnn_jax.ops.linear import affine, matmul, scale
from rnn_jax.typing import Initializer


class ConvLSTMParams(NamedTuple):
    """Parameters of ``ConvLSTM``; gates in the order i f g o, ``*k`` the kernel's shape."""

    w_x: jax.Array  # (*k, D, 4H)
    w_h: jax.Array  # (*k, H, 4H)
    b: jax.Array  # (4H,)
    p: jax.Array | None  # (3, *spatial, H) peepholes of i f o; None for none


@dataclass(frozen=True, kw_only=True)
class ConvLSTM:
    """LSTM over images (or lines, or volumes) whose products are convolutions.

        i, f, g, o = split(conv(x, w_x) + b + conv(h, w_h))
        c' = sigmoid(f + p_f * c) * c + sigmoid(i + p_i * c) * tanh(g)
        h' = sigmoid(o + p_o * c') * tanh(c')

    Channels last, zero padding that keeps the size ("SAME"); one step takes (*B, *spatial, D). The
    paper's peepholes are weights for each place and channel; without them (the default, and Keras'
    ``ConvLSTM1D`` to ``3D``) the cell knows no places. A convolution is one matrix product of
    patches, k times as large as the images; ``remat="step"`` forms them anew on the way back, which
    saves most of the memory and costs little or no time.

    Args:
        spatial_shape: Sizes of the spatial axes, as (height, width).
        input_size: D, channels of the input.
        hidden_size: H, channels of the state.
        kernel_size: Size of the kernel, for all axes or for each.
        peephole: Whether the gates see the memory.
        forget_bias: Initial bias of the forget gate.
        kernel_init: Initialiser of each gate's (k * D, H) block of ``w_x``, k places of the kernel.
        recurrent_init: Initialiser of each gate's (k * H, H) block of ``w_h``.
        peephole_init: Initialiser of ``p``.

    Raises:
        ValueError: If ``spatial_shape`` or ``kernel_size`` is not of positive sizes, or they differ
            in the number of axes.

    Example:
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.ConvLSTM(spatial_shape=(6, 5), input_size=1, hidden_size=2)
        >>> params = cell.init(jax.random.key(0))
        >>> state, ys = drivers.scan(cell, params, jnp.ones((3, 4, 6, 5, 1)))
        >>> ys.shape
        (3, 4, 6, 5, 2)

    References:
        Shi, Chen, Wang, Yeung, Wong and Woo, Convolutional LSTM network: a machine learning
        approach for precipitation nowcasting, 2015, arXiv:1506.04214.
    """

    spatial_shape: tuple[int, ...]
    input_size: int
    hidden_size: int
    kernel_size: int | tuple[int, ...] = 3
    peephole: bool = False
    forget_bias: float = 1.0
    kernel_init: Initializer = Glorot()
    recurrent_init: Initializer = Orthogonal()
    peephole_init: Initializer = Uniform(bound=0.1)

    def __post_init__(self) -> None:
        check_sizes(self)
        shape, kernel = self.spatial_shape, self.kernel_size
        if not isinstance(shape, tuple) or not shape or min(shape) < 1:
            raise ValueError(
                f"ConvLSTM: spatial_shape must be a tuple of positive sizes, such as (32, 32), got "
                f"{shape!r}."
            )
        if isinstance(kernel, tuple) and len(kernel) != len(shape):
            raise ValueError(
                f"ConvLSTM: kernel_size={kernel} has {len(kernel)} axes and spatial_shape={shape} "
                f"has {len(shape)}: give one size for each, or one number for all."
            )
        if not isinstance(kernel, int | tuple) or min(self.kernel_shape) < 1:
            raise ValueError(
                f"ConvLSTM: kernel_size must be a positive size or a tuple of them, got {kernel!r}."
            )

    @property
    def kernel_shape(self) -> tuple[int, ...]:
        """One size of the kernel for each spatial axis."""
        size = self.kernel_size
        return size if isinstance(size, tuple) else (size,) * len(self.spatial_shape)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input without batch axes, (*spatial, D)."""
        return (*self.spatial_shape, self.input_size)

    @property
    def output_size(self) -> int:
        return self.hidden_size

    def init(self, key: jax.Array, dtype: Any = jnp.float32) -> ConvLSTMParams:
        key_x, key_h, key_p = jax.random.split(key, 3)
        size, channels, kernel = self.hidden_size, self.input_size, self.kernel_shape
        rows_x, rows_h = math.prod(kernel) * channels, math.prod(kernel) * size
        w_x = per_gate(self.kernel_init, key_x, (rows_x, 4 * size), 4, dtype)
        w_h = per_gate(self.recurrent_init, key_h, (rows_h, 4 * size), 4, dtype)
        places = (3, *self.spatial_shape, size)
        return ConvLSTMParams(
            w_x=w_x.reshape(*kernel, channels, 4 * size),
            w_h=w_h.reshape(*kernel, size, 4 * size),
            b=jnp.zeros((4 * size,), dtype).at[size : 2 * size].set(self.forget_bias),
            p=self.peephole_init(key_p, places, dtype) if self.peephole else None,
        )

    def initial_state(self, params: ConvLSTMParams, batch_shape: tuple[int, ...] = ()) -> LSTMState:
        shape = (*self.spatial_shape, self.hidden_size)
        return LSTMState(
            h=zeros(params.w_h, batch_shape, *shape),
            c=zeros(params.w_h, batch_shape, *shape, wide=True),
        )

    def encode(self, params: ConvLSTMParams, x: jax.Array) -> jax.Array:
        return affine(_patches(x, self.kernel_shape), _matrix(params.w_x), params.b)

    def step(self, params: ConvLSTMParams, state: LSTMState, z: jax.Array) -> LSTMState:
        r = matmul(_patches(state.h, self.kernel_shape), _matrix(params.w_h))
        i, f, g, o = jnp.split(z + r, 4, axis=-1)
        if params.p is not None:
            i, f = i + scale(state.c, params.p[0]), f + scale(state.c, params.p[1])
        c = jax.nn.sigmoid(f) * state.c + jax.nn.sigmoid(i) * jnp.tanh(g)
        if params.p is not None:
            o = o + scale(c, params.p[2])
        return LSTMState(h=jax.nn.sigmoid(o) * jnp.tanh(c), c=c)

    def readout(self, params: ConvLSTMParams, state: LSTMState) -> jax.Array:
        return state.h


def _matrix(w: jax.Array) -> jax.Array:
    """A kernel (*k, D, G) as the matrix (k * D, G) that patches meet."""
    return w.reshape(-1, w.shape[-1])


def _patches(x: jax.Array, kernel: tuple[int, ...]) -> jax.Array:
    """Each place of (..., *spatial, D) with its neighbours, zero beyond the edges: (..., k * D).

    With one product instead of XLA's convolution the precision of products, any batch axes and
    Explicit meshes come by themselves (jax 0.10.2 has no gradient of a convolution that widens its
    result, and wants shardings spelt out), and gradients on a CPU take a fifth of the time.
    """
    num_batch = x.ndim - len(kernel) - 1
    shape = x.shape[num_batch:-1]
    around = [(0, 0)] * num_batch + [((k - 1) // 2, k // 2) for k in kernel] + [(0, 0)]
    padded = jnp.pad(x, around)
    shifted = [
        padded[(..., *(slice(a, a + size) for a, size in zip(at, shape, strict=True)), slice(None))]
        for at in product(*map(range, kernel))
    ]
    return jnp.concatenate(shifted, axis=-1)

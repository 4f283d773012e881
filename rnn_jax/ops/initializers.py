"""Initialisers as values: frozen dataclasses called as ``init(key, shape, dtype)``.

JAX's own initialisers are closures, equal only to themselves; these are equal when their fields
are, so two equal cells are one static argument and nothing is traced twice. All draw in float32 or
wider and cast at the end, so they work in bfloat16 (a QR decomposition does not).
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from rnn_jax.ops.linear import wider
from rnn_jax.typing import DType, Initializer, Shape


def _wide(dtype: DType) -> DType:
    return wider(dtype, jnp.float32)


@dataclass(frozen=True, kw_only=True)
class Zeros:
    """All zero.

    Example:
        >>> Zeros()(jax.random.key(0), (2,), jnp.float32).tolist()
        [0.0, 0.0]
    """

    def __call__(self, key: jax.Array, shape: Shape, dtype: DType = jnp.float32) -> jax.Array:
        del key
        return jnp.zeros(shape, dtype)


@dataclass(frozen=True, kw_only=True)
class Glorot:
    """Uniform on +-scale * sqrt(6 / (fan_in + fan_out)), the fans being the last two axes.

    Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks,
    2010.

    Example:
        >>> bool(abs(Glorot()(jax.random.key(0), (3, 5), jnp.float32)).max() <= (6 / 8) ** 0.5)
        True
    """

    scale: float = 1.0

    def __call__(self, key: jax.Array, shape: Shape, dtype: DType = jnp.float32) -> jax.Array:
        bound = self.scale * math.sqrt(6 / (shape[-2] + shape[-1]))
        return jax.random.uniform(key, shape, _wide(dtype), -bound, bound).astype(dtype)


@dataclass(frozen=True, kw_only=True)
class Uniform:
    """Uniform on [-bound, bound). PyTorch's recurrent layers use 1 / sqrt(H) for everything.

    Example:
        >>> bool(abs(Uniform(bound=0.1)(jax.random.key(0), (3, 5), jnp.float32)).max() <= 0.1)
        True
    """

    bound: float

    def __call__(self, key: jax.Array, shape: Shape, dtype: DType = jnp.float32) -> jax.Array:
        return jax.random.uniform(key, shape, _wide(dtype), -self.bound, self.bound).astype(dtype)


@dataclass(frozen=True, kw_only=True)
class Orthogonal:
    """A random matrix with orthonormal rows or columns (whichever are fewer), times ``scale``.

    The Q of the QR decomposition of a Gaussian matrix, signs fixed by the diagonal of R, so that it
    is uniform over the orthogonal group (Mezzadri 2007). A square one keeps the norm of the state:
    Henaff, Szlam and LeCun, Recurrent orthogonal networks and long-memory tasks, 2016.

    Example:
        >>> w = Orthogonal()(jax.random.key(0), (4, 4), jnp.float32)
        >>> bool(abs(w @ w.T - jnp.eye(4, dtype=w.dtype)).max() < 1e-5)
        True
    """

    scale: float = 1.0

    def __call__(self, key: jax.Array, shape: Shape, dtype: DType = jnp.float32) -> jax.Array:
        rows, columns = shape[-2:]
        tall = (*shape[:-2], max(rows, columns), min(rows, columns))
        q, r = jnp.linalg.qr(jax.random.normal(key, tall, _wide(dtype)))
        signs = jnp.sign(jnp.diagonal(r, axis1=-2, axis2=-1))
        q = q * jnp.broadcast_to(signs[..., None, :], q.shape)
        return (self.scale * (q if rows >= columns else q.mT)).astype(dtype)


@dataclass(frozen=True, kw_only=True)
class Identity:
    """``scale`` on the diagonal, zero elsewhere: the IRNN when the activation is ReLU.

    Le, Jaitly and Hinton, A simple way to initialize recurrent networks of rectified linear units,
    2015.

    Example:
        >>> Identity(scale=0.5)(jax.random.key(0), (2, 2), jnp.float32).tolist()
        [[0.5, 0.0], [0.0, 0.5]]
    """

    scale: float = 1.0

    def __call__(self, key: jax.Array, shape: Shape, dtype: DType = jnp.float32) -> jax.Array:
        del key
        rows, columns = shape[-2:]
        eye = jnp.broadcast_to(jnp.eye(rows, columns, dtype=_wide(dtype)), tuple(shape))
        return (self.scale * eye).astype(dtype)


@dataclass(frozen=True, kw_only=True)
class SpectralRadius:
    """A sparse Gaussian matrix of a given spectral radius: an echo state network's reservoir.

        w <- radius * w / max |eigenvalue of w|

    Jaeger, The echo state approach to analysing and training recurrent neural networks, 2001. The
    eigenvalues come from the QR algorithm on the host's processor, the only one JAX has.

    Args:
        radius: Spectral radius of the result, > 0.
        density: Share of non-zero entries, in (0, 1]; the same number in each column, at least 1.

    Example:
        >>> w = SpectralRadius(radius=0.9)(jax.random.key(0), (20, 20), jnp.float32)
        >>> round(float(abs(jnp.linalg.eigvals(w)).max()), 4)
        0.9
    """

    radius: float = 0.9
    density: float = 1.0

    def __post_init__(self) -> None:
        if not self.radius > 0 or not 0 < self.density <= 1:
            raise ValueError(
                f"SpectralRadius needs radius > 0 and 0 < density <= 1, got radius={self.radius}, "
                f"density={self.density}."
            )

    def __call__(self, key: jax.Array, shape: Shape, dtype: DType = jnp.float32) -> jax.Array:
        key_w, key_mask = jax.random.split(key)
        w = jax.random.normal(key_w, shape, _wide(dtype))
        # As many in each column, one at least: a unit that nobody drives is on no cycle, and a
        # matrix without cycles has no radius to scale.
        count = max(1, round(self.density * shape[-2]))
        ranks = jnp.argsort(jnp.argsort(jax.random.uniform(key_mask, shape), axis=-2), axis=-2)
        w = jnp.where(ranks < count, w, 0)
        largest = jnp.abs(jnp.linalg.eigvals(w)).max(-1)[..., None, None]
        return (self.radius * w / jnp.broadcast_to(largest, w.shape)).astype(dtype)


def per_gate(
    init: Initializer, key: jax.Array, shape: Shape, num_gates: int, dtype: DType
) -> jax.Array:
    """Initialise each gate's block of columns by itself: (D, num_gates * H) from blocks (D, H).

    An orthogonal (H, 4H) matrix has orthonormal *rows*, which makes no gate's block orthogonal;
    this makes every block so.

    Example:
        >>> w = per_gate(Identity(), jax.random.key(0), (2, 4), 2, jnp.float32)
        >>> w.tolist()
        [[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]]
    """
    block = (shape[0], shape[1] // num_gates)
    keys = jax.random.split(key, num_gates)
    return jnp.concatenate([init(k, block, dtype) for k in keys], axis=-1)


def chrono(key: jax.Array, size: int, max_time: float, dtype: DType = jnp.float32) -> jax.Array:
    """Forget-gate biases for memories of up to ``max_time`` steps.

        b = log(u),   u uniform on [1, max_time - 1)

    The input gate takes the negative. Tallec and Ollivier, Can recurrent neural networks warp
    time?, 2018.

    Example:
        >>> b = chrono(jax.random.key(0), 100, 50.0)
        >>> bool((b >= 0).all() and (b <= jnp.log(49.0)).all())
        True
    """
    if not max_time > 2:
        raise ValueError(f"chrono needs max_time > 2 steps, got {max_time}.")
    u = jax.random.uniform(key, (size,), _wide(dtype), 1.0, max_time - 1.0)
    return jnp.log(u).astype(dtype)

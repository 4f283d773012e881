"""How often a decoder reads its own token, as training goes on.

Called with the number of the update, a schedule gives the rate for ``scheduled_sampling``: one
minus the paper's epsilon, which is the teacher's share. Pure and traceable: inside a jitted update
``rate=schedule(step)``.
"""

from dataclasses import dataclass
from math import isfinite, log

import jax
import jax.numpy as jnp

from rnn_jax.ops.linear import wider


def _number(step: jax.Array | int | float) -> jax.Array:
    """The number of the update in float32 or wider."""
    step = jnp.asarray(step)
    is_float = jnp.issubdtype(step.dtype, jnp.floating)
    return step.astype(wider(step.dtype, jnp.float32) if is_float else jnp.float32)


def _check(name: str, field: str, value: float, holds: bool, rule: str) -> None:
    if not (isfinite(value) and holds):
        raise ValueError(f"{name}: {field} must {rule}, got {value!r}.")


@dataclass(frozen=True, kw_only=True)
class LinearSchedule:
    """The teacher's share falls along a line to a floor.

        epsilon_i = max(floor, offset - slope * i),   rate_i = 1 - epsilon_i

    Args:
        slope: c, by how much it falls at each update, >= 0.
        offset: k, its start, in [0, 1].
        floor: epsilon, its end, in [0, offset].

    Raises:
        ValueError: If the share could leave 0..1, or would rise.

    Example:
        >>> schedule = LinearSchedule(slope=0.25, floor=0.5)
        >>> [float(schedule(i)) for i in (0, 1, 2, 9)]
        [0.0, 0.25, 0.5, 0.5]

    References:
        Bengio, Vinyals, Jaitly and Shazeer, Scheduled sampling for sequence prediction with
        recurrent neural networks, 2015, arXiv:1506.03099.
    """

    slope: float
    offset: float = 1.0
    floor: float = 0.0

    def __post_init__(self) -> None:
        name, offset = type(self).__name__, self.offset
        _check(name, "slope", self.slope, self.slope >= 0, "be at least 0")
        _check(name, "offset", offset, 0 <= offset <= 1, "lie in 0..1")
        _check(name, "floor", self.floor, 0 <= self.floor <= offset, f"lie in 0..offset={offset}")

    def __call__(self, step: jax.Array | int) -> jax.Array:
        return 1 - jnp.clip(self.offset - self.slope * _number(step), self.floor, self.offset)


@dataclass(frozen=True, kw_only=True)
class ExponentialSchedule:
    """The teacher's share falls by the same factor at each update.

        epsilon_i = base^i,   rate_i = 1 - epsilon_i

    Args:
        base: k, in (0, 1).

    Raises:
        ValueError: If base is not between 0 and 1.

    Example:
        >>> [float(ExponentialSchedule(base=0.5)(i)) for i in (0, 1, 2)]
        [0.0, 0.5, 0.75]

    References:
        Bengio, Vinyals, Jaitly and Shazeer, Scheduled sampling for sequence prediction with
        recurrent neural networks, 2015, arXiv:1506.03099.
    """

    base: float

    def __post_init__(self) -> None:
        _check(type(self).__name__, "base", self.base, 0 < self.base < 1, "lie between 0 and 1")

    def __call__(self, step: jax.Array | int) -> jax.Array:
        return -jnp.expm1(jnp.maximum(_number(step), 0) * log(self.base))


@dataclass(frozen=True, kw_only=True)
class InverseSigmoidSchedule:
    """The teacher's share stays high, then falls, then stays low.

        epsilon_i = scale / (scale + exp(i / scale)),   rate_i = 1 - epsilon_i

    The shares are equal at i = scale * ln(scale).

    Args:
        scale: k, >= 1.

    Raises:
        ValueError: If scale is below 1.

    Example:
        >>> float(InverseSigmoidSchedule(scale=1.0)(0))
        0.5

    References:
        Bengio, Vinyals, Jaitly and Shazeer, Scheduled sampling for sequence prediction with
        recurrent neural networks, 2015, arXiv:1506.03099.
    """

    scale: float

    def __post_init__(self) -> None:
        _check(type(self).__name__, "scale", self.scale, self.scale >= 1, "be at least 1")

    def __call__(self, step: jax.Array | int) -> jax.Array:
        return jax.nn.sigmoid(jnp.maximum(_number(step), 0) / self.scale - log(self.scale))

"""The platform that a program is made for: the default one, unless it is compiled for another."""

from contextlib import AbstractContextManager
from typing import Any, Literal, get_args

import jax

Platform = Literal["cpu", "gpu", "tpu"]
_target: Any = jax.make_user_context(None)


def target_platform() -> str:
    """The platform by which sizes are chosen: "cpu", "gpu" or "tpu".

    Example:
        >>> with compiling_for("tpu"):
        ...     target_platform()
        'tpu'
    """
    return _target.value or jax.default_backend()


def compiling_for(platform: Platform) -> AbstractContextManager[Any]:
    """Within it drivers choose as on that platform, for programs that are compiled for it here.

    JAX can compile for devices that are not there (``jax.experimental.topologies``); what is traced
    meanwhile does not know of them. What is traced within is not used outside, nor the reverse.

    Args:
        platform: "cpu", "gpu" or "tpu".

    Raises:
        ValueError: If it is another.

    Example:
        >>> import jax.numpy as jnp
        >>> from rnn_jax import cells, drivers
        >>> cell = cells.LSTM(input_size=2, hidden_size=3)
        >>> with compiling_for("gpu"):
        ...     drivers.explain(cell, cell.init(jax.random.key(0)), jnp.ones((64, 2))).unroll
        8
    """
    if platform not in get_args(Platform):
        raise ValueError(f'platform must be "cpu", "gpu" or "tpu", got {platform!r}.')
    return _target(platform)

"""Checks of sizes and lengths that every room makes."""

from typing import Any

import jax
import jax.numpy as jnp


def check_sizes(owner: Any) -> None:
    """Check that every field whose name ends in ``_size`` (but tuples) is a whole number >= 1.

    Raises:
        ValueError: Naming the owner, the field and its value.

    Example:
        >>> from rnn_jax import cells
        >>> check_sizes(cells.LSTM(input_size=2, hidden_size=3))
    """
    for name in getattr(owner, "__dataclass_fields__", ()):
        size = getattr(owner, name) if name.endswith("_size") else 1
        if not isinstance(size, tuple) and size is not None:
            check_count(owner, name, size)


def check_count(owner: Any, name: str, value: Any) -> None:
    """Check that a field is a whole number >= 1.

    Raises:
        ValueError: Naming the owner, the field and its value.

    Example:
        >>> check_count("MultiHead", "num_heads", 2)
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        owner = owner if isinstance(owner, str) else type(owner).__name__
        raise ValueError(f"{owner}: {name} must be a whole number >= 1, got {value!r}.")


def check_instance(owner: str, name: str, value: Any, kind: type, example: str) -> None:
    """Check that a field holds one of a kind, and not a class in place of an instance.

    Raises:
        ValueError: Naming what was given, and how to make what is meant.

    Example:
        >>> from rnn_jax import attention
        >>> dot = attention.Dot(query_size=2, memory_size=2)
        >>> check_instance("Attentive", "attention", dot, attention.Attention, "attention.Dot(...)")
    """
    if isinstance(value, type) or not isinstance(value, kind):
        is_class = isinstance(value, type)
        what = f"the class {value.__name__}" if is_class else f"a {type(value).__name__}"
        raise ValueError(f"{owner}: {name} is {what}: give one such as {example}.")


def known(x: Any) -> bool:
    """Whether the values can be read here: no tracer, and no part of it on another host.

    Example:
        >>> known(jnp.ones(2)), jax.jit(lambda x: known(x))(jnp.ones(2)).item()
        (True, False)
    """
    return not isinstance(x, jax.core.Tracer) and getattr(x, "is_fully_addressable", True)


def check_lengths(lengths: jax.Array, shape: tuple[int, ...], what: str = "xs") -> None:
    """Check lengths (*B,) against the time and batch axes (T, *B) of ``what``.

    Against 0..T where their values are known, that is outside ``jit``.

    Raises:
        ValueError: Naming shape, dtype or values, and the right ones.

    Example:
        >>> check_lengths(jnp.array([5, 0]), (5, 2))
    """
    if jnp.shape(lengths) != shape[1:]:
        raise ValueError(
            f"lengths has shape {jnp.shape(lengths)}, but {what} has batch axes {shape[1:]}: "
            "give one length for each row."
        )
    if not jnp.issubdtype(jnp.result_type(lengths), jnp.integer):
        raise ValueError(
            f"lengths has dtype {jnp.result_type(lengths)}: give whole numbers of steps, "
            f"lengths.astype(jnp.int32)."
        )
    if known(lengths):
        with jax.ensure_compile_time_eval():
            low, high = int(jnp.min(lengths)), int(jnp.max(lengths))
        if low < 0 or high > shape[0]:
            raise ValueError(
                f"lengths go from {low} to {high}, but {what} has {shape[0]} steps: lengths must "
                f"lie in 0..{shape[0]}."
            )

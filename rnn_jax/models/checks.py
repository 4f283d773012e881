"""Bad configuration and bad batches, said before anything is computed."""

from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.ops.checks import known


def check_rates(config: Any) -> None:
    """Check that fields ending in ``dropout`` lie in [0, 1), penalties >= 0, counts whole and >= 1.

    Raises:
        ValueError: Naming the configuration, the field and its value.

    Example:
        >>> from rnn_jax.models import LanguageModelConfig
        >>> check_rates(LanguageModelConfig(vocab_size=5, output_dropout=0.5))
    """
    owner = type(config).__name__
    for name in config.__dataclass_fields__:
        value = getattr(config, name)
        if name.endswith("dropout") and not 0 <= value < 1:
            raise ValueError(
                f"{owner}: {name} is the probability of dropping, in [0, 1), got {value!r}."
            )
        if name.endswith("penalty") and not value >= 0:
            raise ValueError(f"{owner}: {name} must be >= 0, got {value!r}.")
        is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        if name.startswith("num_") and value is not None and not is_count:
            raise ValueError(f"{owner}: {name} must be a whole number >= 1, got {value!r}.")


def check_array(given: Any, name: str) -> None:
    """Check that an argument is an array, of JAX or NumPy, and no list.

    Raises:
        ValueError: Naming the argument and its type.

    Example:
        >>> check_array(jnp.zeros((2, 5)), "inputs")
    """
    if not hasattr(given, "ndim") or not hasattr(given, "dtype"):
        raise ValueError(
            f"{name} is a {type(given).__name__}: give an array, such as jnp.asarray({name})."
        )


def check_places(given: jax.Array, other: jax.Array, name: str, other_name: str) -> None:
    """Check that two arrays have the same rows and steps (B, T).

    Raises:
        ValueError: Naming both arguments and their shapes.

    Example:
        >>> check_places(jnp.zeros((2, 5, 3)), jnp.zeros((2, 5)), "letters", "inputs")
    """
    check_array(other, other_name)
    if given.shape[:2] != other.shape[:2]:
        raise ValueError(
            f"{name} has shape {given.shape}, but {other_name} has {other.shape}: give both the "
            "same rows and steps (B, T)."
        )


def check_conv_sizes(config: Any) -> None:
    """Check ``conv_sizes``, at least one number of channels, and make it a tuple.

    Raises:
        ValueError: Naming the configuration and what was given.

    Example:
        >>> from rnn_jax.models import CaptionerConfig
        >>> CaptionerConfig(vocab_size=9, conv_sizes=[4, 6]).conv_sizes
        (4, 6)
    """
    sizes = tuple(config.conv_sizes)
    object.__setattr__(config, "conv_sizes", sizes)  # a list cannot be hashed
    if not sizes or not all(type(size) is int and size >= 1 for size in sizes):
        raise ValueError(
            f"{type(config).__name__}: conv_sizes={sizes}; give at least one number of channels, "
            "each >= 1."
        )


def check_tokens(
    tokens: Any, name: str = "tokens", *, ndim: int = 2, vocab_size: int | None = None
) -> None:
    """Check that tokens are whole numbers (B, T) and, where their values are known, in range.

    Raises:
        ValueError: Naming the argument and what it is.

    Example:
        >>> check_tokens(jnp.zeros((2, 5), int), vocab_size=3)
    """
    check_array(tokens, name)
    if tokens.ndim != ndim or not jnp.issubdtype(tokens.dtype, jnp.integer):
        axes = "(B, T)" if ndim == 2 else f"of {ndim} axes, (B, T, ...)"
        raise ValueError(
            f"{name} has shape {tokens.shape} and dtype {tokens.dtype}: give whole numbers {axes}, "
            "one row for each sequence."
        )
    if vocab_size is None or not tokens.size or not known(tokens):
        return
    with jax.ensure_compile_time_eval():  # known values may be met inside a trace
        low, high = int(tokens.min()), int(tokens.max())
    if low < 0 or high >= vocab_size:
        raise ValueError(
            f"{name} holds {low if low < 0 else high}, but the vocabulary has {vocab_size} "
            f"entries, 0 to {vocab_size - 1}: pad with one of them, and give lengths."
        )


def check_features(xs: jax.Array, size: int, name: str = "inputs") -> None:
    """Check that inputs are floating point (B, T, D) with the model's D.

    Raises:
        ValueError: Naming the argument, its shape and the size.

    Example:
        >>> check_features(jnp.zeros((2, 5, 3)), 3)
    """
    check_array(xs, name)
    if xs.ndim != 3 or xs.shape[-1] != size or not jnp.issubdtype(xs.dtype, jnp.floating):
        raise ValueError(
            f"{name} has shape {xs.shape} and dtype {xs.dtype}, but the model reads floating-point "
            f"features (B, T, {size})."
        )

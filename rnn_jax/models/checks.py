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


def check_tokens(
    tokens: Any, name: str = "tokens", *, ndim: int = 2, vocab_size: int | None = None
) -> None:
    """Check that tokens are whole numbers (B, T) and, where their values are known, in range.

    Raises:
        ValueError: Naming the argument and what it is.

    Example:
        >>> check_tokens(jnp.zeros((2, 5), int), vocab_size=3)
    """
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
    if xs.ndim != 3 or xs.shape[-1] != size or not jnp.issubdtype(xs.dtype, jnp.floating):
        raise ValueError(
            f"{name} has shape {xs.shape} and dtype {xs.dtype}, but the model reads floating-point "
            f"features (B, T, {size})."
        )

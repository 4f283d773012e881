"""Labels of speech, checked before anything is computed."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnn_jax.losses.checks import as_lengths
from rnn_jax.models.checks import check_tokens
from rnn_jax.ops import length_mask
from rnn_jax.ops.checks import known


def check_symbols(config: Any, *names: str) -> None:
    """Check that a configuration's symbols are different numbers of its vocabulary.

    Raises:
        ValueError: Naming the configuration, the symbol and the vocabulary.

    Example:
        >>> from rnn_jax.models import CTCRecogniserConfig
        >>> check_symbols(CTCRecogniserConfig(input_size=3, vocab_size=5, blank=4), "blank")
    """
    owner, seen = type(config).__name__, dict[int, str]()
    for name in names:
        value = getattr(config, name)
        if type(value) is not int or not 0 <= value < config.vocab_size:
            raise ValueError(
                f"{owner}: {name} must be one of the vocabulary, 0..{config.vocab_size - 1}, got "
                f"{value!r}."
            )
        if value in seen:
            raise ValueError(
                f"{owner}: {name} and {seen[value]} are both {value}: give two different symbols."
            )
        seen[value] = name


class Labels(NamedTuple):
    """Checked labels."""

    given: jax.Array  # (B, U), anything on padding
    clean: jax.Array  # (B, U), 0 on padding, always in the vocabulary
    lengths: jax.Array | None  # (B,)


def check_labels(
    labels: jax.Array,
    label_lengths: jax.Array | None,
    vocab_size: int,
    reserved: dict[str, int],
) -> Labels:
    """Check labels (B, U); those of padding may be anything, such as -1.

    Args:
        labels: What was said, without symbols for beginning and end.
        label_lengths: How many labels each row has, (B,); None for U.
        vocab_size: V.
        reserved: Symbols of the model that are no labels, by name.

    Raises:
        ValueError: If shapes or dtypes do not fit, or a real label is known to be reserved or
            outside the vocabulary.

    Example:
        >>> found = check_labels(jnp.array([[2, -1]]), jnp.array([1]), 3, {"blank": 0})
        >>> found.clean.tolist()
        [[2, 0]]
    """
    labels = jnp.asarray(labels)
    check_tokens(labels, "labels")
    rows, size = labels.shape
    label_lengths = as_lengths("label_lengths", label_lengths, (rows,), size, "labels")

    def bad_and_clean() -> tuple[jax.Array, jax.Array]:
        real = jnp.ones(labels.shape, bool)
        if label_lengths is not None:
            real = length_mask(label_lengths, size).T
        good = (labels >= 0) & (labels < vocab_size)
        for symbol in reserved.values():
            good &= labels != symbol
        return real & ~good, jnp.where(real & good, labels, 0)

    if known(labels) and (label_lengths is None or known(label_lengths)):
        with jax.ensure_compile_time_eval():
            bad, _ = bad_and_clean()
            if bool(bad.any()):
                row, place = divmod(int(jnp.argmax(bad)), size)
                names = ", ".join(f"{symbol} ({name})" for name, symbol in reserved.items())
                raise ValueError(
                    f"labels[{row}, {place}] is {labels[row, place].item()}, but labels are "
                    f"0..{vocab_size - 1} without {names}: cut padding off by label_lengths, or "
                    "make the model with a larger vocab_size."
                )
    return Labels(labels, bad_and_clean()[1], label_lengths)

"""Bad input to a loss, said at once; and which steps are real."""

from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.drivers.checks import known
from rnn_jax.ops.linear import wider
from rnn_jax.ops.masks import length_mask
from rnn_jax.ops.types import shard_like


def as_scores(name: str, scores: Any, axes: str) -> jax.Array:
    """Check floating-point scores with the given axes; return them in float32 or wider.

    Args:
        name: Of the argument.
        scores: What was given.
        axes: What its axes mean, such as "(T, *B, V)": no axis but those of *B may be missing.

    Raises:
        ValueError: For another dtype, too few axes or an axis of size 0.

    Example:
        >>> as_scores("logits", jnp.ones((2, 3), jnp.bfloat16), "(T, *B, V)").dtype
        dtype('float32')
    """
    scores = jnp.asarray(scores)
    if not jnp.issubdtype(scores.dtype, jnp.floating):
        raise ValueError(
            f"{name} has dtype {scores.dtype}: give floating-point scores {axes}, before softmax."
        )
    least = axes.count(",") + 1 - axes.count("*")
    if scores.ndim < least or 0 in scores.shape:
        raise ValueError(
            f"{name} has shape {scores.shape}, but it must be {axes}, no axis of them empty: "
            "time comes first, classes come last."
        )
    return scores.astype(wider(scores.dtype, jnp.float32))


def as_lengths(
    name: str, lengths: Any, batch_shape: tuple[int, ...], most: int, of: str
) -> jax.Array | None:
    """Check whole numbers (*B,) in 0..most; the range where the values are known.

    Raises:
        ValueError: Naming shape, dtype or range, and the right one.

    Example:
        >>> as_lengths("lengths", [3, 0], (2,), 5, "frames of logits").tolist()
        [3, 0]
    """
    if lengths is None:
        return None
    lengths = jnp.asarray(lengths)
    if lengths.shape != batch_shape:
        raise ValueError(
            f"{name} has shape {lengths.shape}, but the batch axes are {batch_shape}: give one "
            "length for each row; time is the first axis, before the batch's."
        )
    if not jnp.issubdtype(lengths.dtype, jnp.integer):
        raise ValueError(
            f"{name} has dtype {lengths.dtype}: give whole numbers, {name}.astype(jnp.int32)."
        )
    if known(lengths) and lengths.size:
        with jax.ensure_compile_time_eval():
            low, high = int(jnp.min(lengths)), int(jnp.max(lengths))
        if low < 0 or high > most:
            raise ValueError(
                f"{name} go from {low} to {high}, but there are {most} {of}: they must lie in "
                f"0..{most}."
            )
    return _countable(lengths)


def _countable(x: jax.Array) -> jax.Array:
    """Room for any index: uint8 counts to 255 only."""
    return x.astype(jnp.int32) if x.dtype.itemsize < 4 else x


def real_steps(
    like: jax.Array, lengths: Any = None, mask: Any = None, of: str = "steps"
) -> jax.Array:
    """Which of the steps (T, *B) are real: both by ``lengths`` (*B,) and by ``mask`` (T, *B).

    Args:
        like: An array (T, *B), whose shape and sharding the result has.
        lengths: Real steps of each row, or None.
        mask: True = real, or None.
        of: What the steps are called in the message about lengths.

    Raises:
        ValueError: If either does not fit.

    Example:
        >>> real_steps(jnp.zeros((2, 2)), lengths=jnp.array([2, 1])).astype(int).tolist()
        [[1, 1], [1, 0]]
    """
    shape = like.shape
    real = jnp.ones(shape, bool)
    lengths = as_lengths("lengths", lengths, shape[1:], shape[0], of)
    if lengths is not None:
        real = length_mask(lengths, shape[0])
    if mask is not None:
        mask = jnp.asarray(mask)
        if mask.shape != shape:
            raise ValueError(f"mask has shape {mask.shape}, but time and batch axes are {shape}.")
        if mask.dtype != jnp.bool_:
            raise ValueError(
                f"mask has dtype {mask.dtype}: give booleans, True = real: mask.astype(bool)."
            )
        real = mask if lengths is None else jnp.logical_and(real, mask)
    return shard_like(real, like)


def as_labels(
    labels: Any,
    real: jax.Array,
    num_classes: int,
    *,
    name: str = "labels",
    not_allowed: int | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Check class numbers; those of padding may be anything, such as -1.

    Args:
        labels: Integers in the shape of ``real``.
        real: Bool; False is padding.
        num_classes: V.
        name: Of the argument.
        not_allowed: A class that no real label may have: CTC's blank.

    Returns:
        The labels, 0 wherever they are padding or no class, and (same shape) bool: False where a
        real label is no class, which only a traced one can be.

    Raises:
        ValueError: For another shape or dtype, and where values are known for a real label outside
            0..V-1 or equal to ``not_allowed``.

    Example:
        >>> labels, good = as_labels(jnp.array([2, -1]), jnp.array([True, False]), 3)
        >>> labels.tolist(), good.tolist()
        ([2, 0], [True, True])
    """
    labels = jnp.asarray(labels)
    if labels.shape != real.shape:
        raise ValueError(
            f"{name} has shape {labels.shape}, but time and batch axes are {real.shape}."
        )
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise ValueError(
            f"{name} has dtype {labels.dtype}: give class numbers, not one-hot vectors or "
            "probabilities."
        )
    labels = _countable(labels)
    inside = jnp.logical_and(labels >= 0, labels < num_classes)
    if not_allowed is not None:
        inside = jnp.logical_and(inside, labels != not_allowed)
    good = jnp.logical_or(inside, jnp.logical_not(real))
    if known(labels) and known(real):
        with jax.ensure_compile_time_eval():
            if not bool(jnp.all(good)):
                worst = labels.reshape(-1)[jnp.argmin(good.reshape(-1))].item()
                where = jnp.unravel_index(jnp.argmin(good.reshape(-1)), good.shape)
                but = "" if not_allowed is None else f" without {not_allowed}, the blank"
                raise ValueError(
                    f"{name}{[int(i) for i in where]} is {worst}, but classes are "
                    f"0..{num_classes - 1}{but}: cut padding off by lengths or mask, or give the "
                    "scores one column for each class."
                )
    return jnp.where(jnp.logical_and(inside, real), labels, jnp.zeros_like(labels)), good

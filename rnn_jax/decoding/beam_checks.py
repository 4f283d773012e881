"""Bad input to ``beam_search``, said at once."""

from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.decoding.checks import check_count, check_range, check_static, check_tokens
from rnn_jax.losses.checks import as_lengths
from rnn_jax.ops.types import batch_like
from rnn_jax.typing import State


def check_rows(state: State, start: Any) -> tuple[State, jax.Array, tuple[int, ...]]:
    """The state and the first tokens with one batch axis, and what the batch axes were.

    Raises:
        ValueError: If start is no token, or the leaves of the state do not begin with its axes.

    Example:
        >>> state, start, batch_shape = check_rows(jnp.zeros((4, 2)), 1)
        >>> start.tolist(), batch_shape
        ([1, 1, 1, 1], (4,))
    """
    state, start = jax.tree.map(jnp.asarray, state), check_tokens("start", start)
    leaves = jax.tree_util.tree_leaves_with_path(state)
    batch_shape = start.shape
    if not batch_shape:
        if not leaves or not leaves[0][1].ndim:
            raise ValueError(
                "start is one token and the state has no leaf with a batch axis: give one start "
                "token for each row, such as jnp.full((num_rows,), start)."
            )
        batch_shape = leaves[0][1].shape[:1]
    for path, leaf in leaves:
        if leaf.shape[: len(batch_shape)] != batch_shape or 0 in batch_shape:
            raise ValueError(
                f"state{jax.tree_util.keystr(path)} has shape {leaf.shape}, but the batch axes are "
                f"{batch_shape}: they lead every leaf; the search itself repeats rows for beams."
            )
    anchor = leaves[0][1] if leaves else start

    def flat(x: jax.Array) -> jax.Array:
        return x.reshape(-1, *x.shape[len(batch_shape) :]) if len(batch_shape) > 1 else x

    room = start.astype(jnp.int32) if start.dtype.itemsize < 4 else start  # for any token
    first = flat(jnp.broadcast_to(room, batch_shape))
    state = jax.tree.map(flat, state)
    return state, batch_like(first, flat(anchor)[None], 1), batch_shape


def check_choices(
    vocab_size: int,
    beam_size: int,
    num_best: int,
    start: jax.Array,
    end: int,
    max_length: int,
    min_length: int,
    block_ngrams: int | None,
    chunk: int,
    early_stop: str,
    length_penalty: Any,
) -> None:
    """Check the numbers of a search against each other.

    Raises:
        ValueError: Naming the first that does not fit.

    Example:
        >>> check_choices(5, 2, 1, jnp.array([0]), 0, 9, 0, None, 16, "safe", abs)
    """
    counts = {"beam_size": beam_size, "num_best": num_best, "max_length": max_length}
    for name, value in {**counts, "chunk": chunk, "block_ngrams": block_ngrams or 1}.items():
        check_count(name, value)
    if block_ngrams is not None:
        check_count("block_ngrams", block_ngrams)
    if isinstance(min_length, bool) or not isinstance(min_length, int):
        raise ValueError(f"min_length must be a whole number, got {min_length!r}.")
    if not 0 <= min_length <= max_length:
        raise ValueError(
            f"min_length={min_length} must lie in 0..max_length={max_length}: it counts tokens."
        )
    if vocab_size < 2:
        raise ValueError(
            f"the step's logits know {vocab_size} token: a search needs the end symbol and at "
            f"least one other."
        )
    if vocab_size**max_length < beam_size:
        raise ValueError(
            f"beam_size={beam_size} is more than the {vocab_size}^{max_length} = "
            f"{vocab_size**max_length} sequences of {vocab_size} tokens and max_length="
            f"{max_length}: give beam_size <= {vocab_size**max_length}."
        )
    if num_best > beam_size:
        raise ValueError(
            f"num_best={num_best} is more than beam_size={beam_size}: search with more beams, or "
            f"ask for fewer."
        )
    check_range("start", start, vocab_size)
    if end is None or isinstance(end, jax.core.Tracer) or jnp.asarray(end).ndim:
        raise ValueError(f"end is {end!r}: give one whole number, the same for all rows.")
    check_range("end", check_tokens("end", end), vocab_size)
    if early_stop not in ("safe", "first", "never"):
        raise ValueError(f'early_stop must be "safe", "first" or "never", got {early_stop!r}.')
    if not callable(length_penalty) or isinstance(length_penalty, type):
        raise ValueError(
            f"length_penalty is {length_penalty!r}: give one such as decoding.GNMT(0.6)."
        )
    check_static(length_penalty=length_penalty)


def check_prefix(
    prefix: Any,
    prefix_lengths: Any,
    batch_shape: tuple[int, ...],
    max_length: int,
    num_steps: int,
    vocab_size: int,
) -> tuple[jax.Array | None, jax.Array | None]:
    """The prefix (num_steps, B) and its lengths (B,), or None twice.

    Raises:
        ValueError: For a shape that does not fit, tokens out of range, or a prefix that is longer
            than a sequence may be.

    Example:
        >>> prefix, lengths = check_prefix([[3, 4]], None, (2,), 2, 4, 5)
        >>> prefix.shape, lengths.tolist()
        ((4, 2), [1, 1])
    """
    if prefix is None:
        if prefix_lengths is not None:
            raise ValueError("prefix_lengths was given without a prefix: give both, or neither.")
        return None, None
    prefix = check_tokens("prefix", prefix)
    if prefix.shape[1:] != batch_shape:
        raise ValueError(
            f"prefix has shape {prefix.shape}, but it must be (P, *B) with batch axes "
            f"{batch_shape}: time comes first."
        )
    size = prefix.shape[0]
    if size > max_length:
        raise ValueError(
            f"max_length={max_length} is below the prefix of {size} tokens, which it counts: give "
            f"max_length >= {size}."
        )
    check_range("prefix", prefix, vocab_size)
    prefix = prefix.reshape(size, -1).astype(jnp.int32)
    lengths = as_lengths("prefix_lengths", prefix_lengths, batch_shape, size, "tokens of prefix")
    if lengths is None:
        lengths = jnp.full_like(prefix[0], size)
    rest = jnp.broadcast_to(jnp.zeros_like(prefix[:1]), (num_steps - size, prefix.shape[1]))
    return jnp.concatenate([prefix, rest]), lengths.reshape(-1).astype(jnp.int32)


def check_coverage(
    penalty: Any, alignment: Any, source_lengths: Any, state: State, batch_shape: tuple[int, ...]
) -> int:
    """S, the number of source steps that ``alignment`` sees; 0 without a coverage penalty.

    Raises:
        ValueError: If one is given without the other, or alignments have no shape (B*K, S).

    Example:
        >>> check_coverage(None, None, None, (), (2,))
        0
    """
    if penalty is None:
        if alignment is not None or source_lengths is not None:
            raise ValueError(
                "alignment and source_lengths serve a coverage penalty: give coverage_penalty="
                "decoding.Coverage(0.2), or leave them out."
            )
        return 0
    check_static(coverage_penalty=penalty, alignment=alignment)
    if alignment is None:
        raise ValueError(
            f"coverage_penalty={penalty!r} needs alignment=, a function from the state to the "
            f"attention weights (B, S) of its step, such as lambda state: state.weights."
        )
    for name, function in {"coverage_penalty": penalty, "alignment": alignment}.items():
        if not callable(function) or isinstance(function, type):
            raise ValueError(f"{name} is {function!r}: give a function, or decoding.Coverage(0.2).")
    leaves = jax.tree.leaves(state)
    if not leaves:
        raise ValueError(
            "alignment reads the attention weights from the state, but the state holds no array: "
            "let the step put the weights of each token there."
        )
    weights, rows = jax.eval_shape(alignment, state), leaves[0].shape[0]
    if jnp.ndim(weights) != 2 or weights.shape[0] != rows or weights.shape[1] < 1:
        raise ValueError(
            f"alignment gave shape {jnp.shape(weights)} for {rows} hypotheses: it must be "
            f"({rows}, S), one weight for each source step; average several heads."
        )
    as_lengths("source_lengths", source_lengths, batch_shape, weights.shape[1], "source steps")
    return int(weights.shape[1])

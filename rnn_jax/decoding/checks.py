"""Bad input to a decoder, said at once: shapes always, values where they are known."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.drivers.checks import check_key, known
from rnn_jax.typing import Params, State


def check_tokens(name: str, tokens: Any) -> jax.Array:
    """The tokens as an integer array.

    Raises:
        ValueError: If they are no integers, or what holds them is empty.

    Example:
        >>> check_tokens("start", [1, 2]).tolist()
        [1, 2]
    """
    try:
        tokens = jnp.asarray(tokens)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {tokens!r}: tokens are whole numbers.") from None
    if tokens.size == 0:
        raise ValueError(
            f"{name} has shape {tokens.shape}, which is empty: give at least one step and row."
        )
    if not jnp.issubdtype(tokens.dtype, jnp.integer):
        raise ValueError(
            f"{name} has dtype {tokens.dtype}: tokens are whole numbers, {name}.astype(jnp.int32)."
        )
    return tokens


def check_range(name: str, tokens: jax.Array | int | None, vocab_size: int) -> None:
    """Check tokens against 0..V-1 where their values are known, that is outside ``jit``.

    Raises:
        ValueError: Naming the smallest and the largest; or the dtype, if it cannot hold V-1.

    Example:
        >>> check_range("start", jnp.array([0, 6]), 7)
    """
    if tokens is None:
        return
    dtype = getattr(tokens, "dtype", None)
    if dtype is not None and jnp.iinfo(dtype).max < vocab_size - 1:
        raise ValueError(
            f"{name} has dtype {dtype}, which ends at {jnp.iinfo(dtype).max}, but the step's "
            f"logits know {vocab_size} tokens: give {name}.astype(jnp.int32)."
        )
    if not known(tokens):
        return
    with jax.ensure_compile_time_eval():
        low, high = int(jnp.min(tokens)), int(jnp.max(tokens))
    if low < 0 or high >= vocab_size:
        raise ValueError(
            f"{name} has tokens from {low} to {high}, but the step's logits know "
            f"{vocab_size}: tokens must lie in 0..{vocab_size - 1}."
        )


def check_count(name: str, value: Any) -> None:
    """Check that a static choice is a whole number >= 1.

    Raises:
        ValueError: Naming it and its value.

    Example:
        >>> check_count("max_length", 3)
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        remedy = f": write int({name})" if hasattr(value, "__index__") and value != 0 else ""
        raise ValueError(f"{name} must be a whole number >= 1, got {value!r}{remedy}.")


def check_draws(key: Any, **users: Any) -> None:
    """Check that the key is one, and is there for whoever draws (``needs_key``).

    Raises:
        ValueError: Naming who draws.

    Example:
        >>> check_draws(jax.random.key(0))
    """
    check_key(key)
    for name, user in users.items():
        if key is None and getattr(user, "needs_key", False):
            raise ValueError(f"{name}={user!r} draws at random: give key=jax.random.key(0).")


def check_static(**functions: Any) -> None:
    """Check that functions can be static arguments of ``jit``: no classes, and hashable.

    Raises:
        ValueError: Naming the one that is not.

    Example:
        >>> check_static(step=jnp.sin)
    """
    for name, function in functions.items():
        if isinstance(function, type):
            raise ValueError(
                f"{name} is the class {function.__name__}: give one, {function.__name__}(...)."
            )
        try:
            hash(function)
        except TypeError:
            raise ValueError(
                f"{name} is a {type(function).__name__} that cannot be hashed: give a function or "
                f"a frozen dataclass of hashable fields, and put arrays into params or the state."
            ) from None


@partial(jax.jit, static_argnums=0)
def _probe(step: Any, params: Params, state: State, token: jax.Array) -> tuple[State, jax.Array]:
    return step(params, state, token)


def check_step(step: Any, params: Params, state: State, token: jax.Array) -> int:
    """Check what the step gives for tokens (*B,) by tracing it once, and return V.

    Raises:
        ValueError: If it is no step, or its state or logits have the wrong form.

    Example:
        >>> check_step(
        ...     lambda params, state, token: (state, jnp.zeros((2, 7))), (), (), jnp.array([1, 2])
        ... )
        7
    """
    if not callable(step) or isinstance(step, type):
        raise ValueError(
            f"step is {step!r}: give a function step(params, state, token) -> (state, logits), "
            f"such as decoding.TokenStep(cell=cell)."
        )
    check_static(step=step)
    batch_shape = token.shape
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        if jnp.shape(leaf)[: len(batch_shape)] != batch_shape:
            raise ValueError(
                f"state{jax.tree_util.keystr(path)} has shape {jnp.shape(leaf)}, but the tokens "
                f"have batch axes {batch_shape}: they lead every leaf of the state, and come after "
                f"time in the tokens."
            )
    result = _probe.eval_shape(step, params, state, token)
    if not isinstance(result, tuple) or len(result) != 2:
        raise ValueError(f"step gave {type(result).__name__}: it must give (state, logits).")
    new, logits = result
    _check_logits(logits, batch_shape)
    structure: Any = jax.tree.structure(state)
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(state)]
    if jax.tree.structure(new) != structure or [x.shape for x in jax.tree.leaves(new)] != shapes:
        raise ValueError(
            f"step turned a state of form {jax.tree.map(jnp.shape, state)} into "
            f"{jax.tree.map(jnp.shape, new)}: it must keep structure and shapes."
        )
    return logits.shape[-1]


def _check_logits(logits: Any, batch_shape: tuple[int, ...]) -> None:
    shape = jnp.shape(logits)
    if len(shape) != len(batch_shape) + 1 or shape[:-1] != batch_shape or shape[-1] < 1:
        raise ValueError(
            f"step gave logits of shape {shape} for tokens of shape {batch_shape}: they must be "
            f"{(*batch_shape, 'V')}; give one token for each row, such as "
            f"jnp.full((num_rows,), token)."
        )
    if not jnp.issubdtype(logits.dtype, jnp.floating):
        raise ValueError(f"step gave logits of dtype {logits.dtype}: they must be floating-point.")

"""What ``decode`` is told beside the step, checked: choice, stop rule, end symbols, padding."""

import operator
from inspect import signature
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.decoding.checks import check_range, check_static, check_tokens
from rnn_jax.decoding.stopping import Stopped
from rnn_jax.drivers.checks import known


def check_rules(choose: Any, stop: Any = None) -> None:
    """Check that a choice and a stop rule can be called as such, and are static.

    Raises:
        ValueError: Naming what it is, and how it is called.

    Example:
        >>> check_rules(lambda logits, key: logits.argmax(-1))
    """
    check_static(choose=choose, stop=stop)
    heads = {"choose": ("logits", "key"), "stop": ("params", "state", "token", "key")}
    remedies = {"choose": "give Greedy() or Sample(filters)", "stop": "give StopOutput(...)"}
    for name, function in (("choose", choose), ("stop", stop)):
        if function is None and name == "stop":
            continue
        try:
            signature(function).bind(*heads[name])
        except TypeError:
            raise ValueError(
                f"{name} is {function!r}, which cannot be called as {name}"
                f"({', '.join(heads[name])}): {remedies[name]}."
            ) from None


def check_chosen(chosen: Any, token: jax.Array) -> jax.Array:
    """What a choice gave, as tokens like ``token`` (*B,).

    Raises:
        ValueError: If it gave other shapes, or no integers.

    Example:
        >>> check_chosen(jnp.array([3, 1]), jnp.array([0, 0])).tolist()
        [3, 1]
    """
    shape, dtype = jnp.shape(chosen), jnp.result_type(chosen)
    if shape != token.shape or not jnp.issubdtype(dtype, jnp.integer):
        raise ValueError(
            f"choose gave shape {shape} and dtype {dtype}: it must give one whole number for each "
            f"row, {token.shape}."
        )
    return jnp.asarray(chosen).astype(token.dtype)


def check_stopped(stopped: Any, token: jax.Array) -> Stopped:
    """What a stop rule gave for tokens (*B,).

    Raises:
        ValueError: If it is no ``Stopped``, or of other shapes.

    Example:
        >>> ended = jnp.array([True, False])
        >>> check_stopped(Stopped(ended, jnp.zeros(2)), jnp.array([3, 1])).ended.tolist()
        [True, False]
    """
    if not isinstance(stopped, Stopped):
        raise ValueError(
            f"stop gave a {type(stopped).__name__}: it must give decoding.Stopped(ended, log_prob)."
        )
    shapes = jnp.shape(stopped.ended), jnp.shape(stopped.log_prob)
    if shapes != (token.shape,) * 2 or stopped.ended.dtype != jnp.bool_:
        raise ValueError(
            f"stop gave ended {shapes[0]} of {stopped.ended.dtype} and log_prob {shapes[1]}, but "
            f"both must be {token.shape}, ended bool."
        )
    return stopped


def check_ends(end: Any, vocab_size: int) -> tuple[int, ...]:
    """The end symbols, none, one or several, as static numbers.

    Raises:
        ValueError: If they are no tokens of the vocabulary, or traced.

    Example:
        >>> check_ends(3, 7), check_ends((3, 4), 7), check_ends(None, 7)
        ((3,), (3, 4), ())
    """
    if end is None or (isinstance(end, (tuple, list)) and not end):
        return ()
    if not known(end):
        raise ValueError("end is traced, but must be static: give a whole number, or several.")
    with jax.ensure_compile_time_eval():
        tokens = check_tokens("end", end)
        check_range("end", tokens, vocab_size)
        return tuple(tokens.ravel().tolist())


def check_pad(pad: Any, dtype: Any) -> int:
    """What stands after a row's end, as a number that the tokens' dtype holds.

    Raises:
        ValueError: If it is no whole number, or does not fit.

    Example:
        >>> check_pad(-1, jnp.int32)
        -1
    """
    try:
        pad = operator.index(pad)
    except TypeError:
        raise ValueError(f"pad must be a whole number, got {pad!r}.") from None
    info = jnp.iinfo(dtype)
    if not info.min <= pad <= info.max:
        raise ValueError(
            f"pad is {pad}, but start has dtype {dtype}, which holds {info.min}..{info.max}: give "
            f"another pad, or start.astype(jnp.int32)."
        )
    return pad

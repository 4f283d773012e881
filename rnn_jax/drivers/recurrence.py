"""Linear recurrences in parallel over time, in two levels."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from rnn_jax.drivers.chunks import fold, unfold
from rnn_jax.ops.masks import select
from rnn_jax.ops.platforms import target_platform
from rnn_jax.ops.types import vary_like
from rnn_jax.typing import PyTree

# Steps in a chunk on a CPU, and the least T for which chunks pay. Measured on one core of an EPYC
# (Zen 5), float32, time in units of the associative scan over all steps: T = 64 0.5 (chunk 16), 256
# 0.4 (64), 1024 0.4-0.7 (128; B = 8, H = 64 - B = 1, H = 16), 8192 0.14-0.7 (128), with 0.03 arrays
# (T, B, H) of temporary memory in place of 2.5; benchmarks/results/parallel_in_time.md. No GPU or
# TPU was at hand, where a loop of small kernels is dear: there it is one level.
CHUNK = 128
SHORTEST = 64
Product = Callable[[jax.Array, jax.Array], jax.Array]


@partial(jax.jit, static_argnames=("reverse", "chunk"))  # so that it is fast outside jit, too
def linear_recurrence(
    a: jax.Array,
    b: jax.Array,
    begin: jax.Array,
    reverse: bool = False,
    reset: jax.Array | None = None,
    chunk: int | None = None,
) -> jax.Array:
    """Solve ``s_t = a_t * s_{t-1} + b_t`` with ``s_{-1} = begin``, in parallel over time.

    Its derivative is of the same kind: with d for tangents or, read backwards, for gradients,
    ``ds_t = a_t * ds_{t-1} + (da_t * s_{t-1} + db_t)``. Saying that the states solve a linear
    system makes JAX use just this, in every order and both modes.

    Args:
        a: (T, ...), real or complex.
        b: (T, ...) of the same shape and dtype.
        begin: (...), the state before the first step.
        reverse: From the last step to the first.
        reset: (T, ...) bool, of the leading axes of a; True for ``s_t = b_t``, whatever a_t and
            s_{t-1} are: NaN and inf do not come across, nor do those of a gradient, backwards.
        chunk: As that of ``states_from_zero``.

    Returns:
        All states (T, ...).

    Example:
        >>> a, b = jnp.array([0.5, 0.5, 0.5]), jnp.array([1.0, 1.0, 1.0])
        >>> linear_recurrence(a, b, jnp.array(2.0)).tolist()
        [2.0, 2.0, 2.0]
    """
    first = -1 if reverse else 0
    if reset is not None:
        reset = vary_like(reset, b)
        a = select(reset, jnp.zeros_like(a), a)
        begin = select(reset[first], jnp.zeros_like(begin), begin)
    b = b.at[first].add(a[first] * begin)

    def residual(states: jax.Array) -> jax.Array:
        previous = shift(states, reverse)
        if reset is not None:
            previous = select(reset, jnp.zeros_like(previous), previous)
        return states - a * previous

    def solve(_: Any, b: jax.Array) -> jax.Array:
        return states_from_zero(a, b, reset, reverse, chunk)

    def transposed(_: Any, d_states: jax.Array) -> jax.Array:
        cut = None if reset is None else shift(reset, not reverse)
        return states_from_zero(shift(a, not reverse), d_states, cut, not reverse, chunk)

    return jax.lax.custom_linear_solve(residual, b, solve, transposed)


def states_from_zero(
    a: jax.Array,
    b: jax.Array,
    cut: jax.Array | None = None,
    reverse: bool = False,
    chunk: int | None = None,
    product: Product = jnp.multiply,
    times: Product = jnp.multiply,
) -> jax.Array:
    """All ``s_t = a_t s_{t-1} + b_t`` from zero, ``s_t = b_t`` where cut.

    In two levels. Time is cut into chunks; a loop through all of them at once finds what each does
    to a state, where (a, b) then (a', b') is (a' a, a' b + b'); an associative scan over the chunks
    gives the state before each; a second loop gives the states inside. That is twice the work of
    one loop, over arrays that are read and written in place, where an associative scan over all
    steps writes each level of its tree. It has no rule for its gradient: ``linear_recurrence`` has.

    Args:
        a: (T, ...), what ``product`` and ``times`` take.
        b: (T, ...).
        cut: (T, ...) bool, of the leading axes of b; NaN and inf do not come across.
        reverse: From the last step to the first.
        chunk: Steps in a chunk; 1 for an associative scan over all steps. None chooses.
        product: Of two a.
        times: Of an a and a state.

    Returns:
        All s_t (T, ...).

    Example:
        >>> states_from_zero(jnp.full(5, 2.0), jnp.ones(5), chunk=2).tolist()
        [1.0, 3.0, 7.0, 15.0, 31.0]
    """
    a, b = vary_like(a, b), vary_like(b, a)
    num_steps = b.shape[0]
    size = choose_chunk(num_steps) if chunk is None else min(chunk, num_steps)

    def advance(state: jax.Array, a: jax.Array, b: jax.Array, cut: Any) -> jax.Array:
        new = times(a, state) + b
        return new if cut is None else select(cut, b, new)

    def then(first: PyTree, second: PyTree) -> PyTree:
        (a1, b1, cut1), (a2, b2, cut2) = first, second
        cut = None if cut1 is None else jnp.logical_or(cut1, cut2)
        return product(a2, a1), advance(b1, a2, b2, cut2), cut

    if size == 1:
        return jax.lax.associative_scan(then, (a, b, cut), reverse=reverse)[1]
    a, b, cut = jax.tree.map(lambda x: fold(_padded(x, size), size), (a, b, cut))

    def place(step: jax.Array | int) -> jax.Array | int:
        return size - 1 - step if reverse else step

    def at(tree: PyTree, step: jax.Array | int) -> PyTree:
        return jax.tree.map(
            lambda x: jax.lax.dynamic_index_in_dim(x, place(step), 1, keepdims=False), tree
        )

    def summarise(step: jax.Array, total: PyTree) -> PyTree:
        return then(total, at((a, b, cut), step))

    def fill(step: jax.Array, carry: PyTree) -> PyTree:
        state, states = carry  # what is not filled yet is b
        state = advance(state, *at((a, states, cut), step))
        return state, jax.lax.dynamic_update_index_in_dim(states, state, place(step), 1)

    total = jax.lax.fori_loop(1, size, summarise, at((a, b, cut), 0))
    ends = jax.lax.associative_scan(then, total, reverse=reverse)[1]
    _, states = jax.lax.fori_loop(0, size, fill, (shift(ends, reverse), b))
    return unfold(states)[:num_steps]


def choose_chunk(num_steps: int, platform: str | None = None) -> int:
    """On a CPU T / 4 steps up to CHUNK, or fewer if that divides T, to pad nothing; else 1.

    Args:
        num_steps: T.
        platform: "cpu", "gpu" or "tpu"; None for ``target_platform()``.

    Example:
        >>> [choose_chunk(num_steps, "cpu") for num_steps in (10, 64, 1000, 1009)]
        [1, 16, 125, 128]
    """
    if num_steps < SHORTEST or (platform or target_platform()) != "cpu":
        return 1
    most = min(CHUNK, num_steps // 4)
    sizes = (size for size in range(most, most // 2, -1) if num_steps % size == 0)
    return next(sizes, most)


def _padded(x: jax.Array, size: int) -> jax.Array:
    """Zeros up to a multiple of ``size``: a = b = 0 keeps a state of zero, and the last is cut."""
    missing = -x.shape[0] % size
    if not missing:
        return x
    return jnp.concatenate([x, jnp.zeros_like(x, shape=(missing, *x.shape[1:]))])


def shift(x: jax.Array, reverse: bool) -> jax.Array:
    """The value of the step before, zero before the first.

    Example:
        >>> shift(jnp.array([1.0, 2.0, 3.0]), False).tolist()
        [0.0, 1.0, 2.0]
    """
    edge = jnp.zeros_like(x[:1])
    return jnp.concatenate([x[1:], edge] if reverse else [edge, x[:-1]])

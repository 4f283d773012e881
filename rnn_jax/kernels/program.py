"""A step as a kernel holds it: traced once, without what it does not need, and checked."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.extend.core
import jax.numpy as jnp
from jax.interpreters.partial_eval import dce_jaxpr

from rnn_jax.typing import PyTree

# What Mosaic, the compiler of TPU kernels, does not compile: all that moves elements by index or in
# a loop of its own, solves, draws, calls back or is complex. What is not named here is left to
# Mosaic to judge; elementwise primitives come with every version of JAX.
UNFIT = frozenset(
    ("argmax", "argmin", "cholesky", "complex", "conj", "conv_general_dilated", "cumlogsumexp")
    + ("cummax", "cummin", "cumprod", "cumsum", "custom_linear_solve", "debug_callback", "digamma")
    + ("eigh", "erf_inv", "fft", "gather", "householder_product", "igamma", "imag", "io_callback")
    + ("lgamma", "lu", "pure_callback", "qr", "random_bits", "random_wrap", "real", "reduce_and")
    + ("reduce_or", "reduce_prod", "rev", "scan", "scatter", "scatter-add", "scatter_mul", "sort")
    + ("svd", "threefry2x32", "top_k", "triangular_solve", "while")
)


class Program(NamedTuple):
    """A flat function of arrays, and which of the leaves that it was traced with it reads."""

    run: Callable[..., list[jax.Array]]  # of the leaves in ``reads`` and of ``constants``
    reads: tuple[int, ...]
    constants: list[jax.Array]
    outputs: list[Any]  # shapes and dtypes
    structure: Any  # of the result
    inner: list[Any]  # shapes and dtypes of all that is computed on the way


def trace(body: Callable[..., PyTree], *arguments: PyTree) -> Program:
    """Trace ``body`` for arguments of these shapes.

    Raises:
        ValueError: If a kernel cannot hold what the body does, naming it.

    Example:
        >>> x = jax.ShapeDtypeStruct((2,), "float32")
        >>> program = trace(lambda a, b: {"sum": jnp.sin(b)}, x, x)
        >>> program.reads, program.outputs[0].shape
        ((1,), (2,))
        >>> trace(lambda a: jnp.sort(a), x)
        Traceback (most recent call last):
        ValueError: a step that does sort does not fit a TPU kernel: use drivers.scan.
    """
    closed, shape = jax.make_jaxpr(body, return_shape=True)(*arguments)
    jaxpr, used = dce_jaxpr(closed.jaxpr, [True] * len(closed.jaxpr.outvars))
    if missing := sorted(set(_obstacles(jaxpr))):
        raise ValueError(
            f"a step that does {', '.join(missing)} does not fit a TPU kernel: use drivers.scan."
        )
    constants = [jnp.asarray(c) for c in closed.consts]
    count = len(constants)

    def run(*values: jax.Array) -> list[jax.Array]:
        inner = jax.extend.core.ClosedJaxpr(jaxpr, list(values[len(values) - count :]))
        return jax.extend.core.jaxpr_as_fun(inner)(*values[: len(values) - count])

    inner = [v.aval for equation in _equations(jaxpr) for v in equation.outvars]
    reads = tuple(i for i, yes in enumerate(used) if yes)
    outputs, structure = jax.tree.leaves(shape), jax.tree.structure(shape)
    return Program(run, reads, constants, outputs, structure, inner)


def _equations(jaxpr: Any) -> Iterator[Any]:
    """All equations, those of inner programs included."""
    for equation in jaxpr.eqns:
        yield equation
        for inner in jax.extend.core.jaxprs_in_params(equation.params):
            yield from _equations(inner)


def _obstacles(jaxpr: Any) -> Iterator[str]:
    """What a kernel cannot hold."""
    for equation in _equations(jaxpr):
        name = equation.primitive.name
        if name in UNFIT:
            yield name
        elif any(v.aval.ndim > 2 and v.aval.dtype == jnp.bool_ for v in equation.outvars):
            yield f"{name} of booleans to more than two axes"

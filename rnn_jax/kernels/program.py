"""A step as a kernel holds it: traced once, without what it does not need, and checked."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.extend.core
import jax.numpy as jnp
from jax.interpreters.partial_eval import dce_jaxpr

from rnn_jax.typing import PyTree

# What Mosaic, the compiler of TPU kernels, makes of a step (tried with libtpu 0.0.42 on every gated
# cell). Elementwise primitives are given to the vector unit, dot_general to the matrix unit.
PRIMITIVES = frozenset(
    ("abs", "add", "and", "ceil", "clamp", "convert_element_type", "copy", "cos", "div", "eq")
    + ("erf", "exp", "exp2", "expm1", "floor", "ge", "gt", "integer_pow", "is_finite", "le")
    + ("log", "log1p", "logistic", "lt", "max", "min", "mul", "ne", "neg", "not", "or", "pow")
    + ("round", "rsqrt", "select_n", "sign", "sin", "sqrt", "square", "sub", "tan", "tanh", "xor")
    + ("stop_gradient", "add_any", "mul_any", "copy_p", "optimization_barrier")
    + ("broadcast_in_dim", "concatenate", "dot_general", "iota", "reshape", "slice", "split")
    + ("squeeze", "pad", "transpose", "reduce_max", "reduce_min", "reduce_sum")
    + ("custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr", "jit", "pjit", "closed_call")
)


class Program(NamedTuple):
    """A flat function of arrays, and which of the leaves that it was traced with it reads."""

    run: Callable[..., list[jax.Array]]  # of the leaves in ``reads`` and of ``constants``
    reads: tuple[int, ...]
    constants: list[jax.Array]
    outputs: list[Any]  # shapes and dtypes
    structure: Any  # of the result


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
    if missing := sorted(_primitives(jaxpr) - PRIMITIVES):
        raise ValueError(
            f"a step that does {', '.join(missing)} does not fit a TPU kernel: use drivers.scan."
        )
    constants = [jnp.asarray(c) for c in closed.consts]
    count = len(constants)

    def run(*values: jax.Array) -> list[jax.Array]:
        inner = jax.extend.core.ClosedJaxpr(jaxpr, list(values[len(values) - count :]))
        return jax.extend.core.jaxpr_as_fun(inner)(*values[: len(values) - count])

    return Program(
        run,
        tuple(i for i, yes in enumerate(used) if yes),
        constants,
        jax.tree.leaves(shape),
        jax.tree.structure(shape),
    )


def _primitives(jaxpr: Any) -> set[str]:
    """Names of all primitives, those of inner programs included."""
    found = set()
    for equation in jaxpr.eqns:
        found.add(equation.primitive.name)
        for inner in jax.extend.core.jaxprs_in_params(equation.params):
            found |= _primitives(inner)
    return found

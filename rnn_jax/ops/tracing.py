"""What a function depends on, read from its trace."""

from collections.abc import Callable
from typing import Any

import jax

from rnn_jax.typing import PyTree


def depends(function: Callable[..., PyTree], argument: PyTree, *others: PyTree) -> bool:
    """Whether ``function(argument, *others)`` reads its first argument; nothing is computed.

    Calls inside the trace (``jit``, ``scan``, ...) count as reading all that they are given, so the
    answer is True too often rather than too seldom.

    Args:
        function: Of arrays.
        argument: Tree of arrays or of shapes (``jax.ShapeDtypeStruct``).
        others: What else the function is given.

    Example:
        >>> import jax.numpy as jnp
        >>> depends(lambda x, y: x + y, 1.0, 2.0), depends(lambda x, y: 3 * y, 1.0, 2.0)
        (True, False)
    """
    jaxpr = jax.make_jaxpr(function)(argument, *others).jaxpr
    needed: set[Any] = {id(v) for v in jaxpr.outvars}
    for equation in reversed(jaxpr.eqns):
        if any(id(v) in needed for v in equation.outvars):
            needed |= {id(v) for v in equation.invars}
    return any(id(v) in needed for v in jaxpr.invars[: len(jax.tree.leaves(argument))])


def dependencies(function: Callable[..., PyTree], *arguments: PyTree) -> list[set[int]]:
    """For each leaf of the result, the leaves of the arguments that it depends on, by number.

    As for ``depends``, calls inside the trace make it too many rather than too few.

    Example:
        >>> dependencies(lambda x, y: (x + y, 2 * y, 3.0), 1.0, 2.0)
        [{0, 1}, {1}, set()]
    """
    jaxpr = jax.make_jaxpr(function)(*arguments).jaxpr
    found: dict[int, set[int]] = {id(v): {i} for i, v in enumerate(jaxpr.invars)}
    for equation in jaxpr.eqns:
        read = set().union(*(found.get(id(v), set()) for v in equation.invars))
        found |= {id(v): read for v in equation.outvars}
    return [found.get(id(v), set()) for v in jaxpr.outvars]


def reads_only_sum(function: Callable[..., PyTree], left: jax.Array, right: jax.Array) -> bool:
    """Whether ``function(left, right)`` reads nothing of its arguments but ``left + right``.

    False is no proof of the contrary: a sum formed inside a call (``jit``, ``scan``, ...) is not
    found.

    Example:
        >>> import jax.numpy as jnp
        >>> reads_only_sum(lambda x, y: jnp.tanh(x + y), 1.0, 2.0)
        True
        >>> reads_only_sum(lambda x, y: x * jnp.tanh(x + y), 1.0, 2.0)
        False
    """
    jaxpr = jax.make_jaxpr(function)(left, right).jaxpr
    both = {id(v) for v in jaxpr.invars}
    readers = [e for e in jaxpr.eqns if any(id(v) in both for v in e.invars)]
    returned = any(id(v) in both for v in jaxpr.outvars)
    return (
        not returned
        and [e.primitive.name for e in readers] == ["add"]
        and {id(v) for v in readers[0].invars} == both
    )

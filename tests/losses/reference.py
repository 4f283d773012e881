"""What the tests of losses share: brute force over all paths, and traces on a mesh."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

NUM_DEVICES = 8


def softmax(x: np.ndarray) -> np.ndarray:
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def paths(num_steps: int, num_classes: int) -> Iterator[tuple[int, ...]]:
    return product(range(num_classes), repeat=num_steps)


def collapse(path: tuple[int, ...], blank: int) -> tuple[int, ...]:
    """CTC's map: merge equal neighbours, drop blanks."""
    return tuple(s for i, s in enumerate(path) if s != blank and (i == 0 or path[i - 1] != s))


def rows_last(x: Any, axis: int) -> P:
    return P(*(None,) * axis, "data")


def check_types_on_a_mesh(
    loss: Callable[..., jax.Array], arrays: dict[str, tuple[Any, int]]
) -> None:
    """Trace value and gradient inside ``shard_map`` (default check) and on an Explicit mesh.

    ``arrays``: by name the array and the axis of its rows; the gradient is that of the first. And
    once more without any lengths.
    """
    bare = {name: pair for name, pair in arrays.items() if not name.endswith("lengths")}
    if len(bare) < len(arrays):
        check_types_on_a_mesh(loss, bare)
    names = list(arrays)
    values = [jnp.asarray(a) for a, _ in arrays.values()]
    specs = tuple(rows_last(*pair) for pair in arrays.values())

    def total(*values: Any) -> jax.Array:
        return jnp.sum(loss(**dict(zip(names, values))))

    def local(*values: Any) -> Any:
        value, gradient = jax.value_and_grad(total)(*values)
        return jax.lax.psum(value, "data"), gradient

    mesh = jax.make_mesh((NUM_DEVICES,), ("data",), axis_types=(AxisType.Auto,))
    run = jax.jit(jax.shard_map(local, mesh=mesh, in_specs=specs, out_specs=(P(), specs[0])))
    run.eval_shape(*values)
    mesh = jax.make_mesh((NUM_DEVICES,), ("data",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        placed = [jax.device_put(v, NamedSharding(mesh, s)) for v, s in zip(values, specs)]
        _, gradient = jax.jit(jax.value_and_grad(total)).eval_shape(*placed)
    assert gradient.sharding.spec[arrays[names[0]][1]] == "data"

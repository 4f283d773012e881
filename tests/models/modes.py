"""Whether a model traces where its batch is sharded: types are checked, nothing runs."""

from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P


def check_types_in_every_mode(
    loss: Callable[..., Any], params: Any, *batch: Any, rows: Callable[..., Any] | None = None
) -> None:
    """Trace loss and gradient under ``shard_map``, with its default check, and on an Explicit mesh.

    Args:
        loss: (params, *batch) to a ``Sum``.
        params: Its parameters.
        batch: Arrays of 4 rows.
        rows: (params, *batch) to what has a row for each of the batch, such as a transcript.
    """
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,))

    def both(params: Any, *batch: Any) -> Any:
        value, gradient = jax.value_and_grad(lambda p: loss(p, *batch).total)(params)
        return value, gradient, None if rows is None else rows(params, *batch)

    def local(params: Any, *batch: Any) -> Any:
        value, gradient, found = both(params, *batch)
        return jax.lax.psum(value, "data"), gradient, found

    specs = {
        "in_specs": (P(), *(P("data"),) * len(batch)),
        "out_specs": (P(), P(), P("data")),
    }
    value, *_ = jax.eval_shape(jax.shard_map(local, mesh=mesh, **specs), params, *batch)
    assert value.shape == ()

    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        batch = jax.device_put(batch, NamedSharding(mesh, P("data")))
        jax.eval_shape(both, jax.device_put(params, NamedSharding(mesh, P())), *batch)

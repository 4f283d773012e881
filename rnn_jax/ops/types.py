"""Array types beyond shape and dtype: sharding on Explicit meshes, varying axes in shard_map.

A carry of ``lax.scan`` made inside a library must have the type of what the loop computes, or JAX
refuses it under ``jax.set_mesh`` and ``jax.shard_map``. These helpers read the type from the
inputs.
"""

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from rnn_jax.typing import PyTree


def varying_axes(x: jax.Array) -> frozenset[str]:
    """The mesh axes over which a value differs inside ``jax.shard_map``; empty elsewhere.

    Example:
        >>> import jax.numpy as jnp
        >>> varying_axes(jnp.zeros(3))
        frozenset()
    """
    return frozenset(jax.typeof(x).manual_axis_type.varying)


def vary_like(tree: PyTree, like: jax.Array) -> PyTree:
    """Mark every leaf as varying over the axes over which ``like`` varies.

    Done to the parameters once, before a time loop: the transpose is then one ``psum`` of their
    gradient after the loop, not one at every step.

    Example:
        >>> import jax.numpy as jnp
        >>> vary_like({"w": jnp.ones(2)}, jnp.zeros(3))["w"].tolist()
        [1.0, 1.0]
    """
    axes = varying_axes(like)

    def one(leaf: jax.Array) -> jax.Array:
        missing = tuple(sorted(axes - varying_axes(leaf)))
        return jax.lax.pcast(leaf, missing, to="varying") if missing else leaf

    return jax.tree.map(one, tree) if axes else tree


def explicit_sharding(x: jax.Array) -> NamedSharding | None:
    """The sharding of a value on a mesh of Explicit axes, to pass as ``out_sharding``; else None.

    Example:
        >>> import jax.numpy as jnp
        >>> explicit_sharding(jnp.zeros(3)) is None
        True
    """
    sharding = jax.typeof(x).sharding
    return sharding if AxisType.Explicit in sharding.mesh.axis_types else None


def may_be_partitioned(xs: jax.Array) -> bool:
    """Whether the compiler may split the batch of ``xs`` (T, *B, ...) over devices.

    Explicit axes say so in the type, and inside ``shard_map`` and ``pmap`` each device has its rows
    already. Under ``jit`` with Auto axes nothing shows while tracing, so any second device counts.

    Example:
        >>> import jax.numpy as jnp
        >>> may_be_partitioned(jnp.zeros((3, 2, 4))) == (jax.device_count() > 1)
        True
    """
    sharding = jax.typeof(xs).sharding
    kinds = sharding.mesh.axis_types
    if AxisType.Explicit in kinds:
        return any(axis is not None for axis in sharding.spec)
    return AxisType.Manual not in kinds and jax.device_count() > 1


def shard_like(x: jax.Array, like: jax.Array) -> jax.Array:
    """Give a value the sharding of another of its shape, on a mesh of Explicit axes; else nothing.

    Where operands meet elementwise JAX asks for equal types; a mask drawn from a key is replicated.

    Example:
        >>> import jax.numpy as jnp
        >>> shard_like(jnp.ones(2), jnp.zeros(2)).tolist()
        [1.0, 1.0]
    """
    sharding = explicit_sharding(like)
    return x if sharding is None else jax.reshard(x, sharding)


def batch_like(tree: PyTree, xs: jax.Array, batch_ndim: int) -> PyTree:
    """Give leaves (*B, ...) the batch sharding and the varying axes of ``xs`` (T, *B, ...).

    Example:
        >>> import jax.numpy as jnp
        >>> batch_like(jnp.zeros((2, 4)), jnp.ones((5, 2, 3)), 1).shape
        (2, 4)
    """
    sharding = jax.typeof(xs).sharding
    spec = (*sharding.spec, *(None,) * (xs.ndim - len(sharding.spec)))[1 : 1 + batch_ndim]

    def one(leaf: jax.Array) -> jax.Array:
        if any(axis is not None for axis in spec):
            full = PartitionSpec(*spec, *(None,) * (leaf.ndim - batch_ndim))
            leaf = jax.reshard(leaf, NamedSharding(sharding.mesh, full))
        return leaf

    return vary_like(jax.tree.map(one, tree), xs)

"""One training step on one device or on many: the place that knows devices, as hosts.py does hosts.

A loss gives the ``Sum`` over some rows of a batch. However it is run, the gradient of the mean over
all real tokens comes out the same:

    none        one device
    jit         the compiler splits the rows over the mesh (NamedSharding); the default
    shard_map   each device runs its rows; one sum over devices after the backward pass
    pmap        the same in its older spelling
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import optax
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from rnn_jax.losses import Sum
from rnn_jax.ops import vary_like
from rnn_jax.train.hosts import check_hosts
from rnn_jax.train.hosts import join_hosts as join_hosts
from rnn_jax.train.state import TrainState, apply_gradient
from rnn_jax.typing import Params, PyTree

Mode = Literal["none", "jit", "shard_map", "pmap"]
Loss = Callable[[Params, PyTree, PyTree, jax.Array], tuple[Sum, PyTree]]
Step = Callable[[TrainState, PyTree], tuple[TrainState, dict[str, jax.Array]]]
AXIS = "data"


def data_mesh(num_devices: int | None = None) -> Mesh:
    """The devices of all hosts in a row, or the first few, as a mesh with the axis "data".

    Raises:
        ValueError: If there are not so many.

    Example:
        >>> data_mesh(1).size
        1
    """
    devices = jax.devices()
    if num_devices is not None and not 1 <= num_devices <= len(devices):
        raise ValueError(
            f"num_devices is {num_devices}, but there are {len(devices)} devices of kind "
            f"{devices[0].platform}: give 1 to {len(devices)}, or None for all."
        )
    used = devices[:num_devices]
    return jax.make_mesh((len(used),), (AXIS,), axis_types=(AxisType.Auto,), devices=used)


def replicate(tree: PyTree, mesh: Mesh) -> PyTree:
    """Copies of a tree on every device of the mesh; the given arrays stay the caller's own.

    Example:
        >>> replicate({"w": jnp.ones(2)}, data_mesh())["w"].tolist()
        [1.0, 1.0]
    """

    def one(leaf: Any) -> jax.Array:
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            kind = jax.random.key_impl(leaf)
            return jax.random.wrap_key_data(one(jax.random.key_data(leaf)), impl=kind)
        copied = jnp.copy(leaf)  # what is placed may alias, and a step donates its state
        return jax.make_array_from_process_local_data(NamedSharding(mesh, P()), copied)

    return jax.tree.map(one, tree)


def split_rows(tree: PyTree, mesh: Mesh) -> PyTree:
    """Split leaves (B, ...) by rows over the mesh; scalars are copied to every device.

    With several hosts each gives its own rows, and B is the sum over hosts.

    Raises:
        ValueError: If the rows cannot be split evenly.

    Example:
        >>> split_rows({"tokens": jnp.ones((8, 5))}, data_mesh())["tokens"].shape
        (8, 5)
    """
    local = mesh.size // jax.process_count()

    def one(path: Any, leaf: Any) -> jax.Array:
        leaf = jnp.asarray(leaf)
        if leaf.ndim and leaf.shape[0] % local:
            raise ValueError(
                f"batch{jax.tree_util.keystr(path)} has {leaf.shape[0]} rows, which {local} "
                f"devices cannot share evenly: give a multiple of {local}, if need be with rows "
                "of length 0, which count for nothing."
            )
        spec = P(AXIS) if leaf.ndim else P()
        return jax.make_array_from_process_local_data(NamedSharding(mesh, spec), leaf)

    return jax.tree_util.tree_map_with_path(one, tree)


def place(state: TrainState, mesh: Mesh) -> TrainState:
    """A training state where a step on the mesh wants it: ``carry`` split by rows, else copies.

    Example:
        >>> state = TrainState.create(jnp.ones(2), optax.sgd(0.1), jax.random.key(0))
        >>> place(state, data_mesh()).params.tolist()
        [1.0, 1.0]
    """
    carry = split_rows(jax.tree.map(jnp.copy, state.carry), mesh)
    return replicate(state._replace(carry=()), mesh)._replace(carry=carry)


def local_copy(tree: PyTree) -> PyTree:
    """The copy on this host's first device of what is the same on all, for work on one device.

    Example:
        >>> local_copy(replicate({"w": jnp.ones(2)}, data_mesh()))["w"].tolist()
        [1.0, 1.0]
    """
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


def train_step(
    loss: Loss, optimizer: optax.GradientTransformation, mesh: Mesh, mode: Mode = "jit"
) -> Step:
    """Compile one update of ``TrainState`` by the mean of a loss over all real tokens.

        total, count = sum over devices of loss(rows of the device)
        params <- optimizer(d total / d params / count)

    The state is donated: its buffers are used again, so go on with what the step returns. All modes
    give the gradient of one device to rounding; dropout differs where each device draws its own.

    Args:
        loss: ``loss(params, carry, batch, key) -> (Sum, carry)`` of any rows: batch and carry have
            leaves (B, ...), the batch scalars too. It must be pure, and a row's part of the total
            must not depend on other rows.
        optimizer: Of optax; it sees the gradient of the mean.
        mesh: From ``data_mesh``; "none" wants one device.
        mode: How, see the module's text.

    Returns:
        ``step(state, batch) -> (state, metrics)``, for a state from ``place`` and a batch from
        ``split_rows``; metrics are those of ``apply_gradient``.

    Raises:
        ValueError: For an unknown mode, "none" on several devices, "pmap" on several hosts.

    Example:
        >>> def loss(params, carry, batch, key):
        ...     return Sum(jnp.sum((batch @ params) ** 2), jnp.asarray(len(batch))), carry
        >>> mesh, sgd = data_mesh(), optax.sgd(0.5)
        >>> step = train_step(loss, sgd, mesh)
        >>> state = place(TrainState.create(jnp.ones(2), sgd, jax.random.key(0)), mesh)
        >>> state, metrics = step(state, split_rows(jnp.ones((8, 2)), mesh))
        >>> state.params.tolist(), metrics["loss"].item()
        ([-1.0, -1.0], 4.0)
    """
    if mode not in get_args(Mode):
        raise ValueError(f"mode must be one of {get_args(Mode)}, got {mode!r}.")
    check_hosts(mode)
    if mode == "none" and mesh.size > 1:
        raise ValueError(f'mode is "none", but the mesh has {mesh.size} devices: give data_mesh(1)')

    def gradient_of(state: TrainState, batch: PyTree, key: jax.Array) -> Any:
        def total(params: Params) -> Any:
            found, carry = loss(params, state.carry, batch, key)
            return found.total, (found, carry)

        (_, (found, carry)), gradient = jax.value_and_grad(total, has_aux=True)(state.params)
        return found, gradient, carry

    def whole(state: TrainState, batch: PyTree) -> Any:
        key = jax.random.fold_in(state.key, state.step)
        return apply_gradient(optimizer, state, *gradient_of(state, batch, key))

    options = _compiler_options(mesh)
    if mode in ("none", "jit"):
        copies, rows = NamedSharding(mesh, P()), NamedSharding(mesh, P(AXIS))
        after: Any = dict.fromkeys(TrainState._fields, copies) | {"carry": rows}
        places = (TrainState(**after), copies)
        return jax.jit(whole, donate_argnums=0, out_shardings=places, compiler_options=options)

    def local(shared: TrainState, carry: PyTree, batch: PyTree) -> Any:
        """What each device does with its rows; params vary, so nothing is summed in a time loop."""
        key = jax.random.fold_in(shared.key, shared.step)
        key = jax.random.fold_in(key, jax.lax.axis_index(AXIS))
        here = jax.random.key_data(key)  # differs from device to device
        varying = shared._replace(carry=carry, params=vary_like(shared.params, here))
        found, gradient, carry = gradient_of(varying, batch, key)
        # one collective: the count travels as what the total is, exact to 2^24 tokens
        sums = (found.total, found.count.astype(found.total.dtype), gradient)
        total, count, gradient = jax.lax.psum(vary_like(sums, here), AXIS)
        return Sum(total, count.astype(found.count.dtype)), gradient, carry

    if mode == "pmap":
        return _by_pmap(local, optimizer, mesh)

    def split(state: TrainState, batch: PyTree) -> Any:
        rows = jax.tree.map(lambda leaf: P(AXIS) if leaf.ndim else P(), (state.carry, batch))
        ins, outs = (P(), *rows), (P(), P(), rows[0])
        run = jax.shard_map(local, mesh=mesh, in_specs=ins, out_specs=outs)
        found = run(state._replace(carry=()), state.carry, batch)
        return apply_gradient(optimizer, state, *found)

    return jax.jit(split, donate_argnums=0, compiler_options=options)


def _compiler_options(mesh: Mesh) -> dict[str, Any] | None:
    """On a CPU the first level of LLVM's optimisations, which compiles faster than all of them.

    A translator's step took 13 to 15 s to compile in place of 20 to 23. It ran in 0.50 to 0.60 s
    in place of 0.57, a language model's in 0.23 to 0.27 in place of 0.26 to 0.27: the same within
    what repeats differ by. Most of their time is in matrix products, which LLVM does not compile.
    """
    if mesh.devices.flat[0].platform != "cpu" or jax.config.read("jax_disable_most_optimizations"):
        return None
    return {"xla_backend_optimization_level": 1}


def _by_pmap(local: Any, optimizer: optax.GradientTransformation, mesh: Mesh) -> Step:
    """``pmap`` wants the devices as an axis: (B, ...) becomes (devices, B / devices, ...)."""
    update = jax.jit(partial(apply_gradient, optimizer), donate_argnums=0)

    def split(leaf: Any) -> Any:
        return leaf.reshape(mesh.size, -1, *leaf.shape[1:]) if leaf.ndim else leaf

    @lru_cache  # a new pmap would compile anew
    def mapped(treedef: Any, axes: tuple[int | None, ...]) -> Any:
        in_axes = (None, *treedef.unflatten(axes))
        out_axes, devices = (None, None, 0), list(mesh.devices.flat)
        return jax.pmap(local, AXIS, in_axes=in_axes, out_axes=out_axes, devices=devices)

    def step(state: TrainState, batch: PyTree) -> Any:
        treedef: Any  # jax 0.10 gives it no type
        leaves, treedef = jax.tree.flatten((state.carry, batch))
        run = mapped(treedef, tuple(0 if leaf.ndim else None for leaf in leaves))
        rows = treedef.unflatten([split(leaf) for leaf in leaves])
        found, gradient, carry = run(state._replace(carry=()), *rows)
        return update(state, found, gradient, jax.tree.map(jnp.concatenate, carry))

    return step

"""Several hosts that train together: how they find each other, who writes, who has which rows."""

import os
from typing import Any

import jax
import numpy as np

from rnn_jax.data.errors import InputError, refusing
from rnn_jax.typing import PyTree


def join_hosts(
    coordinator: str | None = None, num_hosts: int | None = None, host: int | None = None
) -> None:
    """Make one program of the processes of several hosts; before anything else touches a device.

    On Cloud TPU, Slurm and Kubernetes JAX finds the others by itself, so nothing need be given.
    Elsewhere the environment may say it, in JAX_COORDINATOR_ADDRESS, JAX_NUM_PROCESSES and
    JAX_PROCESS_ID.

    Args:
        coordinator: "address:port" of host 0, the same everywhere.
        num_hosts: How many processes there are.
        host: Which of them this is, from 0.

    Raises:
        InputError: If only some of the three are given, ``host`` is not one of so many, or nothing
            is given where JAX does not find the others.

    Example:
        >>> join_hosts("localhost:1234", num_hosts=2)
        Traceback (most recent call last):
        rnn_jax.data.errors.InputError: join_hosts: coordinator='localhost:1234', num_hosts=2, ...
    """
    if (coordinator, num_hosts, host) == (None, None, None) and "JAX_PROCESS_ID" in os.environ:
        coordinator = os.environ.get("JAX_COORDINATOR_ADDRESS")
        num_hosts, host = (
            int(os.environ[name]) if os.environ.get(name, "").isdecimal() else None
            for name in ("JAX_NUM_PROCESSES", "JAX_PROCESS_ID")
        )
    given = (coordinator, num_hosts, host)
    if None in given and given != (None, None, None) or not 0 <= (host or 0) < (num_hosts or 1):
        raise InputError(
            f"join_hosts: coordinator={coordinator!r}, num_hosts={num_hosts}, host={host}: give "
            "all three, hosts counted from 0, or none."
        )
    with refusing("distributed: JAX finds no other hosts here; set JAX_COORDINATOR_ADDRESS, "
                  "JAX_NUM_PROCESSES and JAX_PROCESS_ID: "):  # fmt: skip
        jax.distributed.initialize(coordinator, num_hosts, host)


def check_hosts(mode: str) -> None:
    """Refuse a mode that several hosts cannot share.

    Raises:
        ValueError: For "none" and "pmap", where there are several.

    Example:
        >>> check_hosts("pmap")  # one host
    """
    if mode in ("none", "pmap") and (count := jax.process_count()) > 1:
        raise ValueError(
            f"parallel: {mode} is for one host, but {count} train together: give jit or shard_map"
        )


def first_device() -> jax.Device:
    """The first device of this host, for what needs but one.

    Example:
        >>> first_device() == jax.devices()[0]
        True
    """
    return jax.local_devices()[0]


def is_first() -> bool:
    """Whether this process writes what a run leaves behind; the others only compute.

    Example:
        >>> is_first()
        True
    """
    return jax.process_index() == 0


def first_says(flag: bool) -> bool:
    """What the first process says, in every process; all must ask.

    Example:
        >>> first_says(True)
        True
    """
    if jax.process_count() == 1:
        return flag
    from jax.experimental import multihost_utils

    return bool(multihost_utils.broadcast_one_to_all(np.asarray(flag)))


def agree(refusal: InputError | None) -> None:
    """Refuse together: all processes raise if the first one found something wrong.

    Args:
        refusal: What the first process has to say, None if all is well; that of others is not read.

    Raises:
        InputError: In every process.

    Example:
        >>> agree(None)
    """
    if first_says(refusal is not None):
        raise refusal or InputError("the first host refused this run; its message says why")


def own_rows(batch: PyTree) -> PyTree:
    """This host's share of the rows of a whole batch, leaves (B, ...); scalars as they are.

    Raises:
        ValueError: If the rows cannot be shared evenly.

    Example:
        >>> own_rows({"tokens": np.ones((8, 5))})["tokens"].shape
        (8, 5)
    """
    hosts, host = jax.process_count(), jax.process_index()

    def one(leaf: Any) -> Any:
        if not np.ndim(leaf):
            return leaf
        rows, left = divmod(len(leaf), hosts)
        if left:
            raise ValueError(
                f"batch_size: {len(leaf)} rows cannot be shared by {hosts} hosts: give a multiple."
            )
        return leaf[host * rows : (host + 1) * rows]

    return jax.tree.map(one, batch) if hosts > 1 else batch

"""A checksum of each leaf of a state, the same however the state lies on devices and hosts."""

import zlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnn_jax.typing import PyTree


def by_name(tree: PyTree) -> dict[str, Any]:
    """The leaves of a tree by their path.

    Example:
        >>> by_name({"lstm": {"w": 1, "b": [2, 3]}})
        {"['lstm']['b'][0]": 2, "['lstm']['b'][1]": 3, "['lstm']['w']": 1}
    """
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path): leaf for path, leaf in leaves}


def shapes(tree: PyTree) -> dict[str, str]:
    """What each leaf is, by its path.

    Example:
        >>> shapes({"w": np.zeros((3, 4), np.float32), "key": jax.random.key(0)})
        {"['key']": 'key<fry>[]', "['w']": 'float32[3, 4]'}
    """
    return {name: f"{leaf.dtype}{list(leaf.shape)}" for name, leaf in by_name(tree).items()}


def checksums(tree: PyTree) -> dict[str, int]:
    """CRC-32 of the bytes of each leaf, by its path.

    Of an array that lies on several hosts all take the whole, so all have to ask.

    Example:
        >>> checksums({"a": np.arange(3, dtype=np.int8)})
        {"['a']": 139757951}
    """
    leaves = by_name(tree)
    return {name: _crc(values) for name, values in zip(leaves, _on_host([*leaves.values()]))}


def _on_host(leaves: list[Any]) -> list[np.ndarray]:
    """The values of arrays, all under way at once."""
    leaves = [
        jax.random.key_data(x) if jnp.issubdtype(x.dtype, jax.dtypes.prng_key) else x
        for x in leaves
    ]
    values: list[np.ndarray] = jax.device_get([_gathered(leaf) for leaf in leaves])
    return values


def _gathered(leaf: Any) -> Any:
    if isinstance(leaf, jax.Array) and not (leaf.is_fully_addressable or leaf.is_fully_replicated):
        from jax.experimental import multihost_utils

        return multihost_utils.process_allgather(leaf, tiled=True)
    return leaf


def _crc(values: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
